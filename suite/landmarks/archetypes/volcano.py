"""Volcanoes: a gullied cone with a crater, snow or forest on its flanks, lava and smoke."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from suite.landmarks.archetypes.landforms import cells, rough, sheet
from suite.landmarks.archetypes.parts import finish
from suite.landmarks.landmark import Landmark, ViewHints
from suite.landmarks.mesh import Mesh, linear

# Breadth of the foot and of the crater's rim in units of the height, and how hollow the flanks are.
_STYLES = {
    "cone": (1.75, 0.22, 1.5),
    "steep": (1.3, 0.16, 1.25),
    "shield": (2.6, 0.3, 0.95),
    "caldera": (1.9, 0.75, 1.1),
    "twin": (1.7, 0.2, 1.4),
    "broken": (1.6, 0.5, 1.25),
}
_RINGS, _SECTORS = 34, 72


def parameters(rng: np.random.Generator) -> dict[str, Any]:
    """What sets one volcano apart: every key can be drawn anew on its own."""
    return {
        "style": str(rng.choice([*_STYLES, "cone", "steep"])),
        "height": float(rng.uniform(250, 900)),
        "breadth": float(rng.uniform(0.85, 1.15)),
        "crater": float(rng.uniform(0.7, 1.4)),
        "gullies": int(rng.integers(7, 22)),
        "gully_depth": float(rng.uniform(0.02, 0.11)),
        "relief": int(rng.integers(0, 2**31)),
        "stone": str(rng.choice(["#4a4542", "#6b4a3a", "#35322f", "#7d5a44", "#5a5560", "#8c6f52", "#8a4a34"])),
        "snow_line": float(rng.choice([0.45, 0.6, 0.75, 2.0, 2.0, 2.0])),
        "green_line": float(rng.choice([0.0, 0.0, 0.15, 0.3, 0.5])),
        "green": str(rng.choice(["#2f4a24", "#4d6a2c", "#6a7a3a"])),
        "lava": int(rng.choice([0, 1, 1, 2, 3, 5])),
        "lava_side": float(rng.uniform(0, 2 * math.pi)),
        "lava_reach": float(rng.uniform(0.45, 1.0)),
        "smoke": str(rng.choice(["none", "wisp", "plume", "plume", "column", "cloud"])),
        "smoke_colour": str(rng.choice(["#e8e6e2", "#b5b0aa", "#6a6562", "#3f3b3a"])),
        "wind": float(rng.uniform(0, 2 * math.pi)),
        "ground": str(rng.choice(["grass", "earth", "water", "water", "sand", "rock"])),
    }


def build(parameters: dict[str, Any], rng: np.random.Generator) -> Landmark:
    """The volcano that `parameters` describe; `rng` is not needed, the relief has a seed of its own."""
    p = parameters
    mesh = Mesh()
    summit = _slopes(mesh, p)
    _smoke(mesh, p, summit)
    return finish(mesh, "volcano", p["ground"], ViewHints(elevation=(2, 20), distance=(1.55, 2.5)))


def _cone(p: dict[str, Any]) -> tuple[float, float, float]:
    foot, rim, hollow = _STYLES[p["style"]]
    return foot * p["breadth"] * p["height"], rim * p["crater"] * p["height"], hollow


def _raised(p: dict[str, Any], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Heights in metres at (x, y)."""
    height = p["height"]
    foot, rim, hollow = _cone(p)
    away, angle = np.hypot(x, y), np.arctan2(y, x)
    points = np.stack([x, y, np.zeros_like(x)], axis=-1)
    noise = rough(p["relief"], points, foot * 0.8)
    rim = rim * (1 + 0.08 * noise)
    down = np.clip((foot - away) / (foot - rim), 0, 1)
    flank = height * down**hollow
    groove = np.abs(np.sin(p["gullies"] * angle / 2 + 1.2 * noise + 2 * rough(p["relief"] + 1, points, foot)))
    flank *= 1 - p["gully_depth"] * 2.2 * (1 - groove) * np.clip(down * 4, 0, 1) * np.clip((1.05 - down) * 3, 0.15, 1)
    flank += 0.035 * height * noise * np.clip(down * 5, 0, 1)
    bowl = height * (1 + 0.05 * noise) - 0.3 * height * (1 - (away / rim) ** 2)
    body = np.where(away < rim, np.maximum(bowl, 0.72 * height), flank)
    if p["style"] == "broken":
        gap = np.cos(angle - p["lava_side"])
        body = np.where(gap > 0.55, np.minimum(body, height * (0.62 + 0.38 * (1 - gap) / 0.45)), body)
    if p["style"] == "twin":
        spot = 0.52 * foot * np.array([math.cos(p["lava_side"] + 2), math.sin(p["lava_side"] + 2)])
        beside = np.hypot(x - spot[0], y - spot[1])
        second = 0.72 * height * np.clip(1 - (beside - 0.1 * height) / (0.45 * foot), 0, 1) ** 1.3
        second = np.where(beside < 0.1 * height, 0.66 * height, second) * (1 + 0.06 * noise)
        body = np.maximum(body, second)
    return body


