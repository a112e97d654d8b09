"""Shared parts of rocks and lofted towers: coloured sheets of points, roughness, strata, pillars, boulders, trees."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from suite.landmarks.mesh import Colour, Mesh, linear


def sheet(mesh: Mesh, points: np.ndarray, colours: np.ndarray, material: str, smooth: bool = True) -> None:
    """A surface over a grid of points (rows, columns, 3); `colours` (rows - 1, columns - 1, 3), linear, by cell.

    Cells whose colour is not a number are left out.
    """
    kept = np.isfinite(colours).all(axis=2)
    normals = None
    if smooth:
        down, along = np.gradient(points, axis=0), np.gradient(points, axis=1)
        if np.allclose(points[:, 0], points[:, -1]):
            along[:, 0] = along[:, -1] = (points[:, 1] - points[:, -2]) / 2
        normal = np.cross(along, down)
        length = np.linalg.norm(normal, axis=2, keepdims=True)
        normal = np.where(length > 1e-9, normal / np.maximum(length, 1e-9), (0.0, 0.0, 1.0))
        normals = _corners(normal)[kept].reshape(-1, 3, 3)
    faces = _corners(points)[kept].reshape(-1, 3, 3)
    mesh.triangles(faces, np.repeat(colours[kept], 2, axis=0), material, normals)


def _corners(grid: np.ndarray) -> np.ndarray:
    """The corners of the two triangles of each cell: (rows - 1, columns - 1, 2, 3, 3)."""
    a, b, c, d = grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]
    return np.stack([np.stack([a, b, c], axis=2), np.stack([a, c, d], axis=2)], axis=2)


def cells(values: np.ndarray) -> np.ndarray:
    """Means of the four corners of every cell of a grid (rows, columns, ...)."""
    return (values[:-1, :-1] + values[:-1, 1:] + values[1:, :-1] + values[1:, 1:]) / 4


def rough(seed: int, points: np.ndarray, scale: float, octaves: int = 4) -> np.ndarray:
    """Smooth seeded noise at points (..., 3), about -1..1, with features of about `scale` metres and finer."""
    rng = np.random.default_rng(seed)
    total = np.zeros(points.shape[:-1])
    for octave in range(octaves):
        finer = 2.1**octave
        for _ in range(4):
            direction, phase = rng.normal(size=3), rng.uniform(0, 2 * math.pi)
            direction *= 3.0 * finer / (scale * math.sqrt(sum(direction**2)))
            wave = points[..., 0] * direction[0] + points[..., 1] * direction[1] + points[..., 2] * direction[2]
            total += np.sin(wave + phase) * 0.55**octave
    return total / 5.0


def strata(palette: Sequence[Colour], share: np.ndarray, seed: int, bands: int) -> np.ndarray:
    """Colours of layers: `share` (...) is the height in 0..1, the layers have seeded thicknesses and shades."""
    rng = np.random.default_rng(seed)
    limits = np.sort(rng.uniform(0, 1, max(bands - 1, 0)))
    chosen = rng.integers(0, len(palette), bands)
    shades = rng.uniform(0.8, 1.15, (bands, 1))
    layers = np.stack([linear(palette[index]) for index in chosen]) * shades
    return np.clip(layers[np.searchsorted(limits, np.clip(share, 0, 1))], 0, 1)


def pillar(
    mesh: Mesh,
    centre_xy: Sequence[float],
    profile: Sequence[Sequence[float]],
    stretch: float,
    turn: float,
    seed: int,
    roughness: float,
    palette: Sequence[Colour],
    bands: int,
    top: Colour | None = None,
    sectors: int = 32,
    rows: int = 18,
    scale: float | None = None,
) -> None:
    """A rock: a profile of (radius, z) from the foot up, longer by `stretch` along `turn`, broken and layered.

    `top` colours what lies flat in the upper part (grass, snow).
    """
    profile = np.asarray(profile, dtype=np.float64)
    steps = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(profile, axis=0).T))])
    along = np.unique(np.concatenate([np.linspace(0, steps[-1], rows), steps]))
    radius, z = (np.interp(along, steps, profile[:, k]) for k in (0, 1))
    angles = np.linspace(0, 2 * math.pi, sectors + 1)
    x, y = np.cos(angles) * stretch, np.sin(angles)
    cosine, sine = math.cos(turn), math.sin(turn)
    x, y = cosine * x - sine * y, sine * x + cosine * y
    points = np.stack([radius[:, None] * x, radius[:, None] * y, np.repeat(z[:, None], sectors + 1, 1)], axis=2)
    wide, high = profile[:, 0].max(), profile[:, 1].max()
    scale = wide if scale is None else scale
    # Taking height less than breadth into account makes cracks run down the rock.
    grooves = rough(seed, points * (1, 1, 0.25), scale)
    cracks = np.abs(rough(seed + 5, points * (1, 1, 0.12), 0.45 * scale, 3))
    points[..., :2] *= (1 + roughness * (1.1 * grooves + 0.8 * cracks - 0.25))[..., None]
    lift = roughness * 0.5 * wide * rough(seed + 1, points, scale)
    points[..., 2] += np.where(points[..., 2] > 0.05 * high, np.minimum(lift, 0.08 * high), 0.0)
    points += (*centre_xy, 0.0)
    layer = cells(points[..., 2] / high + 0.03 * grooves)
    colours = strata(palette, layer, seed, bands)
    if top is not None:
        flat = np.abs(np.diff(z)) < 0.5 * np.abs(np.diff(radius))
        colours[flat & ((z[1:] + z[:-1]) / 2 > 0.55 * high)] = linear(top)
    sheet(mesh, points, colours, "rock", smooth=False)


def boulders(
    mesh: Mesh,
    rng: np.random.Generator,
    count: int,
    inner: float,
    outer: float,
    size: float,
    colour: Colour,
    arc: tuple[float, float] = (0.0, 2 * math.pi),
) -> None:
    """Rocks strewn on a ring around the origin."""
    for _ in range(count):
        angle, away, big = rng.uniform(*arc), rng.uniform(inner, outer), size * rng.uniform(0.4, 1.0)
        radii = big * rng.uniform((0.8, 0.8, 0.5), (1.3, 1.3, 0.9))
        shade = np.clip(linear(colour) * rng.uniform(0.75, 1.15), 0, 1)
        mesh.ellipsoid((away * math.cos(angle), away * math.sin(angle), 0.0), radii, shade, "rock", 6)


def tree(mesh: Mesh, at: Sequence[float], height: float, colour: Colour, kind: str) -> None:
    """A tree that stands at (x, y, z): "conifer", "broadleaf" or "palm"."""
    x, y, z = at
    mesh.frustum((x, y), 5, 0.06 * height, 0.04 * height, 0.5 * height, "#4a3a2a", z, 0.0, "wood")
    if kind == "conifer":
        mesh.frustum((x, y), 6, 0.26 * height, 0.0, 0.85 * height, colour, z + 0.15 * height, 0.0, "foliage")
    elif kind == "broadleaf":
        mesh.ellipsoid((x, y, z + 0.65 * height), (0.33 * height, 0.33 * height, 0.35 * height), colour, "foliage", 8)
    else:
        mesh.frustum((x, y), 5, 0.05 * height, 0.03 * height, 0.8 * height, "#6b5a42", z, 0.0, "wood")
        mesh.ellipsoid((x, y, z + 0.82 * height), (0.4 * height, 0.4 * height, 0.1 * height), colour, "foliage", 8)
