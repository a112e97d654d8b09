"""Bridges over water: stone arches, suspended, stayed, arched, trussed, lifting and roofed ones.

All are drawn 100 units long along x, the water at z = 0, and scaled at the end.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from suite.landmarks.archetypes.parts import finish, shaded
from suite.landmarks.landmark import Landmark, ViewHints
from suite.landmarks.mesh import Colour, Mesh

_STYLES = ("stone", "stone", "suspension", "suspension", "stayed", "stayed", "through", "deck", "truss", "cantilever")
_PAINTS = ("#b5402c", "#8fa3ad", "#3f6b54", "#e6e4dc", "#4a5a78", "#d2a03a", "#33353a", "#7fb0c4", "#7a4a3c")
_STONES = ("#b8a587", "#8d8a84", "#c9b79a", "#a5674e", "#6d6a66", "#ddd3bf", "#c08a5a")


def parameters(rng: np.random.Generator) -> dict[str, Any]:
    """What sets one bridge apart: every key can be drawn anew on its own."""
    return {
        "style": str(rng.choice([*_STYLES, "lifting", "roofed"])),
        "length": float(rng.uniform(90, 320)),
        "spans": int(rng.integers(1, 8)),
        "clearance": float(rng.uniform(5.0, 10.0)),
        "width": float(rng.uniform(5.0, 8.0)),
        "hump": float(rng.choice([0.0, 0.0, 2.5, 6.0])),
        "paint": str(rng.choice(_PAINTS)),
        "stone": str(rng.choice(_STONES)),
        "trim": str(rng.choice(["#e8e2d2", "#5a5650", "#d2a03a", "#7c3f30", "#9fb4b8"])),
        "roof": str(rng.choice(["#4d4f58", "#8c3b2e", "#3f6b60", "#b08d4a"])),
        "rise": float(rng.uniform(15.0, 27.0)),
        "tower_at": float(rng.uniform(20.0, 30.0)),
        "tower": str(rng.choice(["braced", "portal", "masonry"])),
        "pylon": str(rng.choice(["mast", "frame", "spread", "leaning"])),
        "pylons": int(rng.choice([1, 2, 2, 3])),
        "harp": bool(rng.random() < 0.5),
        "gates": str(rng.choice(["none", "none", "ends", "middle"])),
        "bank": str(rng.choice(["#5d6b36", "#7d7468", "#4a5a2c", "#8b7d58"])),
    }


def build(parameters: dict[str, Any], rng: np.random.Generator) -> Landmark:
    """The bridge that `parameters` describe; `rng` shapes its banks."""
    p = parameters
    mesh = Mesh()
    _BUILDERS[p["style"]](mesh, p)
    for side in (-1, 1):
        for _ in range(5):
            spot = (side * rng.uniform(49, 53), rng.uniform(-11, 11), -1.0)
            mesh.ellipsoid(spot, (rng.uniform(3, 6), rng.uniform(5, 9), rng.uniform(3, 5)), p["bank"], "grass", 12)
    view = ViewHints(elevation=(0, 13), azimuth=(-152, -28), distance=(1.5, 2.1))
    return finish(Mesh().add(mesh, scale=p["length"] / 100), "bridge", "water", view)


def _abutments(mesh: Mesh, p: dict[str, Any], deck: float) -> None:
    for side in (-1, 1):
        mesh.box((side * 49.5, 0), (7, p["width"] * 1.3, deck - 0.1), p["stone"], 0.0, 0.0, "stone")


def _deck(mesh: Mesh, p: dict[str, Any], deck: float, thick: float, colour: str) -> None:
    mesh.box((0, 0), (104, p["width"], thick), colour, deck - thick, 0.0, "metal")
    for side in (-1, 1):
        y = side * p["width"] / 2
        _bar(mesh, (-52, y, deck + 0.9), (52, y, deck + 0.9), 0.16, p["trim"])
    _abutments(mesh, p, deck - thick)


def _stone(mesh: Mesh, p: dict[str, Any]) -> None:
    spans, width = p["spans"], p["width"] * 1.1
    x = np.linspace(-52, 52, 41)
    road = p["clearance"] + 3.0 + p["hump"]

    def deck(x: float | np.ndarray) -> float | np.ndarray:
        return road - p["hump"] * (np.asarray(x) / 50) ** 2

    pitch = 88 / spans
    half = pitch * (0.41 if spans > 1 else 0.36)
    angles = np.linspace(math.pi, 0, 15)
    below = [[-52.0, -1.0]]
    for index in range(spans):
        middle = (index + 0.5 - spans / 2) * pitch
        # Wide arches are flat ellipses below the road, narrow ones half circles on piers.
        reach = min(abs(middle) + half, 50)
        top = float(deck(reach if spans > 1 else 0.0)) - (1.6 if spans > 1 else 2.4)
        rise = min(half, top)
        spring = top - rise
        below.append([middle - half, -1.0])
        below.extend([middle + half * math.cos(a), spring + rise * math.sin(a)] for a in angles)
        below.append([middle + half, -1.0])
        mesh.arch(2 * half, rise, min(1.1, 0.13 * half), width + 0.5, p["trim"], (middle, 0, spring), 0.0, "stone")
        if index:
            edge = middle - pitch / 2
            for side in (-1, 1):
                nose = [
                    (edge - pitch * 0.09, side * width / 2),
                    (edge + pitch * 0.09, side * width / 2),
                    (edge, side * (width / 2 + 2.2)),
                ]
                mesh.prism(np.array(nose), spring + 2.0, shaded(p["stone"], 0.8), 0.0, None, "stone")
    below.append([52.0, -1.0])
    line = np.column_stack([x, deck(x)])
    _drawn_out(mesh, np.concatenate([below, line[::-1]]), (-width / 2, width / 2), p["stone"])
    parapet = np.concatenate([line - (0, 0.25), np.add(line[::-1], (0, 0.9))])
    for side in (-1, 1):
        _drawn_out(mesh, parapet, (side * width * 0.45, side * (width / 2 + 0.35)), shaded(p["trim"], 0.9))
    spots = {"none": (), "ends": (-46, 46), "middle": (-14, 14) if spans % 2 else (0,)}[p["gates"]]
    for spot in spots:
        base = float(deck(spot)) - 0.4
        mesh.add(_gate(width, p), (spot, 0, base))


def _gate(width: float, p: dict[str, Any]) -> Mesh:
    """A tower over the road."""
    mesh = Mesh()
    mesh.wall_with_arches(width * 1.15, 11, 5, 1, width * 0.6, 6, p["stone"], (0, 0), 0.0, math.pi / 2)
    mesh.box((0, 0), (5.8, width * 1.25, 0.8), p["trim"], 11, 0.0, "stone")
    mesh.hip((0, 0), (6, width * 1.25, 7), p["roof"], 11.8)
    for side in (-1, 1):
        mesh.panel((0, side * width * 0.575, 7.5), (1.4, 3), "#1d2126", side * math.pi / 2, "round")
        mesh.box((0, side * width * 0.55), (5, 2.4, p["clearance"] + 3), p["stone"], -p["clearance"] - 3, 0.0, "stone")
    return mesh


def _suspension(mesh: Mesh, p: dict[str, Any]) -> None:
    deck, top = p["clearance"] + 1.0, p["clearance"] + p["rise"] * 1.1
    half, at = p["width"] / 2 + 0.4, p["tower_at"]
    _deck(mesh, p, deck, 1.5, p["paint"])
    for side in (-1, 1):
        _tower(mesh, p, side * at, deck, top, half)
        x = np.concatenate([[-49], np.linspace(-at, at, 25), [49]])
        z = np.where(np.abs(x) > at, deck, deck + 1.6 + (top - deck - 1.6) * (x / at) ** 2)
        mesh.tube(np.column_stack([x, np.full_like(x, side * half), z]), 0.36, p["paint"], 5)
        for place in np.arange(-46.5, 47, 3.1):
            away = abs(place)
            outer = top - (top - deck) * (away - at) / (49 - at)
            hung = outer if away > at else deck + 1.6 + (top - deck - 1.6) * (place / at) ** 2
            _bar(mesh, (place, side * half, deck), (place, side * half, hung), 0.13, p["paint"])


def _tower(mesh: Mesh, p: dict[str, Any], x: float, deck: float, top: float, half: float) -> None:
    mesh.box((x, 0), (6, 2 * half + 6, 2.2), p["stone"], 0.0, 0.0, "stone")
    if p["tower"] == "masonry":
        mesh.box((x, 0), (4.6, 2 * half + 3.4, deck - 0.5), p["stone"], 0.0, 0.0, "stone")
        wide, tall = 2 * half + 3.4, top - deck
        mesh.wall_with_arches(wide, tall, 3.6, 2, half * 0.75, tall * 0.72, p["stone"], (x, 0), deck - 0.5, math.pi / 2)
        mesh.box((x, 0), (4.8, wide + 1.2, 1.2), p["trim"], top - 1.0, 0.0, "stone")
        return
    for side in (-1, 1):
        mesh.box((x, side * half), (2.2, 1.7, top + 0.8), p["paint"], 0.0, 0.0, "metal")
        mesh.box((x, side * half), (2.8, 2.3, 0.8), p["trim"], top + 0.8)
    levels = np.linspace(deck, top - 1.0, 4 if p["tower"] == "braced" else 3)
    for low, high in itertools.pairwise(levels):
        mesh.box((x, 0), (1.7, 2 * half, 1.4), p["paint"], high - 0.7, 0.0, "metal")
        if p["tower"] == "braced":
            _bar(mesh, (x, -half, low), (x, half, high), 0.45, p["paint"])
            _bar(mesh, (x, half, low), (x, -half, high), 0.45, p["paint"])


def _stayed(mesh: Mesh, p: dict[str, Any]) -> None:
    deck, count = p["clearance"] + 1.0, p["pylons"]
    _deck(mesh, p, deck, 1.1, "#c8c6c0")
    reach = {1: 44.0, 2: 24.0, 3: 16.0}[count]
    tall = {1: 1.7, 2: 1.25, 3: 0.95}[count] * p["rise"]
    for place in {1: (-6.0,), 2: (-25.0, 25.0), 3: (-33.0, 0.0, 33.0)}[count]:
        lean = -9.0 if p["pylon"] == "leaning" and place <= 0 else 9.0 if p["pylon"] == "leaning" else 0.0
        _pylon(mesh, p, place, lean, deck, tall)
        middle = p["pylon"] in ("mast", "leaning")
        for step in range(1, 10):
            share = step / 9
            height = deck + tall * ((0.2 + 0.78 * share) if p["harp"] else 0.72 + 0.26 * share)
            up = (height - deck) / tall
            for side in (-1, 1):
                spread = 0.0 if middle else side * (p["width"] / 2 + 0.6) * (1 - up if p["pylon"] == "spread" else 1.0)
                foot = side * p["width"] * (0.12 if middle else 0.5)
                for way in (-1, 1):
                    end = float(np.clip(place + way * reach * share, -50, 50))
                    _bar(mesh, (place + lean * up, spread, height), (end, foot, deck), 0.13, p["trim"])


def _pylon(mesh: Mesh, p: dict[str, Any], x: float, lean: float, deck: float, tall: float) -> None:
    out, top = p["width"] / 2 + 0.6, deck + tall
    mesh.box((x, 0), (4.5, p["width"] + 4, 1.6), p["stone"], 0.0, 0.0, "stone")
    if p["pylon"] in ("mast", "leaning"):
        mesh.frustum((x, 0), 8, 1.6, 1.6, deck, p["paint"])
        line = np.array([[x, 0, deck - 0.5], [x + lean, 0, top]])
        mesh.tube(line, 1.15, p["paint"], 6)
    else:
        narrow = 0.12 if p["pylon"] == "spread" else 1.0
        for side in (-1, 1):
            legs = [[x, side * out, 0.0], [x, side * out, deck], [x, side * out * narrow, top]]
            mesh.tube(np.array(legs), 1.0, p["paint"], 6)
        for level in (deck - 1.2, top - 1.0 if narrow < 1 else deck + 0.62 * tall):
            wide = out * (narrow if level > deck and narrow < 1 else 1.0)
            _bar(mesh, (x, -wide, level), (x, wide, level), 0.8, p["paint"])


def _ribs(mesh: Mesh, p: dict[str, Any], lower: np.ndarray, upper: np.ndarray, thick: float) -> None:
    """Two lattice girders between the lines `lower` and `upper` (n, 2) of x and z, braced across the top."""
    for side in (-1, 1):
        y = side * (p["width"] / 2 + 0.3)
        low, high = (np.column_stack([line[:, 0], np.full(len(line), y), line[:, 1]]) for line in (lower, upper))
        mesh.tube(low, thick, p["paint"], 4)
        mesh.tube(high, thick, p["paint"], 4)
        for index in range(len(low)):
            _bar(mesh, low[index], high[index], thick * 0.6, p["paint"])
            if index:
                first, second = (low, high) if index % 2 else (high, low)
                _bar(mesh, first[index - 1], second[index], thick * 0.6, p["paint"])
    for x, z in upper:
        _bar(mesh, (x, -p["width"] / 2, z), (x, p["width"] / 2, z), thick * 0.6, p["paint"])


def _through(mesh: Mesh, p: dict[str, Any]) -> None:
    """A steel arch above its deck: one great span, or up to three smaller ones."""
    deck, count = p["clearance"] + 1.0, min(1 + p["spans"] // 3, 3)
    _deck(mesh, p, deck, 1.2, p["paint"])
    half, rise = {1: 39.0, 2: 22.0, 3: 15.0}[count], p["rise"] * {1: 1.15, 2: 0.8, 3: 0.6}[count]
    share = np.linspace(-1, 1, 19)
    sunk = -deck * 0.7 if count == 1 and p["harp"] else 0.0
    for index in range(count):
        middle = (index - (count - 1) / 2) * (2 * half + 2)
        curve = 1 - share**2
        lower = np.column_stack([middle + half * share, deck + sunk + (rise - sunk) * curve])
        upper = lower + np.column_stack([np.zeros(19), 1.6 + 2.2 * np.abs(share)])
        _ribs(mesh, p, lower, upper, 0.42)
        for x, z in lower[1:-1]:
            for side in (-1, 1):
                y = side * (p["width"] / 2 + 0.3)
                _bar(mesh, (x, y, deck), (x, y, z), 0.17, p["paint"])
        for side in (-1, 1):
            edge = middle + side * (half + 1)
            mesh.box((edge, 0), (4, p["width"] + 2.5, deck), p["stone"], 0.0, 0.0, "stone")
            if p["gates"] != "none" and count == 1:
                for way in (-1, 1):
                    spot = (edge + side * 1.5, way * (p["width"] / 2 + 1.6))
                    mesh.box(spot, (5, 3, deck + 0.55 * rise), p["stone"], 0.0, 0.0, "stone")
                    mesh.box(spot, (5.6, 3.6, 1.2), p["trim"], deck + 0.55 * rise, 0.0, "stone")


def _under(mesh: Mesh, p: dict[str, Any]) -> None:
    """An arch below the deck that carries it on columns."""
    deck, count = p["clearance"] + p["rise"] * 0.6, 1 + p["spans"] % 3
    _deck(mesh, p, deck, 1.3, p["paint"])
    half = 44.0 / count
    share = np.linspace(-1, 1, 17)
    for index in range(count):
        middle = (index - (count - 1) / 2) * 2 * half
        low = 0.5 + (deck - 3.2) * (1 - share**2)
        outline = np.column_stack([middle + half * share, low])
        for side in (-1, 1):
            y = side * p["width"] * 0.36
            closed = np.concatenate([outline, np.add(outline[::-1], (0, 1.5))])
            _drawn_out(mesh, closed, (y - 0.8, y + 0.8), p["paint"], "plaster")
            for x, z in outline[::2]:
                mesh.box((x, y), (0.9, 1.2, deck - z), p["paint"], z, 0.0, "plaster")
        for side in (-1, 1):
            mesh.box((middle + side * half, 0), (3, p["width"], deck - 1), p["stone"], 0.0, 0.0, "stone")


def _truss(mesh: Mesh, p: dict[str, Any]) -> None:
    deck, count = p["clearance"] + 1.0, 2 + p["spans"] // 2
    _deck(mesh, p, deck, 1.0, p["paint"])
    half = 48.0 / count
    share = np.linspace(-1, 1, 9)
    tall = p["rise"] * 0.45
    for index in range(count):
        middle = (2 * index + 1 - count) * half
        lower = np.column_stack([middle + half * share, np.full(9, deck)])
        bulge = 1 - share**2 if p["harp"] else np.minimum(4 * (1 - np.abs(share)), 1.0)
        _ribs(mesh, p, lower, lower + np.column_stack([np.zeros(9), 0.4 + tall * bulge]), 0.4)
        if index:
            mesh.box((middle - half, 0), (3, p["width"] + 1.5, deck - 1), p["stone"], 0.0, 0.0, "stone")
            mesh.box((middle - half, 0), (4, p["width"] + 2.5, 0.9), p["trim"], deck - 1.9, 0.0, "stone")


def _cantilever(mesh: Mesh, p: dict[str, Any]) -> None:
    """Great diamonds of steel on each pier."""
    deck, count = p["clearance"] + 2.0, 2 + p["spans"] % 2
    _deck(mesh, p, deck, 1.0, p["paint"])
    half = {2: 22.0, 3: 15.0}[count]
    share = np.linspace(-1, 1, 9)
    tall = p["rise"] * {2: 1.0, 3: 0.85}[count]
    for index in range(count):
        middle = (2 * index + 1 - count) * (half + 1.5)
        bulge = 1 - np.abs(share)
        lower = np.column_stack([middle + half * share, deck - (deck - 2.0) * bulge])
        upper = np.column_stack([middle + half * share, deck + 1.5 + tall * np.minimum(bulge, 0.85)])
        _ribs(mesh, p, lower, upper, 0.62)
        mesh.frustum((middle, 0), 12, 5.0, 4.2, 2.6, p["stone"], 0.0, 0.0, "stone")


def _lifting(mesh: Mesh, p: dict[str, Any]) -> None:
    """Two great towers joined by a high walk; the sides hang on chains."""
    deck, tall, at = p["clearance"] + 1.0, p["rise"] * 1.15, p["tower_at"] * 0.65
    _deck(mesh, p, deck, 1.4, p["paint"])
    wide = p["width"] + 3.0
    for side in (-1, 1):
        x = side * at
        mesh.box((x, 0), (12, wide + 5, deck - 1), shaded(p["stone"], 0.75), 0.0, 0.0, "stone")
        mesh.wall_with_arches(wide, tall, 9, 1, p["width"] * 0.6, 6.5, p["stone"], (x, 0), deck, math.pi / 2)
        mesh.box((x, 0), (9.8, wide + 0.8, 0.9), p["trim"], deck + tall * 0.62, 0.0, "stone")
        mesh.hip((x, 0), (8.4, wide * 0.9, 8.5), p["roof"], deck + tall)
        for way in (-1, 1):
            for along in (-1, 1):
                spot = (x + along * 4.5, way * wide / 2)
                mesh.frustum(spot, 8, 1.4, 1.4, tall + 2, p["trim"], deck, 0.0, "stone")
                mesh.frustum(spot, 8, 1.6, 0.0, 5.5, p["roof"], deck + tall + 2, 0.0, "tiles")
            for share in (0.35, 0.75):
                spot = (x, way * wide / 2, deck + tall * share + 1)
                mesh.panel(spot, (3.6, tall * 0.2), "#1d2430", way * math.pi / 2, "pointed")
            y = way * p["width"] / 2
            curve = np.linspace(0, 1, 9)
            hang = deck + 1 + tall * 0.6 * (1 - curve) ** 2
            line = np.column_stack([x + side * (4.5 + (45 - at) * curve), np.full(9, y), hang])
            mesh.tube(line, 0.5, p["paint"], 4)
            for foot in line[1:-1]:
                _bar(mesh, foot, (foot[0], y, deck), 0.2, p["paint"])
    for way in (-1, 1):
        walk = (2 * at - 9, 1.6, 2.4)
        mesh.box((0, way * p["width"] * 0.35), walk, p["paint"], deck + tall * 0.66, 0.0, "metal")


def _roofed(mesh: Mesh, p: dict[str, Any]) -> None:
    """A timber bridge with walls and a roof on stone piers."""
    deck, wide, tall = p["clearance"], p["width"] * 1.3, 6.5
    _abutments(mesh, {**p, "width": wide}, deck)
    mesh.box((0, 0), (100, wide, tall), p["paint"], deck, 0.0, "wood")
    mesh.gable((0, 0), (103, wide * 1.35, 4.2), p["roof"], deck + tall, 0.0, p["trim"], "tiles")
    count = 2 + p["spans"]
    for index in range(1, count):
        x = 94 * (index / count - 0.5)
        mesh.box((x, 0), (3.2, wide * 1.2, deck), p["stone"], 0.0, 0.0, "stone")
    for side in (-1, 1):
        for x in np.linspace(-46, 46, 6 + 3 * p["spans"]):
            mesh.panel((x, side * wide / 2, deck + tall * 0.62), (2.2, 2.2), "#17191c", side * math.pi / 2)
        _bar(
            mesh, (-50, side * (wide / 2 + 0.1), deck + 0.4), (50, side * (wide / 2 + 0.1), deck + 0.4), 0.5, p["trim"]
        )
        mesh.panel((side * 50, 0, deck + 2.6), (wide * 0.6, 5), "#101214", 0.0 if side > 0 else math.pi, "round")


_BUILDERS = {
    "stone": _stone,
    "suspension": _suspension,
    "stayed": _stayed,
    "through": _through,
    "deck": _under,
    "truss": _truss,
    "cantilever": _cantilever,
    "lifting": _lifting,
    "roofed": _roofed,
}


def _bar(mesh: Mesh, start: Sequence[float], end: Sequence[float], radius: float, colour: Colour) -> None:
    """A straight steel bar, square in section."""
    mesh.tube(np.array([start, end], dtype=np.float64), radius, colour, 4)


def _drawn_out(
    mesh: Mesh, outline_xz: np.ndarray, across: Sequence[float], colour: Colour, material: str = "stone"
) -> None:
    """A simple polygon (n, 2) of x and z, drawn out along y between the two values of `across`."""
    outline = np.asarray(outline_xz, dtype=np.float64)
    faces = [np.column_stack([outline[:, 0], np.full(len(outline), y), outline[:, 1]]) for y in across]
    for face in faces:
        mesh.polygon(face, colour, material)
    near, far = faces
    after_near, after_far = np.roll(near, -1, axis=0), np.roll(far, -1, axis=0)
    mesh.triangles(np.stack([near, after_near, after_far], axis=1), colour, material)
    mesh.triangles(np.stack([near, after_far, far], axis=1), colour, material)
