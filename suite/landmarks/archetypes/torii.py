"""Torii: shrine gates of two pillars and two beams, in the water, on a path or in a row."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from suite.landmarks.archetypes.parts import finish
from suite.landmarks.landmark import Landmark, ViewHints
from suite.landmarks.mesh import Mesh

_VERMILION = ("#c8402a", "#d4572f", "#a83226", "#8f8a82", "#6b4a34", "#b9b2a6", "#3c3a38")


def parameters(rng: np.random.Generator) -> dict[str, Any]:
    """What sets one gate apart: every key can be drawn anew on its own."""
    return {
        "style": str(rng.choice(["single", "braced", "row", "shrine", "steps"])),
        "height": float(rng.uniform(5, 16)),
        "spread": float(rng.uniform(0.62, 1.05)),
        "pillar": float(rng.uniform(0.045, 0.085)),
        "lean": float(rng.uniform(0.0, 0.07)),
        "overhang": float(rng.uniform(0.16, 0.34)),
        "curve": float(rng.choice([0.0, 0.06, 0.1, 0.14])),
        "beam": float(rng.uniform(0.07, 0.12)),
        "colour": str(rng.choice(_VERMILION)),
        "cap": str(rng.choice(["#23211f", "#2f3b33", "#54392b", "#5b5f66"])),
        "foot": str(rng.choice(["none", "black", "stone"])),
        "plaque": bool(rng.random() < 0.6),
        "rope": bool(rng.random() < 0.4),
        "lanterns": int(rng.integers(0, 4)),
        "gates": int(rng.integers(3, 8)),
        "ground": str(rng.choice(["water", "paving", "grass", "earth"])),
    }


def build(parameters: dict[str, Any], rng: np.random.Generator) -> Landmark:
    """The gate that `parameters` describe; its opening looks along y."""
    p, mesh = parameters, Mesh()
    height, depth = p["height"], 0.0
    gate = _gate(p)
    mesh.add(gate)
    if p["style"] == "braced":
        for side in (-1, 1):
            for along in (-0.3, 0.3):
                at = (side * height * p["spread"] / 2, along * height)
                mesh.frustum(at, 10, height * 0.03, height * 0.03, height * 0.55, p["colour"], 0, 0, "wood")
            mesh.box((at[0], 0), (height * 0.03, height * 0.7, height * 0.04), p["colour"], height * 0.42, 0, "wood")
    elif p["style"] == "row":
        for number in range(1, p["gates"]):
            mesh.add(gate, (0, number * height * 0.42, 0))
        depth = p["gates"] * height * 0.42
    elif p["style"] == "shrine":
        _shrine(mesh, p, height * 1.1)
        depth = height * 1.4
    elif p["style"] == "steps":
        for number in range(8):
            size = (height * p["spread"] * 0.9, height * 0.16, height * 0.03 * (number + 1))
            mesh.box((0, height * (0.25 + 0.16 * number)), size, "#98928a", 0, 0, "stone")
        mesh.add(gate, (0, height * 1.55, height * 0.24), scale=0.8)
        depth = height * 1.6
    for number in range(p["lanterns"]):
        for side in (-1, 1):
            _lantern(mesh, (side * height * p["spread"] * 0.85, -height * (0.25 + 0.4 * number)), height * 0.22)
    # Photographed for the gate: what stands behind it makes nobody step back.
    near = 1.0 if not depth else 0.75
    view = ViewHints(elevation=(-2, 9), azimuth=(-145, -35), distance=(1.7 * near, 2.9 * near))
    return finish(mesh, "torii", p["ground"], view)


def _gate(p: dict[str, Any]) -> Mesh:
    mesh, height = Mesh(), p["height"]
    half, thick = height * p["spread"] / 2, height * p["pillar"]
    for side in (-1, 1):
        foot, head = np.array([side * (half + p["lean"] * height), 0, 0]), np.array([side * half, 0, height])
        mesh.tube(np.array([foot, (foot + head) / 2, head]), thick, p["colour"], 14, "wood")
        if p["foot"] != "none":
            colour = "#22201f" if p["foot"] == "black" else "#8f8a82"
            mesh.frustum(foot[:2], 14, thick * 1.35, thick * 1.2, height * 0.1, colour, 0, 0, "stone")
    mesh.box((0, 0), (2 * half + thick * 5, thick * 1.3, height * 0.06), p["colour"], height * 0.74, 0, "wood")
    _lintel(mesh, p, half, height * 0.95, height * p["beam"], thick * 1.8, p["colour"])
    _lintel(mesh, p, half * 1.06, height * (0.95 + p["beam"]), height * 0.045, thick * 2.6, p["cap"])
    if p["plaque"]:
        mesh.box((0, -thick), (height * 0.09, thick * 0.4, height * 0.15), "#d8b64c", height * 0.8, 0, "wood")
    if p["rope"]:
        along = np.linspace(-half, half, 11)
        sag = height * (0.70 - 0.09 * (1 - (along / half) ** 2))
        mesh.tube(np.column_stack([along, np.full(11, -thick), sag]), thick * 0.35, "#cfb67a", 6, "wood")
    return mesh


def _lintel(mesh, p, half, base, height, depth, colour) -> None:
    """A beam whose ends sweep upwards."""
    reach = half * (1 + 2 * p["overhang"])
    along = np.linspace(-reach, reach, 13)
    rise = p["curve"] * p["height"] * (along / reach) ** 2
    for index in range(12):
        corners = [(along[k], base + rise[k] + up) for k, up in ((index, 0), (index + 1, 0))]
        upper = [(x, z + height) for x, z in corners]
        for y in (-depth / 2, depth / 2):
            face = [(x, y, z) for x, z in (*corners, *upper[::-1])]
            mesh.polygon(np.array(face), colour, "wood")
        for (x1, z1), (x2, z2) in (corners, upper):
            mesh.polygon(np.array([(x1, -depth / 2, z1), (x2, -depth / 2, z2), (x2, depth / 2, z2),
                                   (x1, depth / 2, z1)]), colour, "wood")  # fmt: skip
    for x, k in ((-reach, 0), (reach, 12)):
        z = base + rise[k]
        end = [(x, -depth / 2, z), (x, depth / 2, z), (x, depth / 2, z + height), (x, -depth / 2, z + height)]
        mesh.polygon(np.array(end), colour, "wood")


def _shrine(mesh, p, away) -> None:
    width = p["height"] * 0.9
    mesh.box((0, away), (width, width * 0.7, width * 0.12), "#8f8a82", 0, 0, "stone")
    mesh.box((0, away), (width * 0.8, width * 0.5, width * 0.4), "#e4ddcc", width * 0.12, 0, "plaster")
    for along in (-0.38, -0.13, 0.13, 0.38):
        mesh.frustum((along * width, away - width * 0.3), 10, width * 0.025, width * 0.025, width * 0.42, p["colour"],
                     width * 0.12, 0, "wood")  # fmt: skip
    mesh.gable((0, away), (width * 1.2, width * 0.95, width * 0.36), "#4a4e50", width * 0.54, 0, p["colour"])


def _lantern(mesh, at, height) -> None:
    mesh.frustum(at, 6, height * 0.24, height * 0.2, height * 0.15, "#8b877f", 0, 0, "stone")
    mesh.frustum(at, 8, height * 0.1, height * 0.1, height * 0.4, "#8b877f", height * 0.15, 0, "stone")
    mesh.box(at, (height * 0.3, height * 0.3, height * 0.22), "#f2d68a", height * 0.55, math.pi / 4, "glass")
    mesh.frustum(at, 6, height * 0.34, height * 0.04, height * 0.23, "#75716a", height * 0.77, 0, "stone")
