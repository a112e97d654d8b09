"""Pyramids: smooth, bent or stepped, of glass, with stairs and a temple on top, alone or with smaller ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from suite.landmarks.archetypes.landforms import sheet, tree
from suite.landmarks.archetypes.parts import finish, shaded
from suite.landmarks.landmark import Landmark, ViewHints
from suite.landmarks.mesh import Mesh, linear
from suite.landmarks.placing import place


def parameters(rng: np.random.Generator) -> dict[str, Any]:
    """What sets one pyramid apart: every key can be drawn anew on its own."""
    return {
        "style": str(rng.choice(["smooth", "bent", "stepped", "temple", "temple", "ziggurat", "glass", "steep"])),
        "base": float(rng.uniform(40, 200)),
        "slope": float(rng.uniform(0.9, 1.25)),
        "oblong": float(rng.choice([1.0, 1.0, 1.0, 1.25, 1.5])),
        "steps": int(rng.integers(4, 11)),
        "stone": str(
            rng.choice(["#d8bd8a", "#c79a5e", "#b8b0a0", "#a8704a", "#e8dcc0", "#8a8070", "#7a6a58", "#9a4f3a"])
        ),
        "second": str(rng.choice(["#efe4cc", "#6a5a4a", "#a85a3a", "#d8bd8a", "#8f8a80"])),
        "two_tone": bool(rng.random() < 0.45),
        "tip": str(rng.choice(["none", "none", "gold", "casing", "broken"])),
        "stairs": int(rng.choice([1, 2, 4, 4])),
        "stairs_wide": float(rng.uniform(0.14, 0.3)),
        "temple": str(rng.choice(["house", "comb", "columns", "dome", "two"])),
        "temple_colour": str(rng.choice(["#e8dcc0", "#a8503a", "#c8b48a", "#6f8f9a", "#d8c04a"])),
        "companions": int(rng.choice([0, 0, 0, 1, 2, 3])),
        "side": float(rng.choice([0.0, 1.6, 3.1, 4.7])) + float(rng.uniform(-0.3, 0.3)),
        "gate": str(rng.choice(["none", "door", "wall", "pylon"])),
        "trees": int(rng.choice([0, 0, 6, 12])),
        "ground": str(rng.choice(["sand", "sand", "grass", "paving", "earth"])),
    }


def build(parameters: dict[str, Any], rng: np.random.Generator) -> Landmark:
    """The pyramid that `parameters` describe; `rng` places palms."""
    p = parameters
    mesh = _pyramid(p, p["base"])
    small = Mesh().add(mesh)
    away = p["base"] * (0.62 * p["oblong"] + 0.25)
    for index in range(p["companions"]):
        angle = p["side"] + 0.6 * ((index + 1) // 2) * (-1) ** index
        reach = away * (1 + 0.1 * index)
        mesh.add(small, (reach * math.cos(angle), reach * math.sin(angle), 0.0), 0.0, 0.42 - 0.07 * index)
    _gate(mesh, p)
    for _ in range(p["trees"]):
        angle, reach = rng.uniform(0, 2 * math.pi), 0.5 * p["base"] * p["oblong"] * rng.uniform(1.45, 1.75)
        spot = (reach * math.cos(angle), reach * math.sin(angle), 0.0)
        tree(mesh, spot, 0.09 * p["base"] * rng.uniform(0.7, 1.2), "#3d5a26", "palm")
    return finish(mesh, "pyramid", p["ground"], ViewHints(elevation=(1, 16), distance=(1.5, 2.4)))


def _pyramid(p: dict[str, Any], base: float) -> Mesh:
    mesh = Mesh()
    style = p["style"]
    if style in ("smooth", "bent", "glass"):
        _smooth(mesh, p, base)
        return mesh
    rise = {"stepped": 0.6, "temple": 0.55, "ziggurat": 0.36, "steep": 1.1}[style] * p["slope"] * base
    count = {"ziggurat": 3 + p["steps"] // 4, "steep": p["steps"] + 3}.get(style, p["steps"])
    top = {"stepped": 0.1, "temple": 0.26, "ziggurat": 0.42, "steep": 0.2}[style]
    tier = rise / count
    for index in range(count):
        wide = base * (1 + (top - 1) * index / max(count - 1, 1))
        colour = p["second"] if p["two_tone"] and index % 2 else p["stone"]
        batter = 0.25 * tier if style != "ziggurat" else 0.1 * tier
        _block(mesh, p, wide, wide - 2 * batter, index * tier, tier * 0.86, shaded(colour, 0.92 + 0.08 * (index % 2)))
        # A cornice makes the edge of each step read from afar.
        _block(mesh, p, wide - batter, wide - batter, (index + 0.86) * tier, tier * 0.14, shaded(colour, 1.18))
        if style == "ziggurat":
            _niches(mesh, p, wide, index * tier, tier)
    if style in ("temple", "ziggurat", "steep"):
        _stairs(mesh, p, base, base * top, rise)
        _temple(mesh, p, base * top, rise)
    return mesh


def _block(mesh: Mesh, p: dict[str, Any], low: float, high: float, z: float, tall: float, colour) -> None:
    """A battered block; both widths are those across y, x is longer by "oblong"."""
    block = Mesh().frustum((0, 0), 4, low / math.sqrt(2), high / math.sqrt(2), tall, colour, z, 0.0, "stone")
    vertices = block.vertices * np.float32([p["oblong"], 1, 1])
    mesh.triangles(vertices, block.colours, "stone")


def _smooth(mesh: Mesh, p: dict[str, Any], base: float) -> None:
    height = base * 0.62 * p["slope"]
    knee = (0.5, 0.62) if p["style"] == "bent" else (0.5, 0.5)
    half = base / 2
    # (half width, z) of the edges from the foot up.
    levels = [
        (half, 0.0),
        (half * (1 - knee[0]) * (1.22 if p["style"] == "bent" else 1.0), height * knee[1]),
        (0.0, height),
    ]
    cut = {"none": 1.0, "gold": 0.9, "casing": 0.74, "broken": 0.9}[p["tip"]]
    rows = 34 if p["style"] != "glass" else 14
    edges = np.array(levels)
    for row in range(rows):
        low, high = row / rows * height, (row + 1) / rows * height
        if p["tip"] == "broken" and low >= cut * height:
            break
        wide = [2 * float(np.interp(z, edges[:, 1], edges[:, 0])) for z in (low, high)]
        tone = 0.9 + 0.12 * ((row * 7) % 5) / 4
        above = low >= cut * height - 1e-6
        colour = shaded(p["stone"], tone)
        if above and p["tip"] in ("gold", "casing"):
            colour = linear("#e8b93a" if p["tip"] == "gold" else p["second"])
        elif p["two_tone"] and row < 4:
            colour = linear(p["second"])
        if p["style"] == "glass":
            _panes(mesh, p, wide, low, high - low, row, rows)
        else:
            # Courses: each row is a low step with a slight batter.
            _block(mesh, p, wide[0], 0.3 * wide[0] + 0.7 * wide[1], low, high - low, colour)


def _panes(mesh: Mesh, p: dict[str, Any], wide, low: float, tall: float, row: int, rows: int) -> None:
    """One row of the glass pyramid's four faces, with bars along its foot and between panes."""
    glass = ("#6f98a8", "#5a8496", "#88aebb")
    count = max(1, rows - row)
    for side in range(4):
        stretch = (p["oblong"], 1.0) if side % 2 == 0 else (1.0, p["oblong"])
        feet, tops = (
            np.linspace(-w / 2, w / 2, count + 1)[:, None] * (stretch[0], 0) + (0, -w / 2 * stretch[1]) for w in wide
        )
        turn = side * math.pi / 2
        feet = np.column_stack([place(feet, (0, 0), turn), np.full(count + 1, low)])
        tops = np.column_stack([place(tops, (0, 0), turn), np.full(count + 1, low + tall)])
        colours = np.array([linear(glass[(index + row * 2) % 3]) for index in range(count)])
        sheet(mesh, np.stack([feet, tops]), colours[None], "glass", smooth=False)
        bar = 0.006 * p["base"]
        mesh.tube(feet[[0, -1]], bar, p["second"], 3)
        if row % 2 == 0:
            mesh.tube(np.array([feet[0], tops[0]]), 1.6 * bar, p["second"], 3)


