"""A z-buffer: which triangle each pixel sees, and how far away it is."""

from __future__ import annotations

import numpy as np

from suite.landmarks.compiling import compiled

NEAR = 0.2


@compiled
def rasterise(triangles, focal, centre_x, centre_y, depth, faces):
    """Draw triangles (T, 3, 3) given in camera space (right, down, forward metres) into `depth` and `faces`.

    `depth` (H, W) float64 holds 1 / z, larger is nearer, and starts at 0 or at an earlier drawing; `faces` (H, W)
    int32 receives the number of the triangle. A pixel is drawn if its centre lies in the triangle;
    equal depths keep the earlier triangle. What lies nearer than NEAR is clipped away.
    """
    clipped = np.empty((4, 3))
    x = np.empty(4)
    y = np.empty(4)
    w = np.empty(4)
    for t in range(triangles.shape[0]):
        count = 0
        for k in range(3):
            ahead = (k + 1) % 3
            z0, z1 = float(triangles[t, k, 2]), float(triangles[t, ahead, 2])
            if z0 >= NEAR:
                for axis in range(3):
                    clipped[count, axis] = triangles[t, k, axis]
                count += 1
            if (z0 >= NEAR) != (z1 >= NEAR):
                part = (NEAR - z0) / (z1 - z0)
                for axis in range(3):
                    start = float(triangles[t, k, axis])
                    clipped[count, axis] = start + part * (float(triangles[t, ahead, axis]) - start)
                clipped[count, 2] = NEAR
                count += 1
        for k in range(count):
            w[k] = 1.0 / clipped[k, 2]
            x[k] = centre_x + focal * clipped[k, 0] * w[k]
            y[k] = centre_y + focal * clipped[k, 1] * w[k]
        for k in range(1, count - 1):
            _fill(x[0], y[0], w[0], x[k], y[k], w[k], x[k + 1], y[k + 1], w[k + 1], depth, faces, t)


@compiled
def rasterise_flat(triangles, depth):
    """Draw triangles (T, 3, 3) given as (x, y, nearness) in pixels of `depth` (H, W): the sun's parallel view."""
    faces = np.empty((1, 1), np.int32)
    for t in range(triangles.shape[0]):
        p = triangles[t]
        _fill(p[0, 0], p[0, 1], p[0, 2], p[1, 0], p[1, 1], p[1, 2], p[2, 0], p[2, 1], p[2, 2], depth, faces, -1)


@compiled
def _fill(x0, y0, w0, x1, y1, w1, x2, y2, w2, depth, faces, face):
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    if abs(area) < 1e-12:
        return
    height, width = depth.shape
    left = min(max(min(x0, x1, x2) - 0.5, 0.0), float(width))
    right = min(max(max(x0, x1, x2) - 0.5, -1.0), width - 1.0)
    top = min(max(min(y0, y1, y2) - 0.5, 0.0), float(height))
    bottom = min(max(max(y0, y1, y2) - 0.5, -1.0), height - 1.0)
    for row in range(int(np.ceil(top)), int(np.floor(bottom)) + 1):
        py = row + 0.5
        for column in range(int(np.ceil(left)), int(np.floor(right)) + 1):
            px = column + 0.5
            b1 = ((px - x0) * (y2 - y0) - (x2 - x0) * (py - y0)) / area
            b2 = ((x1 - x0) * (py - y0) - (px - x0) * (y1 - y0)) / area
            if b1 >= 0.0 and b2 >= 0.0 and b1 + b2 <= 1.0:
                w = w0 + b1 * (w1 - w0) + b2 * (w2 - w0)
                if w > depth[row, column]:
                    depth[row, column] = w
                    if face >= 0:
                        faces[row, column] = face
