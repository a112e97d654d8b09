"""Mountains: ridged height fields with a snow line, each with its own peaks."""

from __future__ import annotations

from typing import Any

import numpy as np

from suite.landmarks.landmark import Landmark, ViewHints
from suite.landmarks.mesh import Mesh, linear

_COUNT = 73


def parameters(rng: np.random.Generator) -> dict[str, Any]:
    """What sets one mountain apart: every key can be drawn anew on its own."""
    peaks = int(rng.integers(1, 5))
    return {
        "height": float(rng.uniform(250, 900)),
        "shape": str(rng.choice(["horn", "dome", "table", "volcano", "massif", "massif"])),
        "peaks": [[float(v) for v in rng.uniform((-0.45, -0.45, 0.45), (0.45, 0.45, 0.85))] for _ in range(peaks)],
        "steepness": float(rng.uniform(0.8, 1.7)),
        "squash": float(rng.uniform(0.55, 1.0)),
        "turn": float(rng.uniform(0, np.pi)),
        "roughness": float(rng.uniform(0.14, 0.34)),
        "ridges": int(rng.integers(0, 2**31)),
        "snow_line": float(rng.choice([0.45, 0.6, 0.75, 2.0, 2.0])),
        "forest_line": float(rng.choice([0.0, 0.18, 0.3, 0.42])),
        "stone": str(rng.choice(["#7d7468", "#5c5a5c", "#96705a", "#8a8378", "#a5563a", "#6a6259"])),
        "meadow": str(rng.choice(["#4d6a2c", "#6a7a3a", "#7b7148", "#3d5a2e"])),
        "lake": bool(rng.random() < 0.35),
    }


def build(parameters: dict[str, Any], rng: np.random.Generator) -> Landmark:
    """The mountain that `parameters` describe; all of its relief is seeded by the parameter "ridges"."""
    p = parameters
    axis = np.linspace(-1, 1, _COUNT)
    x, y = np.meshgrid(axis, axis)
    heights = _relief(p, x, y) * p["height"]
    extent = p["height"] * 3.4

    mesh = Mesh().terrain(heights, extent, lambda height, slope: _paint(p, height, slope, x, y))
    summit = float(heights.max())
    return Landmark(
        mesh=mesh,
        radius=extent * 0.36,
        height=summit,
        ground="water" if p["lake"] else "grass",
        view=ViewHints(elevation=(-3, 9), distance=(2.2, 3.3)),
        name="mountain",
    )


def _relief(p: dict[str, Any], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    cosine, sine = np.cos(p["turn"]), np.sin(p["turn"])
    along, across = cosine * x + sine * y, (cosine * y - sine * x) / p["squash"]
    noise = _ridged(p["ridges"], x, y)
    distance = np.hypot(along, across) / 0.95
    fall = np.clip(1 - distance, 0, 1)
    if p["shape"] == "horn":
        body = fall ** (0.9 * p["steepness"])
    elif p["shape"] == "dome":
        body = np.sqrt(np.clip(1 - (distance / 0.8) ** 2, 0, 1)) * 0.8 + 0.2 * fall
    elif p["shape"] == "table":
        body = np.clip((0.72 - distance * (1 + 0.3 * (noise - 0.5))) / 0.16, 0, 1) * 0.72 + 0.28 * fall
    elif p["shape"] == "volcano":
        body = fall**1.4 * 1.15
        body = np.where(distance < 0.14, 0.80 - 0.3 * (0.14 - distance) / 0.14, np.minimum(body, 0.92))
    else:
        body = 0.55 * fall
    if p["shape"] in ("massif", "horn"):
        for px, py, top in p["peaks"]:
            reach = np.hypot(along - px * 0.8, across - py * 0.5) / (0.62 if p["shape"] == "massif" else 0.42)
            part = 1.0 if p["shape"] == "massif" else 0.62
            body = np.maximum(body, part * top * 1.15 * np.clip(1 - reach, 0, 1) ** p["steepness"])
    rough = p["roughness"] * (0.35 if p["shape"] in ("dome", "table") else 0.6 if p["shape"] == "volcano" else 1.0)
    relief = body * (1 + 1.3 * rough * (noise - 0.5) * 2) + rough * 0.22 * (noise - 0.3) * np.sqrt(fall)
    # The rim sinks below the ground, so that the mountain has no straight edge.
    return relief - 0.04 * np.clip((distance - 0.75) / 0.25, 0, 3) - 0.01


def _ridged(seed: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Sums of folded waves in seeded directions: crests where a wave crosses zero; about 0..1."""
    rng = np.random.default_rng(seed)
    total, weights = np.zeros_like(x), 0.0
    for octave in range(5):
        scale, weight = 2.2 * 1.9**octave, 0.55**octave
        layer = np.zeros_like(x)
        for _ in range(3):
            angle, phase, bend = rng.uniform(0, 2 * np.pi, 3)
            wave = np.cos(angle) * x + np.sin(angle) * y
            curve = 0.25 * np.sin(2.3 * (np.sin(angle) * x - np.cos(angle) * y) + bend)
            layer += 1 - np.abs(np.sin(scale * (wave + curve) + phase))
        total += weight * layer / 3
        weights += weight
    return np.clip((total / weights - 0.15) / 0.5, 0, 1.2)


def _paint(p: dict[str, Any], height: np.ndarray, slope: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    share = height / p["height"] + 0.06 * np.sin(9 * x + 4 * y) * np.sin(7 * y - 3 * x)
    stone, meadow = linear(p["stone"]), linear(p["meadow"])
    forest, snow = linear("#263a20"), linear("#eef2f8")
    colours = np.broadcast_to(stone, (*share.shape, 3)).copy()
    colours[(slope < 0.75) & (share < p["forest_line"] + 0.12)] = meadow
    colours[(slope < 1.3) & (share < p["forest_line"])] = forest
    colours[(slope < 1.6) & (share > p["snow_line"])] = snow
    colours[share > p["snow_line"] + 0.22] = snow
    return colours
