"""One photo of a landmark: where somebody stood, when, with what lens and in what weather."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from suite.landmarks.camera import Camera
from suite.landmarks.developing import develop
from suite.landmarks.foreground import occluder, passers_by
from suite.landmarks.landmark import Landmark
from suite.landmarks.mesh import Mesh
from suite.landmarks.render import Scene, render
from suite.landmarks.surroundings import Placed, surround
from suite.landmarks.weather import draw_weather

_OCCLUDED = 0.22
_TIGHT = 0.15


@dataclass(frozen=True)
class Site:
    """A landmark with its fixed surroundings; `seed` also stains its walls."""

    landmark: Landmark
    placed: tuple[Placed, ...]
    seed: int


def make_site(landmark: Landmark, rng: np.random.Generator) -> Site:
    """Surround a landmark; `rng` is the landmark's own."""
    return Site(landmark, tuple(surround(landmark, rng)), int(rng.integers(1, 2**20)))


def take_photo(site: Site, rng: np.random.Generator, size: int) -> np.ndarray:
    """(size, size, 3) uint8 sRGB: a photo of its own viewpoint, lens, crop, light, weather and passers-by."""
    landmark = site.landmark
    camera = place_camera(landmark, rng, size)
    weather = draw_weather(rng, math.dist(camera.position, (0.0, 0.0, landmark.height / 2)))
    mesh = Mesh().add(landmark.mesh)
    for thing in site.placed:
        clear = math.dist(camera.position[:2], thing.at) > thing.size + 0.45 * landmark.radius
        if thing.size == 0.0 or clear:
            mesh.add(thing.mesh, thing.at)
    mesh.add(passers_by(landmark, rng))
    if rng.random() < _OCCLUDED:
        mesh.add(occluder(camera, landmark.ground == "water", rng))
    grain = float(np.clip(landmark.radius / 22, 0.3, 60.0))
    scene = Scene(mesh, landmark.ground, 1.8 * landmark.radius, grain, site.seed)
    image = render(scene, camera, weather.light)
    return develop(image, weather, rng)


def place_camera(landmark: Landmark, rng: np.random.Generator, size: int) -> Camera:
    """Somebody's stand, aim and lens within the landmark's hints."""
    hints, radius = landmark.view, landmark.radius
    focal = float(np.exp(rng.uniform(math.log(24), math.log(85))))
    distance = max(radius * rng.uniform(*hints.distance) * focal / 35, 1.45 * radius)
    tight = rng.random() < _TIGHT
    azimuth, elevation = np.radians(rng.uniform(*hints.azimuth)), np.radians(rng.uniform(*hints.elevation))
    middle = landmark.height / 2
    lowest = max(1.7, 0.02 * radius)
    height = max(middle + distance * math.sin(elevation), lowest)
    if rng.random() < 0.4 and hints.elevation[0] <= 8:
        height = lowest
    across = distance * math.cos(elevation)
    spread = 0.3 if tight else 0.08
    target = (
        float(rng.normal(0, spread)) * radius,
        float(rng.normal(0, spread)) * radius,
        middle * float(rng.uniform(0.75, 1.2)),
    )
    return Camera(
        position=(across * math.cos(azimuth), across * math.sin(azimuth), height),
        target=target,
        size=size,
        focal=focal * (1.6 if tight else 1.0),
        roll=float(np.radians(rng.normal(0, 1.8))),
        shift=(float(np.clip(rng.normal(0, 0.07), -0.16, 0.16)), float(np.clip(rng.normal(0, 0.05), -0.12, 0.12))),
    )
