"""Grids and outlines of points, moved to where a solid stands."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def split_cells(grid: np.ndarray) -> np.ndarray:
    """The two triangles of every cell of a (rows, columns, k) grid: (cells * 2, 3, k)."""
    a, b, c, d = grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]
    cells = np.stack([np.stack([a, b, c], axis=2), np.stack([a, c, d], axis=2)], axis=2)
    return cells.reshape(-1, 3, grid.shape[2])


def draw_out(line: np.ndarray, thickness: float) -> np.ndarray:
    """A line (n, 2) of own x and z, drawn out over `thickness` along y: a (2, n, 3) grid."""
    return np.stack(
        [np.stack([line[:, 0], np.full(len(line), y), line[:, 1]], 1) for y in (-thickness / 2, thickness / 2)]
    )


def place(points: np.ndarray, centre_xy: Sequence[float], turn: float) -> np.ndarray:
    """Points (..., 2) turned about the origin by `turn` radians, then moved to `centre_xy`."""
    cosine, sine = math.cos(turn), math.sin(turn)
    return np.asarray(points, dtype=np.float64) @ np.array([[cosine, sine], [-sine, cosine]]) + np.asarray(
        centre_xy, dtype=np.float64
    )


def place_above(points: np.ndarray, centre_xy: Sequence[float], base: float, turn: float) -> np.ndarray:
    """Points (..., 3) placed as `place` does and lifted by `base`."""
    points = np.asarray(points, dtype=np.float64)
    return np.concatenate([place(points[..., :2], centre_xy, turn), points[..., 2:] + base], axis=-1)
