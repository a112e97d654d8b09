"""Waterfalls: a cliff that faces -y, water that drops over it, a pool, a forest on the rim."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from suite.landmarks.archetypes.landforms import boulders, cells, rough, sheet, strata, tree
from suite.landmarks.archetypes.parts import finish
from suite.landmarks.landmark import Landmark, ViewHints
from suite.landmarks.mesh import Mesh, linear

# Places along the cliff (shares of its breadth) and widths (shares of the drawn width) of the streams.
_STYLES = {
    "plunge": [(0.0, 0.5)],
    "curtain": [(0.0, 2.6)],
    "twin": [(-0.28, 0.6), (0.22, 0.8)],
    "threads": [(-0.5, 0.25), (-0.27, 0.35), (0.0, 0.55), (0.22, 0.3), (0.45, 0.4)],
    "fan": [(0.0, 0.9)],
    "horseshoe": [(0.0, 3.4)],
}
_COLUMNS, _FACE = 72, 26


def parameters(rng: np.random.Generator) -> dict[str, Any]:
    """What sets one waterfall apart: every key can be drawn anew on its own."""
    return {
        "style": str(rng.choice(list(_STYLES))),
        "height": float(rng.uniform(25, 110)),
        "breadth": float(rng.uniform(1.3, 2.4)),
        "width": float(rng.uniform(0.14, 0.26)),
        "tiers": int(rng.choice([1, 1, 1, 2, 2, 3, 4])),
        "place": float(rng.uniform(-0.25, 0.25)),
        "flanks": str(rng.choice(["level", "high", "high", "slant", "shoulder"])),
        "hollow": float(rng.uniform(0.1, 0.45)),
        "roughness": float(rng.uniform(0.04, 0.12)),
        "relief": int(rng.integers(0, 2**31)),
        "rock": str(rng.choice(["#4b4a48", "#6d665c", "#8a5a40", "#9a8468", "#5a6158", "#b0613c", "#3a3836"])),
        "rock_bands": str(rng.choice(["#6a6259", "#3f3d3a", "#b59a78", "#7a4a34"])),
        "bands": int(rng.integers(3, 10)),
        "moss": float(rng.choice([0.0, 0.2, 0.45])),
        "turf": str(rng.choice(["#3d5a2e", "#4d6a2c", "#6a7a3a", "#8a8048", "#2f4a24"])),
        "trees": int(rng.choice([0, 10, 22, 34])),
        "tree_kind": str(rng.choice(["conifer", "conifer", "broadleaf", "palm"])),
        "tree_colour": str(rng.choice(["#1f3a1c", "#2f5a26", "#4a6a2a"])),
        "pool": str(rng.choice(["round", "wide", "stream"])),
        "water": str(rng.choice(["#2f6f78", "#3a7f6a", "#4a6f8a", "#5fa0a0"])),
        "boulders": int(rng.choice([0, 8, 18])),
    }


def build(parameters: dict[str, Any], rng: np.random.Generator) -> Landmark:
    """The waterfall that `parameters` describe; `rng` places trees and boulders."""
    p = parameters
    mesh = Mesh()
    height, half = p["height"], p["height"] * p["breadth"]
    _cliff(mesh, p)
    for place, share in _STYLES[p["style"]]:
        _fall(mesh, p, (place * 0.8 + p["place"] * (0.3 if share > 2 else 1.0)) * half, share * p["width"] * height)
    _pool(mesh, p)
    for _ in range(p["trees"]):
        x = half * rng.uniform(-0.8, 0.8)
        back = rng.uniform(0.04, 0.5) * height
        if all(
            abs(x - (place * 0.8 + p["place"]) * half) > share * p["width"] * height * 0.7 + 0.06 * height
            for place, share in _STYLES[p["style"]]
        ):
            foot = (x, float(_edge(p, np.array(x))) + back, float(_rim(p, np.array(x))) * 0.97)
            tree(mesh, foot, height * rng.uniform(0.14, 0.26), p["tree_colour"], p["tree_kind"])
    if p["boulders"]:
        arc = (-math.pi * 0.95, -math.pi * 0.05)
        boulders(mesh, rng, p["boulders"], 0.55 * height, 1.0 * height, 0.09 * height, p["rock"], arc)
    view = ViewHints(elevation=(0, 14), azimuth=(-130, -50), distance=(1.15, 1.9))
    return finish(mesh, "waterfall", "grass", view)


def _tiers(p: dict[str, Any]) -> int:
    """Many threads over many ledges would read as a grid: threads fall once or twice."""
    return min(p["tiers"], 2) if p["style"] == "threads" else p["tiers"]


def _edge(p: dict[str, Any], x: np.ndarray) -> np.ndarray:
    """Depth (y) of the cliff's upper edge: the middle stands back, more so in a horseshoe."""
    half = p["height"] * p["breadth"]
    deep = p["hollow"] * (1.6 if p["style"] == "horseshoe" else 1.0) * p["height"]
    points = np.stack([x, np.zeros_like(x), np.zeros_like(x)], axis=-1)
    curve = deep * np.exp(-((x / (0.5 * half)) ** 2)) - 0.5 * deep
    return curve + 0.05 * p["height"] * rough(p["relief"] + 2, points, 0.7 * half)


