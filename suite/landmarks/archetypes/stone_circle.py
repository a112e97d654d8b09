"""Stone circles: standing stones on a turf, some under lintels, some fallen, with an inner ring or horseshoe."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from suite.landmarks.archetypes.parts import finish
from suite.landmarks.landmark import Landmark, ViewHints
from suite.landmarks.mesh import Mesh


def parameters(rng: np.random.Generator) -> dict[str, Any]:
    """What sets one stone circle apart: every key can be drawn anew on its own."""
    return {
        "style": str(rng.choice(["trilithons", "ring", "double", "horseshoe", "avenue"])),
        "stones": int(rng.integers(9, 22)),
        "radius": float(rng.uniform(9, 20)),
        "height": float(rng.uniform(2.6, 6.5)),
        "breadth": float(rng.uniform(0.3, 0.65)),
        "taper": float(rng.uniform(0.45, 1.0)),
        "lintels": float(rng.choice([0.0, 0.35, 0.7, 1.0])),
        "fallen": float(rng.uniform(0.0, 0.35)),
        "uneven": float(rng.uniform(0.05, 0.4)),
        "altar": str(rng.choice(["none", "slab", "pillar", "mound"])),
        "stone": str(rng.choice(["#8d8a83", "#6f6b66", "#a39a86", "#7d6a5c", "#5b5f66", "#b3aa9c"])),
        "lichen": str(rng.choice(["#8d8a83", "#9aa07a", "#b8a25e", "#75716a"])),
        "ground": str(rng.choice(["grass", "grass", "earth", "sand"])),
        "arrangement": int(rng.integers(0, 2**31)),
    }


def build(parameters: dict[str, Any], rng: np.random.Generator) -> Landmark:
    """The circle that `parameters` describe; "arrangement" seeds what happened to each stone."""
    p, mesh = parameters, Mesh()
    chance = np.random.default_rng(p["arrangement"])
    if p["style"] == "trilithons":
        _ring(mesh, p, chance, p["radius"], p["height"], p["stones"], max(p["lintels"], 0.7))
        for angle in np.linspace(0.6, 2 * math.pi - 0.6, 5):
            _trilithon(mesh, p, p["radius"] * 0.5, angle, p["height"] * 1.45)
    elif p["style"] == "horseshoe":
        _ring(mesh, p, chance, p["radius"], p["height"], p["stones"], p["lintels"], opening=1.1)
    else:
        _ring(mesh, p, chance, p["radius"], p["height"], p["stones"], p["lintels"])
    if p["style"] == "double":
        _ring(mesh, p, chance, p["radius"] * 0.55, p["height"] * 0.7, max(p["stones"] - 5, 6), 0.0)
    if p["style"] == "avenue":
        for step in range(1, 5):
            for side in (-1, 1):
                at = (p["radius"] + step * p["height"] * 0.9, side * p["height"] * 0.8)
                _stone(mesh, p, at, chance.normal(scale=0.2), p["height"] * 0.75, p["breadth"])
    _altar(mesh, p)
    return finish(mesh, "stone circle", p["ground"], ViewHints(elevation=(3, 20), distance=(1.4, 2.3)))


def _ring(mesh, p, chance, radius, height, count, lintels, opening=0.0) -> None:
    angles = opening / 2 + (2 * math.pi - opening) * np.arange(count) / (count if opening == 0 else count - 1)
    standing = chance.random(count) >= p["fallen"]
    covered = chance.random(count) < lintels
    heights = height * (1 + p["uneven"] * chance.uniform(-0.5, 0.5, count) * (lintels == 0))
    width = min(p["breadth"] * height, 1.5 * radius / count * math.pi / 2)
    for place, angle in enumerate(angles):
        spot = (radius * math.cos(angle), radius * math.sin(angle))
        if standing[place]:
            _stone(mesh, p, spot, angle, heights[place], width / height)
        else:
            turn = angle + chance.uniform(-0.8, 0.8)
            mesh.box(spot, (heights[place] * 0.9, width, width * 0.5), p["stone"], 0.0, turn, "rock")
        following = (place + 1) % count
        bridged = standing[place] and standing[following] and covered[place] and (following or not opening)
        if bridged:
            _lintel(mesh, p, radius, angle, angles[following] - angle, height, width)


def _stone(mesh, p, spot, angle, height, breadth) -> None:
    """A tapering block, its broad side to the middle."""
    width, depth = breadth * height, breadth * height * 0.55
    foot = np.array([[-depth, -width], [depth, -width], [depth, width], [-depth, width]]) / 2
    cosine, sine = math.cos(angle), math.sin(angle)
    turned = foot @ np.array([[cosine, sine], [-sine, cosine]])
    waist = p["taper"] + (1 - p["taper"]) * 0.6
    levels = [(0.0, 1.0), (height * 0.7, waist), (height, p["taper"] * 0.85)]
    rings = [np.column_stack([turned * scale + np.asarray(spot), np.full(4, z)]) for z, scale in levels]
    for lower, upper, colour in zip(rings, rings[1:], (p["stone"], p["lichen"]), strict=False):
        for corner in range(4):
            after = (corner + 1) % 4
            mesh.polygon(np.array([lower[corner], lower[after], upper[after], upper[corner]]), colour, "rock")
    mesh.polygon(rings[-1], p["lichen"], "rock")


def _lintel(mesh, p, radius, angle, step, height, width) -> None:
    step = step % (2 * math.pi)
    middle = angle + step / 2
    inner = radius * math.cos(step / 2)
    size = (width * 0.65, 2 * radius * math.sin(step / 2) + width * 0.7, height * 0.16)
    mesh.box((inner * math.cos(middle), inner * math.sin(middle)), size, p["lichen"], height, middle, "rock")


def _trilithon(mesh, p, radius, angle, height) -> None:
    width = height * 0.2
    for side in (-1, 1):
        turn = angle + side * width * 1.3 / radius
        _stone(mesh, p | {"taper": 0.9}, (radius * math.cos(turn), radius * math.sin(turn)), angle, height, 0.24)
    spot = (radius * math.cos(angle), radius * math.sin(angle))
    mesh.box(spot, (width * 0.75, width * 4.2, height * 0.14), p["lichen"], height, angle, "rock")


def _altar(mesh, p) -> None:
    if p["altar"] == "slab":
        mesh.box((0, 0), (p["height"] * 0.8, p["height"] * 0.45, p["height"] * 0.2), p["lichen"], 0, 0.4, "rock")
    elif p["altar"] == "pillar":
        _stone(mesh, p, (0, 0), 0.3, p["height"] * 1.25, p["breadth"] * 0.8)
    elif p["altar"] == "mound":
        mesh.ellipsoid((0, 0, 0), (p["radius"] * 0.3, p["radius"] * 0.3, p["height"] * 0.35), "#5f7038", "grass")
