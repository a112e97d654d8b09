"""Mountains: height fields with gullies and ridges, a tree line and a snow line, woods on the flanks."""

from __future__ import annotations

from typing import Any

import numpy as np

from suite.landmarks.landmark import Landmark, ViewHints
from suite.landmarks.mesh import Mesh, linear

_COUNT = 91
_MEADOW = (0.105, 0.15, 0.04)


def parameters(rng: np.random.Generator) -> dict[str, Any]:
    """What sets one mountain apart: every key can be drawn anew on its own."""
    peaks = int(rng.integers(2, 6))
    return {
        "height": float(rng.uniform(350, 900)),
        "shape": str(rng.choice(["horn", "horn", "range", "range", "massif", "volcano", "table", "dome"])),
        "peaks": [[float(v) for v in rng.uniform((-0.6, -0.25, 0.5), (0.6, 0.25, 0.95))] for _ in range(peaks)],
        "steepness": float(rng.uniform(1.0, 1.7)),
        "squash": float(rng.uniform(0.6, 1.0)),
        "turn": float(rng.uniform(0, np.pi)),
        "gullies": int(rng.integers(5, 11)),
        "roughness": float(rng.uniform(0.5, 1.0)),
        "relief": int(rng.integers(0, 2**31)),
        "snow_line": float(rng.choice([0.42, 0.55, 0.68, 0.8, 2.0, 2.0])),
        "tree_line": float(rng.choice([0.0, 0.2, 0.32, 0.45])),
        "stone": str(rng.choice(["#8d8478", "#62605f", "#a3785e", "#9b948a", "#a9593c", "#746b60", "#4e4b4d"])),
        "meadow": str(rng.choice(["#5b7a36", "#77853f", "#8a7d50", "#4a6a38"])),
        "lake": bool(rng.random() < 0.4),
    }


def build(parameters: dict[str, Any], rng: np.random.Generator) -> Landmark:
    """The mountain that `parameters` describe; `rng` sets its trees."""
    p = parameters
    axis = np.linspace(-1.25, 1.25, _COUNT)
    x, y = np.meshgrid(axis, axis)
    heights = _relief(p, x, y) * p["height"]
    extent = 2.5 * p["height"] * 1.55
    mesh = Mesh().terrain(heights, extent, lambda height, slope: _paint(p, height, slope, x, y))
    _plant(mesh, p, heights, extent, rng)
    summit = float(heights.max())
    return Landmark(
        mesh=mesh,
        radius=p["height"] * 1.35,
        height=summit,
        ground="water" if p["lake"] else "grass",
        view=ViewHints(elevation=(-6, 8), distance=(1.75, 2.7)),
        name="mountain",
    )