def _slopes(mesh: Mesh, p: dict[str, Any]) -> float:
    foot, rim, _ = _cone(p)
    # Rings lie closer around the crater's rim.
    radii = np.concatenate([np.linspace(0.02, 1.0, 8) * rim, np.linspace(rim, foot, _RINGS - 8)[1:]])
    angles = np.linspace(0, 2 * math.pi, _SECTORS + 1)
    x, y = radii[:, None] * np.cos(angles), radii[:, None] * np.sin(angles)
    z = _raised(p, x, y)
    z[-1] = -0.02 * p["height"]
    points = np.stack([x, y, z], axis=2)

    middle = cells(points)
    share = middle[..., 2] / p["height"] + 0.07 * rough(p["relief"] + 2, middle, foot * 0.25)
    noise = rough(p["relief"] + 3, middle, foot * 0.2)
    stone = linear(p["stone"])
    colours = np.clip(stone * (1 + 0.22 * noise)[..., None], 0, 1)
    colours[share < p["green_line"]] = linear(p["green"])
    colours[share > p["snow_line"]] = linear("#eef2f8")
    away = np.hypot(middle[..., 0], middle[..., 1])
    hot = np.zeros_like(share, dtype=bool)
    if p["lava"]:
        colours[away < rim * 0.98] = np.clip(stone * 0.45, 0, 1)
        hot |= away < rim * 0.6
    cold = colours.copy()
    cold[hot] = np.nan
    sheet(mesh, points, cold, "rock")
    glow = np.full_like(colours, np.nan)
    glow[hot] = np.where((noise[hot] > 0)[:, None], linear("#ff5a10"), linear("#ffa020"))
    sheet(mesh, points, glow, "glass")
    for stream in range(p["lava"]):
        _stream(mesh, p, stream)
    return float(z.max())


def _stream(mesh: Mesh, p: dict[str, Any], stream: int) -> None:
    """Lava that runs down a flank: a dark crust with a glowing middle, draped over the ground."""
    foot, rim, _ = _cone(p)
    bearing = p["lava_side"] + stream * 2 * math.pi / p["lava"] * 0.83
    reach = rim + (foot - rim) * p["lava_reach"] * (0.95 - 0.25 * (stream % 3) / 2)
    details = np.random.default_rng([p["relief"], stream])
    for width, lift, begin, end in ((0.085, 0.012, 0.95, 1.03), (0.05, 0.02, 0.5, 1.0)):
        away = np.linspace(rim * begin, reach * end, 26)[:, None]
        sway = 0.22 * np.sin(away / foot * 7 + stream) * np.clip(away / rim - 1, 0, 1)
        taper = np.clip((reach * end - away) / (0.12 * reach), 0.25, 1)
        across = (
            np.linspace(-1, 1, 5)[None] * width * foot * taper * (0.8 + 0.2 * np.sin(away / foot * 17 + 2 * stream))
        )
        x = away * np.cos(bearing + sway) - across * np.sin(bearing)
        y = away * np.sin(bearing + sway) + across * np.cos(bearing)
        points = np.stack([x, y, _raised(p, x, y) + lift * p["height"]], axis=2)
        if width > 0.06:
            colours = np.clip(linear(p["stone"]) * 0.4 * details.uniform(0.8, 1.2, (25, 4, 1)), 0, 1)
            sheet(mesh, points, colours, "rock")
        else:
            hot = details.random((25, 4, 1)) < 0.45
            sheet(mesh, points, np.where(hot, linear("#ffa824"), linear("#ff5c10")), "glass")


def _smoke(mesh: Mesh, p: dict[str, Any], summit: float) -> None:
    if p["smoke"] == "none":
        return
    count, lean, rise, growth = {
        "wisp": (4, 0.10, 0.09, 0.012),
        "plume": (8, 0.11, 0.07, 0.018),
        "column": (8, 0.015, 0.105, 0.013),
        "cloud": (11, 0.05, 0.055, 0.016),
    }[p["smoke"]]
    height, colour = p["height"], linear(p["smoke_colour"])
    details = np.random.default_rng(p["relief"] + 7)
    x, y = math.cos(p["wind"]), math.sin(p["wind"])
    for index in range(count):
        away = height * lean * index ** (1.15)
        size = height * (0.065 + growth * index)
        side = details.normal(0, 0.11 if p["smoke"] == "cloud" else 0.025, 2) * height * min(index / 4, 1)
        spot = (x * away + side[0], y * away + side[1], summit * 0.93 + height * rise * index)
        shade = np.clip(colour * details.uniform(0.85, 1.1), 0, 1)
        mesh.ellipsoid(spot, (size * 1.15, size * 1.15, size * 0.95), shade, "plain", 10)
