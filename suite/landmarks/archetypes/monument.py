"""Monuments: obelisks, columns with statues, triumphal arches, riders on plinths, tall statues, memorial drums."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from suite.landmarks.archetypes.parts import column, finish, shaded, stairs, steps
from suite.landmarks.landmark import Landmark, ViewHints
from suite.landmarks.mesh import Mesh
from suite.landmarks.placing import place

_STONES = ("#d8cfb8", "#b8b0a4", "#c9a987", "#9a958c", "#efe9dc", "#a8786a", "#7f7a74", "#d0b080")


def parameters(rng: np.random.Generator) -> dict[str, Any]:
    """What sets one monument apart: every key can be drawn anew on its own."""
    return {
        "style": str(rng.choice(["obelisk", "column", "column", "arch", "arch", "rider", "statue", "rotunda"])),
        "height": float(rng.uniform(14, 60)),
        "breadth": float(rng.uniform(0.8, 1.25)),
        "stone": str(rng.choice(_STONES)),
        "second": str(rng.choice(_STONES)),
        "metal": str(rng.choice(["#4f8070", "#5a4a30", "#c9a03a", "#2f302f", "#8a6a3a", "#d8d4cc"])),
        "steps": int(rng.integers(1, 6)),
        "plinth": float(rng.uniform(0.16, 0.36)),
        "plinth_sides": int(rng.choice([4, 4, 8, 20])),
        "corners": str(rng.choice(["none", "posts", "lions", "bowls", "small"])),
        "bands": int(rng.choice([0, 2, 4, 7])),
        "tip": str(rng.choice(["plain", "gold", "dark"])),
        "taper": float(rng.uniform(0.55, 0.85)),
        "figure": str(rng.choice(["standing", "arm", "wings", "globe", "eagle", "torch"])),
        "passages": int(rng.choice([1, 1, 3])),
        "attic": float(rng.uniform(0.14, 0.3)),
        "quadriga": bool(rng.random() < 0.5),
        "columns": int(rng.choice([4, 6, 8, 10])),
        "panels": bool(rng.random() < 0.6),
        "turn": float(rng.uniform(-0.5, 0.5)),
        "ground": str(rng.choice(["paving", "paving", "grass", "sand"])),
    }


def build(parameters: dict[str, Any], rng: np.random.Generator) -> Landmark:
    """The monument that `parameters` describe; nothing is left to `rng`."""
    p = parameters
    mesh = Mesh()
    kinds = {
        "obelisk": _obelisk,
        "column": _column,
        "arch": _arch,
        "rider": _rider,
        "statue": _statue,
        "rotunda": _rotunda,
    }
    kinds[p["style"]](mesh, p)
    turned = Mesh().add(mesh, (0, 0, 0), p["turn"])
    around = (0.0, 360.0)
    if p["style"] == "arch":
        # From the end an arch is a wall: people stand before its passages.
        front = math.degrees(p["turn"]) - 90
        around = (front - 62, front + 62)
    hints = ViewHints(elevation=(-6, 12), azimuth=around, distance=(1.75, 2.8))
    return finish(turned, "monument", p["ground"], hints)


def _pedestal(mesh: Mesh, p: dict[str, Any], wide: float, tall: float, deep: float | None = None) -> float:
    """Steps, then a plinth `wide` along x with mouldings and panels; returns the height of its top."""
    deep = wide if deep is None else deep
    stair = 0.025 * p["height"] * p["steps"]
    run = 0.03 * p["height"]
    steps(mesh, (0, 0), (1.35 * wide, 1.35 * wide * deep / wide), stair, p["steps"], run, p["second"])
    if p["plinth_sides"] == 4 or deep != wide:
        mesh.box((0, 0), (1.16 * wide, 1.16 * deep, 0.12 * tall), p["stone"], stair, 0.0, "stone")
        mesh.box((0, 0), (wide, deep, tall), p["stone"], stair, 0.0, "stone")
        mesh.box((0, 0), (1.16 * wide, 1.16 * deep, 0.1 * tall), p["stone"], stair + 0.9 * tall, 0.0, "stone")
    else:
        count = p["plinth_sides"]
        for base, size, high in ((0.0, 0.68, 0.12), (0.0, 0.58, 1.0), (0.9, 0.68, 0.1)):
            mesh.frustum(
                (0, 0), count, size * wide, size * wide, high * tall, p["stone"], stair + base * tall, 0, "stone"
            )
    if p["panels"]:
        for side in range(4):
            out, across = (wide, deep) if side % 2 == 0 else (deep, wide)
            gap = 0.5 * out if p["plinth_sides"] == 4 or deep != wide else 0.58 * wide
            spot = (0, 0, stair + 0.5 * tall)
            mesh.panel(spot, (0.6 * across, 0.5 * tall), p["metal"], side * math.pi / 2, "rect", gap + 0.06, "metal")
    for x, y in ((1, 1), (-1, 1), (-1, -1), (1, -1)):
        spot = (x * 0.82 * wide, y * 0.82 * wide * (deep / wide))
        _corner(mesh, p, spot, 0.3 * wide, stair)
    return stair + tall


def _corner(mesh: Mesh, p: dict[str, Any], spot, size: float, stair: float) -> None:
    kind = p["corners"]
    if kind == "none":
        return
    tall = stair + 0.5 * size
    mesh.box(spot, (0.75 * size, 0.75 * size, tall), p["second"], 0.0, 0.0, "stone")
    x, y = spot
    if kind == "posts":
        mesh.frustum(spot, 6, 0.12 * size, 0.08 * size, 1.6 * size, p["metal"], tall, 0.0, "metal")
        mesh.ellipsoid((x, y, tall + 1.75 * size), (0.24 * size,) * 3, "#f4ecd0", "glass", 8)
    elif kind == "lions":
        mesh.ellipsoid((x, y, tall + 0.28 * size), (0.55 * size, 0.26 * size, 0.28 * size), p["metal"], "metal", 8)
        mesh.ellipsoid((x + 0.42 * size, y, tall + 0.62 * size), (0.27 * size,) * 3, p["metal"], "metal", 8)
        mesh.box((x + 0.4 * size, y), (0.3 * size, 0.4 * size, 0.35 * size), p["metal"], tall, 0.0, "metal")
    elif kind == "bowls":
        mesh.frustum(spot, 12, 0.15 * size, 0.5 * size, 0.4 * size, p["metal"], tall, 0.0, "metal")
        mesh.frustum(spot, 8, 0.3 * size, 0.0, 0.6 * size, "#e8883a", tall + 0.38 * size, 0.0, "glass")
    else:
        mesh.frustum(spot, 4, 0.3 * size, 0.18 * size, 1.6 * size, p["stone"], tall, 0.0, "stone")
        mesh.frustum(spot, 4, 0.18 * size, 0.0, 0.25 * size, p["stone"], tall + 1.6 * size, 0.0, "stone")


def _figure(mesh: Mesh, p: dict[str, Any], base: float, tall: float, kind: str | None = None) -> None:
    """A statue that faces -y."""
    kind, colour = kind or p["figure"], p["metal"]
    if kind == "globe":
        mesh.frustum((0, 0), 10, 0.16 * tall, 0.1 * tall, 0.3 * tall, colour, base, 0.0, "metal")
        mesh.ellipsoid((0, 0, base + 0.62 * tall), (0.36 * tall,) * 3, colour, "metal", 16)
        return
    if kind == "eagle":
        mesh.ellipsoid((0, 0, base + 0.4 * tall), (0.2 * tall, 0.26 * tall, 0.4 * tall), colour, "metal", 10)
        mesh.ellipsoid((0, -0.2 * tall, base + 0.82 * tall), (0.13 * tall,) * 3, colour, "metal", 8)
        _wings(mesh, colour, base + 0.35 * tall, tall * 1.1)
        return
    mesh.frustum((0, 0), 12, 0.2 * tall, 0.11 * tall, 0.5 * tall, colour, base, 0.0, "metal")
    mesh.frustum((0, 0), 12, 0.11 * tall, 0.17 * tall, 0.3 * tall, colour, base + 0.48 * tall, 0.0, "metal")
    mesh.ellipsoid((0, 0, base + 0.9 * tall), (0.075 * tall, 0.08 * tall, 0.1 * tall), colour, "metal", 10)
    shoulder = np.array([0.16 * tall, 0, base + 0.75 * tall])
    mirrored = shoulder * (-1, 1, 1)
    thick = 0.05 * tall
    if kind in ("arm", "torch"):
        hand = np.array([0.36 * tall, -0.08 * tall, base + 1.12 * tall])
        mesh.tube(np.array([shoulder, hand]), 0.75 * thick, colour, 6)
        if kind == "torch":
            mesh.frustum(hand[:2], 8, 0.03 * tall, 0.08 * tall, 0.12 * tall, colour, hand[2], 0.0, "metal")
            mesh.ellipsoid(
                (hand[0], hand[1], hand[2] + 0.18 * tall), (0.07 * tall, 0.07 * tall, 0.1 * tall), "#f0b030", "glass", 8
            )
    else:
        mesh.tube(np.array([shoulder, (0.24 * tall, -0.1 * tall, base + 0.45 * tall)]), thick, colour, 6)
    mesh.tube(np.array([mirrored, (-0.26 * tall, -0.12 * tall, base + 0.48 * tall)]), thick, colour, 6)
    if kind == "wings":
        _wings(mesh, colour, base + 0.5 * tall, tall)
    elif kind == "standing":
        staff = np.array([(-0.28 * tall, -0.14 * tall, base), (-0.28 * tall, -0.14 * tall, base + 1.05 * tall)])
        mesh.tube(staff, 0.02 * tall, colour, 4)


def _wings(mesh: Mesh, colour, base: float, size: float) -> None:
    for side in (-1, 1):
        feathers = np.array(
            [(0.06, 0.1, 0.0), (0.25, 0.18, 0.02), (0.62, 0.2, 0.5), (0.55, 0.18, 0.62), (0.08, 0.1, 0.3)]
        )
        mesh.polygon(feathers * size * (side, 1, 1) + (0, 0, base), colour, "metal")


def _obelisk(mesh: Mesh, p: dict[str, Any]) -> None:
    height = p["height"]
    wide = 0.14 * height * p["breadth"]
    base = _pedestal(mesh, p, 1.55 * wide, p["plinth"] * 0.6 * height)
    low, high = wide / math.sqrt(2), wide * p["taper"] / math.sqrt(2)
    pieces = 2 * p["bands"] + 1
    tall = height * 0.85
    for index in range(pieces):
        radii = [low + (high - low) * (index + k) / pieces for k in (0, 1)]
        colour = p["second"] if index % 2 and p["bands"] < 7 else shaded(p["stone"], 1 - 0.12 * (index % 2))
        mesh.frustum((0, 0), 4, *radii, tall / pieces, colour, base + index * tall / pieces, 0.0, "stone")
    tip = {"plain": p["stone"], "gold": "#d8aa30", "dark": "#45464a"}[p["tip"]]
    material = "stone" if p["tip"] == "plain" else "metal"
    mesh.frustum((0, 0), 4, high, 0.0, 1.3 * high, tip, base + tall, 0.0, material)


def _column(mesh: Mesh, p: dict[str, Any]) -> None:
    height = p["height"]
    radius = 0.058 * height * p["breadth"]
    base = _pedestal(mesh, p, 3.2 * radius, p["plinth"] * 0.7 * height)
    tall = 0.62 * height
    mesh.frustum((0, 0), 20, 1.35 * radius, 1.2 * radius, 0.03 * height, p["stone"], base, 0.0, "stone")
    pieces = 2 * p["bands"] + 1
    for index in range(pieces):
        low, high = (radius * (1 - (1 - p["taper"]) * 0.5 * (index + k) / pieces) for k in (0, 1))
        colour = p["second"] if index % 2 else p["stone"]
        mesh.frustum((0, 0), 20, low, high, tall / pieces, colour, base + index * tall / pieces, 0.0, "stone")
        if index % 2:
            mesh.frustum((0, 0), 20, 1.1 * low, 1.1 * low, 0.012 * height, p["metal"], base + index * tall / pieces)
    top = base + tall
    mesh.frustum((0, 0), 20, 0.85 * radius, 1.5 * radius, 0.05 * height, p["second"], top, 0.0, "stone")
    mesh.box((0, 0), (2.9 * radius, 2.9 * radius, 0.025 * height), p["stone"], top + 0.05 * height, 0.0, "stone")
    mesh.frustum((0, 0), 12, radius, 0.8 * radius, 0.03 * height, p["stone"], top + 0.075 * height, 0.0, "stone")
    _figure(mesh, p, top + 0.105 * height, 0.2 * height)


def _arch(mesh: Mesh, p: dict[str, Any]) -> None:
    """A block with one or three passages along y, an attic, perhaps a team of horses."""
    height = 0.6 * p["height"]
    length, deep = height * (1.0 if p["passages"] == 1 else 1.25) * p["breadth"], 0.42 * height
    body = height * (1 - p["attic"])
    wall = {"centre_xy": (0, 0), "base": 0.0, "turn": 0.0, "material": "stone"}
    if p["passages"] == 1:
        mesh.wall_with_arches(length, body, deep, 1, 0.42 * length, 0.78 * body, p["stone"], **wall)
        piers = [0.34 * length]
    else:
        third = 0.3 * length
        for x in (-0.5 * (length - third), 0.5 * (length - third)):
            side = {**wall, "centre_xy": (x, 0)}
            mesh.wall_with_arches(third, body, deep, 1, 0.52 * third, 0.5 * body, p["stone"], **side)
        middle = length - 2 * third
        mesh.wall_with_arches(middle, body, deep, 1, 0.72 * middle, 0.8 * body, p["stone"], **wall)
        piers = [0.5 * middle, 0.47 * length]
        for x in (-0.35 * length, 0.35 * length):
            for facing in (-math.pi / 2, math.pi / 2):
                spot = (x, 0, 0.68 * body)
                mesh.panel(spot, (0.16 * length, 0.14 * body), p["metal"], facing, "rect", deep / 2 + 0.06, "metal")
    for side in (-1, 1):
        for x in piers:
            for sign in (-1, 1):
                spot = (sign * x, side * (deep / 2 + 0.035 * height))
                mesh.box(spot, (0.09 * height, 0.09 * height, 0.1 * body), p["second"], 0.0, 0.0, "stone")
                column(mesh, spot, 0.03 * height, 0.86 * body, p["second"], 0.1 * body, "leaf")
    edge = 0.1 * height
    mesh.box((0, 0), (length + edge, deep + 1.6 * edge, 0.055 * height), p["second"], body, 0.0, "stone")
    attic = height * p["attic"]
    mesh.box((0, 0), (length * 0.97, deep, attic), p["stone"], body + 0.05 * height, 0.0, "stone")
    top = body + 0.05 * height + attic
    mesh.box((0, 0), (length, deep + 0.6 * edge, 0.04 * height), p["second"], top, 0.0, "stone")
    if p["panels"]:
        for facing in (-math.pi / 2, math.pi / 2):
            spot = (0, 0, body + 0.05 * height + attic / 2)
            mesh.panel(
                spot, (0.6 * length, 0.6 * attic), shaded(p["stone"], 0.6), facing, "rect", deep / 2 + 0.06, "stone"
            )
    if p["quadriga"]:
        for x in (-0.15, -0.05, 0.05, 0.15):
            _horse(mesh, (x * height, -0.12 * height), top + 0.04 * height, 0.17 * height, p["metal"], -math.pi / 2)
        chariot = Mesh()
        _figure(chariot, p, 0.0, 0.3 * height, "wings")
        mesh.add(chariot, (0, 0.05 * height, top + 0.04 * height))
    elif p["corners"] in ("small", "posts"):
        for x in (-0.4, 0.4):
            statue = Mesh()
            _figure(statue, p, 0.0, 0.2 * height, "standing")
            mesh.add(statue, (x * length, 0, top + 0.04 * height))


def _horse(mesh: Mesh, at, base: float, size: float, colour, turn: float, rearing: float = 0.0) -> None:
    """A horse that looks along its own +x; `rearing` lifts its forehand (radians)."""
    horse = Mesh()
    horse.ellipsoid((0, 0, 0), (0.52 * size, 0.21 * size, 0.25 * size), colour, "metal", 10)
    neck = np.array([(0.34, 0, 0.02), (0.5, 0, 0.26), (0.6, 0, 0.42)]) * size
    horse.tube(neck, 0.15 * size, colour, 6)
    horse.ellipsoid(np.array([0.72, 0, 0.42]) * size, (0.22 * size, 0.09 * size, 0.12 * size), colour, "metal", 8)
    horse.tube(np.array([(-0.5, 0, 0.1), (-0.68, 0, -0.05), (-0.7, 0, -0.35)]) * size, 0.05 * size, colour, 5)
    for x, fold in ((-0.34, 0.0), (0.34, 0.28 if rearing else 0.0)):
        for y in (-0.12, 0.12):
            lift = fold if y > 0 or rearing else 0.0
            leg = np.array([(x, y, -0.1), (x + lift, y, -0.4 + 0.3 * lift), (x + 0.5 * lift, y, -0.78 + lift)]) * size
            horse.tube(leg, 0.055 * size, colour, 5)
    points = horse.vertices.astype(np.float64)
    hinge = np.array([-0.34, 0, -0.78]) * size
    cosine, sine = math.cos(rearing), math.sin(rearing)
    x, z = points[..., 0] - hinge[0], points[..., 2] - hinge[2]
    hind = (points[..., 0] < -0.15 * size) & (points[..., 2] < -0.25 * size)
    lifted = np.stack([cosine * x - sine * z + hinge[0], points[..., 1], sine * x + cosine * z + hinge[2]], axis=-1)
    points = np.where(hind[..., None] & (rearing > 0), points, lifted)
    mesh.add(Mesh().triangles(points, horse.colours, "metal"), (*at, base + 0.78 * size), turn)


def _rider(mesh: Mesh, p: dict[str, Any]) -> None:
    height = 0.5 * p["height"]
    q = {**p, "height": height * 1.4}
    size = 0.42 * height
    top = _pedestal(mesh, q, 1.5 * size * p["breadth"], p["plinth"] * 1.5 * height, 0.8 * size * p["breadth"])
    rearing = 0.5 if p["figure"] in ("arm", "wings", "torch") else 0.0
    _horse(mesh, (0, 0), top, size, p["metal"], 0.0, rearing)
    saddle = top + size * (1.0 + 0.25 * (rearing > 0))
    x = -0.05 * size - 0.16 * size * (rearing > 0)
    mesh.frustum((x, 0), 8, 0.12 * size, 0.17 * size, 0.45 * size, p["metal"], saddle, 0.0, "metal")
    mesh.ellipsoid((x, 0, saddle + 0.6 * size), (0.11 * size, 0.1 * size, 0.13 * size), p["metal"], "metal", 8)
    for side in (-1, 1):
        leg = np.array([(x, side * 0.16, 0.05), (x + 0.12, side * 0.25, -0.2), (x + 0.05, side * 0.24, -0.5)])
        leg[:, 0] = x + np.array([0.0, 0.12, 0.05]) * size
        leg[:, 1:] *= size
        leg[:, 2] += saddle
        mesh.tube(leg, 0.06 * size, p["metal"], 5)
    reach = (0.55, 0.75) if p["figure"] in ("arm", "torch", "standing") else (0.4, 0.2)
    hand = (x + reach[0] * size, -0.2 * size, saddle + reach[1] * size)
    mesh.tube(np.array([(x, -0.15 * size, saddle + 0.4 * size), hand]), 0.05 * size, p["metal"], 5)
    if p["figure"] in ("standing", "globe"):
        lance = np.array([(hand[0], hand[1], top + 0.3 * size), (hand[0], hand[1], saddle + 1.3 * size)])
        mesh.tube(lance, 0.025 * size, p["metal"], 4)


def _statue(mesh: Mesh, p: dict[str, Any]) -> None:
    height = p["height"]
    top = _pedestal(mesh, p, 0.3 * height * p["breadth"], p["plinth"] * 1.1 * height)
    kind = p["figure"] if p["figure"] not in ("globe", "eagle") else "arm"
    _figure(mesh, p, top, 0.62 * height, kind)


def _rotunda(mesh: Mesh, p: dict[str, Any]) -> None:
    """A ring of columns under a dome, with a statue inside."""
    height = 0.45 * p["height"]
    radius = 0.42 * height * p["breadth"]
    stair = 0.04 * height * p["steps"]
    for index in range(p["steps"]):
        wide = radius * (1.25 + 0.1 * (p["steps"] - index))
        tone = shaded(p["second"], 0.86 + 0.14 * (index % 2))
        mesh.frustum((0, 0), 24, wide, wide, stair / p["steps"], tone, stair * index / p["steps"], 0.0, "stone")
    count = max(p["columns"], 6)
    spots = place(
        [(math.cos(a) * radius, math.sin(a) * radius) for a in np.arange(count) * 2 * math.pi / count], (0, 0), 0.2
    )
    for spot in spots:
        column(mesh, spot, 0.075 * radius + 0.01 * height, 0.55 * height, p["stone"], stair, "leaf")
    ring = stair + 0.55 * height
    mesh.frustum((0, 0), 24, 1.15 * radius, 1.15 * radius, 0.08 * height, p["stone"], ring, 0.0, "stone")
    arc = np.linspace(0, math.pi / 2, 8)
    cap = np.column_stack([np.cos(arc) * radius, ring + 0.08 * height + np.sin(arc) * radius * p["taper"]])
    mesh.lathe(cap, p["metal"], 24, (0, 0), "metal")
    _figure(mesh, p, cap[-1, 1] - 0.01 * height, 0.22 * height)
    inside = Mesh()
    _figure(inside, p, 0.0, 0.36 * height, "standing")
    mesh.add(inside, (0, 0, stair))
    if p["steps"] > 2:
        stairs(mesh, 0.0, -1.3 * radius, 0.8 * radius, stair, p["second"])
