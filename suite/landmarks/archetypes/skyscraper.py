"""Skyscrapers: setbacks, twists, tapers, slabs with crowns, twins and stacked boxes, in glass and stone."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np

from suite.landmarks.archetypes.landforms import sheet
from suite.landmarks.archetypes.parts import finish, shaded, windowed_block
from suite.landmarks.landmark import Landmark, ViewHints
from suite.landmarks.mesh import Mesh, linear
from suite.landmarks.placing import place

_PLANS = {
    "square": [(-1, -1), (1, -1), (1, 1), (-1, 1)],
    "slab": [(-1.35, -0.6), (1.35, -0.6), (1.35, 0.6), (-1.35, 0.6)],
    "cut": [(-0.6, -1), (0.6, -1), (1, -0.6), (1, 0.6), (0.6, 1), (-0.6, 1), (-1, 0.6), (-1, -0.6)],
    "round": [(1.05 * math.cos(a), 1.05 * math.sin(a)) for a in np.arange(16) * math.pi / 8],
    "triangle": [(-1.15, -0.75), (1.15, -0.75), (0.0, 1.25)],
    "hexagon": [(1.1 * math.cos(a), 1.1 * math.sin(a)) for a in np.arange(6) * math.pi / 3],
    "cross": [
        (-0.45, -1.1), (0.45, -1.1), (0.45, -0.45), (1.1, -0.45), (1.1, 0.45), (0.45, 0.45),
        (0.45, 1.1), (-0.45, 1.1), (-0.45, 0.45), (-1.1, 0.45), (-1.1, -0.45), (-0.45, -0.45),
    ],
}  # fmt: skip


def parameters(rng: np.random.Generator) -> dict[str, Any]:
    """What sets one skyscraper apart: every key can be drawn anew on its own."""
    styles = ["setback", "setback", "twist", "taper", "slab", "bulge", "stack", "twin", "wedge", "needle"]
    return {
        "style": str(rng.choice(styles)),
        "plan": str(rng.choice(list(_PLANS))),
        "height": float(rng.uniform(110, 420)),
        "slimness": float(rng.uniform(0.8, 1.3)),
        "floors": int(rng.integers(16, 32)),
        "facade": str(rng.choice(["bands", "piers", "grid", "glass", "brace"])),
        "glass": str(
            rng.choice(["#3f6a86", "#2f4a5a", "#5f8f9a", "#6a5a48", "#3a3f48", "#7fa8b8", "#2f6f68", "#8a6f3a"])
        ),
        "wall": str(
            rng.choice(["#d8d2c4", "#b0a898", "#8f6a54", "#e8e6e0", "#6a6f76", "#c9a987", "#3f4248", "#a8583f"])
        ),
        "tiers": int(rng.integers(3, 7)),
        "twist": float(rng.uniform(0.7, 2.2)),
        "narrowing": float(rng.uniform(0.25, 0.7)),
        "crown": str(rng.choice(["flat", "spire", "pyramid", "mast", "blades", "dome", "box", "open"])),
        "crown_colour": str(rng.choice(["#c9a24a", "#4f7f6f", "#d8d8d4", "#8c3b2e", "#3f444c"])),
        "gap": float(rng.uniform(0.3, 0.8)),
        "link": bool(rng.random() < 0.6),
        "podium": str(rng.choice(["none", "plinth", "hall", "blocks"])),
        "turn": float(rng.uniform(0, math.pi)),
        "ground": str(rng.choice(["paving", "paving", "grass", "water"])),
    }


def build(parameters: dict[str, Any], rng: np.random.Generator) -> Landmark:
    """The skyscraper that `parameters` describe; nothing is left to `rng`."""
    p = parameters
    tower = Mesh()
    half = 0.13 * p["height"] * p["slimness"]
    if p["style"] == "twin":
        one = Mesh()
        _shaft(
            one,
            {**p, "style": "taper", "narrowing": 0.5 + 0.5 * p["narrowing"], "floors": 8 + p["floors"] // 3},
            half * 0.8,
        )
        away = half * (0.85 + p["gap"])
        # Plans reach differently far in x: the second tower is turned to mirror the first.
        tower.add(one, (-away, 0, 0)).add(one, (away, 0, 0), math.pi)
        if p["link"]:
            wide = 2 * away
            tower.box((0, 0), (wide, 0.5 * half, 0.05 * p["height"]), p["glass"], 0.45 * p["height"], 0, "glass")
            tower.box((0, 0), (wide, 0.6 * half, 0.012 * p["height"]), p["wall"], 0.5 * p["height"], 0, "metal")
    else:
        _shaft(tower, p, half)
    _podium(tower, p, half)
    mesh = Mesh().add(tower, (0, 0, 0), p["turn"])
    return finish(mesh, "skyscraper", p["ground"], ViewHints(elevation=(-10, 12), distance=(1.7, 2.9)))


def _shaft(mesh: Mesh, p: dict[str, Any], half: float) -> None:
    """Storeys from the ground to the roof, then the crown."""
    height, floors = p["height"], p["floors"]
    share = np.linspace(0, 1, floors + 1)
    scale, spin = np.ones((floors + 1, 2)), np.zeros(floors + 1)
    shift = np.zeros((floors + 1, 2))
    style = p["style"]
    outline = np.array(_PLANS["slab" if style == "slab" else p["plan"]], dtype=np.float64)
    if style == "setback":
        steps = np.floor(np.clip(share[:-1], 0, 0.999) ** 1.3 * p["tiers"]) / p["tiers"]
        scale[:-1] *= (1 - (1 - p["narrowing"]) * steps)[:, None]
        scale[-1] = scale[-2]
    elif style == "twist":
        spin = share * p["twist"]
        scale *= (1 - 0.3 * (1 - p["narrowing"]) * share)[:, None]
    elif style == "taper":
        scale *= (1 - (1 - p["narrowing"]) * share)[:, None]
    elif style == "bulge":
        scale *= (0.72 + 0.42 * np.sin(0.35 + share * 2.55))[:, None] * np.where(share > 0.93, 0.9, 1.0)[:, None]
    elif style == "needle":
        scale *= (1 - 0.93 * share**1.15)[:, None]
    elif style == "wedge":
        scale[:, 1] = 1 - 0.85 * share
        shift[:, 1] = 0.75 * half * share
    elif style == "stack":
        block = np.minimum((share * p["tiers"]).astype(int), p["tiers"] - 1)
        wander = np.random.default_rng(p["tiers"] * 97 + floors).uniform(-0.35, 0.35, (p["tiers"], 2))
        shift = wander[block] * half
        scale *= np.where(block % 2 == 0, 1.0, 0.84)[:, None]
    rings = []
    for index in range(floors + 1):
        ring = place(outline * scale[index] * half, shift[index], spin[index])
        rings.append(np.concatenate([ring, ring[:1]]))
    rings = np.stack(rings)
    for index in range(floors):
        low, high = index / floors * height, (index + 1) / floors * height
        foot = rings[index]
        head = rings[index] if style in ("setback", "stack") else rings[index + 1]
        _storey(mesh, p, foot, head, low, high, index)
        ledge = style in ("setback", "stack") and not np.allclose(rings[index], rings[index + 1])
        if ledge or index == floors - 1:
            mesh.prism(head[:-1], 0.012 * height, p["wall"], high - 0.006 * height, None, "stone")
    top = half * float(min(scale[-1]))
    _crown(mesh, p, top, tuple(shift[-1] * (1.0 if style != "wedge" else 0.99)), float(spin[-1]), rings[-1])


def _storey(mesh: Mesh, p: dict[str, Any], foot, head, low: float, high: float, index: int) -> None:
    """One ring of facade between two outlines, divided into bays."""
    glass, wall = linear(p["glass"]), linear(p["wall"])
    edges = np.hypot(*np.diff(foot, axis=0).T)
    unit = max(edges.sum() / 28, 1e-6)
    cut = []
    for line in (foot, head):
        points = []
        for side, length in enumerate(edges):
            bays = 1 if len(edges) > 12 else max(2, 2 * round(length / unit / 2) + 1)
            steps = np.linspace(0, 1, bays, endpoint=False)[:, None]
            points.append(line[side] + (line[side + 1] - line[side]) * steps)
        cut.append(np.concatenate([*points, line[-1:]]))
    count = len(cut[0]) - 1
    facade = p["facade"]
    # The part of the storey's height that is a solid band.
    band = {"bands": 0.42, "grid": 0.3, "piers": 0.0, "glass": 0.1, "brace": 0.18}[facade]
    solid = np.zeros(count, dtype=bool)
    if facade in ("piers", "grid"):
        solid[::2] = True
    elif facade == "brace":
        position = (np.arange(count) / count * 8 + index * 0.28) % 2
        solid = (np.abs(position - 1) < 0.16) | (np.abs((np.arange(count) / count * 8 - index * 0.28) % 2 - 1) < 0.16)
    shades = 0.85 + 0.3 * ((np.arange(count) * 7 + index * 13) % 5) / 4
    levels = [low, low + band * (high - low), high]
    for part, (z0, z1) in enumerate(pairwise(levels)):
        if z1 - z0 < 1e-9:
            continue
        rows = []
        for z in (z0, z1):
            share = (z - low) / (high - low)
            rows.append(np.column_stack([cut[0] + (cut[1] - cut[0]) * share, np.full(count + 1, z)]))
        grid = np.stack(rows)
        opaque = np.ones(count, dtype=bool) if part == 0 else solid
        walls = np.where(opaque[:, None], wall, np.nan)[None]
        panes = np.where(opaque[:, None], np.nan, np.clip(glass * shades[:, None], 0, 1))[None]
        sheet(mesh, grid, walls, "plaster", smooth=False)
        sheet(mesh, grid, panes, "glass", smooth=False)


def _crown(mesh: Mesh, p: dict[str, Any], top: float, at, spin: float, ring: np.ndarray) -> None:
    height, colour, kind = p["height"], p["crown_colour"], p["crown"]
    top = max(top, 0.01 * height)
    if p["style"] == "needle":
        kind = "mast"
    if kind == "spire":
        levels = [(0.62, 0.0, 0.06), (0.42, 0.06, 0.06), (0.24, 0.12, 0.05)]
        for wide, z, tall in levels:
            mesh.frustum(
                at, 8, wide * top * 1.3, wide * top, tall * height, p["wall"], height + z * height, spin, "stone"
            )
        mesh.frustum(at, 8, 0.16 * top, 0.0, 0.16 * height, colour, 1.17 * height, 0.0, "metal")
    elif kind == "pyramid":
        mesh.frustum(at, 4, 1.3 * top, 0.0, 0.16 * height, colour, height, spin, "metal")
    elif kind == "mast":
        mesh.frustum(at, 6, 0.1 * top + 0.003 * height, 0.003 * height, 0.2 * height, colour, height, 0.0, "metal")
        if p["style"] != "needle":
            mesh.frustum(at, 8, 0.5 * top, 0.4 * top, 0.03 * height, p["wall"], height, spin, "metal")
    elif kind == "blades":
        for side in (-1, 1):
            for end in (-1, 1):
                spot = place([(side * 0.55 * top, end * 0.4 * top)], at, spin)[0]
                tall = (0.13 if side > 0 else 0.08) * height
                mesh.box(spot, (0.12 * top, 0.6 * top, tall), colour, height, spin, "metal")
    elif kind == "dome":
        mesh.ellipsoid((*at, height), (0.8 * top, 0.8 * top, 0.9 * top), colour, "metal", 16)
        mesh.frustum(at, 6, 0.08 * top, 0.0, 0.9 * top, colour, height + 0.8 * top, 0.0, "metal")
    elif kind == "box":
        mesh.box(at, (1.1 * top, 1.0 * top, 0.05 * height), shaded(p["wall"], 0.7), height, spin, "metal")
        spot = place([(0.25 * top, 0.2 * top)], at, spin)[0]
        mesh.box(spot, (0.5 * top, 0.4 * top, 0.08 * height), p["wall"], height, spin, "metal")
    elif kind == "open":
        # A screen of fins around the roof.
        for spot in ring[:-1]:
            point = np.asarray(at) + (spot - np.asarray(at)) * 0.97
            mesh.box(point, (0.14 * top, 0.14 * top, 0.08 * height), colour, height, spin, "metal")
        for inner, outer in pairwise(ring):
            line = np.array([(*inner, 1.08 * height), (*outer, 1.08 * height)])
            mesh.tube(line, 0.008 * height, colour, 4)


def _podium(mesh: Mesh, p: dict[str, Any], half: float) -> None:
    reach = 3.4 if p["style"] == "twin" else 1.7
    wide, height = 2 * half * reach, p["height"]
    if p["ground"] == "water":
        mesh.box((0, 0), (1.5 * wide, 5 * half, 0.012 * height), "#9a958a", 0.0, 0.0, "stone")
    if p["podium"] == "plinth":
        mesh.box((0, 0), (wide, 3.2 * half, 0.03 * height), p["wall"], 0.0, 0.0, "stone")
    elif p["podium"] == "hall":
        size = (wide * 1.05, 3.6 * half, 0.07 * height)
        windowed_block(mesh, (0, 0), size, p["wall"], p["glass"], 2, (9, 7), trim=shaded(p["wall"], 0.8))
    elif p["podium"] == "blocks":
        for x, y, tall in ((-0.62, -0.9, 0.12), (0.66, 0.8, 0.16), (0.5, -1.0, 0.08)):
            spot = (x * wide * 0.75, y * half * 1.5)
            size = (1.1 * half, 1.1 * half, tall * height)
            windowed_block(mesh, spot, size, shaded(p["wall"], 0.85), p["glass"], max(3, round(tall * 40)), (4, 4))
