"""Pagodas: timber towers with wide eaves, slim brick towers, dense eaves, stone tiers, round halls."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from suite.landmarks.archetypes.parts import finish, shaded
from suite.landmarks.archetypes.parts_eaves import beam, curved_roof, many_sided
from suite.landmarks.landmark import Landmark, ViewHints
from suite.landmarks.mesh import Mesh

_WALLS = ("#b23a2a", "#ece6d8", "#c9a86a", "#8b8078", "#5a3f2e", "#d98a4a", "#7d2f2a", "#cfd2cc", "#3f5f57")
_ROOFS = ("#3d4246", "#2f6b4f", "#d0992c", "#2b5590", "#6b4a34", "#8c3b2e", "#1f2a33", "#4f9a94")


def parameters(rng: np.random.Generator) -> dict[str, Any]:
    """What sets one pagoda apart: every key can be drawn anew on its own."""
    return {
        "style": str(rng.choice(["timber", "timber", "timber", "brick", "brick", "dense", "stone", "round"])),
        "sides": int(rng.choice([4, 4, 6, 8, 8])),
        "tiers": int(rng.integers(3, 8)),
        "width": float(rng.uniform(9, 15)),
        "storey": float(rng.uniform(0.36, 0.6)),
        "shrink": float(rng.uniform(0.4, 0.85)),
        "eaves": float(rng.uniform(1.35, 1.75)),
        "pitch": float(rng.uniform(0.2, 0.4)),
        "lift": float(rng.uniform(0.05, 0.28)),
        "wall": str(rng.choice(_WALLS)),
        "roof": str(rng.choice(_ROOFS)),
        "top_roof": str(rng.choice(["same", "same", "same", "#d0992c", "#8c3b2e", "#2b5590"])),
        "trim": str(rng.choice(["#d9b24a", "#a5332b", "#f0ebe0", "#2f6b57", "#33302c"])),
        "openings": str(rng.choice(["round", "rect", "lattice", "disc"])),
        "rail": str(rng.choice(["none", "none", "#a5332b", "#efe9dc", "#3a6a5a"])),
        "spire": str(rng.choice(["rings", "gourd", "needle", "ball"])),
        "base": str(rng.choice(["low", "steps", "terrace"])),
        "base_colour": str(rng.choice(["#b9b2a4", "#e6e2d8", "#8a8079", "#a3553c"])),
        "lanterns": int(rng.choice([0, 0, 2, 4])),
        "ground": str(rng.choice(["grass", "paving", "earth", "grass", "water"])),
    }


def build(parameters: dict[str, Any], rng: np.random.Generator) -> Landmark:
    """The pagoda that `parameters` describe."""
    p, mesh = parameters, Mesh()
    sides = {"round": 24, "stone": 4}.get(p["style"], p["sides"])
    tiers = {"timber": p["tiers"], "brick": p["tiers"] + 1, "dense": p["tiers"] + 6, "stone": p["tiers"],
             "round": 2 + p["tiers"] % 2}[p["style"]]  # fmt: skip
    radius = p["width"] / 2 * (1.15 if sides == 4 else 1.0)
    base = _base(mesh, p, sides, radius)
    last = tiers - 1
    for tier in range(tiers):
        share = tier / max(last, 1)
        bulge = 0.12 * math.sin(math.pi * share) if p["style"] == "dense" else 0.0
        here = radius * (1 - (1 - p["shrink"]) * share + bulge)
        above = radius * (1 - (1 - p["shrink"]) * (tier + 1) / max(last, 1) + bulge) if tier < last else 0.0
        if p["style"] == "round":
            here = radius * (1 - 0.27 * tier)
            above = here * 0.8 if tier < last else 0.0
        base = _tier(mesh, p, tier, tiers, sides, here, max(above, 0.0), base)
    _spire(mesh, p, base, radius)
    if p["lanterns"] and p["ground"] != "water":
        for index in range(p["lanterns"]):
            angle = (index + 0.5) * 2 * math.pi / p["lanterns"]
            _lantern(mesh, np.array([math.cos(angle), math.sin(angle)]) * radius * 2.3, p["width"] * 0.22, p)
    return finish(mesh, "pagoda", p["ground"], ViewHints(elevation=(-3, 10), distance=(1.6, 2.7)))


def _base(mesh: Mesh, p: dict[str, Any], sides: int, radius: float) -> float:
    """A platform; returns the height of its top."""
    height = {"low": 0.06, "steps": 0.2, "terrace": 0.36}[p["base"]] * p["width"]
    count = {"low": 1, "steps": 4, "terrace": 2}[p["base"]]
    for step in range(count):
        wide = radius * (1.45 + 0.16 * (count - 1 - step))
        mesh.frustum((0, 0), sides, wide, wide, height / count, shaded(p["base_colour"], 0.85 + 0.15 * (step % 2)),
                     height * step / count, 0, "stone")  # fmt: skip
    if p["base"] == "terrace":
        corners = np.concatenate([many_sided(radius * 1.42, sides)] * 2)[: sides + 1]
        for one, two in itertools.pairwise(corners):
            for share in np.linspace(0, 1, 2 if sides > 8 else 6)[:-1]:
                at = one + (two - one) * share
                mesh.box(at, (0.35, 0.35, radius * 0.2), "#e9e5da", height, 0, "stone")
            beam(mesh, (*one, height + radius * 0.16), (*two, height + radius * 0.16), 0.12, "#e9e5da")
    return height


def _tier(mesh: Mesh, p: dict[str, Any], tier: int, tiers: int, sides: int, here: float, above: float, base: float):
    """One storey with its roof; returns the height the next one starts from."""
    style = p["style"]
    storey = p["storey"] * p["width"] * (here / p["width"] * 2) ** 0.5
    storey *= {"timber": 0.85, "brick": 0.7, "dense": 1.5 if tier == 0 else 0.17, "stone": 0.8, "round": 1.0}[style]
    if tier == 0 and style in ("timber", "stone"):
        storey *= 1.3
    elif style == "round" and tier:
        storey *= 0.5
    paint, material = p["wall"], {"brick": "brick", "dense": "brick", "stone": "stone"}.get(style, "plaster")
    mesh.frustum((0, 0), sides, here, here * 0.97, storey, paint, base, 0, material)
    corners = many_sided(here, sides)
    if style in ("timber", "round") or (style == "brick" and sides <= 8):
        for spot in corners if sides <= 8 else corners[::2]:
            mesh.box(spot, (here * 0.09, here * 0.09, storey), p["trim"], base, 0, "wood")
        mesh.frustum((0, 0), sides, here * 1.03, here * 1.03, storey * 0.1, p["trim"], base + storey * 0.88, 0, "wood")
    if style != "dense" or tier == 0:
        _openings(mesh, p, sides if sides <= 8 else 12, here * math.cos(math.pi / sides), storey, base, tier, tiers)
    if p["rail"] != "none" and tier and style in ("timber", "brick"):
        deck = here * 1.16
        mesh.frustum((0, 0), sides, deck, deck, storey * 0.05, p["rail"], base, 0, "wood")
        rim = many_sided(deck, sides)
        for one, two in zip(rim, np.roll(rim, -1, axis=0), strict=True):
            for height in (0.16, 0.27):
                beam(mesh, (*one, base + storey * height), (*two, base + storey * height), here * 0.018, p["rail"], 3)
    top = base + storey
    flare = {"timber": p["eaves"], "brick": 1 + (p["eaves"] - 1) * 0.55, "dense": 1 + (p["eaves"] - 1) * 0.5,
             "stone": 1 + (p["eaves"] - 1) * 0.8, "round": 1 + (p["eaves"] - 1) * 0.65}[style]  # fmt: skip
    last = tier == tiers - 1
    if style == "stone":
        for step in range(3):
            wide = here * (1 + (flare - 1) * (step + 1) / 3)
            mesh.frustum(
                (0, 0), 4, wide, wide, storey * 0.09, shaded(paint, 0.8), top + step * storey * 0.09, 0, "stone"
            )
        top += storey * 0.27
    rise = p["pitch"] * here * flare * {"timber": 1.0, "brick": 0.75, "dense": 0.55, "stone": 0.6, "round": 1.0}[style]
    rise *= (2.3 if style == "round" else 1.9) if last else 1.0
    roof = p["roof"] if not last or p["top_roof"] == "same" else p["top_roof"]
    lift = p["lift"] * here * (0.4 if style == "dense" else 0.7 if style == "stone" else 1.0)
    rows = 4 if last else 2 if tiers > 7 else 3
    top_radius = 0.04 * here if last else max(above, 0.3 * here)
    edge = p["trim"] if style != "stone" else shaded(p["roof"], 0.8)
    curved_roof(mesh, sides, here * flare, top_radius, top, rise, lift, roof, edge, shaded(p["wall"], 0.45), rows)
    return top + rise * (1.0 if last else 0.96)


def _openings(
    mesh: Mesh, p: dict[str, Any], faces: int, away: float, storey: float, base: float, tier: int, tiers: int
) -> None:
    """A door or a window on every face."""
    wide = 2 * away * math.tan(math.pi / max(faces, 4))
    for side in range(faces):
        facing = side * 2 * math.pi / faces
        door = tier == 0 and side % 2 == (0 if faces > 4 else side % 2)
        size = (wide * (0.34 if faces <= 4 else 0.42), storey * (0.62 if door else 0.44))
        middle = base + (size[1] / 2 if door else storey * 0.48)
        shape = "rect" if door or p["openings"] == "lattice" else p["openings"]
        if shape == "disc":
            size = (min(size),) * 2
        rim = (size[0] * 1.3, size[1] * 1.16)
        mesh.panel((0, 0, middle), rim, p["trim"], facing, "rect" if tiers > 5 else shape, away + 0.05, "wood")
        mesh.panel((0, 0, middle), size, "#2b2620", facing, shape, away + 0.13, "wood" if door else "glass")
        if p["openings"] == "lattice" and not door:
            for part in (-0.25, 0.0, 0.25):
                spot = np.array([-math.sin(facing), math.cos(facing), 0]) * part * size[0]
                mesh.panel((spot[0], spot[1], middle), (size[0] * 0.08, size[1]), p["trim"], facing, "rect",
                           away + 0.18, "wood")  # fmt: skip
        if faces == 4 and p["style"] == "timber":
            for flank in (-0.34, 0.34):
                spot = np.array([-math.sin(facing), math.cos(facing), 0]) * flank * wide
                mesh.panel((spot[0], spot[1], base + storey * 0.5), (wide * 0.13, storey * 0.42), p["trim"], facing,
                           "rect", away + 0.06, "wood")  # fmt: skip


def _spire(mesh: Mesh, p: dict[str, Any], base: float, radius: float) -> None:
    gold = "#c9a13c" if p["trim"] != "#33302c" else "#4a463f"
    unit = radius * p["shrink"] * 0.5
    base -= 0.15 * unit
    if p["spire"] == "rings":
        mesh.frustum((0, 0), 8, unit * 0.09, unit * 0.03, unit * 3.4, gold, base, 0, "metal")
        for ring in range(8):
            wide = unit * (0.42 - 0.03 * ring)
            mesh.frustum((0, 0), 12, wide, wide * 0.9, unit * 0.11, gold, base + unit * (0.6 + 0.27 * ring), 0, "metal")
    elif p["spire"] == "gourd":
        profile = [(0.5, 0), (0.62, 0.35), (0.5, 0.7), (0.2, 0.9), (0.38, 1.15), (0.36, 1.4), (0.1, 1.7), (0, 2.3)]
        mesh.lathe(np.array(profile) * unit + (0, base), gold, 12, (0, 0), "metal")
    elif p["spire"] == "needle":
        mesh.frustum((0, 0), 8, unit * 0.45, 0, unit * 2.8, gold, base, 0, "metal")
    else:
        mesh.frustum((0, 0), 8, unit * 0.3, unit * 0.2, unit * 0.6, gold, base, 0, "metal")
        mesh.ellipsoid((0, 0, base + unit * 0.9), (unit * 0.5, unit * 0.5, unit * 0.5), gold, "metal", 10)


def _lantern(mesh: Mesh, at: np.ndarray, height: float, p: dict[str, Any]) -> None:
    stone = p["base_colour"]
    mesh.frustum(at, 6, height * 0.25, height * 0.2, height * 0.15, stone, 0, 0, "stone")
    mesh.frustum(at, 6, height * 0.1, height * 0.1, height * 0.4, stone, height * 0.15, 0, "stone")
    mesh.box(at, (height * 0.3, height * 0.3, height * 0.22), "#f2d68a", height * 0.55, 0, "glass")
    mesh.frustum(at, 6, height * 0.38, height * 0.04, height * 0.23, shaded(stone, 0.8), height * 0.77, 0, "stone")
