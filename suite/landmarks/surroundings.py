"""What stands around a landmark in every photo of it: trees, plain houses, hills on the horizon.

These are placed once a landmark, from its seed. What comes and goes (people, cars, boats) is `foreground`'s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from suite.landmarks.landmark import Landmark
from suite.landmarks.mesh import Mesh, linear

_LEAVES = ("#3f5a26", "#4d6b2c", "#35502a", "#5c6f30")
_WALLS = ("#c9bda6", "#b5a48c", "#d3cdbf", "#a77f63", "#bfb0a0", "#9d958c")
_ROOFS = ("#7a4a3a", "#5b5550", "#8a5a42", "#4a4d55")
_HILL_RING = 26.0
# Landmarks of a greater radius (metres) stand among woods and fields, not among houses.
_GRAND = 300.0


@dataclass(frozen=True)
class Placed:
    """A thing beside the landmark; it is left out of a photo that would be taken from inside of it."""

    mesh: Mesh
    at: tuple[float, float]
    size: float


def tree(rng: np.random.Generator, height: float) -> Mesh:
    """A tree of `height` metres: a conifer, a poplar or a broad crown of several balls of leaves."""
    mesh, leaf = Mesh(), linear(str(rng.choice(_LEAVES))) * rng.uniform(0.7, 1.1)
    kind = rng.integers(4)
    mesh.frustum((0, 0), 6, 0.035 * height, 0.02 * height, 0.5 * height, "#4a3826", 0.0, 0.0, "wood")
    if kind == 0:
        for level in range(3):
            base, width = height * (0.12 + 0.27 * level), height * (0.24 - 0.055 * level)
            mesh.frustum((0, 0), 9, width, 0.0, height * 0.42, leaf * 0.7, base, rng.uniform(0, 1), "foliage")
    elif kind == 1:
        mesh.ellipsoid((0, 0, 0.55 * height), (0.13 * height, 0.13 * height, 0.45 * height), leaf, "foliage", 10)
    else:
        for _ in range(5):
            spot = rng.normal(0, 0.12, 3) * height + (0, 0, 0.66 * height)
            radii = rng.uniform(0.15, 0.26, 3) * height
            mesh.ellipsoid(spot, radii, leaf * rng.uniform(0.85, 1.15), "foliage", 10)
    return mesh


def _far_tree(rng: np.random.Generator, height: float) -> Mesh:
    """A tree seen from afar: one cone or one ball."""
    leaf = linear(str(rng.choice(_LEAVES))) * rng.uniform(0.5, 0.8)
    if rng.random() < 0.6:
        return Mesh().frustum((0, 0), 6, 0.22 * height, 0.0, height, leaf, 0.0, rng.uniform(0, 1), "foliage")
    return Mesh().ellipsoid((0, 0, 0.5 * height), (0.3 * height, 0.3 * height, 0.5 * height), leaf, "foliage", 6)


def house(rng: np.random.Generator, size: float) -> Mesh:
    """A plain house, `size` metres long, of one to four storeys."""
    mesh, wall = Mesh(), str(rng.choice(_WALLS))
    depth, storeys = size * rng.uniform(0.6, 0.9), int(rng.integers(1, 5))
    storey = size * 0.26
    mesh.box((0, 0), (size, depth, storeys * storey), wall, 0.0, 0.0, "plaster")
    roof, shape = str(rng.choice(_ROOFS)), rng.random()
    if shape < 0.6:
        mesh.gable((0, 0), (size * 1.05, depth * 1.1, size * 0.3), roof, storeys * storey, 0.0, wall)
    elif shape < 0.8:
        mesh.hip((0, 0), (size * 1.05, depth * 1.1, size * 0.25), roof, storeys * storey)
    columns = int(rng.integers(3, 6))
    for level in range(storeys):
        for column in range(columns):
            x = size * ((column + 0.5) / columns - 0.5)
            for side in (-1, 1):
                centre = (x, side * depth / 2, (level + 0.55) * storey)
                mesh.panel(centre, (0.5 * size / columns, 0.5 * storey), "#2b3238", side * math.pi / 2)
    return mesh


def surround(landmark: Landmark, rng: np.random.Generator) -> list[Placed]:
    """The fixed neighbours of a landmark."""
    placed: list[Placed] = []
    radius, free = landmark.radius, _footprint(landmark)
    if landmark.ground not in ("water", "snow"):
        trees = int(rng.integers(2, 12)) if landmark.ground in ("grass", "earth", "paving") else int(rng.integers(0, 4))
        for _ in range(trees):
            height = float(np.clip(rng.uniform(0.22, 0.42) * radius, 4.0, 60.0)) * rng.uniform(0.7, 1.2)
            placed.append(_place(tree(rng, height), free + 0.35 * height, 1.7 * radius, 0.5 * height, rng))
    if radius > _GRAND and landmark.ground in ("grass", "earth"):
        # Beside a mountain a tree is a dot: woods give the scale.
        for _ in range(int(rng.integers(3, 9))):
            wood = Mesh()
            for _ in range(int(rng.integers(4, 16))):
                wood.add(_far_tree(rng, 0.035 * radius * rng.uniform(0.6, 1.2)), rng.normal(0, 0.09, 2) * radius)
            placed.append(_place(wood, 1.02 * free, 1.5 * free, 0.2 * radius, rng))
    if landmark.ground in ("paving", "grass") and radius < _GRAND and rng.random() < 0.5:
        for _ in range(int(rng.integers(1, 7))):
            size = float(np.clip(rng.uniform(0.25, 0.45) * radius, 7.0, 22.0))
            turned = Mesh().add(house(rng, size), turn=rng.uniform(0, math.pi))
            placed.append(_place(turned, max(1.25 * radius, free + size), 2.4 * radius, size, rng))
    if rng.random() < 0.75:
        placed.append(Placed(_hills(radius, landmark.ground, rng), (0.0, 0.0), 0.0))
    return placed


def _footprint(landmark: Landmark) -> float:
    """How far from the axis the landmark reaches, metres."""
    return float(np.hypot(landmark.mesh.vertices[..., 0], landmark.mesh.vertices[..., 1]).max(initial=0.0))


def _place(mesh: Mesh, nearest: float, farthest: float, size: float, rng: np.random.Generator) -> Placed:
    distance, angle = rng.uniform(nearest, max(farthest, nearest * 1.2)), rng.uniform(0, 2 * math.pi)
    return Placed(mesh, (distance * math.cos(angle), distance * math.sin(angle)), size)


def _hills(radius: float, ground: str, rng: np.random.Generator) -> Mesh:
    """A ring of far hills around a part of the horizon, in two rows."""
    mesh = Mesh()
    colour = linear("#cfd6de" if ground == "snow" else str(rng.choice(["#53673f", "#5f6b52", "#6d6a4e", "#4b5d4a"])))
    for row in range(2):
        distance = radius * (_HILL_RING + 14 * row)
        angles = np.linspace(0, 2 * math.pi, 121)
        skyline = np.zeros_like(angles)
        for wave in range(1, 9):
            frequency = int(rng.integers(2, 5)) * wave
            skyline += np.sin(frequency * angles + rng.uniform(0, 2 * math.pi)) / wave
        heights = distance * (0.02 + 0.03 * row) * np.clip(skyline * rng.uniform(0.5, 1.0) + 0.5, 0.0, None)
        feet = np.column_stack([np.cos(angles) * distance, np.sin(angles) * distance, np.zeros_like(angles)])
        crest = feet * [1.08, 1.08, 0] + np.column_stack([np.zeros((121, 2)), heights])
        strip = np.stack([feet, crest])
        a, b, c, d = strip[0, :-1], strip[0, 1:], strip[1, 1:], strip[1, :-1]
        mesh.triangles(np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]), colour, "foliage")
    return mesh
