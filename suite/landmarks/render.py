"""A scene, a camera and a light give a picture in linear radiance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from suite.landmarks.camera import Camera
from suite.landmarks.landmark import GROUNDS
from suite.landmarks.light import Light, Triple
from suite.landmarks.mesh import Mesh
from suite.landmarks.raster import rasterise, rasterise_flat
from suite.landmarks.shading import Shadows, Surfaces, shade

_SHADOW_TEXELS, _ABOVE_TEXELS = 512, 128


@dataclass(frozen=True)
class Scene:
    """What stands there. `reach` (metres) bounds what throws shadows; `grain` (metres) is the size of a block."""

    mesh: Mesh
    ground: str
    reach: float
    grain: float
    seed: int


def render(scene: Scene, camera: Camera, light: Light, supersampling: int = 2) -> np.ndarray:
    """(size, size, 3) float64 linear radiance, averaged over `supersampling` squared rays a pixel."""
    mesh = scene.mesh
    surfaces = Surfaces(
        mesh.vertices, mesh.normals, mesh.colours, mesh.materials, GROUNDS.index(scene.ground), scene.grain, scene.seed
    )
    size = camera.size * supersampling
    focal = camera.focal_pixels * supersampling
    centre_x, centre_y = (value * supersampling for value in camera.centre)
    depth, faces = _draw(mesh.vertices, camera, size, focal, centre_x, centre_y)
    if scene.ground == "water":
        mirrored = _draw(mesh.vertices * np.float32([1, 1, -1]), camera, size, focal, centre_x, centre_y)
    else:
        mirrored = np.empty((0, 0)), np.empty((0, 0), np.int32)
    image = np.empty((size, size, 3))
    eye = np.asarray(camera.position, dtype=np.float64)
    shadows = cast_shadows(mesh.vertices, scene.reach, light.sun)
    shade(image, depth, faces, *mirrored, eye, camera.axes, focal, centre_x, centre_y, surfaces, light, shadows)
    shape = (camera.size, supersampling, camera.size, supersampling, 3)
    return image.reshape(shape).mean(axis=(1, 3))


def _draw(vertices, camera: Camera, size: int, focal: float, centre_x: float, centre_y: float):
    depth, faces = np.zeros((size, size)), np.full((size, size), -1, np.int32)
    rasterise(camera.to_camera(vertices), focal, centre_x, centre_y, depth, faces)
    return depth, faces


def cast_shadows(vertices: np.ndarray, reach: float, sun: Triple) -> Shadows:
    """Nearness maps of triangles (T, 3, 3) towards the unit vector `sun` and towards the zenith, within `reach`."""
    sun = np.asarray(sun)
    reference = np.array([0.0, 0.0, 1.0]) if abs(sun[2]) < 0.99 else np.array([1.0, 0.0, 0.0])
    right = np.cross(reference, sun)
    right /= math.sqrt(right @ right)
    axes = np.stack([right, np.cross(sun, right), sun])
    scale = _SHADOW_TEXELS / (2 * reach)
    # Nearness in the map is kept above 0, which stands for nothing there.
    lift = 4 * reach
    turned = vertices.astype(np.float64) @ axes.T
    turned[..., :2] = turned[..., :2] * scale + _SHADOW_TEXELS / 2
    turned[..., 2] += lift
    nearness = np.zeros((_SHADOW_TEXELS, _SHADOW_TEXELS))
    rasterise_flat(turned, nearness)
    above_scale = _ABOVE_TEXELS / (2 * reach)
    flat = vertices.astype(np.float64)
    flat[..., :2] = flat[..., :2] * above_scale + _ABOVE_TEXELS / 2
    above = np.zeros((_ABOVE_TEXELS, _ABOVE_TEXELS))
    rasterise_flat(flat, above)
    return Shadows(tuple(tuple(row) for row in axes.tolist()), scale, nearness - lift, above_scale, above)
