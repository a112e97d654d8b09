"""Photos of no landmark: streets of plain houses, woods, empty land and sea, rooms, pictures that failed."""

from __future__ import annotations

import math

import numpy as np

from suite.landmarks.landmark import Landmark, ViewHints
from suite.landmarks.mesh import Mesh
from suite.landmarks.photo import make_site, take_photo
from suite.landmarks.surroundings import house, tree

KINDS = ("houses", "wood", "empty", "room", "failed")


def photograph_scenery(rng: np.random.Generator, size: int, kind: str | None = None) -> np.ndarray:
    """(size, size, 3) uint8: a photo that shows no listed landmark; `kind` is one of KINDS, drawn if None."""
    kind = str(rng.choice(KINDS, p=(0.35, 0.2, 0.2, 0.15, 0.1))) if kind is None else kind
    scene = {"houses": _houses, "wood": _wood, "empty": _empty, "room": _room, "failed": _houses}[kind](rng)
    photo = take_photo(make_site(scene, rng), rng, size)
    if kind == "failed":
        return _spoil(photo, rng)
    return photo


def _houses(rng: np.random.Generator) -> Landmark:
    mesh = Mesh()
    count, along = int(rng.integers(2, 6)), 0.0
    for _ in range(count):
        size = rng.uniform(8, 14)
        mesh.add(house(rng, size), (along + size / 2, rng.normal(0, 1.5)), rng.normal(0, 0.1))
        along += size * rng.uniform(1.05, 1.6)
    row = Mesh().add(mesh, (-along / 2, 0.0))
    return Landmark(row, along / 2, 8.0, str(rng.choice(["paving", "grass", "earth"])), ViewHints((0, 12)), "houses")


def _wood(rng: np.random.Generator) -> Landmark:
    mesh = Mesh()
    for _ in range(int(rng.integers(5, 30))):
        mesh.add(tree(rng, rng.uniform(5, 13)), rng.uniform(-18, 18, 2))
    return Landmark(mesh, 20.0, 9.0, str(rng.choice(["grass", "earth", "snow"])), ViewHints((0, 10)), "wood")


def _empty(rng: np.random.Generator) -> Landmark:
    ground = str(rng.choice(["grass", "sand", "water", "rock", "snow", "earth"]))
    mesh = Mesh()
    for _ in range(int(rng.integers(0, 6))):
        spot, radius = rng.uniform(-15, 15, 2), rng.uniform(0.5, 2.5)
        mesh.ellipsoid((*spot, 0.0), (radius, radius, 0.6 * radius), "#6b645a", "rock", 10)
    return Landmark(mesh, 18.0, 4.0, ground, ViewHints((0, 14)), "empty")


def _room(rng: np.random.Generator) -> Landmark:
    """Three walls, a window, a table and chairs, seen from the open side."""
    wall = str(rng.choice(["#d8cbb0", "#b9c2c4", "#c9a98a", "#e3ded2", "#9fae9b"]))
    wood, mesh = str(rng.choice(["#6b4a2e", "#8a6a45", "#3d2c20"])), Mesh()
    wide, high = rng.uniform(5, 8), rng.uniform(2.8, 4.0)
    mesh.box((0, 3), (wide, 0.2, high), wall, 0.0, 0.0, "plaster")
    for side in (-1, 1):
        mesh.box((side * wide / 2, 0), (0.2, 6.0, high), wall, 0.0, 0.0, "plaster")
    mesh.box((0, 0), (wide, 6.0, 0.1), "#e6e2d8", high)
    mesh.panel((rng.uniform(-1, 1), 2.9, high * 0.55), (1.6, 1.5), "#cfe2ee", -math.pi / 2)
    at = rng.uniform(-0.8, 0.8, 2)
    mesh.box(at, (1.8, 1.0, 0.08), wood, 0.72, 0.0, "wood")
    for x in (-0.8, 0.8):
        for y in (-0.4, 0.4):
            mesh.box((at[0] + x, at[1] + y), (0.08, 0.08, 0.72), wood)
        mesh.box((at[0] + 1.4 * x, at[1]), (0.45, 0.45, 0.06), wood, 0.45)
        mesh.box((at[0] + 1.65 * x, at[1]), (0.06, 0.45, 0.55), wood, 0.45)
    return Landmark(mesh, 2.6, high, "paving", ViewHints((0, 4), (-105, -75), (1.5, 1.8)), "room")


def _spoil(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shaken, taken in the dark, or a thumb before the lens."""
    kind, size = int(rng.integers(3)), len(photo)
    if kind == 0:
        shifts = range(int(0.15 * size) + 2)
        return np.mean([np.roll(photo, (shift // 3, shift), (0, 1)) for shift in shifts], axis=0).astype(np.uint8)
    if kind == 1:
        return (photo * rng.uniform(0.03, 0.12)).astype(np.uint8)
    rows, columns = np.mgrid[:size, :size] / size
    distance = np.hypot(rows - rng.uniform(0.2, 0.9), columns - rng.uniform(0.2, 0.9)) / 0.55
    share = np.clip(2.5 - 2.5 * distance, 0, 1)[..., None]
    return (photo * (1 - share) + share * np.array([150, 95, 75])).astype(np.uint8)
