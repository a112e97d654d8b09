"""What mills, pagodas, palaces and glass houses share: windows on leaning walls, curved roofs, railings, the finish."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from suite.landmarks.landmark import Landmark, ViewHints
from suite.landmarks.mesh import Colour, Mesh, linear


def finished(mesh: Mesh, name: str, ground: str, view: ViewHints) -> Landmark:
    """The landmark of a mesh, with the height and the radius that hold it."""
    corners = mesh.vertices.reshape(-1, 3).astype(np.float64)
    height = float(corners[:, 2].max())
    radius = float(np.linalg.norm(corners - (0, 0, height / 2), axis=1).max())
    return Landmark(mesh=mesh, radius=radius * 1.001, height=height, ground=ground, view=view, name=name)


def toned(colour: Colour, factor: float) -> np.ndarray:
    """A colour made darker (factor below 1) or lighter, as linear values."""
    return np.clip(linear(colour) * factor, 0.0, 1.0)


def bar(mesh: Mesh, start: Sequence[float], end: Sequence[float], radius: float, colour: Colour, sides: int = 4):
    """A straight beam between two points."""
    mesh.tube(np.array([start, end], dtype=np.float64), radius, colour, sides, "wood")


def rail_around(mesh: Mesh, radius: float, base: float, height: float, posts: int, colour: Colour) -> None:
    """A railing around the vertical axis: posts and a hand rail."""
    angles = np.arange(posts + 1) * 2 * math.pi / posts
    rim = np.column_stack([np.cos(angles) * radius, np.sin(angles) * radius, np.full(posts + 1, base + height)])
    for spot in rim[:-1]:
        bar(mesh, spot - (0, 0, height), spot, 0.06 * height, colour)
    mesh.tube(rim, 0.08 * height, colour, 4, "wood")