def _relief(p: dict[str, Any], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Heights in units of the mountain's, below 0 beyond its foot; (n, n)."""
    rng = np.random.default_rng(p["relief"])
    x, y = x + 0.06 * _waves(rng, x, y, 3.0), y + 0.06 * _waves(rng, x, y, 3.0)
    cosine, sine = np.cos(p["turn"]), np.sin(p["turn"])
    along, across = cosine * x + sine * y, (cosine * y - sine * x) / p["squash"]
    distance = np.hypot(along, across)
    ridged, fine = _ridged(rng, x, y), _waves(rng, x, y, 14.0)
    body = _body(p, along, across, distance, ridged)
    # Gullies run down from the summit: crests of a wave around it, deepest half-way down.
    angle = np.arctan2(across, along) + 0.5 * _waves(rng, x, y, 2.0)
    gullies = np.abs(np.sin(0.5 * p["gullies"] * angle)) - 0.6
    middle = np.clip(4 * body * (1 - body), 0, 1)
    soft = {"dome": 0.35, "table": 0.3, "volcano": 0.5}.get(p["shape"], 1.0)
    rough = p["roughness"] * soft
    relief = body + rough * middle * (0.16 * gullies + 0.30 * (ridged - 0.5)) + 0.012 * rough * fine * (body > 0.05)
    # Foothills roll out to the rim and sink below the ground, so that the foot is no clean ellipse.
    hills = 0.09 * (0.4 + 0.5 * _waves(rng, x, y, 5.0)) * np.clip(1.35 - distance, 0, 1)
    relief = np.maximum(relief, 0) + np.clip(hills, -0.05, None)
    return relief / max(float(relief.max()), 1e-6) - 0.05 * np.clip((np.hypot(x, y) - 0.85) / 0.3, 0, 2) ** 2 - 0.004


def _body(
    p: dict[str, Any], along: np.ndarray, across: np.ndarray, distance: np.ndarray, ridged: np.ndarray
) -> np.ndarray:
    fall = np.clip(1 - distance, 0, 1)
    if p["shape"] == "dome":
        return np.sqrt(np.clip(1 - (distance / 0.7) ** 2, 0, 1)) * 0.75 + 0.25 * fall
    if p["shape"] == "table":
        rim = distance * (1 + 0.35 * (ridged - 0.5))
        return np.clip((0.62 - rim) / 0.13, 0, 1) * 0.62 + 0.38 * np.clip(1.1 - distance, 0, 1) ** 1.3
    if p["shape"] == "volcano":
        cone = np.minimum(fall**1.7 * 1.25, 0.93)
        return np.where(distance < 0.13, 0.93 - 0.16 * np.clip((0.13 - distance) / 0.06, 0, 1), cone)
    body = fall ** p["steepness"] * (1.0 if p["shape"] == "horn" else 0.45)
    wide, part = {"horn": (0.45, 0.55), "range": (0.5, 1.0), "massif": (0.7, 0.95)}[p["shape"]]
    for px, py, top in p["peaks"]:
        reach = np.hypot(along - px, across - (0.4 if p["shape"] == "range" else 1.4) * py) / wide
        body = np.maximum(body, part * top * np.clip(1 - reach, 0, 1) ** (0.8 * p["steepness"]))
    return body


def _waves(rng: np.random.Generator, x: np.ndarray, y: np.ndarray, frequency: float) -> np.ndarray:
    """A smooth random field in about -1..1: six waves of about `frequency` in seeded directions."""
    total = np.zeros_like(x)
    for _ in range(6):
        angle, phase = rng.uniform(0, 2 * np.pi, 2)
        scale = frequency * rng.uniform(0.7, 1.4)
        total += np.sin(scale * (np.cos(angle) * x + np.sin(angle) * y) + phase)
    return total / 3


def _ridged(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Crests where smooth fields cross zero, each layer finer and weaker; about 0..1."""
    total, weights, above = np.zeros_like(x), 0.0, np.ones_like(x)
    for octave in range(4):
        layer = 1 - np.clip(np.abs(_waves(rng, x, y, 4.0 * 2.1**octave)) * 1.6, 0, 1)
        total += 0.55**octave * layer * above
        weights += 0.55**octave
        above = 0.4 + 0.6 * layer
    return total / weights


def _paint(p: dict[str, Any], height: np.ndarray, slope: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    share = height / p["height"] + 0.05 * np.sin(11 * x + 4 * y) * np.sin(9 * y - 3 * x)
    stone, meadow = linear(p["stone"]), linear(p["meadow"])
    snow = linear("#f4f7fb")
    colours = np.broadcast_to(stone, (*share.shape, 3)).copy()
    colours[(slope < 1.1) & (share < p["tree_line"] + 0.14)] = meadow
    colours[(slope < 1.7) & (share < p["tree_line"])] = linear("#2f4a26")
    colours[(slope < 1.5) & (share > p["snow_line"])] = snow
    colours[(slope < 2.4) & (share > p["snow_line"] + 0.15)] = snow
    # At the foot the colour of the ground, whatever grows higher up.
    foot = np.clip(1.4 - share / 0.05, 0, 1)[..., None]
    return colours * (1 - foot) + foot * np.array(_MEADOW)


def _plant(mesh: Mesh, p: dict[str, Any], heights: np.ndarray, extent: float, rng: np.random.Generator) -> None:
    """Conifers below the tree line, some bare mountains have a few at the foot."""
    axis = np.linspace(-extent / 2, extent / 2, _COUNT)
    line = max(p["tree_line"], 0.05) * p["height"]
    rows, columns = np.nonzero((heights > 0.015 * p["height"]) & (heights < line))
    if not len(rows):
        return
    for index in rng.integers(0, len(rows), 260 if p["tree_line"] else 40):
        row, column = rows[index], columns[index]
        tall = p["height"] * rng.uniform(0.03, 0.05)
        spot = axis[column] + rng.normal(0, 4), axis[row] + rng.normal(0, 4)
        green = linear("#2c4423") * rng.uniform(0.6, 1.1)
        mesh.frustum(spot, 5, 0.26 * tall, 0.0, tall * 1.15, green, heights[row, column] - 0.15 * tall, 0.0, "foliage")
