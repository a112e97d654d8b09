"""Lighthouses: a tapering tower in bands, a gallery, a lantern, a keeper's house, on a rock above the sea."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from suite.landmarks.landmark import Landmark, ViewHints
from suite.landmarks.mesh import Mesh, linear

_PAINTS = ("#d8d4c8", "#b5372d", "#26354f", "#33322f", "#c9a24a", "#8f8a80", "#2f6b57")


def parameters(rng: np.random.Generator) -> dict[str, Any]:
    """What sets one lighthouse apart: every key can be drawn anew on its own."""
    return {
        "height": float(rng.uniform(18, 46)),
        "sides": int(rng.choice([4, 6, 8, 24, 24, 24])),
        "slimness": float(rng.uniform(0.1, 0.19)),
        "taper": float(rng.uniform(0.5, 0.95)),
        "pattern": str(rng.choice(["plain", "bands", "bands", "top", "spiral"])),
        "bands": int(rng.integers(3, 8)),
        "paints": [_PAINTS[0], *rng.permutation(_PAINTS[1:])[:2].tolist()],
        "white_first": bool(rng.random() < 0.7),
        "lantern": str(rng.choice(["dome", "cone", "flat"])),
        "house": str(rng.choice(["none", "gable", "hip", "row"])),
        "house_side": float(rng.uniform(0, 2 * math.pi)),
        "house_colour": str(rng.choice(["#d9d3c3", "#b9a58a", "#a8583f", "#c9c6c0"])),
        "roof_colour": str(rng.choice(["#8c3b2e", "#4d4f55", "#5d6b5a"])),
        "rock": str(rng.choice(["none", "low", "high"])),
        "rock_colour": str(rng.choice(["#6d665c", "#55504b", "#8b7d68"])),
    }


def build(parameters: dict[str, Any], rng: np.random.Generator) -> Landmark:
    """The lighthouse that `parameters` describe; `rng` shapes its rock."""
    p = parameters
    mesh = Mesh()
    rock = {"none": 0.0, "low": 0.12, "high": 0.35}[p["rock"]] * p["height"]
    if rock:
        mesh.terrain(*_island(p, rock, rng))
    radius = p["slimness"] * p["height"] * 0.7
    top = radius * p["taper"]
    _tower(mesh, p, rock, radius, top)
    summit = _lantern(mesh, p, rock + p["height"], top)
    _house(mesh, p, rock, radius)
    return Landmark(
        mesh=mesh,
        radius=summit * 0.58,
        height=summit,
        ground="water" if rock else "grass",
        view=ViewHints(elevation=(-2, 16), distance=(1.9, 3.6)),
        name="lighthouse",
    )


def _tower(mesh: Mesh, p: dict[str, Any], rock: float, radius: float, top: float) -> None:
    light, dark = p["paints"][:2] if p["white_first"] else p["paints"][1::-1]
    pieces = 28 if p["pattern"] == "spiral" else p["bands"] if p["pattern"] == "bands" else 4
    step = p["height"] / pieces
    for index in range(pieces):
        lower, upper = (radius + (top - radius) * (index + k) / pieces for k in (0, 1))
        dark_here = (p["pattern"] == "bands" and index % 2 == 1) or (p["pattern"] == "top" and index == pieces - 1)
        mesh.frustum(
            (0, 0), p["sides"], lower, upper, step, dark if dark_here else light, rock + index * step, 0.0, "plaster"
        )
    if p["pattern"] == "spiral":
        for index in range(4 * pieces):
            height = rock + (index + 0.5) * step / 4
            width = radius + (top - radius) * (index + 0.5) / (4 * pieces)
            for start in (0.0, math.pi):
                mesh.panel(
                    (0, 0, height),
                    (width * 0.75, step * 2.6),
                    dark,
                    index * 0.09 + start,
                    "rect",
                    width * 0.99,
                    "plaster",
                )
    flat = math.cos(math.pi / p["sides"])
    for index in range(1, 5):
        share = index / 5
        width = (radius + (top - radius) * share) * flat
        for side in range(4):
            if (index + side) % 2 == 0:
                mesh.panel(
                    (0, 0, rock + share * p["height"]),
                    (radius * 0.22, radius * 0.5),
                    "#20262c",
                    side * math.pi / 2,
                    "round",
                    width + 0.08,
                )
    mesh.panel(
        (0, 0, rock + radius * 0.45),
        (radius * 0.5, radius * 0.9),
        p["paints"][2],
        p["house_side"] + 1.2,
        "round",
        radius * 0.99,
        "wood",
    )


def _lantern(mesh: Mesh, p: dict[str, Any], base: float, top: float) -> float:
    trim = p["paints"][1]
    mesh.frustum((0, 0), 24, top * 1.05, top * 1.5, top * 0.35, p["paints"][0], base)
    deck = base + top * 0.35
    for index in range(16):
        angle = index * math.pi / 8
        foot = np.array([math.cos(angle) * top * 1.42, math.sin(angle) * top * 1.42, deck])
        mesh.tube(np.array([foot, foot + np.array([0, 0, top * 0.5])]), top * 0.03, "#3a3a3a", 4)
    angles = np.linspace(0, 2 * math.pi, 25)
    rail = np.column_stack([np.cos(angles) * top * 1.42, np.sin(angles) * top * 1.42, np.full(25, deck + top * 0.5)])
    mesh.tube(rail, top * 0.05, "#3a3a3a", 4)
    glass = top * 1.15
    mesh.frustum((0, 0), 12, top * 0.72, top * 0.72, glass, "#ffe9a8", deck, 0.0, "glass")
    for index in range(8):
        angle = index * math.pi / 4
        foot = np.array([math.cos(angle) * top * 0.74, math.sin(angle) * top * 0.74, deck])
        mesh.tube(np.array([foot, foot + np.array([0, 0, glass])]), top * 0.05, trim, 4)
    roof = deck + glass
    if p["lantern"] == "dome":
        turn = np.linspace(0, math.pi / 2, 7)
        mesh.lathe(np.column_stack([np.cos(turn) * top * 0.9, roof + np.sin(turn) * top * 0.8]), trim, 20)
        summit = roof + top * 0.8
    elif p["lantern"] == "cone":
        mesh.frustum((0, 0), 16, top * 0.95, 0.0, top * 1.1, trim, roof)
        summit = roof + top * 1.1
    else:
        mesh.frustum((0, 0), 16, top * 0.95, top * 0.7, top * 0.35, trim, roof)
        summit = roof + top * 0.35
    mesh.tube(np.array([[0, 0, summit - 0.1], [0, 0, summit + top * 0.6]]), top * 0.05, "#3a3a3a", 5)
    return summit + top * 0.6


def _house(mesh: Mesh, p: dict[str, Any], rock: float, radius: float) -> None:
    if p["house"] == "none":
        return
    length, width, walls = radius * 3.0, radius * 1.7, radius * 1.1
    angle = p["house_side"]
    count = 2 if p["house"] == "row" else 1
    for index in range(count):
        away = radius * 1.1 + length * (0.5 + index * 1.05)
        centre = (math.cos(angle) * away, math.sin(angle) * away)
        mesh.box(centre, (length, width, walls + rock * 0.3), p["house_colour"], rock * 0.7, angle, "plaster")
        roof = (length * 1.05, width * 1.12, walls * 0.75)
        if p["house"] == "hip":
            mesh.hip(centre, roof, p["roof_colour"], rock + walls, angle)
        else:
            mesh.gable(centre, roof, p["roof_colour"], rock + walls, angle, p["house_colour"])
        for side in (-1, 1):
            for along in (-0.3, 0.0, 0.3):
                spot = np.array(centre) + along * length * np.array([math.cos(angle), math.sin(angle)])
                mesh.panel(
                    (*spot, rock + walls * 0.55),
                    (length * 0.1, walls * 0.42),
                    "#232a30",
                    angle + side * math.pi / 2,
                    "rect",
                    width / 2 + 0.05,
                )


def _island(p: dict[str, Any], rock: float, rng: np.random.Generator) -> tuple[np.ndarray, float, object]:
    """A flat-topped rock with broken flanks that sink into the sea."""
    extent, count = p["height"] * 2.6, 41
    axis = np.linspace(-1, 1, count)
    x, y = np.meshgrid(axis, axis)
    rough = rng.normal(size=(count, count))
    for _ in range(2):
        rough = (
            rough + np.roll(rough, 1, 0) + np.roll(rough, 1, 1) + np.roll(rough, -1, 0) + np.roll(rough, -1, 1)
        ) / 3
    distance = np.hypot(x, y) * (1 + 0.10 * rough)
    fall = np.clip((0.95 - distance) / 0.4, -0.3, 1)
    heights = rock * np.where(fall > 0, np.sqrt(np.clip(fall, 0, 1)), fall) + rough * 0.1 * rock * (fall < 0.999)
    heights = np.where(np.hypot(x, y) < 0.5, rock, heights)
    stone = linear(p["rock_colour"])
    turf = np.array([0.11, 0.16, 0.05])

    def paint(height: np.ndarray, slope: np.ndarray) -> np.ndarray:
        green = ((height > 0.8 * rock) & (slope < 0.5))[..., None]
        return np.where(green, turf, stone)

    return heights, extent, paint