def _niches(mesh: Mesh, p: dict[str, Any], wide: float, z: float, tall: float) -> None:
    for side in range(4):
        length, out = (wide * p["oblong"], wide) if side % 2 == 0 else (wide, wide * p["oblong"])
        count = 9
        for index in range(count):
            spot = place([((index - 4) / count * length * 0.95, -out / 2)], (0, 0), side * math.pi / 2)[0]
            size = (0.035 * length, 0.62 * tall)
            facing = (side - 1) * math.pi / 2
            mesh.panel((*spot, z + 0.42 * tall), size, shaded(p["stone"], 0.5), facing, "rect", 0.05, "stone")


def _stairs(mesh: Mesh, p: dict[str, Any], base: float, top: float, rise: float) -> None:
    sides = {1: (0,), 2: (0, 2), 4: (0, 1, 2, 3)}[p["stairs"]]
    count, wide = 16, p["stairs_wide"] * base
    colour = p["second"] if p["two_tone"] else shaded(p["stone"], 1.15)
    for side in sides:
        stretch = p["oblong"] if side % 2 else 1.0
        turn = side * math.pi / 2
        far, near = base / 2 * stretch * 1.1, top / 2 * stretch
        for index in range(count):
            out = far + (near - far) * index / count
            deep = (far - near) / count * 1.6
            spot = place([(0.0, -out + deep / 2)], (0, 0), turn)[0]
            tone = shaded(colour, 1.0 if index % 2 else 0.72)
            mesh.box(spot, (wide, deep, rise * (index + 1) / count), tone, 0.0, turn, "stone")
        for edge in (-1, 1):
            x = edge * wide * 0.56
            line = place([(x, -far * 1.01), (x, -near)], (0, 0), turn)
            z = np.array([0.0, rise])
            mesh.tube(np.column_stack([line, z]), 0.045 * wide + 0.03 * rise / count, p["stone"], 4, "stone")


