"""What comes and goes: people, cars and boats near the landmark, and what gets between it and the lens."""

from __future__ import annotations

import math

import numpy as np

from suite.landmarks.camera import SENSOR_WIDTH, Camera
from suite.landmarks.landmark import Landmark
from suite.landmarks.mesh import Mesh

_CLOTHES = ("#7a2630", "#26406b", "#2d2d30", "#c9c4b8", "#5a6b3a", "#b98a2e", "#6a3d6b")
_EYE_LEVEL = 1.7


def person(rng: np.random.Generator) -> Mesh:
    """Somebody 1.7 m tall, seen from any side."""
    coat, trousers = (str(colour) for colour in rng.choice(_CLOTHES, 2))
    hair, mesh = str(rng.choice(["#2a211b", "#6b4a2b", "#c0a060", "#444444"])), Mesh()
    for side in (-0.1, 0.1):
        mesh.frustum((side, 0), 8, 0.07, 0.09, 0.85, trousers)
        mesh.frustum((side * 2.5, 0), 8, 0.05, 0.06, 0.62, coat, 0.82)
    mesh.frustum((0, 0), 12, 0.17, 0.21, 0.62, coat, 0.82)
    mesh.ellipsoid((0, 0, 1.58), (0.10, 0.11, 0.14), "#c79a7d", "plain", 10)
    return mesh.ellipsoid((0, -0.02, 1.63), (0.11, 0.12, 0.11), hair, "plain", 10)


def car(rng: np.random.Generator) -> Mesh:
    """A car, 4.2 m long along x."""
    paint, mesh = str(rng.choice(["#9c2a2a", "#2a4a7c", "#d8d8d8", "#2b2b2e", "#7d8288", "#c2b280"])), Mesh()
    mesh.box((0, 0), (4.2, 1.7, 0.6), paint, 0.3, 0.0, "metal")
    cabin = np.array([[-1.3, 0.9], [1.0, 0.9], [0.6, 1.45], [-1.0, 1.45]])
    for side in (-0.75, 0.75):
        mesh.polygon(np.column_stack([cabin[:, 0], np.full(4, side), cabin[:, 1]]), "#1d2329")
    for first, second in ((0, 3), (1, 2), (3, 2)):
        pair = cabin[[first, second]]
        strip = [[pair[0, 0], -0.75, pair[0, 1]], [pair[1, 0], -0.75, pair[1, 1]]]
        strip += [[pair[1, 0], 0.75, pair[1, 1]], [pair[0, 0], 0.75, pair[0, 1]]]
        mesh.polygon(np.array(strip), paint if (first, second) == (3, 2) else "#1d2329", "plain")
    for x in (-1.3, 1.3):
        for y in (-0.8, 0.8):
            mesh.ellipsoid((x, y, 0.33), (0.33, 0.1, 0.33), "#151515", "plain", 10)
    return mesh


def boat(rng: np.random.Generator) -> Mesh:
    """A sailing boat, 7 m long along x."""
    mesh = Mesh()
    hull = np.array([[-3.5, -1.0], [1.5, -1.1], [3.8, 0.0], [1.5, 1.1], [-3.5, 1.0]])
    mesh.prism(hull, 0.9, str(rng.choice(["#e8e4da", "#2a3f66", "#8c2f2a"])), 0.0, "#b08a5a")
    mesh.tube(np.array([[0.4, 0, 0.8], [0.4, 0, 9.0]]), 0.08, "#5a4a3a", 5)
    sail = "#efe9dc"
    mesh.polygon(np.array([[0.3, 0, 1.6], [-3.0, 0.5, 1.7], [0.3, 0, 8.8]]), sail)
    return mesh.polygon(np.array([[0.6, 0, 8.0], [0.6, 0.2, 1.6], [3.6, 0, 1.2]]), sail)


def lamp_post() -> Mesh:
    """A street lamp, 5 m tall."""
    mesh = Mesh().frustum((0, 0), 8, 0.12, 0.05, 4.5, "#2b2e2c", 0.0, 0.0, "metal")
    mesh.frustum((0, 0), 6, 0.12, 0.22, 0.45, "#f1e3b0", 4.5, 0.0, "glass")
    return mesh.frustum((0, 0), 6, 0.28, 0.0, 0.25, "#2b2e2c", 4.95)


