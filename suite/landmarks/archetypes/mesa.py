"""Table mountains, buttes, spires and hoodoos: layered rock that stands up from a plain."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from suite.landmarks.archetypes.landforms import boulders, pillar
from suite.landmarks.archetypes.parts import finish
from suite.landmarks.landmark import Landmark, ViewHints
from suite.landmarks.mesh import Mesh

_ROCKS = ("#b5542f", "#d98a55", "#8c4630", "#e0b487", "#c9713f", "#efe0c4", "#a8623f", "#7a3f35", "#d9a860", "#b9a58a")


def parameters(rng: np.random.Generator) -> dict[str, Any]:
    """What sets one mesa apart: every key can be drawn anew on its own."""
    return {
        "style": str(
            rng.choice(["table", "table", "butte", "trio", "mitten", "trio", "hoodoos", "hoodoos", "spire", "stairs"])
        ),
        "height": float(rng.uniform(60, 300)),
        "breadth": float(rng.uniform(0.7, 1.5)),
        "stretch": float(rng.uniform(1.0, 2.2)),
        "turn": float(rng.uniform(0, math.pi)),
        "talus": float(rng.uniform(0.15, 0.55)),
        "roughness": float(rng.uniform(0.06, 0.2)),
        "palette": rng.permutation(_ROCKS)[: int(rng.integers(2, 5))].tolist(),
        "bands": int(rng.integers(4, 15)),
        "count": int(rng.integers(4, 10)),
        "cap": str(rng.choice(["none", "dark", "pale", "green"])),
        "lean": float(rng.uniform(0.8, 1.0)),
        "relief": int(rng.integers(0, 2**31)),
        "boulders": int(rng.choice([0, 6, 14])),
        "ground": str(rng.choice(["sand", "earth", "earth", "grass", "rock"])),
    }


def build(parameters: dict[str, Any], rng: np.random.Generator) -> Landmark:
    """The mesa that `parameters` describe; `rng` strews the boulders."""
    p = parameters
    mesh = Mesh()
    height, style = p["height"], p["style"]
    if style == "table":
        _butte(mesh, p, (0, 0), height, 1.35 * height * p["breadth"], p["stretch"], 0)
    elif style == "butte":
        _butte(mesh, p, (0, 0), height, 0.42 * height * p["breadth"], min(p["stretch"], 1.6), 0)
    elif style == "trio":
        for index, (along, across, tall) in enumerate([(-1.1, 0.4, 0.86), (0.0, -0.3, 1.0), (1.2, 0.2, 0.68)]):
            spot = _turned(p, along * height, across * height)
            _butte(mesh, p, spot, height * tall, 0.36 * height * p["breadth"], 1.25, index)
    elif style == "mitten":
        _butte(mesh, p, (0, 0), height, 0.42 * height * p["breadth"], 1.4, 0)
        thumb = _turned(p, height * (0.62 * p["breadth"] + 0.16), 0.0)
        _butte(mesh, p, thumb, height * 0.74, 0.11 * height, 1.0, 1)
    elif style == "hoodoos":
        _hoodoos(mesh, p)
    elif style == "spire":
        for index in range(3):
            spot = _turned(p, (index - 1) * 0.42 * height * p["breadth"], 0.12 * height * (index % 2))
            _butte(mesh, p, spot, height * (0.82, 1.0, 0.6)[index], 0.1 * height * p["breadth"], 1.0, index)
    else:
        for index, (wide, tall) in enumerate([(1.0, 0.42), (0.68, 0.72), (0.36, 1.0)]):
            _butte(mesh, p, (0, 0), height * tall, wide * height * p["breadth"], p["stretch"], index)
    if p["boulders"]:
        reach = float(np.abs(mesh.vertices[..., :2]).max())
        boulders(mesh, rng, p["boulders"], 0.7 * reach, 1.05 * reach, 0.06 * height, p["palette"][0])
    return finish(mesh, "mesa", p["ground"], ViewHints(elevation=(0, 12), distance=(1.6, 2.6)))


def _turned(p: dict[str, Any], along: float, across: float) -> tuple[float, float]:
    cosine, sine = math.cos(p["turn"]), math.sin(p["turn"])
    return cosine * along - sine * across, sine * along + cosine * across


def _cap(p: dict[str, Any]) -> str | None:
    return {"none": None, "dark": "#5a4036", "pale": "#eadcc0", "green": "#5f7038"}[p["cap"]]


def _butte(mesh: Mesh, p: dict[str, Any], at, height: float, wide: float, stretch: float, index: int) -> None:
    """A cliff on a slope of scree; `wide` is the radius of its flat top across."""
    foot = wide / p["lean"] + 0.05 * height
    scree = height * p["talus"]
    profile = [
        (foot + 1.25 * scree, -0.02 * height),
        (foot + 0.45 * scree, 0.55 * scree),
        (foot, scree),
        (0.5 * (foot + wide) * 0.98, 0.5 * (scree + height)),
        (wide, 0.97 * height),
        (wide * 0.93, height),
        (0.0, height * 1.01),
    ]
    pillar(
        mesh, at, profile, stretch, p["turn"], p["relief"] + 11 * index, p["roughness"], p["palette"], p["bands"],
        _cap(p), 44 if wide > 0.4 * height else 28, 26, max(wide, 0.3 * height),
    )  # fmt: skip


def _hoodoos(mesh: Mesh, p: dict[str, Any]) -> None:
    """Slender necks with broad cap rocks, in a loose group on a low mound."""
    height = p["height"] * 0.5
    details = np.random.default_rng(p["relief"])
    reach = height * (0.3 + 0.05 * p["count"]) * p["breadth"]
    pillar(
        mesh, (0, 0), [(1.45 * reach, -0.5), (0.9 * reach, 0.1 * height), (0, 0.14 * height)], 1.0, 0.0, p["relief"],
        0.16, p["palette"][:1], 1, None, 28, 8,
    )  # fmt: skip
    for index in range(p["count"]):
        angle = p["turn"] + index * 2.4
        away = reach * math.sqrt(index / p["count"]) * 0.9
        tall = height * (1.0 if index == 0 else details.uniform(0.5, 0.92))
        wide = height * details.uniform(0.1, 0.15)
        profile = [(1.8 * wide, 0.05 * height), (1.25 * wide, 0.25 * tall), (0.8 * wide, 0.5 * tall)]
        profile += [(1.05 * wide, 0.62 * tall), (0.55 * wide, 0.78 * tall), (1.5 * wide, 0.82 * tall)]
        profile += [(1.6 * wide, 0.93 * tall), (0.9 * wide, tall), (0.0, tall * 1.02)]
        spot = (away * math.cos(angle), away * math.sin(angle))
        pillar(
            mesh, spot, profile, 1.0, angle, p["relief"] + index, p["roughness"] * 0.8, p["palette"], p["bands"],
            _cap(p), 14, 14, 2 * wide,
        )  # fmt: skip
