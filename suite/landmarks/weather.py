"""Hours, skies and seasons: the light of a photo."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from suite.landmarks.light import Light

SKIES = ("clear", "fair", "overcast", "sunset", "storm", "blue hour", "night", "fog")
_SHARES = (0.32, 0.29, 0.12, 0.11, 0.04, 0.05, 0.04, 0.03)


@dataclass(frozen=True)
class Weather:
    """Light, and what falls through it: "nothing", "rain" or "snow"."""

    light: Light
    falling: str


def draw_weather(rng: np.random.Generator, distance: float, sky: str | None = None) -> Weather:
    """The weather of one photo; fog and haze are such that a landmark `distance` metres away stays visible."""
    sky = str(rng.choice(SKIES, p=_SHARES)) if sky is None else sky
    azimuth = rng.uniform(0, 2 * math.pi)
    low = {"sunset": (2, 10), "blue hour": (5, 20), "night": (25, 60)}.get(sky, (18, 65))
    height = math.radians(rng.uniform(*low))
    sun = (math.cos(height) * math.cos(azimuth), math.cos(height) * math.sin(azimuth), math.sin(height))
    look = _LOOKS[sky]
    season = str(rng.choice(["summer", "autumn", "winter"], p=[0.74, 0.15, 0.11]))
    wet = float(rng.uniform(0.4, 1.0)) if sky == "storm" or (sky == "overcast" and rng.random() < 0.4) else 0.0
    light = Light(
        sun=sun,
        cover=float(rng.uniform(*look["cover"])),
        fog=float(rng.uniform(*look["haze"])) / distance,
        night=float(look["night"]),
        snow=float(rng.uniform(0.3, 1.0)) if season == "winter" else 0.0,
        autumn=float(rng.uniform(0.5, 1.0)) if season == "autumn" else 0.0,
        wet=wet,
        seed=int(rng.integers(1, 10_000)),
        **{name: look[name] for name in _COLOURS},
    )
    falling = "nothing"
    if wet and rng.random() < 0.6:
        falling = "snow" if season == "winter" else "rain"
    return Weather(light, falling)


_COLOURS = ("sun_colour", "ambient_up", "ambient_down", "zenith", "horizon", "glow", "cloud")
_LOOKS = {
    "clear": {
        "sun_colour": (1.30, 1.20, 1.02), "ambient_up": (0.26, 0.34, 0.48), "ambient_down": (0.17, 0.16, 0.13),
        "zenith": (0.09, 0.22, 0.55), "horizon": (0.50, 0.64, 0.80), "glow": (0.5, 0.45, 0.35),
        "cloud": (0.95, 0.95, 0.97), "cover": (0.0, 0.25), "haze": (0.01, 0.06), "night": 0.0,
    },
    "fair": {
        "sun_colour": (1.15, 1.06, 0.92), "ambient_up": (0.32, 0.38, 0.47), "ambient_down": (0.18, 0.17, 0.14),
        "zenith": (0.14, 0.28, 0.56), "horizon": (0.56, 0.66, 0.78), "glow": (0.5, 0.45, 0.38),
        "cloud": (1.0, 0.98, 0.96), "cover": (0.35, 0.75), "haze": (0.02, 0.10), "night": 0.0,
    },
    "overcast": {
        "sun_colour": (0.14, 0.14, 0.14), "ambient_up": (0.68, 0.70, 0.74), "ambient_down": (0.24, 0.23, 0.21),
        "zenith": (0.58, 0.61, 0.66), "horizon": (0.72, 0.74, 0.77), "glow": (0.05, 0.05, 0.05),
        "cloud": (0.70, 0.72, 0.76), "cover": (0.7, 1.0), "haze": (0.04, 0.20), "night": 0.0,
    },
    "sunset": {
        "sun_colour": (1.25, 0.62, 0.28), "ambient_up": (0.30, 0.28, 0.38), "ambient_down": (0.18, 0.13, 0.11),
        "zenith": (0.16, 0.22, 0.42), "horizon": (0.95, 0.55, 0.32), "glow": (1.2, 0.6, 0.2),
        "cloud": (0.85, 0.50, 0.42), "cover": (0.1, 0.7), "haze": (0.04, 0.20), "night": 0.0,
    },
    "storm": {
        "sun_colour": (0.20, 0.20, 0.20), "ambient_up": (0.34, 0.37, 0.42), "ambient_down": (0.13, 0.13, 0.13),
        "zenith": (0.12, 0.14, 0.18), "horizon": (0.36, 0.39, 0.42), "glow": (0.02, 0.02, 0.02),
        "cloud": (0.22, 0.24, 0.28), "cover": (0.8, 1.0), "haze": (0.10, 0.30), "night": 0.0,
    },
    "blue hour": {
        "sun_colour": (0.03, 0.03, 0.05), "ambient_up": (0.20, 0.27, 0.46), "ambient_down": (0.10, 0.10, 0.13),
        "zenith": (0.03, 0.07, 0.22), "horizon": (0.30, 0.34, 0.50), "glow": (0.12, 0.06, 0.03),
        "cloud": (0.14, 0.17, 0.30), "cover": (0.1, 0.7), "haze": (0.02, 0.12), "night": 0.6,
    },
    "night": {
        "sun_colour": (0.05, 0.06, 0.09), "ambient_up": (0.06, 0.075, 0.12), "ambient_down": (0.07, 0.05, 0.03),
        "zenith": (0.006, 0.009, 0.022), "horizon": (0.035, 0.04, 0.07), "glow": (0.03, 0.03, 0.04),
        "cloud": (0.03, 0.03, 0.05), "cover": (0.0, 0.6), "haze": (0.01, 0.08), "night": 1.0,
    },
    "fog": {
        "sun_colour": (0.15, 0.14, 0.13), "ambient_up": (0.60, 0.62, 0.64), "ambient_down": (0.30, 0.30, 0.30),
        "zenith": (0.66, 0.68, 0.70), "horizon": (0.70, 0.71, 0.72), "glow": (0.1, 0.1, 0.09),
        "cloud": (0.70, 0.71, 0.72), "cover": (0.0, 0.4), "haze": (0.35, 0.75), "night": 0.0,
    },
}  # fmt: skip