def passers_by(landmark: Landmark, rng: np.random.Generator) -> Mesh:
    """People and a car, or boats, that happen to be near the landmark."""
    mesh = Mesh()
    if landmark.radius > 150 or rng.random() < 0.45:
        return mesh
    afloat = landmark.ground == "water"
    for _ in range(int(rng.integers(1, 4 if afloat else 9))):
        distance, angle = landmark.radius * rng.uniform(1.05, 1.6), rng.uniform(0, 2 * math.pi)
        at = (distance * math.cos(angle), distance * math.sin(angle))
        drawn = boat(rng) if afloat else car(rng) if rng.random() < 0.12 else person(rng)
        mesh.add(drawn, at, rng.uniform(0, 2 * math.pi))
    return mesh


def occluder(camera: Camera, afloat: bool, rng: np.random.Generator) -> Mesh:
    """One thing close to the lens that hides a part of the picture, seldom half of it."""
    half = SENSOR_WIDTH / 2 / camera.focal
    # Feet and wheels stay below the frame: nobody sees whether they touch the ground.
    near = 0.75 * _EYE_LEVEL / half
    standing = not afloat and _foot_row(camera, near) > camera.size
    kinds = ["person", "people", "lamp", "fence", "car", "branch", "leaves"] if standing else ["branch", "leaves"]
    kind, side = str(rng.choice(kinds)), float(rng.choice([-1.0, 1.0]))
    mesh = Mesh()
    if kind in ("branch", "leaves"):
        distance = 4.0
        for _ in range(int(rng.integers(4, 10))):
            across = side * rng.uniform(0.55, 1.25) * half * distance
            height = (1.0 if kind == "branch" else -1.0) * rng.uniform(0.68, 1.2) * half * distance
            radii = rng.uniform(0.08, 0.24, 3) * half * distance
            mesh.ellipsoid((across, rng.normal(0, 0.3), height), radii, "#2f4420", "foliage", 8)
        return _before(mesh, camera, distance, 0.0, True)
    distance = near
    if kind in ("person", "people"):
        for index in range(1 if kind == "person" else 3):
            across = side * (rng.uniform(0.35, 0.95) - 0.5 * index) * half * distance
            mesh.add(person(rng), (across, rng.normal(0, 0.3), -rng.uniform(0.15, 0.5)), rng.normal(0, 0.4))
    elif kind == "lamp":
        mesh.add(lamp_post(), (side * rng.uniform(0.45, 0.85) * half * distance, 0.0, -0.3))
    elif kind == "fence":
        for index in range(-30, 31):
            mesh.box((0.22 * index, 0), (0.05, 0.05, 0.75), "#3b3a36", 0.2)
        mesh.box((0, 0), (14.0, 0.06, 0.06), "#3b3a36", 0.85)
    else:
        mesh.add(car(rng), (side * rng.uniform(0.3, 0.9) * half * distance, 0.0, -0.25), rng.normal(0, 0.2))
    return _before(mesh, camera, distance, -_EYE_LEVEL, False)


def _foot_row(camera: Camera, distance: float) -> float:
    """The row at which somebody `distance` metres before the lens would be seen to stand."""
    forward = camera.axes[2, :2] / max(float(np.linalg.norm(camera.axes[2, :2])), 1e-9)
    foot = np.asarray(camera.position) + np.array([*forward * distance, -_EYE_LEVEL])
    return float(camera.project(foot)[1])


def _before(mesh: Mesh, camera: Camera, distance: float, lower: float, tilted: bool) -> Mesh:
    """`mesh` (own x to the right, own y away from the lens) set up `distance` metres before the camera.

    `tilted`: along the line of sight rather than upright.
    """
    eye, aim = np.asarray(camera.position), np.subtract(camera.target, camera.position)
    yaw = math.atan2(aim[1], aim[0])
    rise = aim[2] / max(np.linalg.norm(aim), 1e-9) if tilted else 0.0
    spot = eye + np.array([math.cos(yaw) * distance, math.sin(yaw) * distance, rise * distance + lower])
    return Mesh().add(mesh, spot, yaw - math.pi / 2)
