"""Triangulation of simple polygons by clipping ears."""

from __future__ import annotations

import numpy as np


def triangulate(outline: np.ndarray) -> np.ndarray:
    """Corners (n - 2, 3) of triangles that cover a simple polygon (n, 2) of either orientation.

    Repeated or collinear points are allowed: an ear of no area may be cut when no other is left.
    """
    outline = np.asarray(outline, dtype=np.float64)
    left = list(range(len(outline)))
    if _area(outline) < 0:
        left.reverse()
    faces = []
    while len(left) > 3:
        ear = _find_ear(outline, left)
        faces.append((left[ear - 1], left[ear], left[(ear + 1) % len(left)]))
        del left[ear]
    return np.array([*faces, left], dtype=np.int64)


def _area(points: np.ndarray) -> float:
    ahead = np.roll(points, -1, axis=0)
    return float((points[:, 0] * ahead[:, 1] - points[:, 1] * ahead[:, 0]).sum() / 2)


def _find_ear(outline: np.ndarray, left: list[int]) -> int:
    points = outline[left]
    flattest = 0
    for index in range(len(left)):
        a, b, c = points[index - 1], points[index], points[(index + 1) % len(left)]
        turn = _cross(b - a, c - b)
        if turn <= 1e-12:
            if abs(turn) <= 1e-12:
                flattest = index
            continue
        others = np.delete(points, [index - 1 if index else len(left) - 1, index, (index + 1) % len(left)], axis=0)
        inside = (
            (_cross(b - a, others - a) > 1e-12)
            & (_cross(c - b, others - b) > 1e-12)
            & (_cross(a - c, others - c) > 1e-12)
        )
        if not inside.any():
            return index
    return flattest


def _cross(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]
