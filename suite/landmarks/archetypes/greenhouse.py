"""Glass houses: palm houses, domed rotundas, winged conservatories and gabled halls of painted iron and panes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from suite.landmarks.archetypes.parts import finish, shaded
from suite.landmarks.landmark import Landmark, ViewHints
from suite.landmarks.mesh import Mesh, linear

_FRAMES = ("#f4f2ea", "#f4f2ea", "#f4f2ea", "#1f5a3a", "#1c2024", "#a3362a", "#2d5f9c", "#cbb88e", "#6a4430")
_PANES = ("#b4d0da", "#6fae8c", "#4f8fb8", "#d6dcd8", "#c9b878", "#3f6478", "#7fc0b8")
_PLINTHS = ("#a5543f", "#d8d2c2", "#807a72", "#c2a376", "#5c6f5a")


def parameters(rng: np.random.Generator) -> dict[str, Any]:
    """What sets one glass house apart: every key can be drawn anew on its own."""
    return {
        "plan": str(rng.choice(["hall", "winged", "winged", "rotunda", "three", "cross"])),
        "centre": str(rng.choice(["vault", "tiered", "ogee", "gable", "bell"])),
        "wing": str(rng.choice(["vault", "gable", "tiered"])),
        "ends": str(rng.choice(["round", "hip", "straight"])),
        "width": float(rng.uniform(14, 24)),
        "stretch": float(rng.uniform(0.7, 1.5)),
        "walls": float(rng.uniform(0.3, 0.7)),
        "rise": float(rng.uniform(0.85, 1.45)),
        "wing_length": float(rng.uniform(0.55, 1.15)),
        "wing_size": float(rng.uniform(0.45, 0.68)),
        "ribs": float(rng.uniform(0.1, 0.18)),
        "frame": str(rng.choice(_FRAMES)),
        "panes": str(rng.choice(_PANES)),
        "plants": float(rng.choice([0.0, 0.35, 0.7, 0.95])),
        "trim": str(rng.choice(["same", "same", "#a3362a", "#1f5a3a", "#d9b048", "#2d5f9c"])),
        "plinth_height": float(rng.choice([0.05, 0.1, 0.2])),
        "plinth": str(rng.choice(_PLINTHS)),
        "porch": str(rng.choice(["glass", "stone", "brick", "none"])),
        "crown": str(rng.choice(["none", "lantern", "spike", "crest"])),
        "beds": str(rng.choice(["none", "#b5433f", "#d8b04a", "#8a5aa0", "#e08aa0"])),
        "ground": str(rng.choice(["grass", "grass", "paving", "earth"])),
    }


def build(parameters: dict[str, Any], rng: np.random.Generator) -> Landmark:
    """The glass house that `parameters` describe; its door looks along -y, `rng` sets the plants behind the panes."""
    p, mesh = parameters, Mesh()
    wide = p["width"]
    half = 0.0 if p["plan"] == "rotunda" else wide * p["stretch"] * (0.8 if p["plan"] == "hall" else 0.3)
    ends = "round" if p["plan"] == "rotunda" else p["ends"]
    small, run = wide * p["wing_size"], wide * p["wing_length"]
    if p["plan"] != "hall":
        for side in (-1, 1):
            along = half + run / 2 + (0.42 * wide if ends != "straight" else -0.02 * wide)
            mesh.add(_house(p, p["wing"], "straight", run / 2, small / 2, p["rise"] * 0.8, rng), (side * along, 0))
            if p["plan"] == "three":
                end = _house(p, p["centre"], p["ends"], small * 0.12, small * 0.68, p["rise"], rng)
                mesh.add(end, (side * (along + run / 2 + small * (0.3 if p["ends"] != "straight" else 0.1)), 0))
    if p["plan"] == "cross":
        mesh.add(_house(p, p["wing"], "straight", wide * 0.85, small * 0.55, p["rise"], rng), turn=math.pi / 2)
    main = _house(p, p["centre"], ends, half, wide / 2, p["rise"], rng)
    top = float(main.vertices[..., 2].max())
    mesh.add(main)
    _crown(mesh, p, top, half)
    front = wide * (0.85 if p["plan"] == "cross" else 0.5)
    _porch(mesh, p, front)
    if p["beds"] != "none":
        for side in (-1, 1):
            for row in range(2):
                at = (side * wide * (0.45 + 0.15 * row), -front - wide * (0.28 + 0.22 * row))
                mesh.box(at, (wide * 0.55, wide * 0.12, 0.35), "#4d6b30", 0, 0, "foliage")
                mesh.box(at, (wide * 0.49, wide * 0.07, 0.35), p["beds"], 0.2, 0, "foliage")
    view = ViewHints(elevation=(0, 16), azimuth=(-160, -20), distance=(1.25, 2.1))
    return finish(mesh, "greenhouse", p["ground"], view)


def _profile(kind: str, walls: float, rise: float) -> list[tuple[float, float, bool]]:
    """Levels of a house of half width 1: (way in to the ridge, height, whether a frame starts here)."""
    bend = np.linspace(0, math.pi / 2, 5)
    levels = [(0.0, 0.0, False), (0.0, walls, True), (0.0, walls + 0.09, False)]
    foot = walls + 0.09
    if kind == "vault":
        levels += [(1 - math.cos(a), foot + rise * math.sin(a), False) for a in bend[1:]]
    elif kind == "bell":
        levels += [(s, foot + rise * h, False) for s, h in ((0.06, 0.35), (0.2, 0.65), (0.45, 0.88), (1.0, 1.02))]
    elif kind == "ogee":
        steps = ((0.05, 0.3), (0.25, 0.6), (0.55, 0.82), (0.8, 1.0), (0.95, 1.25), (1.0, 1.35))
        levels += [(s, foot + rise * h, False) for s, h in steps]
    elif kind == "gable":
        levels += [(0.33, foot + rise * 0.3, False), (0.66, foot + rise * 0.6, False), (1.0, foot + rise * 0.9, False)]
    else:
        levels += [(0.5 * (1 - math.cos(a)), foot + 0.5 * rise * math.sin(a), False) for a in bend[2::2]]
        step = foot + 0.5 * rise
        levels[-1] = (0.5, step, True)
        levels += [(0.5, step + 0.05, False), (0.5, step + 0.3 * rise, True), (0.5, step + 0.3 * rise + 0.05, False)]
        levels += [(0.5 + 0.5 * (1 - math.cos(a)), step + 0.05 + rise * (0.3 + 0.5 * math.sin(a)), False)
                   for a in bend[2::2]]  # fmt: skip
    return levels


def _outline(ends: str, half: float, radius: float, inset: float, pitch: float) -> np.ndarray:
    """Points around a plan at one level; as many at every level. Straight ends are left out: two long sides."""
    near = radius * (1 - inset)
    long = max(1, round(2 * half / pitch))
    if ends == "round":
        turns = np.linspace(-math.pi / 2, math.pi / 2, max(8, 2 * round(math.pi * radius / pitch / 2)) + 1)
        cap = np.column_stack([np.cos(turns) * near + half, np.sin(turns) * near])
    elif ends == "hip":
        count = max(2, round(2 * radius / pitch))
        cap = np.column_stack([np.full(count + 1, half + near), np.linspace(-1, 1, count + 1) * near])
    else:
        cap = np.array([(half, -near), (half, near)])
    reach = cap[0, 0]
    row = np.linspace(-reach, reach, max(2, round(2 * (half + (radius if ends == "hip" else 0)) / pitch), long) + 1)
    side = np.column_stack([row, np.full(len(row), -near)])[1:-1]
    half_way = np.concatenate([side, cap]) if ends != "straight" else np.concatenate([[(-half, -near)], side, cap])
    return np.concatenate([half_way, -half_way, half_way[:1]])


def _house(p: dict[str, Any], kind: str, ends: str, half: float, radius: float, rise: float, rng) -> Mesh:
    """One glazed volume, its ridge along x: a plinth, panes between ribs, framed levels."""
    mesh, pitch = Mesh(), p["ribs"] * p["width"]
    plinth = p["plinth_height"] * p["width"]
    levels = _profile(kind, p["walls"] * p["width"] / 2 / radius, rise)
    rings = [_outline(ends, half, radius, inset, pitch) for inset, _, _ in levels]
    heights = [plinth + height * radius for _, height, _ in levels]
    mesh.prism(rings[0][:-1] * 1.01, plinth, p["plinth"], 0, None, "brick")
    frame, pane, leaf = linear(p["frame"]), linear(p["panes"]), linear("#3f6a35")
    share = 0.2
    trim = _trim(p)
    tall = heights[-1] - heights[0]
    for index in range(len(levels) - 1):
        low, high = (np.column_stack([rings[k], np.full(len(rings[k]), heights[k])]) for k in (index, index + 1))
        one, two, three, four = low[:-1], low[1:], high[1:], high[:-1]
        middle = (heights[index] + heights[index + 1]) / 2 - heights[0]
        for start, end, glazed in ((0.0, share, False), (share, 1.0, not levels[index][2])):
            a, b = one + (two - one) * start, one + (two - one) * end
            d, c = four + (three - four) * start, four + (three - four) * end
            cells = np.stack([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)], axis=1)
            if glazed:
                green = np.clip(p["plants"] * 1.6 - middle / tall * 1.3 + rng.normal(0, 0.16, len(a)), 0, 0.85)
                paint = pane * (1 - green[:, None]) + leaf * green[:, None]
                mesh.triangles(cells.reshape(-1, 3, 3), np.repeat(paint, 2, axis=0), "glass")
            else:
                mesh.triangles(cells.reshape(-1, 3, 3), linear(trim) if levels[index][2] else frame, "plain")
    # A ridge, or the meeting of the ribs.
    if half > 0:
        mesh.box((0, 0), (2 * half, 0.05 * radius, 0.07 * radius), trim, heights[-1], 0, "metal")
    if ends == "straight":
        _gables(mesh, p, levels, half, radius, plinth, pitch)
    return mesh


def _gables(mesh: Mesh, p: dict[str, Any], levels, half: float, radius: float, plinth: float, pitch: float) -> None:
    """The two flat ends: a pane of the section, mullions, a transom and a rim."""
    across = np.array([radius * (1 - inset) for inset, _, _ in levels])
    up = np.array([plinth + height * radius for _, height, _ in levels])
    section = np.concatenate([np.column_stack([across, up]), np.column_stack([-across, up])[::-1][1:]])
    for side in (-1, 1):
        x = side * (half + 0.02)
        face = np.column_stack([np.full(len(section), x), section])
        mesh.polygon(face, p["panes"], "glass")
        mesh.tube(face, 0.035 * radius, _trim(p), 4, "plain")
        for y in np.arange(-math.floor(radius / pitch), math.floor(radius / pitch) + 1) * pitch:
            top = np.interp(abs(y), across[::-1], up[::-1])
            mesh.box((x, y), (0.1, 0.16 * pitch, top - plinth), p["frame"], plinth, 0, "plain")
        mesh.box((x, 0), (0.14, 2 * radius, 0.08 * radius), _trim(p), up[1], 0, "plain")


def _trim(p: dict[str, Any]) -> str:
    """Paint of the ridge, the gutters and the crown."""
    return p["frame"] if p["trim"] == "same" else p["trim"]


def _crown(mesh: Mesh, p: dict[str, Any], top: float, half: float) -> None:
    unit = p["width"] * 0.09
    if p["crown"] == "lantern":
        mesh.frustum((0, 0), 12, unit * 1.3, unit * 1.3, unit * 1.5, p["panes"], top - unit * 0.5, 0, "glass")
        for angle in np.arange(8) * math.pi / 4:
            at = (math.cos(angle) * unit * 1.3, math.sin(angle) * unit * 1.3)
            mesh.box(at, (0.2, 0.2, unit * 1.5), _trim(p), top - unit * 0.5, angle, "metal")
        mesh.frustum((0, 0), 12, unit * 1.5, 0.02, unit * 1.1, _trim(p), top + unit, 0, "metal")
    elif p["crown"] == "spike":
        mesh.frustum((0, 0), 8, unit * 0.4, 0.02, unit * 3, _trim(p), top - unit * 0.2, 0, "metal")
        mesh.ellipsoid((0, 0, top + unit * 0.5), (unit * 0.5,) * 3, "#c9a13c", "metal", 8)
    elif p["crown"] == "crest":
        for x in np.linspace(-half, half, 9) if half else (0.0,):
            mesh.frustum((x, 0), 4, unit * 0.25, 0.02, unit * 1.1, _trim(p), top - 0.1, 0, "metal")


def _porch(mesh: Mesh, p: dict[str, Any], front: float) -> None:
    """The door's own small house, of glass or walled."""
    if p["porch"] == "none":
        mesh.panel((0, 0, p["width"] * 0.12), (p["width"] * 0.13, p["width"] * 0.22), p["frame"], -math.pi / 2, "round",
                   front + 0.25, "plain")  # fmt: skip
        return
    wide, tall = p["width"] * 0.34, p["width"] * 0.3
    wall = {"glass": p["panes"], "stone": "#dcd5c4", "brick": "#a5543f"}[p["porch"]]
    mesh.box((0, -front), (wide, wide, tall), wall, 0, 0, {"glass": "glass"}.get(p["porch"], p["porch"]))
    roof = p["frame"] if p["porch"] == "glass" else "#4a525a"
    mesh.gable((0, -front), (wide * 1.1, wide * 1.16, wide * 0.45), roof, tall, math.pi / 2, p["frame"])
    for x in (-0.5, 0.5):
        mesh.box((x * wide, -front - wide / 2), (wide * 0.1, wide * 0.1, tall), p["frame"], 0, 0, "plain")
    mesh.panel((0, 0, tall * 0.42), (wide * 0.62, tall * 0.84), p["frame"], -math.pi / 2, "round",
               front + wide / 2 + 0.05, "plain")  # fmt: skip
    door = shaded(p["plinth"], 0.6) if p["porch"] == "glass" else "#23302c"
    mesh.panel((0, 0, tall * 0.38), (wide * 0.46, tall * 0.76), door, -math.pi / 2, "round", front + wide / 2 + 0.12,
               "wood")  # fmt: skip
