"""What churches share: naves, apses, towers with caps, doors and rose windows."""

from __future__ import annotations

import math

import numpy as np

from suite.landmarks.archetypes.parts import circle, cross, dome, openings, openings_around, rectangle, shaded
from suite.landmarks.mesh import Mesh

GLASS, GOLD, FRONT = "#27303f", "#c99a2e", -math.pi / 2


def nave(mesh: Mesh, p, wall, width, length, height, pitch, shape="pointed", material="stone", aisles=False, y=0.0):
    """A gabled hall along y with windows between buttresses, lower aisles at its sides if asked."""
    mesh.box((0, y), (width, length, height), wall, 0.0, 0.0, material)
    roof = (length * 1.02, width * 1.1, width * pitch)
    mesh.gable((0, y), roof, p["roof"], height, math.pi / 2, wall)
    low = height * 0.55 if aisles else 0.0
    for side in (-1, 1):
        x = side * width / 2
        ends = [(x, y - side * length / 2), (x, y + side * length / 2)]
        size = (length / p["bays"] * 0.36, (height - low) * 0.62)
        openings(mesh, *ends, low + (height - low) * 0.52, p["bays"], size, GLASS, shape, shaded(wall, 1.25))
        if aisles:
            out = side * (width / 2 + width * 0.16)
            mesh.box((out, y), (width * 0.32, length * 0.96, low), wall, 0.0, 0.0, material)
            inner, outer = side * width / 2, side * (width * 0.86)
            slope = [(inner, -0.5, low * 1.3), (inner, 0.5, low * 1.3), (outer, 0.5, low), (outer, -0.5, low)]
            mesh.polygon([(a, y + b * length * 0.97, c) for a, b, c in slope], p["roof"], "tiles")
            at = side * width * 0.82
            ends = [(at, y - side * length / 2), (at, y + side * length / 2)]
            openings(mesh, *ends, low * 0.5, p["bays"], (size[0], low * 0.6), GLASS, shape, shaded(wall, 1.25))
        rows = np.linspace(-0.5, 0.5, p["bays"] + 1)
        for share in rows:
            out = width * 0.86 if aisles else width / 2 + 0.4
            spot = (side * out, y + share * length * 0.94)
            mesh.box(spot, (1.6, 1.1, (low or height) * 0.9), shaded(wall, 0.9), 0.0, 0.0, material)


def apse(mesh: Mesh, p, wall, y, radius, height, shape="round", material="stone") -> None:
    """A round end with its own roof and a ring of windows."""
    mesh.frustum((0, y), 16, radius, radius, height, wall, 0.0, 0.0, material)
    mesh.frustum((0, y), 16, radius * 1.08, 0.0, radius * 0.8, p["roof"], height, 0.0, "tiles")
    openings_around(mesh, (0, y), radius * 0.98, height * 0.55, 12, (radius * 0.22, height * 0.5), GLASS, shape)


def west_tower(mesh: Mesh, p, wall, xy, width, height, cap, shape="pointed", material="stone") -> None:
    """A square tower with bands, belfry openings, a clock, a cap and a cross."""
    mesh.box(xy, (width, width, height), wall, 0.0, 0.0, material)
    corners = rectangle(xy, (width, width))
    for share in (0.36, 0.66, 1.0):
        mesh.box(xy, (width * 1.09, width * 1.09, 0.6), shaded(wall, 1.2), share * height - 0.6, 0.0, "stone")
    for side in range(4):
        ends = corners[side], corners[(side + 1) % 4]
        openings(
            mesh, *ends, height * 0.83, 2, (width * 0.2, height * 0.2), "#191a1d", shape, shaded(wall, 1.25), "plain"
        )
        openings(mesh, *ends, height * 0.48, 1, (width * 0.18, height * 0.14), GLASS, shape)
        if p["clock"]:
            at = (*xy, height * 0.63)
            mesh.panel(at, (width * 0.42, width * 0.42), "#f2efe4", side * math.pi / 2, "disc", width / 2 + 0.15)
            mesh.panel(at, (width * 0.05, width * 0.3), "#141414", side * math.pi / 2, "rect", width / 2 + 0.2, "plain")
    rise = width * p["spire"]
    if cap == "spire":
        mesh.frustum(xy, 8, width * 0.53, 0.0, max(rise, 1.2 * width), p["roof"], height, 0.0, "tiles")
        top = height + max(rise, 1.2 * width)
        for corner in rectangle(xy, (width * 0.86, width * 0.86)):
            mesh.frustum(corner, 4, width * 0.11, 0.0, width * 0.55, wall, height, 0.0, material)
    elif cap == "pyramid":
        mesh.hip(xy, (width * 1.08, width * 1.08, 0.6 * rise), p["roof"], height)
        top = height + 0.6 * rise
    elif cap == "onion":
        mesh.frustum(xy, 8, width * 0.5, width * 0.36, width * 0.2, p["metal"], height, 0.0, "metal")
        top = dome(mesh, xy, width * 0.42, height + width * 0.2, p["metal"], "onion", 16, "metal")
    else:
        for corner in rectangle(xy, (width * 0.95, width * 0.95)):
            mesh.frustum(corner, 4, width * 0.13, 0.0, width * 0.55, wall, height, 0.0, material)
        for side in range(4):
            for share in (0.3, 0.5, 0.7):
                spot = corners[side] + (corners[(side + 1) % 4] - corners[side]) * share
                mesh.box(spot, (width * 0.1, width * 0.1, width * 0.13), wall, height, 0.0, material)
        top = height
    cross(mesh, xy, top - 0.2, width * 0.4, GOLD)


def door(mesh: Mesh, p, xy, width, height, frame, shape="pointed", facing=FRONT) -> None:
    """A door in its frame."""
    mesh.panel((*xy, height * 0.58), (width * 1.6, height * 1.16), frame, facing, shape, 0.1, "stone")
    mesh.panel((*xy, height * 0.5), (width, height), p["door"], facing, shape, 0.2, "wood")


def rose(mesh: Mesh, xyz, radius, frame) -> None:
    """A rose window that looks along -y: a rim, glass, spokes."""
    mesh.panel(xyz, (2.4 * radius, 2.4 * radius), frame, FRONT, "disc", 0.1, "stone")
    mesh.panel(xyz, (2 * radius, 2 * radius), GLASS, FRONT, "disc", 0.16, "glass")
    for spoke in circle((0, 0), radius, 10):
        ends = np.array([xyz, np.add(xyz, (spoke[0], 0, spoke[1]))]) - (0, 0.2, 0)
        mesh.tube(ends, radius * 0.05, frame, 4, "stone")
    mesh.panel(xyz, (0.6 * radius, 0.6 * radius), frame, FRONT, "disc", 0.3, "stone")
