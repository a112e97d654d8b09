"""Icebergs: white and blue ice adrift, as tables, spires, domes, arches and wedges."""

from __future__ import annotations

from typing import Any

import numpy as np

from suite.landmarks.archetypes.parts import finish
from suite.landmarks.landmark import Landmark, ViewHints
from suite.landmarks.mesh import Mesh, linear

_COUNT = 61


def parameters(rng: np.random.Generator) -> dict[str, Any]:
    """What sets one iceberg apart: every key can be drawn anew on its own."""
    return {
        "style": str(rng.choice(["table", "spires", "dome", "wedge", "twin", "drydock"])),
        "length": float(rng.uniform(60, 160)),
        "height": float(rng.uniform(0.22, 0.5)),
        "slender": float(rng.uniform(0.4, 0.9)),
        "turn": float(rng.uniform(0, np.pi)),
        "roughness": float(rng.uniform(0.02, 0.16)),
        "facets": int(rng.integers(4, 14)),
        "spires": int(rng.integers(2, 5)),
        "ice": str(rng.choice(["#e9f2f5", "#dcebf2", "#f4f6f4", "#cfe4ee"])),
        "deep": str(rng.choice(["#6fb3d2", "#4b95c4", "#8cc7d8", "#3f86a8", "#9fd0c9"])),
        "band": float(rng.uniform(0.05, 0.3)),
        "streaks": int(rng.integers(0, 4)),
        "floes": int(rng.integers(0, 9)),
        "shape": int(rng.integers(0, 2**31)),
    }


def build(parameters: dict[str, Any], rng: np.random.Generator) -> Landmark:
    """The iceberg that `parameters` describe; "shape" seeds its facets."""
    p = parameters
    chance = np.random.default_rng(p["shape"])
    axis = np.linspace(-1, 1, _COUNT)
    x, y = np.meshgrid(axis, axis)
    cosine, sine = np.cos(p["turn"]), np.sin(p["turn"])
    along, across = (cosine * x + sine * y) / 0.85, (cosine * y - sine * x) / 0.85 / p["slender"]
    top = p["length"] * p["height"]
    relief = _relief(p, along, across, chance)
    cuts = _facets(p["facets"], x, y, chance)
    heights = top * np.where(relief > 0, relief + p["roughness"] * cuts, np.maximum(relief, -0.06))
    extent = p["length"] * 1.2
    pale, blue = linear(p["ice"]), linear(p["deep"])
    streak = _streaks(p["streaks"], along, across, chance)

    def paint(height: np.ndarray, slope: np.ndarray) -> np.ndarray:
        low = height < p["band"] * top
        return np.where((low | streak)[..., None], blue, np.where((slope > 2.2)[..., None], (pale + blue) / 2, pale))

    mesh = Mesh().terrain(heights, extent, paint, "snow")
    for _ in range(p["floes"]):
        spot = chance.uniform(-0.75, 0.75, 2) * extent
        size = chance.uniform(0.02, 0.07) * extent
        mesh.ellipsoid((*spot, 0), (size, size * 0.7, size * 0.3), p["ice"], "snow", 8)
    return finish(mesh, "iceberg", "water", ViewHints(elevation=(-1, 8), distance=(1.1, 2.0)))


def _relief(p: dict[str, Any], along: np.ndarray, across: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """Height over the top's, negative under the sea."""
    distance = np.hypot(along, across)
    edge = np.clip((1 - distance) / 0.22, -0.4, 1)
    if p["style"] == "table":
        return edge * (0.9 + 0.1 * along)
    if p["style"] == "dome":
        return np.where(edge > 0, np.sqrt(np.clip(1 - distance**2, 0, 1)), edge)
    if p["style"] == "wedge":
        return np.minimum(edge, np.clip(0.1 + 0.5 * (along + 1), 0, 1))
    if p["style"] == "drydock":
        return np.minimum(edge, np.clip(2.2 * np.abs(across) - 0.25, 0.06, 1.0))
    if p["style"] == "twin":
        peaks = [1.15 - 2.1 * np.hypot(along - side * 0.5, across) for side in (-1, 1)]
        return np.clip(np.maximum(peaks[0], 0.8 * peaks[1]), -0.3, 1)
    summits = chance.uniform((-0.7, -0.3, 0.5), (0.7, 0.3, 1.0), (p["spires"], 3))
    cones = [h - 2.6 * h * np.hypot(along - a, (across - b)) for a, b, h in summits]
    return np.maximum(np.clip(np.max(cones, axis=0), -0.3, 1.0), np.minimum(edge, 0.16))


def _facets(count: int, x: np.ndarray, y: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """Broken planes in -1..1: the lowest of tilted planes, as ice splits."""
    angles, offsets = chance.uniform(0, 2 * np.pi, count), chance.uniform(0.1, 0.8, count)
    planes = [o - (np.cos(a) * x + np.sin(a) * y) for a, o in zip(angles, offsets, strict=True)]
    return np.clip(np.min(planes, axis=0), -1, 1) + 0.25 * chance.normal(size=x.shape) * (count > 7)


def _streaks(count: int, along: np.ndarray, across: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """Veins of refrozen water."""
    found = np.zeros(along.shape, bool)
    for _ in range(count):
        offset, tilt = chance.uniform(-0.5, 0.5), chance.uniform(-0.6, 0.6)
        found |= np.abs(along - offset - tilt * across) < 0.05
    return found
