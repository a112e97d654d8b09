"""Stadiums: bowls of stands around a pitch, with roofs, masts, arches and outer skins of many kinds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from suite.landmarks.archetypes.parts import finish, flag, shaded
from suite.landmarks.landmark import Landmark, ViewHints
from suite.landmarks.mesh import Mesh

_SIDES = 48
_PAINTS = ("#c8402a", "#2d5fa8", "#e6e3dc", "#d9a62a", "#2f7a4f", "#6b4a8a", "#3c4148", "#d8763a", "#7fb3d2")


def parameters(rng: np.random.Generator) -> dict[str, Any]:
    """What sets one stadium apart: every key can be drawn anew on its own."""
    return {
        "style": str(rng.choice(["roofed", "open", "masted", "arched", "crown", "ancient"])),
        "length": float(rng.uniform(95, 130)),
        "width": float(rng.uniform(0.68, 0.95)),
        "square": float(rng.choice([2.0, 2.0, 2.6, 3.4])),
        "stand": float(rng.uniform(0.26, 0.40)),
        "height": float(rng.uniform(20, 42)),
        "tiers": int(rng.integers(1, 4)),
        "seats": str(rng.choice(_PAINTS)),
        "seats_too": str(rng.choice(_PAINTS)),
        "skin": str(rng.choice(["fins", "panels", "arcade", "bands", "plain"])),
        "skin_colour": str(rng.choice(["#d9d6cf", "#b9bec4", "#8a6a55", "#c9b28a", "#4a5058", "#a83a32", "#e8e6e0"])),
        "roof_colour": str(rng.choice(["#e9e9e6", "#c3c8cc", "#3f4a55", "#a8b8c4", "#d8d2c0"])),
        "roof_reach": float(rng.uniform(0.45, 0.95)),
        "roof_tilt": float(rng.uniform(-0.1, 0.22)),
        "masts": int(rng.choice([4, 4, 6, 8])),
        "flare": float(rng.uniform(-0.06, 0.12)),
        "flags": bool(rng.random() < 0.4),
        "pitch": str(rng.choice(["stripes", "track", "plain"])),
        "ground": str(rng.choice(["paving", "grass", "paving", "earth"])),
    }


def build(parameters: dict[str, Any], rng: np.random.Generator) -> Landmark:
    """The stadium that `parameters` describe."""
    p, mesh = parameters, Mesh()
    _pitch(mesh, p)
    _stands(mesh, p)
    _skin(mesh, p)
    if p["style"] in ("roofed", "masted", "arched", "crown"):
        _roof(mesh, p)
    if p["style"] == "masted":
        _masts(mesh, p)
    elif p["style"] == "arched":
        _arches(mesh, p)
    elif p["style"] == "open":
        _floodlights(mesh, p)
    if p["flags"]:
        for angle in np.arange(12) * math.pi / 6:
            flag(mesh, _ring(p, 1.0, angle), p["height"], 9.0, p["seats"])
    return finish(mesh, "stadium", p["ground"], ViewHints(elevation=(9, 40), distance=(1.35, 2.2)))


def _ring(p: dict[str, Any], share: float, angle: float) -> tuple[float, float]:
    """A point of the superellipse that is `share` of the way from the pitch (0) to the outer wall (1)."""
    scale = 1 + p["stand"] * 1.6 * share
    cosine, sine, power = math.cos(angle), math.sin(angle), 2 / p["square"]
    x = math.copysign(abs(cosine) ** power, cosine)
    y = math.copysign(abs(sine) ** power, sine)
    return p["length"] * 0.62 * scale * x, p["length"] * 0.62 * p["width"] * scale * y


def _band(mesh, p, inner, outer, colour, material="plain", sectors=range(_SIDES)) -> None:
    """Quads between two rings, each (share, height)."""
    step = 2 * math.pi / _SIDES
    for index in sectors:
        corners = []
        for angle, order in ((index * step, (inner, outer)), ((index + 1) * step, (outer, inner))):
            corners += [(*_ring(p, share, angle), z) for share, z in order]
        paint = colour(index) if callable(colour) else colour
        mesh.polygon(np.array(corners), paint, material)


def _pitch(mesh, p) -> None:
    around = np.linspace(0, 2 * math.pi, _SIDES, endpoint=False)
    lawn = np.array([(*_ring(p, 0.0, angle), 0.25) for angle in around])
    mesh.polygon(lawn, "#b5573a" if p["pitch"] == "track" else "#3f7a33", "plain")
    half, wide = p["length"] * 0.46, p["length"] * 0.46 * p["width"] * 0.72
    bands = 8 if p["pitch"] != "plain" else 1
    for index in range(bands):
        x = -half + 2 * half * index / bands
        box = [(x, -wide), (x + 2 * half / bands, -wide), (x + 2 * half / bands, wide), (x, wide)]
        mesh.polygon(np.array([(*spot, 0.45) for spot in box]), ("#4d8f3c", "#3d7a30")[index % 2], "plain")
    for x in (-half, 0, half):
        mesh.box((x, 0), (0.9, 2 * wide, 0.3), "#f0f0ec", 0.3)
    for y in (-wide, wide):
        mesh.box((0, y), (2 * half, 0.9, 0.3), "#f0f0ec", 0.3)


def _stands(mesh, p) -> None:
    seats, other = p["seats"], p["seats_too"]
    if p["style"] == "ancient":
        seats, other = p["skin_colour"], shaded(p["skin_colour"], 0.8)
    low = 0.0
    for tier in range(p["tiers"]):
        start, end = tier / p["tiers"], (tier + 0.92) / p["tiers"]
        high = p["height"] * ((tier + 1) / p["tiers"]) ** 1.15
        foot = low + (p["height"] * 0.06 if tier else 0.6)
        for row in range(4):
            a, b = (start + (end - start) * k / 4 for k in (row, row + 1))
            z, up = (foot + (high - foot) * k / 4 for k in (row, row + 1))
            paint = [seats, other if (row + tier) % 2 else shaded(seats, 0.85)]
            _band(mesh, p, (a, z), (b, up), lambda index, paint=paint: paint[index % 6 == 0 or index % 6 == 3])
        low = high
        _band(mesh, p, (end, high), ((tier + 1) / p["tiers"], high + p["height"] * 0.05), "#cfccc4")


def _skin(mesh, p) -> None:
    """The outer wall, wider or narrower at the top."""
    top, colour = p["height"] * 1.05, p["skin_colour"]
    if p["style"] == "ancient":
        gone = range(_SIDES // 5, _SIDES // 5 + 9)
        whole = [index for index in range(_SIDES) if index not in gone]
        _band(mesh, p, (1.02, 0), (1.02, top * 0.6), colour, "stone")
        _band(mesh, p, (1.02, top * 0.6), (1.02, top), colour, "stone", whole)
    else:
        _band(mesh, p, (1.02, 0), (1.02 + p["flare"], top), colour, "plain")
    arcade = p["skin"] == "arcade" or p["style"] == "ancient"
    step = 2 * math.pi / _SIDES
    for index in range(_SIDES):
        angle = (index + 0.5) * step
        x, y = _ring(p, 1.02 + 0.5 * p["flare"], angle)
        ahead = _ring(p, 1.02 + 0.5 * p["flare"], angle + 0.01)
        facing = math.atan2(-(ahead[0] - x), ahead[1] - y)
        wide = 2 * math.pi * p["length"] * 0.62 * (1 + 1.6 * p["stand"]) * 0.85 / _SIDES
        if arcade:
            for level in range(3):
                z = top * (0.2 + 0.29 * level)
                mesh.panel((x, y, z), (wide * 0.5, top * 0.2), "#221d1a", facing, "round", 0.9, "plain")
        elif p["skin"] == "fins" and index % 2:
            out = _ring(p, 1.07, angle)
            mesh.tube(np.array([(*out, 0), (*_ring(p, 1.07 + p["flare"], angle), top)]), 0.9, p["seats"], 4)
        elif p["skin"] == "panels" and index % 3 == 0:
            mesh.panel((x, y, top * 0.55), (wide * 0.8, top * 0.5), p["seats"], facing, "rect", 1.0, "plain")
        elif p["skin"] == "bands":
            for level in (0.3, 0.6, 0.85):
                mesh.panel((x, y, top * level), (wide, top * 0.09), "#2c3a48", facing, "rect", 0.9, "glass")


def _roof(mesh, p) -> None:
    """A ring over the stands that leaves the pitch open."""
    top = p["height"] * 1.12
    rim = (1.06 + p["flare"], top)
    inner = (1 - p["roof_reach"], top + p["roof_tilt"] * p["height"])
    colour = p["roof_colour"]
    if p["style"] == "crown":
        _band(mesh, p, inner, rim, lambda index: colour if index % 2 else shaded(p["seats"], 1.0))
        for index in range(_SIDES // 2):
            angle = 4 * math.pi * index / _SIDES
            spike = [(*_ring(p, 1.04, angle), top), (*_ring(p, 1.2, angle), top + p["height"] * 0.4)]
            mesh.tube(np.array(spike), 1.0, p["skin_colour"], 5)
        return
    _band(mesh, p, inner, rim, colour, "metal")
    _band(mesh, p, (rim[0], top - 2.5), rim, shaded(colour, 0.7), "metal")


def _masts(mesh, p) -> None:
    top = p["height"] * 2.0
    for angle in (np.arange(p["masts"]) + 0.5) * 2 * math.pi / p["masts"]:
        foot, head = (*_ring(p, 1.12, angle), 0), (*_ring(p, 1.2, angle), top)
        mesh.tube(np.array([foot, head]), 1.5, p["seats"], 8)
        for spread in (-0.3, -0.1, 0.1, 0.3):
            end = (*_ring(p, 1 - p["roof_reach"] * 0.8, angle + spread), p["height"] * 1.14)
            mesh.tube(np.array([head, end]), 0.45, "#d9d9d9", 4)


def _arches(mesh, p) -> None:
    share = np.linspace(-1, 1, 25)
    for side in (-1, 1) if p["masts"] > 4 else (1,):
        y = side * p["length"] * 0.62 * p["width"] * (1 + 0.5 * p["stand"])
        x = share * p["length"] * 0.62 * (1 + 1.9 * p["stand"])
        line = np.column_stack([x, np.full(25, y), p["height"] * 2.3 * (1 - share**2)])
        mesh.tube(line, 2.2, p["seats"], 8)
        for place in range(4, 21, 2):
            end = (line[place, 0] * 0.9, y * 0.62, p["height"] * 1.13)
            mesh.tube(np.array([line[place], end]), 0.4, "#d9d9d9", 4)


def _floodlights(mesh, p) -> None:
    for angle in (np.arange(4) + 0.5) * math.pi / 2:
        foot = _ring(p, 1.15, angle)
        tall = p["height"] * 2.1
        mesh.tube(np.array([(*foot, 0), (*foot, tall)]), 1.3, "#9aa0a6", 6)
        facing = math.atan2(-foot[1], -foot[0])
        mesh.panel((*foot, tall), (12, 8), "#f7f3d8", facing, "rect", 1.5, "glass")
        mesh.panel((*foot, tall), (12, 8), "#6a6f75", facing + math.pi, "rect", -1.2, "metal")