def _rim(p: dict[str, Any], x: np.ndarray) -> np.ndarray:
    """Height of the cliff's upper edge: it sinks to the ground at both ends."""
    half = p["height"] * p["breadth"]
    points = np.stack([x, np.zeros_like(x), np.zeros_like(x)], axis=-1)
    calm = np.clip(np.abs(x / half - p["place"]) * 2.5, 0.15, 1)
    end = np.clip((1 - np.abs(x) / half) / 0.3, 0, 1) ** 0.6
    beside = x / half - p["place"]
    flanks = {
        "level": 0.0,
        "high": 0.75 * np.clip(np.abs(beside) * 2.6 - 0.45, 0, 1),
        "slant": 0.6 * np.clip(beside * 2 - 0.2, -0.55, 1),
        "shoulder": 0.9 * np.clip(-beside * 2.8 - 0.4, 0, 1),
    }[p["flanks"]]
    flanks = flanks * (0.75 + 0.5 * rough(p["relief"] + 4, points, 0.6 * half))
    return p["height"] * end * (1 + flanks + 0.13 * calm * rough(p["relief"] + 3, points, half))


def _profile(p: dict[str, Any], share: np.ndarray) -> np.ndarray:
    """How far (in heights) the cliff's face stands before its upper edge at a share of its height: the ledges."""
    tiers = _tiers(p)
    deep = {1: 0.0, 2: 0.22, 3: 0.2, 4: 0.17}[tiers]
    below = (tiers - 1) - np.minimum(np.floor(share * tiers + 1e-9), tiers - 1)
    within = share * tiers - np.floor(np.minimum(share * tiers + 1e-9, tiers - 1e-6))
    return deep * below + 0.07 * (1 - share) + 0.5 * deep * np.clip(1 - within * 8, 0, 1) * (below < tiers - 1)


