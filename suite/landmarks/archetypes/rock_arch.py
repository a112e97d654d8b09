"""Natural arches: rock that spans an opening, on a desert floor or in the surf."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from suite.landmarks.archetypes.landforms import boulders, cells, pillar, rough, sheet, strata
from suite.landmarks.archetypes.parts import finish
from suite.landmarks.landmark import Landmark, ViewHints
from suite.landmarks.mesh import Mesh, linear

# Opening (half breadth, height), top and sides of the rock around it, thickness through it; all in heights.
_STYLES = {
    "delicate": (0.42, 0.8, 0.16, 0.14, 0.16),
    "bridge": (0.95, 0.66, 0.18, 0.22, 0.24),
    "window": (0.34, 0.5, 0.42, 0.62, 0.22),
    "keyhole": (0.2, 0.62, 0.3, 0.34, 0.26),
    "elephant": (0.36, 0.6, 0.34, 0.22, 0.36),
    "double": (0.36, 0.66, 0.24, 0.2, 0.22),
    "table": (0.4, 0.52, 0.4, 0.3, 0.4),
}
_ROCKS = ("#b5542f", "#d98a55", "#8c4630", "#e0b487", "#c9713f", "#efe0c4", "#6d665c", "#8a8378", "#4b4a48", "#cfc8b8")


def parameters(rng: np.random.Generator) -> dict[str, Any]:
    """What sets one arch apart: every key can be drawn anew on its own."""
    sea = bool(rng.random() < 0.45)
    return {
        "style": str(rng.choice(list(_STYLES))),
        "height": float(rng.uniform(15, 60)),
        "span": float(rng.uniform(0.75, 1.3)),
        "opening": float(rng.uniform(0.85, 1.08)),
        "bulk": float(rng.uniform(0.8, 1.35)),
        "skew": float(rng.uniform(-0.3, 0.3)),
        "crest": float(rng.uniform(-0.3, 0.3)),
        "squareness": float(rng.uniform(2.0, 4.5)),
        "roughness": float(rng.uniform(0.1, 0.22)),
        "relief": int(rng.integers(0, 2**31)),
        "palette": rng.permutation(_ROCKS[5:] if sea else _ROCKS[:6])[: int(rng.integers(1, 4))].tolist(),
        "bands": int(rng.integers(2, 10)),
        "top": str(rng.choice(["bare", "bare", "grass", "dark"])),
        "beside": str(rng.choice(["none", "stack", "wall", "boulders"])),
        "beside_right": bool(rng.random() < 0.5),
        "ground": "water" if sea else str(rng.choice(["sand", "earth", "rock", "grass"])),
    }


def build(parameters: dict[str, Any], rng: np.random.Generator) -> Landmark:
    """The arch that `parameters` describe; `rng` strews boulders. The opening is seen from -y and +y."""
    p = parameters
    mesh = Mesh()
    height = p["height"]
    half, _, _, sides, _ = _STYLES[p["style"]]
    reach = (half * p["span"] + sides * p["bulk"]) * height
    side = 1 if p["beside_right"] else -1
    if p["style"] == "double":
        _arch(mesh, p, -0.52 * reach * side, 1.0, 0)
        _arch(mesh, p, 0.62 * reach * side, 0.72, 1)
        reach *= 1.35
    else:
        _arch(mesh, p, 0.0, 1.0, 0)
    if p["style"] == "elephant":
        block = [(0.75, -0.03), (0.62, 0.1), (0.55, 0.7), (0.5, 0.97), (0.35, 1.06), (0, 1.1)]
        _rock(mesh, p, (-side * (reach + 0.2 * height), 0), np.array(block) * height, 1.5, 3)
    if p["beside"] == "stack":
        needle = [(0.2, -0.03), (0.15, 0.3), (0.12, 0.55), (0.05, 0.72), (0, 0.74)]
        _rock(mesh, p, (side * (reach + 0.35 * height), 0.2 * height), np.array(needle) * height, 1.1, 4)
    elif p["beside"] == "wall":
        wall = [(0.45, -0.03), (0.36, 0.3), (0.3, 0.62), (0.2, 0.72), (0, 0.74)]
        _rock(mesh, p, (side * (reach + 0.12 * height), 0.05 * height), np.array(wall) * height, 1.5, 5)
    elif p["beside"] == "boulders":
        boulders(mesh, rng, 12, 0.5 * reach, 1.2 * reach, 0.1 * height, p["palette"][0])
    if p["ground"] != "water":
        foot = [(1.1 * reach, -0.02 * height), (0.8 * reach, 0.03 * height), (0.0, 0.04 * height)]
        pillar(mesh, (0, 0), foot, 1.0, 0, p["relief"] + 8, 0.16, p["palette"][:1], 1, None, 36, 6)
    hints = ViewHints(elevation=(0, 8), azimuth=(-128, -52), distance=(1.6, 2.5))
    return finish(mesh, "rock arch", p["ground"], hints)


def _rock(mesh: Mesh, p: dict[str, Any], at, profile: np.ndarray, stretch: float, index: int) -> None:
    top = {"bare": None, "grass": "#5c7238", "dark": "#4a3f38"}[p["top"]]
    pillar(
        mesh, at, profile, stretch, 0.0, p["relief"] + 13 * index, 1.2 * p["roughness"], p["palette"], p["bands"], top,
        24, 16, 0.4 * p["height"],
    )  # fmt: skip


def _arch(mesh: Mesh, p: dict[str, Any], middle: float, size: float, index: int) -> None:
    """A ring section swept from foot to foot between the opening and the outline of the rock."""
    half, clear, above, sides, thick = _STYLES[p["style"]]
    height = p["height"] * size
    half, sides, thick = half * p["span"], sides * p["bulk"], thick * p["bulk"]
    clear = min(clear * p["opening"], 0.9)
    along, around = 52, 16
    u = np.linspace(0, math.pi, along + 1)
    cosine, sine = -np.cos(u), np.sin(u)
    inner = np.column_stack([half * cosine + p["skew"] * 0.25 * sine, clear * sine**0.8])
    power = 2 / p["squareness"]
    outer_x = (half + sides) * np.sign(cosine) * np.abs(cosine) ** power
    outer_z = sine**power * (1 + p["crest"] * cosine * 0.7)
    outer = np.column_stack([outer_x, np.maximum(outer_z, inner[:, 1] + 0.6 * above * sine)])
    # Feet spread and reach under the ground.
    inner[[0, -1], 1] = outer[[0, -1], 1] = -0.03
    centre, across = (inner + outer) / 2, (outer - inner) / 2
    turn = np.linspace(0, 2 * math.pi, around + 1)
    shape = np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** 0.7, np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** 0.7
    widen = thick * (1 + 0.45 * np.abs(cosine) ** 3)
    plane = centre[:, None] + across[:, None] * shape[0][None, :, None]
    points = np.stack([plane[..., 0], widen[:, None] * shape[1], plane[..., 1]], axis=2) * height
    points[:, -1] = points[:, 0]
    noise = [rough(p["relief"] + 3 * index + k, points * (1, 1, 0.6), 0.55 * height, 5) for k in range(3)]
    bump = p["roughness"] * height * 0.75 * np.stack(noise, axis=2)
    bump[..., 2] *= np.clip(points[..., 2] / (0.2 * height), 0, 1)
    points = points + bump
    points[..., 0] += middle
    layer = cells(points[..., 2] / height + 0.04 * noise[0])
    colours = strata(p["palette"], layer, p["relief"], p["bands"])
    if p["top"] != "bare":
        outward = (np.cos(turn[:-1] + turn[1] / 2) > 0.45)[None] & ((sine[1:] + sine[:-1])[:, None] > 1.25)
        colours[np.broadcast_to(outward, layer.shape)] = linear("#5c7238" if p["top"] == "grass" else "#4a3f38")
    sheet(mesh, points, colours, "rock", smooth=False)