def _temple(mesh: Mesh, p: dict[str, Any], top: float, rise: float) -> None:
    wide, deep = 0.78 * top * p["oblong"], 0.72 * top
    tall, kind = 0.55 * top, p["temple"]
    paint, dark = p["temple_colour"], "#241f1c"
    rooms = [(-0.27 * wide, 0.4 * wide), (0.27 * wide, 0.4 * wide)] if kind == "two" else [(0.0, wide)]
    for x, length in rooms:
        if kind == "columns":
            mesh.box((x, 0), (0.6 * length, 0.6 * deep, tall), paint, rise, 0.0, "stone")
            for side in (-1, 1):
                for index in range(5):
                    spot = (x + (index - 2) * 0.22 * length, side * 0.42 * deep)
                    mesh.frustum(spot, 6, 0.04 * length, 0.035 * length, tall, p["second"], rise, 0.0, "stone")
        else:
            mesh.box((x, 0), (length, deep, tall), paint, rise, 0.0, "stone")
        roof = shaded(paint, 0.75)
        mesh.box((x, 0), (1.08 * length, 1.08 * deep, 0.18 * tall), roof, rise + tall, 0.0, "stone")
        if kind == "comb":
            mesh.box((x, 0), (0.8 * length, 0.2 * deep, 0.9 * tall), p["second"], rise + 1.18 * tall, 0.0, "stone")
        elif kind == "dome":
            mesh.ellipsoid((x, 0, rise + 1.15 * tall), (0.4 * deep, 0.4 * deep, 0.5 * tall), p["second"], "plaster", 14)
        elif kind == "two":
            mesh.hip((x, 0), (1.1 * length, 1.1 * deep, 0.6 * tall), p["second"], rise + 1.18 * tall)
        for facing, out in ((-90, deep), (90, deep), (0, length), (180, length)):
            spot = (x, 0.0, rise + 0.42 * tall)
            mesh.panel(spot, (0.24 * deep, 0.75 * tall), dark, math.radians(facing), "rect", out / 2 + 0.1, "stone")


def _gate(mesh: Mesh, p: dict[str, Any]) -> None:
    base = p["base"]
    front = -0.5 * base * 1.3
    if p["gate"] == "wall":
        half = 0.5 * base * p["oblong"] * 1.3
        for x, y, length, deep in ((0, front, 2 * half, 0.02), (0, -front, 2 * half, 0.02)):
            mesh.box((x, y), (length, deep * base, 0.045 * base), shaded(p["stone"], 0.9), 0.0, 0.0, "stone")
        for x in (-half, half):
            mesh.box((x, 0), (0.02 * base, -2 * front, 0.045 * base), shaded(p["stone"], 0.9), 0.0, 0.0, "stone")
    elif p["gate"] == "pylon":
        for x in (-0.09, 0.09):
            mesh.frustum((x * base, front), 4, 0.085 * base, 0.06 * base, 0.15 * base, p["second"], 0.0, 0.0, "stone")
        mesh.box((0, front), (0.08 * base, 0.05 * base, 0.1 * base), p["second"], 0.0, 0.0, "stone")
        spot = (0, front - 0.03 * base, 0.035 * base)
        mesh.panel(spot, (0.04 * base, 0.07 * base), "#1f1b18", -math.pi / 2, "rect", 0.1, "stone")
    elif p["gate"] == "door" and p["style"] in ("smooth", "bent", "glass"):
        mesh.box((0, -0.47 * base), (0.14 * base, 0.12 * base, 0.1 * base), p["second"], 0.0, 0.0, "stone")
        spot = (0, -0.53 * base, 0.045 * base)
        mesh.panel(spot, (0.07 * base, 0.08 * base), "#1f1b18", -math.pi / 2, "rect", 0.1, "stone")
