"""What mills, pagodas, palaces and glass houses share: windows on leaning walls, curved roofs, railings."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from suite.landmarks.mesh import Colour, Mesh


def beam(mesh: Mesh, start: Sequence[float], end: Sequence[float], radius: float, colour: Colour, sides: int = 4):
    """A straight beam between two points."""
    mesh.tube(np.array([start, end], dtype=np.float64), radius, colour, sides, "wood")


def rail_around(mesh: Mesh, radius: float, base: float, height: float, posts: int, colour: Colour) -> None:
    """A railing around the vertical axis: posts and a hand rail."""
    angles = np.arange(posts + 1) * 2 * math.pi / posts
    rim = np.column_stack([np.cos(angles) * radius, np.sin(angles) * radius, np.full(posts + 1, base + height)])
    for spot in rim[:-1]:
        beam(mesh, spot - (0, 0, height), spot, 0.06 * height, colour)
    mesh.tube(rim, 0.08 * height, colour, 4, "wood")


def many_sided(radius: float, sides: int) -> np.ndarray:
    """Corners (sides, 2) of a regular polygon whose first face looks along +x."""
    angles = math.pi / sides + np.arange(sides) * 2 * math.pi / sides
    return np.column_stack([np.cos(angles), np.sin(angles)]) * radius


def curved_roof(
    mesh: Mesh,
    sides: int,
    eave: float,
    top: float,
    base: float,
    rise: float,
    lift: float,
    colour: Colour,
    ridge: Colour,
    under: Colour,
    rows: int = 3,
) -> None:
    """A roof that hangs between `top` and `eave` (radii to the corners) and sweeps up at its corners by `lift`.

    `sides` from 16 on is a round roof without ridges. `ridge` paints the hips and the rim, `under` the soffit.
    """
    pieces = 1 if sides >= 16 else 6 if sides < 6 else 3
    along = np.arange(pieces) / pieces
    corners = many_sided(1.0, sides)
    ahead = np.roll(corners, -1, axis=0)
    outline = (corners[:, None] * (1 - along)[:, None] + ahead[:, None] * along[:, None]).reshape(-1, 2)
    swept = np.tile(np.abs(2 * along - 1) ** 2.5, sides) if sides < 16 else np.zeros(sides)
    outline, swept = np.concatenate([outline, outline[:1]]), np.append(swept, swept[0])
    rings = []
    for share in np.linspace(0, 1, rows + 1):
        radius = eave + (top - eave) * share
        sweep = swept * (1 - share) ** 2
        height = base + rise * share**1.5 + lift * sweep
        rings.append(np.column_stack([outline * (radius * (1 + 0.06 * sweep))[:, None], height]))
    grid = np.stack(rings)
    drop = np.array([0, 0, 0.09 * rise + 0.12])
    inner = np.column_stack([outline * min(top, 0.75 * eave), np.full(len(outline), base)])
    for surface, paint, material in (
        (grid, colour, "tiles"),
        (np.stack([grid[0] - drop, grid[0]]), ridge, "plain"),
        (np.stack([inner - drop, grid[0] - drop]), under, "wood"),
    ):
        a, b, c, d = surface[:-1, :-1], surface[:-1, 1:], surface[1:, 1:], surface[1:, :-1]
        cells = np.stack([np.stack([a, b, c], axis=2), np.stack([a, c, d], axis=2)], axis=2)
        mesh.triangles(cells.reshape(-1, 3, 3), paint, material)
    if sides < 16:
        for corner in range(0, sides * pieces, pieces):
            mesh.tube(grid[:, corner] + (0, 0, 0.02 * rise), 0.016 * eave + 0.03, ridge, 3, "plain")
