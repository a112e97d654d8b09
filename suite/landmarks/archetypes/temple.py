"""Classical temples: columns on steps under pediments, round ones under a dome, and ruins of both."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from suite.landmarks.archetypes.parts import column, dome, finish, flag, shaded, stairs, steps
from suite.landmarks.landmark import Landmark, ViewHints
from suite.landmarks.mesh import Mesh

_STONES = ("#e6dfcf", "#d8c39a", "#c9b8a0", "#b9a58a", "#d9d4cc", "#c98f6b", "#a8a39a", "#efe9dd")


def parameters(rng: np.random.Generator) -> dict[str, Any]:
    """What sets one temple apart: every key can be drawn anew on its own."""
    return {
        "style": str(rng.choice(["peripteral", "portico", "round", "ruin", "double", "domed"])),
        "front": int(rng.choice([4, 6, 6, 8])),
        "ratio": float(rng.uniform(1.3, 2.2)),
        "column": float(rng.uniform(7, 12)),
        "slender": float(rng.uniform(0.11, 0.17)),
        "capital": str(rng.choice(["plain", "scroll", "leaf"])),
        "steps": int(rng.integers(2, 7)),
        "podium": float(rng.choice([0.0, 0.0, 0.25, 0.45])),
        "pediment": float(rng.uniform(0.26, 0.46)),
        "relief": bool(rng.random() < 0.5),
        "frieze": str(rng.choice(["plain", "blocks", "band"])),
        "stone": str(rng.choice(_STONES)),
        "trim": str(rng.choice(["same", "#b5533a", "#4d6a8a", "#c9a24a", "#7d8a6a"])),
        "roof": str(rng.choice(["#b0603f", "#8c4a36", "#6b6f73", "#b9b2a6", "#5d7a6a"])),
        "cell": str(rng.choice(["same", "#c98f6b", "#8a4a3a", "#d9c9a0", "#77808a"])),
        "statues": bool(rng.random() < 0.35),
        "braziers": bool(rng.random() < 0.3),
        "ruined": int(rng.integers(0, 2**31)),
        "ground": str(rng.choice(["rock", "grass", "sand", "paving", "earth"])),
    }


def build(parameters: dict[str, Any], rng: np.random.Generator) -> Landmark:
    """The temple that `parameters` describe; "ruined" seeds which columns of a ruin fell."""
    p, mesh = parameters, Mesh()
    if p["style"] == "round":
        _round(mesh, p)
    else:
        _long(mesh, p)
    _yard(mesh, p)
    return finish(mesh, "temple", p["ground"], ViewHints(elevation=(-1, 13), distance=(1.5, 2.4)))


def _long(mesh: Mesh, p: dict[str, Any]) -> None:
    height, radius = p["column"], p["column"] * p["slender"] / 2
    gap = height * 0.36
    wide = gap * (p["front"] - 1)
    sides = max(3, round((p["front"] - 1) * p["ratio"]))
    deep = gap * sides
    base = _platform(mesh, p, (wide + 4 * radius, deep + 4 * radius))
    around = [(-wide / 2 + gap * i, y) for i in range(p["front"]) for y in (-deep / 2, deep / 2)]
    if p["style"] in ("peripteral", "ruin", "double"):
        around += [(x, -deep / 2 + gap * i) for i in range(1, sides) for x in (-wide / 2, wide / 2)]
    else:
        around = [spot for spot in around if spot[1] < 0]
        around += [(x, -deep / 2 + gap) for x in (-wide / 2, wide / 2)]
    if p["style"] == "double":
        around += [(-wide / 2 + gap * i, -deep / 2 + gap) for i in range(1, p["front"] - 1)]
    ruin = p["style"] == "ruin"
    chance = np.random.default_rng(p["ruined"])
    standing = chance.random(len(around)) > (0.35 if ruin else 0.0)
    for spot, whole in zip(around, standing, strict=True):
        tall = height if whole else height * float(chance.uniform(0.08, 0.6))
        if whole:
            column(mesh, spot, radius, tall, p["stone"], base, p["capital"], 10)
        else:
            mesh.frustum(spot, 10, radius, radius * 0.9, tall, p["stone"], base, 0.0, "stone")
    cell = p["stone"] if p["cell"] == "same" else p["cell"]
    tall = height * (0.55 if ruin else 0.98)
    room = (wide - 1.5 * gap, deep - (1.5 if ruin else 2.2) * gap)
    mesh.box((0, gap * 0.3), (*room, tall), cell, base, 0.0, "stone")
    front = gap * 0.3 - room[1] / 2
    _door(mesh, (gap * 1.1, tall * 0.7), base, 0.05 - front)
    _entablature(mesh, p, wide, deep, base + height, radius, standing, ruin)


def _entablature(mesh, p, wide, deep, base, radius, standing, ruin) -> None:
    """Beam, frieze, pediments and roof; of a ruin the front alone."""
    trim = p["stone"] if p["trim"] == "same" else p["trim"]
    size = (wide + 3.2 * radius, deep + 3.2 * radius)
    beam = p["column"] * 0.11
    if ruin:
        mesh.box((0, -deep / 2), (size[0], 3 * radius, beam), p["stone"], base, 0.0, "stone")
        if standing[0] and standing[1]:
            _gable(mesh, p, size[0] * 0.98, -deep / 2, base + beam, 3 * radius)
        return
    mesh.box((0, 0), (*size, beam), p["stone"], base, 0.0, "stone")
    mesh.box((0, 0), (size[0] * 0.985, size[1] * 0.985, beam), trim, base + beam, 0.0, "stone")
    if p["frieze"] == "blocks":
        for x in np.linspace(-wide / 2, wide / 2, 2 * p["front"] - 1):
            for y in (-size[1] / 2, size[1] / 2):
                mesh.box((x, y), (radius * 0.9, radius * 0.25, beam), p["stone"], base + beam, 0.0, "stone")
    mesh.box((0, 0), (size[0] * 1.05, size[1] * 1.03, beam * 0.35), p["stone"], base + 2 * beam, 0.0, "stone")
    top = base + 2.35 * beam
    if p["style"] == "domed":
        drum = min(size) * 0.34
        mesh.frustum((0, 0), 24, drum, drum, p["column"] * 0.4, p["stone"], top, 0.0, "stone")
        dome(mesh, (0, 0), drum * 1.02, top + p["column"] * 0.4, p["roof"], "round")
        _gable(mesh, p, size[0], -size[1] / 2 + size[1] * 0.12, top, size[1] * 0.24)
        return
    rise = size[0] * p["pediment"] * 0.5
    mesh.gable((0, 0), (size[1] * 1.04, size[0] * 1.06, rise), p["roof"], top, math.pi / 2, trim)
    _ornaments(mesh, p, size, top, rise)


def _gable(mesh, p, wide, y, base, depth) -> None:
    rise = wide * p["pediment"] * 0.5
    mesh.gable(
        (0, y), (depth, wide, rise), p["roof"] if p["style"] == "domed" else p["stone"], base, math.pi / 2, p["stone"]
    )
    if p["relief"] and p["style"] == "domed":
        mesh.panel((0, y, base + rise * 0.4), (rise * 0.7, rise * 0.5), shaded(p["stone"], 0.6), -math.pi / 2, "disc",
                   depth / 2 + 0.1)  # fmt: skip


def _ornaments(mesh, p, size, top, rise) -> None:
    if p["relief"]:
        for share in (-0.5, -0.25, 0.0, 0.25, 0.5):
            tall = rise * (0.62 - abs(share))
            spot = (share * size[0] * 0.7, 0, top + tall * 0.55)
            shape = (size[0] * 0.07, tall)
            mesh.panel(spot, shape, shaded(p["stone"], 0.62), -math.pi / 2, "round", size[1] * 0.52 + 0.08, "stone")
    if p["statues"]:
        for x, z in ((-size[0] / 2, top), (0, top + rise), (size[0] / 2, top)):
            mesh.frustum((x, -size[1] / 2), 6, rise * 0.12, rise * 0.06, rise * 0.5, "#c9a24a", z, 0.0, "metal")
            mesh.ellipsoid((x, -size[1] / 2, z + rise * 0.56), (rise * 0.08,) * 3, "#c9a24a", "metal", 8)


def _round(mesh: Mesh, p: dict[str, Any]) -> None:
    height, radius = p["column"], p["column"] * p["slender"] / 2
    count = 2 * p["front"]
    ring = height * 0.36 * count / (2 * math.pi)
    base = 0.0
    for index in range(p["steps"]):
        out = ring + 3 * radius + (p["steps"] - 1 - index) * height * 0.07
        mesh.frustum((0, 0), 32, out, out, height * 0.05, shaded(p["stone"], 0.9), base, 0.0, "stone")
        base += height * 0.05
    for angle in np.arange(count) * 2 * math.pi / count:
        column(
            mesh, (ring * math.cos(angle), ring * math.sin(angle)), radius, height, p["stone"], base, p["capital"], 10
        )
    cell = p["stone"] if p["cell"] == "same" else p["cell"]
    mesh.frustum((0, 0), 24, ring * 0.62, ring * 0.62, height, cell, base, 0.0, "stone")
    _door(mesh, (ring * 0.5, height * 0.66), base, ring * 0.63)
    trim = p["stone"] if p["trim"] == "same" else p["trim"]
    mesh.frustum((0, 0), 32, ring + 2 * radius, ring + 2 * radius, height * 0.2, trim, base + height, 0.0, "stone")
    if p["relief"]:
        dome(mesh, (0, 0), ring * 0.98, base + height * 1.2, p["roof"], "round")
    else:
        mesh.frustum(
            (0, 0),
            32,
            ring + 3 * radius,
            0.0,
            height * (0.3 + p["pediment"]),
            p["roof"],
            base + height * 1.2,
            0.0,
            "tiles",
        )


def _door(mesh: Mesh, size: tuple[float, float], base: float, ahead: float) -> None:
    """The way in, `ahead` of the middle on the front."""
    mesh.panel((0, 0, base + size[1] / 2), size, "#2a221c", -math.pi / 2, "rect", ahead, "wood")


def _platform(mesh, p, size) -> float:
    rise = p["column"] * (0.04 * p["steps"] + p["podium"])
    if p["podium"]:
        mesh.box((0, 0), (size[0] * 1.06, size[1] * 1.04, rise), shaded(p["stone"], 0.88), 0.0, 0.0, "stone")
        stairs(mesh, 0.0, -size[1] * 0.52, size[0] * 0.8, rise, p["stone"])
    else:
        steps(mesh, (0, 0), size, rise, p["steps"], p["column"] * 0.06, p["stone"])
    return rise


def _yard(mesh, p) -> None:
    """What stands before it, along the way in."""
    ahead = -p["column"] * 0.36 * (p["front"] - 1) * (1.1 if p["style"] == "round" else p["ratio"]) / 2 - p["column"]
    for side in (-1, 1):
        spot = (side * p["column"] * 0.9, ahead)
        if p["braziers"]:
            mesh.frustum(spot, 8, 0.9, 0.5, 2.0, p["stone"], 0.0, 0.0, "stone")
            mesh.ellipsoid((*spot, 2.5), (0.6, 0.6, 0.8), "#f2a63c", "glass", 8)
        elif p["statues"]:
            mesh.box(spot, (1.6, 1.6, 2.4), p["stone"], 0.0, 0.0, "stone")
            flag(mesh, spot, 2.4, p["column"] * 0.6, p["roof"])