def _surface(p: dict[str, Any], x: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Points of the bare cliff face at places `x` and shares of the height."""
    z = _rim(p, x) * share
    y = _edge(p, x) - p["height"] * _profile(p, share) * np.clip(_rim(p, x) / p["height"], 0, 1)
    return np.stack([x, y, z], axis=-1)


def _cliff(mesh: Mesh, p: dict[str, Any]) -> None:
    height, half = p["height"], p["height"] * p["breadth"]
    x = np.repeat(np.linspace(-half, half, _COLUMNS)[None], _FACE, axis=0)
    share = np.repeat(np.linspace(0, 1, _FACE)[:, None], _COLUMNS, axis=1)
    points = _surface(p, x, share)
    crags = rough(p["relief"], points * (1, 1, 0.3), 0.5 * height, 5)
    points[..., 1] += p["roughness"] * height * crags * np.clip(share * 6, 0.3, 1)
    points[0, :, 2] = -0.02 * height
    layers = strata([p["rock"], p["rock"], p["rock_bands"]], cells(share + 0.04 * crags), p["relief"], p["bands"])
    noise = rough(p["relief"] + 5, cells(points), 0.25 * height)
    layers = np.clip(layers * (1 + 0.25 * noise)[..., None], 0, 1)
    layers[(noise > 0.75 - 1.3 * p["moss"]) & (p["moss"] > 0)] = linear(p["turf"]) * 0.8
    sheet(mesh, points, layers, "rock", smooth=False)
    # The land behind the edge, falling away at the back.
    rim = points[-1]
    rows = [rim]
    for back, rise in ((0.12, 1.02), (0.5, 1.05), (0.9, 0.8), (1.35, -0.02)):
        shift = np.array([0, back * height, 0])
        rows.append(rim * (1, 1, max(rise, 0)) + shift - (0, 0, 0.02 * height * (rise < 0)))
    land = np.stack(rows)
    tone = 1 + 0.2 * rough(p["relief"] + 6, cells(land), 0.4 * height)
    sheet(mesh, land, linear(p["turf"]) * tone[..., None], "grass")


def _fall(mesh: Mesh, p: dict[str, Any], middle: float, width: float) -> None:
    """One stream: strands of white that follow the ledges, foam where they land."""
    height = p["height"]
    count = max(4, round(width / (0.035 * height)))
    share = np.linspace(0, 1, 30)[:, None] + np.zeros((1, count + 1))
    spread = 1 + (1.3 if p["style"] == "fan" else 0.12) * (1 - share)
    u = np.linspace(-0.5, 0.5, count + 1)[None]
    ragged = 0.012 * height * np.sin(share * 23 + p["relief"] % 7) * (np.abs(u) > 0.45)
    points = _surface(p, middle + u * width * spread + ragged, share)
    points[..., 1] -= (0.6 * p["roughness"] + 0.035) * height * (0.5 + 0.5 * np.clip((1 - share) * 12, 0, 1))
    points[..., 2] += 0.004 * height
    details = np.random.default_rng(p["relief"] + 9)
    tones = details.uniform(0.62, 1.0, (1, count)) * details.uniform(0.9, 1.05, (29, 1))
    gaps = details.random((29, count)) < 0.04
    white = np.clip(linear("#e6f0f5") * tones[..., None], 0, 1)
    white[gaps] *= 0.75
    sheet(mesh, points, white, "plain")
    # The river above the edge.
    lip = points[-1]
    upstream = np.array([0, 0.5 * height, 0.03 * height])
    river = np.stack([lip, lip + upstream])
    sheet(mesh, river, np.repeat(linear(p["water"])[None, None], count, axis=1), "water")
    tiers = _tiers(p)
    for tier in range(tiers):
        foot = points[round(29 * tier / tiers)]
        for index in range(0, count + 1, max(1, count // 6)):
            size = height * (0.05 if tier else 0.075) * details.uniform(0.7, 1.2)
            spot = foot[index] + (0, -0.4 * size, 0.2 * size)
            mesh.ellipsoid(spot, (1.4 * size, size, 0.7 * size), "#eef4f6", "plain", 8)


def _pool(mesh: Mesh, p: dict[str, Any]) -> None:
    height, middle = p["height"], p["place"] * p["height"] * p["breadth"]
    foot = float(_surface(p, np.array(middle), np.array(0.0))[1])
    wide, deep = {"round": (0.75, 0.62), "wide": (1.25, 0.5), "stream": (0.4, 0.45)}[p["pool"]]
    angles = np.linspace(0, 2 * math.pi, 29)[:-1]
    wobble = 1 + 0.08 * np.sin(3 * angles + p["relief"] % 5) + 0.05 * np.sin(5 * angles)
    shore = np.column_stack([np.cos(angles) * wide * wobble, np.sin(angles) * deep * wobble]) * height
    shore += (middle, foot - 0.3 * height)
    for scale, z, colour, material in ((1.08, 0.004, p["rock"], "rock"), (1.0, 0.008, p["water"], "water")):
        ring = (shore - shore.mean(axis=0)) * scale + shore.mean(axis=0)
        mesh.polygon(np.column_stack([ring, np.full(28, z * height)]), colour, material)
    run = np.linspace(0, 1.0, 10)
    bend = middle + 0.16 * height * np.sin(run * 4 + p["relief"] % 6) * run
    y = foot - 0.6 * height - run * 0.8 * height
    river = np.stack([np.column_stack([bend + s * 0.16 * height, y, np.full(10, 0.006 * height)]) for s in (-1, 1)])
    sheet(mesh, river, np.broadcast_to(linear(p["water"]), (1, 9, 3)).copy(), "water")
