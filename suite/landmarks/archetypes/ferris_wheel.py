"""Ferris wheels: a rim with cabins, spokes or cables, on legs; the wheel turns in the x-z plane."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from suite.landmarks.archetypes.parts import circle, finish, shaded
from suite.landmarks.landmark import Landmark, ViewHints
from suite.landmarks.mesh import Mesh

_BRIGHT = ("#c8332b", "#e8b422", "#2f62b0", "#2f8f5a", "#e0742a", "#8a3f9a", "#efe9dc", "#d85a8a", "#3aa6b8")


def parameters(rng: np.random.Generator) -> dict[str, Any]:
    """What sets one wheel apart: every key can be drawn anew on its own."""
    return {
        "radius": float(rng.uniform(16, 62)),
        "rim": str(rng.choice(["single", "double", "lattice", "lattice", "solid"])),
        "spokes": str(rng.choice(["beams", "cables", "crossed", "star", "none"])),
        "spoke_count": int(rng.choice([8, 10, 12, 16, 24])),
        "cabins": int(rng.choice([8, 12, 16, 20, 24, 30])),
        "cabin_shape": str(rng.choice(["box", "pod", "gondola", "ball"])),
        "cabin_size": float(rng.uniform(0.1, 0.17)),
        "cabin_colours": rng.permutation(_BRIGHT)[: int(rng.choice([1, 1, 2, 3, 6]))].tolist(),
        "steel": str(
            rng.choice(["#f2f2ee", "#f2f2ee", "#c8332b", "#2f62b0", "#e8b422", "#8f959c", "#3aa6b8", "#3a3d42"])
        ),
        "leg_colour": str(rng.choice(["#f2f2ee", "#8f959c", "#c8332b", "#2f4f7a", "#b89a4a", "#4a4d52"])),
        "legs": str(rng.choice(["a", "a", "wide", "four", "lean"])),
        "hub": float(rng.uniform(0.05, 0.14)),
        "hub_sign": str(rng.choice(["none", "disc", "star"])),
        "depth": float(rng.uniform(0.1, 0.2)),
        "clearance": float(rng.uniform(0.12, 0.35)),
        "inner_ring": float(rng.choice([0.0, 0.0, 0.5, 0.7])),
        "base": str(rng.choice(["none", "deck", "house", "booths", "drum"])),
        "base_colour": str(rng.choice(["#c9c4b8", "#a8583f", "#5d6b7a", "#d8c8a0", "#7a5a44"])),
        "ground": str(rng.choice(["paving", "paving", "grass", "water", "sand"])),
    }


def build(parameters: dict[str, Any], rng: np.random.Generator) -> Landmark:
    """The wheel that `parameters` describe; nothing is left to `rng`. It is seen from around -y."""
    p = parameters
    mesh = Mesh()
    radius = p["radius"]
    hub = radius * (1.08 + p["clearance"])
    deep = radius * p["depth"]
    _rims(mesh, p, hub, deep)
    _spokes(mesh, p, hub, deep)
    _cabins(mesh, p, hub)
    _legs(mesh, p, hub, deep)
    _base(mesh, p, deep)
    hints = ViewHints(elevation=(-2, 10), azimuth=(-145, -35), distance=(1.8, 2.9))
    return finish(mesh, "ferris wheel", p["ground"], hints)


def _ring(radius: float, hub: float, y: float, count: int = 48) -> np.ndarray:
    around = circle((0.0, hub), radius, count)
    around = np.vstack([around, around[:1]])
    return np.column_stack([around[:, 0], np.full(count + 1, y), around[:, 1]])


def _rims(mesh: Mesh, p: dict[str, Any], hub: float, deep: float) -> None:
    radius, steel, thick = p["radius"], p["steel"], 0.014 * p["radius"]
    if p["rim"] == "solid":
        for part, colour in ((1.0, steel), (0.93, shaded(steel, 0.8))):
            outer, inner = _ring(radius * part, hub, 0), _ring(radius * (part - 0.06), hub, 0)
            for y in (-0.4 * deep, 0.4 * deep):
                band = np.stack([outer[:-1], outer[1:], inner[1:], outer[:-1], inner[1:], inner[:-1]], axis=1)
                band[..., 1] += y
                mesh.triangles(band.reshape(-1, 3, 3), colour, "metal")
    sides = (0.0,) if p["rim"] == "single" else (-0.5 * deep, 0.5 * deep)
    for y in sides:
        mesh.tube(_ring(radius, hub, y), thick * (2.0 if p["rim"] == "single" else 1.2), steel, 5)
        if p["rim"] == "lattice":
            mesh.tube(_ring(0.87 * radius, hub, y), thick, steel, 4)
            outer, inner = _ring(radius, hub, y, 36), _ring(0.87 * radius, hub, y, 36)
            line = np.empty((73, 3))
            line[0::2], line[1::2] = outer, inner[:-1]
            mesh.tube(line, 0.65 * thick, steel, 3)
        if p["inner_ring"]:
            mesh.tube(_ring(p["inner_ring"] * radius, hub, y), thick, steel, 4)
    if len(sides) == 2:
        for point in _ring(radius, hub, 0, 2 * p["cabins"])[:-1:2]:
            mesh.tube(np.array([(point[0], y, point[2]) for y in sides]), thick, steel, 3)


def _spokes(mesh: Mesh, p: dict[str, Any], hub: float, deep: float) -> None:
    radius, count, steel = p["radius"], p["spoke_count"], p["steel"]
    kind = p["spokes"]
    if kind == "none":
        # Without spokes the rim itself carries: only a few stays reach the hub.
        count = 6
    thick = radius * {"beams": 0.013, "cables": 0.006, "crossed": 0.008, "star": 0.012, "none": 0.012}[kind]
    inner = p["hub"] * radius
    for index in range(count):
        angle = index * 2 * math.pi / count
        for side in (-0.5, 0.5):
            bend = {"crossed": side * 2.0, "star": side * 0.6}.get(kind, 0.0)
            start, end = angle + bend, angle
            foot = (math.cos(start) * inner, side * deep * 1.5, hub + math.sin(start) * inner)
            tip = (math.cos(end) * radius, side * deep * 0.8, hub + math.sin(end) * radius)
            mesh.tube(np.array([foot, tip]), thick, steel, 4)
    wheel = Mesh().frustum((0, 0), 16, inner, inner, 2.2 * deep, shaded(p["leg_colour"], 0.9), -1.1 * deep)
    turned = wheel.vertices[..., [0, 2, 1]] + np.float32([0, 0, hub])
    mesh.triangles(turned, wheel.colours, "metal")
    if p["hub_sign"] != "none":
        for facing in (-math.pi / 2, math.pi / 2):
            colour = p["cabin_colours"][0]
            size = inner * (3.2 if p["hub_sign"] == "disc" else 2.6)
            mesh.panel((0, 0, hub), (size, size), colour, facing, "disc", 1.15 * deep)
            if p["hub_sign"] == "star":
                for index in range(8):
                    tip = circle((0.0, 0.0), 2.4 * inner, 16)[2 * index]
                    sides = circle((0.0, 0.0), 0.9 * inner, 16)[[2 * index - 1, 2 * index + 1]]
                    points = np.array([tip, *sides])
                    y = np.full(3, math.sin(facing) * 1.18 * deep)
                    mesh.triangles(np.column_stack([points[:, 0], y, points[:, 1] + hub])[None], "#f0d060", "plain")


def _cabins(mesh: Mesh, p: dict[str, Any], hub: float) -> None:
    radius = p["radius"]
    size = radius * min(p["cabin_size"], 4.2 / p["cabins"])
    outside = 1.0 + (0.0 if p["cabin_shape"] in ("box", "gondola") else p["cabin_size"] * 0.4)
    for index, point in enumerate(_ring(radius * outside, hub, 0, p["cabins"])[:-1]):
        colour = p["cabin_colours"][index % len(p["cabin_colours"])]
        x, _, z = point
        if p["cabin_shape"] in ("pod", "ball"):
            wide = 1.0 if p["cabin_shape"] == "ball" else 1.7
            mesh.ellipsoid(point, (size * 0.62, size * 0.62 * wide, size * 0.62), colour, "metal", 8)
            for facing in (-math.pi / 2, math.pi / 2):
                mesh.panel((x, 0, z), (size * 0.6, size * 0.35), "#2a3a48", facing, "rect", size * 0.6 * wide)
            continue
        low = z - 1.15 * size
        mesh.box((x, 0), (size, size * 1.1, size * 0.42), colour, low, 0.0, "metal")
        mesh.box((x, 0), (size * 0.9, size, size * 0.38), "#2a3a48", low + 0.42 * size, 0.0, "glass")
        if p["cabin_shape"] == "box":
            mesh.box((x, 0), (size, size * 1.1, size * 0.2), colour, low + 0.8 * size, 0.0, "metal")
        else:
            mesh.hip((x, 0), (1.35 * size, 1.35 * size, 0.45 * size), colour, low + 0.8 * size, 0.0, "metal")


def _legs(mesh: Mesh, p: dict[str, Any], hub: float, deep: float) -> None:
    spread = {"a": 0.5, "wide": 0.85, "four": 0.62, "lean": 0.4}[p["legs"]] * p["radius"]
    thick = 0.03 * p["radius"]
    for side in (-1, 1):
        top = np.array([0.0, side * deep * 1.3, hub])
        feet = [(-spread, 1.9), (spread, 1.9)]
        if p["legs"] == "four":
            feet += [(-0.45 * spread, 2.6), (0.45 * spread, 2.6)]
        elif p["legs"] == "lean":
            feet = [(-0.12 * spread, 3.2), (0.12 * spread, 3.2), (-spread * 1.6, 1.6), (spread * 1.6, 1.6)]
        for x, out in feet:
            mesh.tube(np.array([top, (x, side * deep * out, 0.0)]), thick, p["leg_colour"], 6)
        low = 0.3 * hub
        mesh.tube(
            np.array([(-spread * 0.7, side * deep * 1.75, low), (spread * 0.7, side * deep * 1.75, low)]),
            0.6 * thick, p["leg_colour"], 4,
        )  # fmt: skip


def _base(mesh: Mesh, p: dict[str, Any], deep: float) -> None:
    radius, colour = p["radius"], p["base_colour"]
    if p["ground"] == "water":
        mesh.box((0, 0), (2.0 * radius, 9 * deep, 0.04 * radius), "#8f8a80", 0.0, 0.0, "stone")
    if p["base"] == "deck":
        mesh.box((0, 0), (1.5 * radius, 5 * deep, 0.1 * radius), colour, 0.0, 0.0, "wood")
    elif p["base"] == "house":
        mesh.box((0, -3.2 * deep), (0.9 * radius, 2 * deep, 0.2 * radius), colour, 0.0, 0.0, "plaster")
        mesh.gable((0, -3.2 * deep), (radius, 2.4 * deep, 0.14 * radius), p["leg_colour"], 0.2 * radius, 0.0, colour)
        for index in range(5):
            spot = ((index - 2) * 0.17 * radius, -4.2 * deep, 0.1 * radius)
            mesh.panel(spot, (0.09 * radius, 0.11 * radius), "#20262c", -math.pi / 2)
    elif p["base"] == "booths":
        for index, x in enumerate((-0.75, -0.4, 0.4, 0.75)):
            paint = p["cabin_colours"][index % len(p["cabin_colours"])]
            mesh.box((x * radius, -3 * deep), (0.18 * radius, 0.18 * radius, 0.14 * radius), colour, 0.0)
            mesh.hip((x * radius, -3 * deep), (0.26 * radius, 0.26 * radius, 0.12 * radius), paint, 0.14 * radius)
    elif p["base"] == "drum":
        mesh.frustum((0, 0), 24, 0.75 * radius, 0.7 * radius, 0.14 * radius, colour, 0.0, 0.0, "stone")
