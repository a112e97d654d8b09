"""Palaces: a long front with a marked middle, wings and corner pavilions, in paint or stone, before a formal garden."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from suite.landmarks.archetypes.parts import finish, shaded
from suite.landmarks.landmark import Landmark, ViewHints
from suite.landmarks.mesh import Colour, Mesh

_WALLS = ("#e0b24c", "#e8e2d4", "#d98f86", "#5f9fb0", "#a8452f", "#c9ab7a", "#8fa86e", "#c7c4bd", "#d7743f", "#7a86b0")
_ROOFS = ("#4a5262", "#5f9a86", "#9c4a34", "#35383d", "#7a5a40")
_DOMES = ("#cfa23a", "#5f9a86", "#4a5262", "#efe9dc", "#3c6ea0", "#8c3b2e")


def parameters(rng: np.random.Generator) -> dict[str, Any]:
    """What sets one palace apart: every key can be drawn anew on its own."""
    return {
        "centre": str(rng.choice(["dome", "dome", "pediment", "pediment", "tower", "cupolas", "mansard"])),
        "wings": str(rng.choice(["straight", "pavilions", "court", "towers"])),
        "storeys": int(rng.choice([2, 3, 3, 4])),
        "length": float(rng.uniform(58, 92)),
        "storey": float(rng.uniform(5.6, 7.4)),
        "middle": float(rng.uniform(0.2, 0.32)),
        "roof": str(rng.choice(["flat", "flat", "hip", "mansard"])),
        "roof_colour": str(rng.choice(_ROOFS)),
        "dome": str(rng.choice(["round", "tall", "onion", "shallow"])),
        "dome_colour": str(rng.choice(_DOMES)),
        "wall": str(rng.choice(_WALLS)),
        "middle_wall": str(rng.choice(["same", "same", "#efeadf", "#b5573f", "#d8c9a4"])),
        "trim": str(rng.choice(["#f2eee4", "#f2eee4", "#cdb98c", "#8a8078", "#6e3b30"])),
        "ground_floor": str(rng.choice(["plain", "rustic", "arcade", "arcade"])),
        "columns": str(rng.choice(["none", "portico", "pilasters"])),
        "heads": str(rng.choice(["rect", "round"])),
        "bays": int(rng.integers(4, 8)),
        "statues": bool(rng.random() < 0.5),
        "garden": str(rng.choice(["none", "basin", "parterre", "lawns", "canal"])),
        "flag": str(rng.choice(["none", "#b5332b", "#2f5da8", "#d8b64c", "#2f7a4a"])),
        "ground": str(rng.choice(["paving", "grass", "earth", "sand"])),
    }


def build(parameters: dict[str, Any], rng: np.random.Generator) -> Landmark:
    """The palace that `parameters` describe; its front looks along -y."""
    p, mesh = parameters, Mesh()
    length, walls = p["length"], p["storeys"] * p["storey"]
    wide, deep = p["middle"] * length, 0.2 * length
    _block(mesh, p, (0, 0), (length, deep * 0.85, walls), p["wall"], 2 * p["bays"] + 3, 3, 0.48 * wide)
    _roof(mesh, p, (0, 0), (length, deep * 0.85), walls)
    if p["wings"] == "court":
        reach = deep * 1.5
        for side in (-1, 1):
            at = (side * (length - deep * 0.7) / 2, -deep * 0.42 - reach / 2 + 1)
            _block(mesh, p, at, (deep * 0.7, reach, walls * 0.9), p["wall"], 3, p["bays"])
            _roof(mesh, p, at, (deep * 0.7, reach), walls * 0.9)
    elif p["wings"] != "straight":
        tall = walls * (1.12 if p["wings"] == "pavilions" else 1.4)
        size = deep * (1.1 if p["wings"] == "pavilions" else 0.78)
        for side in (-1, 1):
            at = (side * (length - size * 0.8) / 2, 0 if p["wings"] == "pavilions" else -deep * 0.2)
            _block(mesh, p, at, (size, size * 1.08, tall), _middle_wall(p), 3, 3)
            if p["wings"] == "towers":
                _dome(mesh, p, at, size * 0.42, tall, 0.35)
            else:
                _steep(mesh, p, at, (size, size * 1.08), tall, walls * 0.45)
    _middle(mesh, p, wide, deep, walls)
    _garden(mesh, p, deep, length)
    view = ViewHints(elevation=(0, 15), azimuth=(-152, -28), distance=(1.3, 2.2))
    return finish(mesh, "palace", p["ground"], view)


def _middle_wall(p: dict[str, Any]) -> str:
    return p["wall"] if p["middle_wall"] == "same" else p["middle_wall"]


def _block(
    mesh: Mesh, p: dict[str, Any], centre, size, wall: Colour, bays: int, side_bays: int, hidden: float = 0.0
) -> None:
    """Walls with a plinth, string courses, a cornice and framed windows on all four sides.

    Windows nearer than `hidden` to the middle of a long side are left out: another block stands before them.
    """
    x, y, walls = size
    mesh.box(centre, size, wall, 0, 0, "plaster")
    storey = walls / p["storeys"]
    if p["ground_floor"] == "rustic":
        mesh.box(centre, (x + 0.3, y + 0.3, storey), shaded(p["trim"], 0.72), 0, 0, "stone")
    for level in range(1, p["storeys"] + 1):
        last = level == p["storeys"]
        out, tall = (1.6, 0.16) if last else (0.6, 0.07)
        mesh.box(centre, (x + out, y + out, storey * tall), p["trim"], level * storey - storey * tall, 0, "plaster")
    for facing, run, away, count in (
        (-math.pi / 2, x, y / 2, bays),
        (math.pi / 2, x, y / 2, bays),
        (0.0, y, x / 2, side_bays),
        (math.pi, y, x / 2, side_bays),
    ):
        along = np.array([-math.sin(facing), math.cos(facing)])
        pitch = run / count
        for level in range(p["storeys"]):
            open_below = level == 0 and p["ground_floor"] == "arcade"
            size_wh = np.array([min(pitch * 0.42, storey * 0.5), storey * (0.6 if level < p["storeys"] - 1 else 0.46)])
            shape = p["heads"] if level == p["storeys"] - 2 else "rect"
            if open_below:
                size_wh, shape = np.array([min(pitch * 0.62, storey * 0.75), storey * 0.84]), "round"
            middle = storey * (level + 0.44) if not open_below else size_wh[1] / 2
            for bay in range(count):
                if abs((bay + 0.5 - count / 2) * pitch) < hidden * abs(math.sin(facing)):
                    continue
                spot = (*(np.asarray(centre) + along * (bay + 0.5 - count / 2) * pitch), middle)
                # The frame's lintel is heavier than its sill.
                rim = (*spot[:2], middle + 0.08 * size_wh[1])
                mesh.panel(rim, size_wh * (1.34, 1.16), p["trim"], facing, "rect", away + 0.25, "plaster")
                mesh.panel(spot, size_wh, "#2a2f36", facing, shape, away + 0.4, "plain" if open_below else None)
    if p["columns"] == "pilasters":
        for side in (-1, 1):
            for bay in range(bays + 1):
                at = (centre[0] + (bay - bays / 2) * x / bays * 0.985, centre[1] + side * y / 2)
                mesh.box(at, (x / bays * 0.16, 0.9, walls - storey), p["trim"], storey * 0.95, 0, "plaster")


def _tapered(mesh: Mesh, centre, low, high, base: float, height: float, colour: Colour) -> None:
    """A roof from a rectangle `low` (x, y) to a smaller one `high`."""
    signs = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) / 2
    lower = np.column_stack([signs * low + np.asarray(centre), np.full(4, base)])
    upper = np.column_stack([signs * high + np.asarray(centre), np.full(4, base + height)])
    for one in range(4):
        two = (one + 1) % 4
        mesh.polygon(np.array([lower[one], lower[two], upper[two], upper[one]]), colour, "tiles")
    mesh.polygon(upper, shaded(colour, 0.8), "tiles")


def _roof(mesh: Mesh, p: dict[str, Any], centre, size, base: float) -> None:
    x, y = size
    if p["roof"] == "hip":
        mesh.hip(centre, (x + 1.2, y + 1.2, min(x, y) * 0.36), p["roof_colour"], base)
        for share in (-0.34, -0.12, 0.12, 0.34) if x > y else ():
            mesh.box((centre[0] + share * x, centre[1]), (1.6, 2.4, y * 0.48), p["wall"], base, 0, "brick")
    elif p["roof"] == "mansard":
        tall = p["storey"] * 0.95
        _tapered(mesh, centre, (x + 1, y + 1), (x - 5, y - 5), base, tall, p["roof_colour"])
        mesh.hip(centre, (x - 5, y - 5, tall * 0.3), shaded(p["roof_colour"], 1.15), base + tall)
        count = max(2, round(x / 6.5))
        for side in (-1, 1):
            for index in range(count):
                at = (centre[0] + ((index + 0.5) / count - 0.5) * x, centre[1] + side * (y / 2 - 1.1))
                mesh.box(at, (2.0, 2.4, tall * 0.62), p["trim"], base, 0, "plaster")
                mesh.panel((*at, base + tall * 0.34), (1.2, tall * 0.4), "#2a2f36", side * math.pi / 2, "round", 1.26)
    else:
        for side in (-1, 1):
            mesh.box((centre[0], centre[1] + side * (y / 2 - 0.3)), (x, 0.5, 1.5), p["trim"], base, 0, "stone")
            mesh.box((centre[0] + side * (x / 2 - 0.3), centre[1]), (0.5, y, 1.5), p["trim"], base, 0, "stone")
            for index in range(round(x / 7) if p["statues"] else 0):
                at = (centre[0] + ((index + 0.5) / round(x / 7) - 0.5) * x, centre[1] + side * (y / 2 - 0.3))
                mesh.frustum(at, 4, 0.7, 0.35, 2.6, p["trim"], base + 1.5, 0, "stone")
                mesh.ellipsoid((*at, base + 4.4), (0.42, 0.42, 0.5), p["trim"], "stone", 4)


def _steep(mesh: Mesh, p: dict[str, Any], centre, size, base: float, height: float) -> None:
    """The steep roof of a pavilion, with a cresting."""
    x, y = size
    _tapered(mesh, centre, (x + 1, y + 1), (x * 0.5, y * 0.5), base, height, p["roof_colour"])
    mesh.box(centre, (x * 0.52, y * 0.52, height * 0.1), p["dome_colour"], base + height, 0, "metal")


def _dome(mesh: Mesh, p: dict[str, Any], centre, radius: float, base: float, drum: float) -> None:
    """A dome on a drum with windows, and a lantern on top."""
    mesh.frustum(centre, 16, radius * 1.06, radius * 1.06, radius * (drum + 0.1), _middle_wall(p), base, 0, "plaster")
    for side in range(8 if drum > 0.2 else 0):
        spot = (*centre, base + radius * drum * 0.55)
        mesh.panel(spot, (radius * 0.3, radius * drum * 0.75), "#2a2f36", side * math.pi / 4, "round", radius * 1.06)
    base += radius * (drum + 0.1)
    mesh.frustum(centre, 16, radius * 1.14, radius * 1.14, radius * 0.08, p["trim"], base, 0, "stone")
    base += radius * 0.08
    a = np.linspace(0, math.pi / 2, 8)
    if p["dome"] == "onion":
        shape = [(0.9, 0), (1.08, 0.25), (1.1, 0.55), (0.95, 0.85), (0.62, 1.15), (0.3, 1.45), (0.14, 1.7), (0.12, 1.8)]
    else:
        rise = {"round": 1.0, "tall": 1.4, "shallow": 0.62}[p["dome"]]
        shape = [(max(math.cos(t), 0.12), rise * math.sin(t)) for t in a]
    profile = np.array(shape) * radius + np.array([0, base])
    small = radius < 0.06 * p["length"]
    mesh.lathe(profile, p["dome_colour"], 12 if small else 20, centre, "metal")
    for facing in () if small else np.arange(8) * math.pi / 4:
        way = np.array([math.cos(facing), math.sin(facing)]) * 1.01
        line = np.column_stack([profile[:, :1] * way + np.asarray(centre), profile[:, 1]])
        mesh.tube(line, radius * 0.035, shaded(p["dome_colour"], 0.6), 3)
    top = profile[-1, 1]
    mesh.frustum(centre, 8, radius * 0.16, radius * 0.14, radius * 0.32, p["trim"], top - 0.02 * radius, 0, "stone")
    mesh.frustum(centre, 8, radius * 0.2, 0.02, radius * 0.5, "#cfa23a", top + radius * 0.3, 0, "metal")


def _middle(mesh: Mesh, p: dict[str, Any], wide: float, deep: float, walls: float) -> None:
    """The block in the middle of the front with what crowns it."""
    kind, tall = p["centre"], walls * 1.14
    front = -deep * 0.62
    _block(mesh, p, (0, 0), (wide, -2 * front, tall), _middle_wall(p), max(3, p["bays"] - 2) | 1, 3)
    if p["columns"] == "portico":
        _portico(mesh, p, wide * 0.82, front, walls, kind == "pediment")
    if kind == "pediment":
        if p["columns"] != "portico":
            mesh.gable((0, front * 0.3), (-1.5 * front, wide * 1.04, wide * 0.2), p["roof_colour"], tall, math.pi / 2,
                       p["trim"])  # fmt: skip
            mesh.panel((0, 0, tall + wide * 0.08), (wide * 0.1,) * 2, p["dome_colour"], -math.pi / 2, "disc",
                       -front * 1.05 + 0.1)  # fmt: skip
        else:
            mesh.hip((0, 0), (wide, -2 * front, wide * 0.14), p["roof_colour"], tall)
        crown = tall + wide * 0.2
    elif kind == "dome":
        _dome(mesh, p, (0, 0), min(wide * 0.4, -front * 0.95), tall, 0.5)
        crown = tall + wide
    elif kind == "tower":
        side = wide * 0.42
        mesh.box((0, 0), (side, side, walls * 0.9), _middle_wall(p), tall, 0, "plaster")
        mesh.box((0, 0), (side * 1.14, side * 1.14, walls * 0.06), p["trim"], tall + walls * 0.84, 0, "stone")
        for facing in np.arange(4) * math.pi / 2:
            at = (0, 0, tall + walls * 0.58)
            mesh.panel(at, (side * 0.62,) * 2, p["trim"], facing, "disc", side / 2 + 0.1)
            mesh.panel(at, (side * 0.5,) * 2, "#efe9d8", facing, "disc", side / 2 + 0.2)
            mesh.panel((0, 0, tall + walls * 0.22), (side * 0.3, walls * 0.3), "#2a2f36", facing, "round",
                       side / 2 + 0.1)  # fmt: skip
        _dome(mesh, p, (0, 0), side * 0.46, tall + walls * 0.9, 0.1)
        crown = tall + walls * 0.9 + side * 1.2
    elif kind == "cupolas":
        for x, y, size in ((-0.4, 0.7, 0.1), (0.4, 0.7, 0.1), (-0.4, -0.7, 0.1), (0.4, -0.7, 0.1), (0, 0, 0.24)):
            _dome(mesh, p, (x * wide, -y * front), wide * size, tall, 0.7)
        crown = tall + wide * 0.7
    else:
        _steep(mesh, p, (0, 0), (wide, -2 * front), tall, walls * 0.8)
        crown = tall + walls * 0.85
    if p["flag"] != "none" and kind in ("pediment", "mansard"):
        mesh.tube(np.array([(0, 0, tall), (0, 0, crown + walls * 0.75)]), 0.5, "#4a4238", 4)
        cloth = np.array([(0, 0, 0.75), (0.75, 0.1, 0.68), (0.75, 0.1, 0.32), (0, 0, 0.35)]) * walls
        mesh.polygon(cloth + np.array([0, 0, crown]), p["flag"])


def _portico(mesh: Mesh, p: dict[str, Any], wide: float, front: float, walls: float, pediment: bool) -> None:
    """Giant columns before the middle, below a gable or a balcony."""
    run, foot, count = wide * 0.2, walls * 0.08, 6
    for step in range(3):
        size = (wide * (1.06 + 0.05 * (2 - step)), run * (1.3 + 0.3 * (2 - step)), foot / 3)
        mesh.box((0, front - run / 2), size, shaded(p["trim"], 0.8 + 0.1 * step), foot * step / 3, 0, "stone")
    for index in range(count):
        at, thick = (((index + 0.5) / count - 0.5) * wide * 1.06, front - run), wide * 0.028
        mesh.frustum(at, 10, thick, thick * 0.85, walls * 0.9, p["trim"], foot, 0, "stone")
        mesh.box(at, (thick * 2.8, thick * 2.8, walls * 0.03), p["trim"], foot + walls * 0.87, 0, "stone")
    top = foot + walls * 0.9
    mesh.box((0, front - run / 2), (wide * 1.08, run + 2.2, walls * 0.12), p["trim"], top, 0, "stone")
    if pediment:
        mesh.gable((0, front - run / 2), (run + 3.4, wide * 1.14, wide * 0.22), p["roof_colour"], top + walls * 0.12,
                   math.pi / 2, p["trim"])  # fmt: skip
        mesh.panel((0, 0, top + walls * 0.12 + wide * 0.085), (wide * 0.12,) * 2, p["dome_colour"], -math.pi / 2,
                   "disc", run - front + 1.4)  # fmt: skip
    else:
        mesh.box(
            (0, front - run), (wide * 1.06, 0.5, walls * 0.1), shaded(p["trim"], 0.9), top + walls * 0.12, 0, "stone"
        )


def _garden(mesh: Mesh, p: dict[str, Any], deep: float, length: float) -> None:
    """What lies before the front."""
    start, unit = -deep * (2.2 if p["wings"] == "court" else 1.3), length * 0.1
    if p["garden"] == "basin":
        mesh.frustum((0, start - unit), 20, unit, unit, 0.9, "#cfc8b8", 0, 0, "stone")
        mesh.frustum((0, start - unit), 20, unit * 0.88, unit * 0.88, 0.1, "#4f7f96", 0.85, 0, "water")
        for level, size in ((0.9, 0.32), (unit * 0.35, 0.2)):
            mesh.frustum((0, start - unit), 12, unit * 0.06, unit * size, unit * 0.32, "#d9d3c4", level, 0, "stone")
    elif p["garden"] == "canal":
        mesh.box((0, start - unit * 1.4), (unit * 1.5, unit * 2.8, 0.5), "#cfc8b8", 0, 0, "stone")
        mesh.box((0, start - unit * 1.4), (unit * 1.3, unit * 2.6, 0.1), "#4f7f96", 0.46, 0, "water")
    elif p["garden"] in ("parterre", "lawns"):
        for side in (-1, 1):
            for row in range(2):
                at = (side * unit * 2.0, start - unit * (0.6 + 1.3 * row))
                mesh.box(at, (unit * 3.0, unit * 1.05, 0.5), "#4d6b30", 0, 0, "foliage")
                if p["garden"] == "parterre":
                    mesh.box(at, (unit * 2.4, unit * 0.6, 0.2), "#b5433f" if row else "#d8b04a", 0.5, 0, "foliage")
                for end in (-1.3, 0.0, 1.3):
                    spot = (at[0] + end * unit, at[1])
                    mesh.frustum(spot, 7, unit * 0.2, 0.0, unit * 0.75, "#34522a", 0.4, 0, "foliage")
