"""One photo of a landmark: where somebody stood, when, with what lens and in what weather."""

from __future__ import annotations

import math

import numpy as np

from suite.landmarks.camera import Camera
from suite.landmarks.landmark import Landmark
from suite.landmarks.render import Scene, render
from suite.landmarks.weather import draw_weather


def take_photo(landmark: Landmark, seed: int, rng: np.random.Generator, size: int) -> np.ndarray:
    """(size, size, 3) uint8 sRGB. `seed` is the landmark's: what stands near it and stains its walls is fixed."""
    camera = place_camera(landmark, rng, size)
    light = draw_weather(rng, landmark.radius)
    grain = float(np.clip(landmark.radius / 22, 0.4, 8.0))
    scene = Scene(landmark.mesh, landmark.ground, 2.2 * landmark.radius, grain, seed)
    image = render(scene, camera, light)
    return develop(image, rng)


def place_camera(landmark: Landmark, rng: np.random.Generator, size: int) -> Camera:
    """Somebody's stand, aim and lens within the landmark's hints."""
    hints = landmark.view
    focal = float(np.exp(rng.uniform(math.log(24), math.log(85))))
    distance = landmark.radius * rng.uniform(*hints.distance) * focal / 35
    azimuth, elevation = np.radians(rng.uniform(*hints.azimuth)), np.radians(rng.uniform(*hints.elevation))
    middle = landmark.height / 2
    eye_level = 1.7
    height = max(middle + distance * math.sin(elevation), eye_level)
    if rng.random() < 0.5:
        height = max(eye_level, 0.03 * landmark.radius)
    across = distance * math.cos(elevation)
    target = (
        float(rng.normal(0, 0.1)) * landmark.radius,
        float(rng.normal(0, 0.1)) * landmark.radius,
        middle * float(rng.uniform(0.8, 1.15)),
    )
    return Camera(
        position=(across * math.cos(azimuth), across * math.sin(azimuth), height),
        target=target,
        size=size,
        focal=focal,
        roll=float(np.radians(rng.normal(0, 1.8))),
        shift=(float(rng.normal(0, 0.06)), float(rng.normal(0, 0.05))),
    )


def develop(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Linear radiance to sRGB bytes: exposure, white balance, film curve."""
    bright = np.percentile(image.mean(axis=2), 85)
    exposed = image * (0.62 / max(bright, 0.05)) * np.exp2(rng.normal(0, 0.3))
    curve = exposed / (1 + 0.25 * exposed)
    srgb = np.where(curve <= 0.0031308, 12.92 * curve, 1.055 * np.clip(curve, 1e-9, None) ** (1 / 2.4) - 0.055)
    return np.clip(srgb * 255 + 0.5, 0, 255).astype(np.uint8)
