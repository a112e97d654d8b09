"""Sea stacks: pillars of rock in the surf, alone or in a row."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from suite.landmarks.archetypes.landforms import boulders, pillar, tree
from suite.landmarks.archetypes.parts import finish
from suite.landmarks.landmark import Landmark, ViewHints
from suite.landmarks.mesh import Mesh

# (radius, z) in heights, from below the sea to the top.
_SHAPES = {
    "column": [(0.3, -0.03), (0.24, 0.06), (0.21, 0.5), (0.2, 0.9), (0.16, 0.98), (0, 1.0)],
    "needle": [(0.28, -0.03), (0.22, 0.08), (0.15, 0.5), (0.07, 0.85), (0.02, 0.99), (0, 1.0)],
    "mushroom": [(0.27, -0.03), (0.19, 0.06), (0.16, 0.3), (0.2, 0.55), (0.3, 0.72), (0.31, 0.9), (0.22, 0.99), (0, 1)],
    "block": [(0.62, -0.03), (0.54, 0.08), (0.5, 0.6), (0.47, 0.94), (0.4, 1.0), (0, 1.02)],
    "tooth": [(0.46, -0.03), (0.4, 0.1), (0.33, 0.5), (0.2, 0.82), (0.08, 0.97), (0, 1.0)],
    "chimney": [(0.4, -0.03), (0.34, 0.1), (0.26, 0.4), (0.16, 0.56), (0.15, 0.9), (0.1, 1.0), (0, 1.01)],
}


def parameters(rng: np.random.Generator) -> dict[str, Any]:
    """What sets one sea stack apart: every key can be drawn anew on its own."""
    rocks = ("#6d665c", "#8a8378", "#4b4a48", "#cfc8b8", "#a8774f", "#d6a873", "#7a4a38", "#e6dfd0", "#3a3836")
    return {
        "shape": str(rng.choice(list(_SHAPES))),
        "others": str(rng.choice(list(_SHAPES))),
        "count": int(rng.choice([1, 1, 2, 3, 4, 6])),
        "row": bool(rng.random() < 0.5),
        "height": float(rng.uniform(20, 90)),
        "bulk": float(rng.uniform(0.8, 1.4)),
        "stretch": float(rng.uniform(1.0, 1.5)),
        "turn": float(rng.uniform(0, math.pi)),
        "roughness": float(rng.uniform(0.16, 0.36)),
        "palette": rng.permutation(rocks)[: int(rng.integers(1, 4))].tolist(),
        "bands": int(rng.integers(2, 12)),
        "top": str(rng.choice(["bare", "grass", "grass", "guano"])),
        "trees": int(rng.choice([0, 0, 0, 3, 7])),
        "surf": bool(rng.random() < 0.7),
        "boulders": int(rng.choice([0, 5, 12])),
        "relief": int(rng.integers(0, 2**31)),
    }


def build(parameters: dict[str, Any], rng: np.random.Generator) -> Landmark:
    """The stacks that `parameters` describe; `rng` strews boulders and trees."""
    p = parameters
    mesh = Mesh()
    details = np.random.default_rng(p["relief"])
    top = {"bare": None, "grass": "#55702f", "guano": "#e4e2da"}[p["top"]]
    for index in range(p["count"]):
        tall = p["height"] * (1.0 if index == 0 else details.uniform(0.35, 0.85))
        profile = np.array(_SHAPES[p["shape"] if index == 0 else p["others"]]) * tall * (p["bulk"], 1)
        row_place = 0.6 * p["bulk"] * ((index + 1) // 2) * (-1) ** index
        away = p["height"] * (row_place if p["row"] else 0.6 * math.sqrt(index))
        angle = p["turn"] + (0.0 if p["row"] else index * 2.4)
        spot = (away * math.cos(angle), away * math.sin(angle))
        seed, sectors = p["relief"] + 17 * index, 44 if index == 0 else 24
        pillar(
            mesh, spot, profile, p["stretch"], p["turn"] + 1.1 * index, seed, p["roughness"], p["palette"], p["bands"],
            top, sectors, 20, 0.35 * tall,
        )  # fmt: skip
        if p["surf"]:
            foot = profile[:2, 0].mean() * 1.25
            ring = [(foot * 0.6, 0.012 * tall), (foot * 1.05, 0.01 * tall), (foot * 1.2, -0.004 * tall)]
            pillar(mesh, spot, ring, p["stretch"], p["turn"] + 1.1 * index, seed, 0.12, ["#eef3f5"], 1, None, 24, 3)
    flat = {"column": 0.12, "block": 0.33, "mushroom": 0.2}.get(p["shape"])
    if flat is not None:
        for _ in range(p["trees"]):
            angle, away = rng.uniform(0, 2 * math.pi), flat * p["height"] * p["bulk"] * rng.uniform(0.1, 0.9)
            spot = (away * math.cos(angle), away * math.sin(angle), 0.97 * p["height"])
            tree(mesh, spot, p["height"] * rng.uniform(0.1, 0.18), "#2c4a24", "conifer")
    if p["boulders"]:
        reach = float(np.abs(mesh.vertices[..., :2]).max())
        boulders(mesh, rng, p["boulders"], 0.7 * reach, 1.1 * reach, 0.06 * p["height"], p["palette"][0])
    return finish(mesh, "sea stack", "water", ViewHints(elevation=(0, 12), distance=(1.7, 2.7)))
