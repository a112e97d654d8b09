"""A pinhole camera with the numbers of a photographer: place, aim, roll, focal length, crop."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

# Width of the full frame that focal lengths in millimetres refer to.
SENSOR_WIDTH = 36.0


@dataclass(frozen=True)
class Camera:
    """Stands at `position` (metres) and looks at `target`; pictures are square, `size` pixels a side.

    `focal` is in millimetres of a 36 mm wide frame, `roll` in radians (clockwise turn of the camera), `shift` moves
    the picture in units of its side (positive: the target lies right of and below the middle).
    """

    position: tuple[float, float, float]
    target: tuple[float, float, float]
    size: int
    focal: float = 35.0
    roll: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)

    @property
    def focal_pixels(self) -> float:
        return self.focal / SENSOR_WIDTH * self.size

    @property
    def centre(self) -> tuple[float, float]:
        """Pixel coordinates of the optical axis; pixel (0, 0) covers [0, 1] x [0, 1]."""
        return (0.5 + self.shift[0]) * self.size, (0.5 + self.shift[1]) * self.size

    @property
    def axes(self) -> np.ndarray:
        """(3, 3) float64, rows: right, down, forward in the world."""
        forward = np.subtract(self.target, self.position).astype(np.float64)
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, (0.0, 0.0, 1.0))
        length = np.linalg.norm(right)
        # Straight up or down there is no horizon to level: take the world's x.
        right = right / length if length > 1e-9 else np.array([1.0, 0.0, 0.0])
        down = np.cross(forward, right)
        cosine, sine = math.cos(self.roll), math.sin(self.roll)
        return np.stack([cosine * right + sine * down, cosine * down - sine * right, forward])

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """World points (..., 3) as (right, down, forward) metres from the camera."""
        return (np.asarray(points, dtype=np.float64) - np.asarray(self.position)) @ self.axes.T

    def project(self, points: np.ndarray) -> np.ndarray:
        """World points (..., 3) as (x, y, depth): pixels and metres; only depth > 0 lies in front."""
        seen = self.to_camera(points)
        scale = self.focal_pixels / seen[..., 2]
        return np.stack(
            [self.centre[0] + scale * seen[..., 0], self.centre[1] + scale * seen[..., 1], seen[..., 2]], axis=-1
        )
