"""Towers that stand alone: television and observation towers, lattice masts, water towers, clock and leaning towers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from suite.landmarks.archetypes.parts import (
    battlements_around,
    circle,
    column,
    dome,
    finish,
    flag,
    openings_around,
    shaded,
    windowed_block,
)
from suite.landmarks.landmark import Landmark, ViewHints
from suite.landmarks.mesh import MATERIALS, Mesh

_DARK = "#22303a"


def parameters(rng: np.random.Generator) -> dict[str, Any]:
    """What sets one tower apart: every key can be drawn anew on its own."""
    styles = ["television", "television", "lattice", "saucer", "water", "tank", "clock", "clock", "leaning"]
    return {
        "style": str(rng.choice(styles)),
        "height": float(rng.uniform(35, 190)),
        "slimness": float(rng.uniform(0.8, 1.3)),
        "taper": float(rng.uniform(0.5, 0.9)),
        "pods": int(rng.choice([1, 1, 2, 3])),
        "pod_shape": str(rng.choice(["disc", "ball", "drum", "cone", "ring"])),
        "pod_at": float(rng.uniform(0.6, 0.82)),
        "antenna": float(rng.uniform(0.12, 0.4)),
        "antenna_bands": bool(rng.random() < 0.6),
        "legs": int(rng.choice([3, 4, 6])),
        "decks": int(rng.integers(1, 4)),
        "roof": str(rng.choice(["pyramid", "spire", "dome", "flat", "belfry", "onion"])),
        "clock_share": float(rng.uniform(0.55, 0.85)),
        "storeys": int(rng.integers(4, 10)),
        "tilt": float(rng.uniform(0.03, 0.11)),
        "body": str(
            rng.choice(["#cfcac0", "#b8b4ac", "#a8583f", "#d8c49a", "#8c8f94", "#c9a987", "#efe9dc", "#7a4a38"])
        ),
        "trim": str(rng.choice(["#f2efe6", "#c8332b", "#d8b060", "#4a5058", "#2f62b0", "#e0742a", "#3f7a68"])),
        "roof_colour": str(rng.choice(["#4f6f66", "#8c3b2e", "#3f444c", "#3f7a68", "#a8763a", "#2f4a7a"])),
        "base": str(rng.choice(["none", "hall", "fins", "drum"])),
        "ground": str(rng.choice(["grass", "paving", "paving", "earth"])),
    }


def build(parameters: dict[str, Any], rng: np.random.Generator) -> Landmark:
    """The tower that `parameters` describe; nothing is left to `rng`."""
    mesh = Mesh()
    styles = {
        "television": _television,
        "lattice": _lattice,
        "saucer": _saucer,
        "water": _water,
        "tank": _tank,
        "clock": _clock,
        "leaning": _leaning,
    }
    styles[parameters["style"]](mesh, parameters)
    return finish(mesh, "tower", parameters["ground"], ViewHints(elevation=(-8, 10), distance=(1.75, 2.9)))


def _antenna(mesh: Mesh, p: dict[str, Any], base: float, radius: float) -> None:
    tall = p["antenna"] * p["height"]
    pieces = 7
    for index in range(pieces):
        colour = p["trim"] if index % 2 and p["antenna_bands"] else "#e4e2dc"
        low, high = (radius * (1 - 0.75 * (index + k) / pieces) for k in (0, 1))
        mesh.frustum((0, 0), 8, low, high, tall / pieces, colour, base + index * tall / pieces, 0.0, "metal")


def _pod(mesh: Mesh, p: dict[str, Any], middle: float, radius: float, shape: str) -> None:
    """An observation floor around the shaft, with a band of windows."""
    profiles = {
        "disc": [(0.3, -0.32), (0.95, -0.12), (1.0, 0.0), (1.0, 0.14), (0.7, 0.26), (0.3, 0.34)],
        "ball": [(0.95 * math.cos(a), 0.95 * math.sin(a)) for a in np.linspace(-1.4, 1.4, 11)],
        "drum": [(0.4, -0.42), (0.85, -0.36), (0.85, 0.36), (0.6, 0.44), (0.3, 0.46)],
        "cone": [(0.25, -0.7), (0.98, 0.12), (0.98, 0.32), (0.5, 0.42), (0.25, 0.6)],
        "ring": [(0.6, -0.16), (1.0, -0.1), (1.06, 0.06), (0.95, 0.16), (0.5, 0.2)],
    }
    profile = np.array(profiles[shape]) * radius + (0, middle)
    mesh.lathe(profile, p["trim"], 24, (0, 0), "metal")
    low, high = {
        "disc": (0.0, 0.14),
        "ball": (-0.1, 0.16),
        "drum": (-0.15, 0.12),
        "cone": (0.12, 0.3),
        "ring": (-0.06, 0.05),
    }[shape]
    wide = {"disc": 1.0, "ball": 0.96, "drum": 0.85, "cone": 0.98, "ring": 1.05}[shape] * 1.012 * radius
    mesh.frustum((0, 0), 24, wide, wide, (high - low) * radius, _DARK, middle + low * radius, 0.0, "glass")


def _base(mesh: Mesh, p: dict[str, Any], radius: float) -> None:
    height = p["height"]
    if p["base"] == "hall":
        size = (5 * radius, 4 * radius, 0.07 * height)
        windowed_block(mesh, (0, 0), size, p["body"], _DARK, 1, (7, 5), trim=p["trim"])
    elif p["base"] == "drum":
        mesh.frustum((0, 0), 24, 3 * radius, 2.8 * radius, 0.05 * height, p["trim"], 0.0, 0.0, "stone")
        mesh.frustum((0, 0), 24, 2.85 * radius, 2.85 * radius, 0.025 * height, _DARK, 0.012 * height, 0.0, "glass")
    elif p["base"] == "fins":
        for index in range(4):
            turn = index * math.pi / 2
            fin = np.array([(0, 0, 0), (3.2 * radius, 0, 0), (0.5 * radius, 0, 0.32 * height), (0, 0, 0.32 * height)])
            for side in (-1, 1):
                shift = np.array([-math.sin(turn), math.cos(turn), 0]) * side * 0.22 * radius
                spun = fin[:, :1] * (math.cos(turn), math.sin(turn), 0) + fin * (0, 0, 1) + shift
                mesh.polygon(spun, p["body"], "plaster")
            edge = fin[1:3, :1] * (math.cos(turn), math.sin(turn), 0) + fin[1:3] * (0, 0, 1)
            mesh.tube(edge, 0.24 * radius, p["body"], 4, "plaster")


def _television(mesh: Mesh, p: dict[str, Any]) -> None:
    height = p["height"]
    foot = 0.042 * height * p["slimness"]
    top = foot * (0.35 + 0.4 * p["taper"])
    share = np.linspace(0, 1, 9)
    shaft = height * min(p["pod_at"] + 0.08, 0.9)
    profile = np.column_stack([top + (foot * 1.5 - top) * (1 - share) ** 2.2, share * shaft])
    mesh.lathe(profile, p["body"], 16, (0, 0), "plaster")
    for index in range(p["pods"]):
        shrink = (1.0, 0.66, 0.5)[index]
        middle = height * p["pod_at"] * (1.0, 1.12, 0.6)[index]
        shape = p["pod_shape"] if index != 2 else "ring"
        _pod(mesh, p, middle, foot * 2.6 * shrink, shape)
    crest = height * (p["pod_at"] * (1.12 if p["pods"] > 1 else 1.0) + 0.02)
    mesh.frustum((0, 0), 12, top, top * 0.7, max(shaft, crest) + 0.05 * height - shaft, p["body"], shaft)
    _antenna(mesh, p, max(shaft, crest) + 0.05 * height, top * 0.6)
    _base(mesh, p, foot)


def _lattice(mesh: Mesh, p: dict[str, Any]) -> None:
    """Four curved legs with crossed bracing."""
    height, steel = p["height"], p["trim"]
    foot, tip = 0.21 * height * p["slimness"], 0.018 * height
    share = np.linspace(0, 1, 13)
    spread = tip + (foot - tip) * (1 - share) ** (1.5 + 1.4 * p["taper"])
    z = share * height
    thick = 0.012 * height
    corners = [(1, 1), (-1, 1), (-1, -1), (1, -1)]
    legs = [np.column_stack([spread * x, spread * y, z]) for x, y in corners]
    for index, leg in enumerate(legs):
        after = legs[(index + 1) % 4]
        for low, high in zip(range(12), range(1, 13), strict=True):
            mesh.tube(leg[[low, high]], thick * (1.25 - 0.7 * share[low]), steel, 5)
            if low:
                bar = thick * (0.6 - 0.3 * share[low])
                mesh.tube(np.array([leg[low], after[high]]), bar, steel, 3)
                mesh.tube(np.array([after[low], leg[high]]), bar, steel, 3)
                mesh.tube(np.array([leg[low], after[low]]), bar, steel, 3)
    for index in range(p["decks"]):
        at = (0.22, 0.48, 0.78)[index]
        wide = 2.25 * float(np.interp(at, share, spread)) + 0.01 * height
        mesh.box((0, 0), (wide, wide, 0.025 * height), p["body"], at * height, 0.0, "metal")
        mesh.box((0, 0), (wide * 0.92, wide * 0.92, 0.02 * height), _DARK, (at + 0.025) * height, 0.0, "glass")
    for index in range(4):
        turn = index * math.pi / 2
        low = float(np.interp(0.12, share, spread))
        centre = (low * math.cos(turn), low * math.sin(turn), 0.0)
        mesh.arch(1.35 * low, 0.17 * height, 0.012 * height, 0.012 * height, steel, centre, turn + math.pi / 2, "metal")
        x, y = corners[index]
        mesh.box((x * foot, y * foot), (0.06 * height,) * 2 + (0.035 * height,), p["body"], 0.0, 0.0, "stone")
    _antenna(mesh, p, height, 0.014 * height)


def _saucer(mesh: Mesh, p: dict[str, Any]) -> None:
    """Splayed legs that carry a flat saucer."""
    height = p["height"]
    waist, foot = 0.035 * height, 0.13 * height * p["slimness"]
    deck = height * p["pod_at"]
    share = np.linspace(0, 1, 9)
    reach = waist + (foot - waist) * (1 - 1.45 * share) ** 2 * np.where(share > 0.69, 0.6, 1)
    for index in range(p["legs"]):
        angle = index * 2 * math.pi / p["legs"]
        for off in (-0.16, 0.16):
            line = np.column_stack([reach * math.cos(angle + off), reach * math.sin(angle + off), share * deck])
            mesh.tube(line, 0.013 * height, p["body"], 5, "plaster")
    mesh.frustum((0, 0), 8, 0.6 * waist, 0.6 * waist, deck, shaded(p["body"], 0.8))
    for index in range(p["decks"]):
        mesh.frustum((0, 0), 16, 1.5 * waist, 1.5 * waist, 0.012 * height, p["trim"], deck * (0.3 + 0.2 * index))
    _pod(mesh, p, deck + 0.02 * height, 0.145 * height, "disc" if p["pod_shape"] != "ring" else "ring")
    _pod(mesh, p, deck + 0.07 * height, 0.085 * height, "disc")
    _antenna(mesh, p, deck + 0.08 * height, 0.02 * height)
    _base(mesh, p, 0.03 * height)


def _water(mesh: Mesh, p: dict[str, Any]) -> None:
    """A broad tank of concrete, brick or steel on a stem."""
    height = p["height"] * 0.5
    stem, tank = 0.12 * height * p["slimness"], 0.33 * height * p["slimness"]
    neck = 0.62 * height
    share = np.linspace(0, 1, 7)
    mesh.lathe(np.column_stack([stem * (1 + 0.9 * (1 - share) ** 3), share * neck]), p["body"], 20, (0, 0), "plaster")
    profiles = {
        "disc": [(0.35, 0.0), (1.25, 0.24), (1.3, 0.32), (1.2, 0.4), (0.2, 0.46)],
        "ball": [(0.3, 0.0), (0.75, 0.12), (1.0, 0.36), (1.0, 0.56), (0.75, 0.8), (0.3, 0.92), (0, 0.94)],
        "drum": [(0.35, 0.0), (1.0, 0.08), (1.0, 0.6), (0.5, 0.74), (0, 0.78)],
        "cone": [(0.35, -0.1), (1.15, 0.46), (1.15, 0.56), (0.4, 0.66), (0, 0.7)],
        "ring": [(0.4, 0.0), (0.9, 0.16), (0.9, 0.5), (1.0, 0.52), (1.0, 0.58), (0, 0.72)],
    }
    profile = np.array(profiles[p["pod_shape"]]) * (tank, 0.5 * height) + (0, neck)
    mesh.lathe(profile, p["trim"], 28, (0, 0), "metal")
    if p["antenna_bands"]:
        wide, at = profile[:, 0].max() * 1.01, profile[int(np.argmax(profile[:, 0])), 1]
        mesh.frustum((0, 0), 28, wide, wide, 0.045 * height, p["roof_colour"], at - 0.022 * height, 0.0, "metal")
    openings_around(mesh, (0, 0), stem * 1.05, 0.35 * height, 4, (0.3 * stem, 0.08 * height), _DARK)
    openings_around(mesh, (0, 0), stem * 1.05, 0.5 * height, 4, (0.3 * stem, 0.08 * height), _DARK)
    openings_around(mesh, (0, 0), stem * 1.85, 0.03 * height, 1, (0.6 * stem, 0.09 * height), p["roof_colour"])
    mesh.tube(np.array([(0, 0, profile[-1, 1]), (0, 0, profile[-1, 1] + 0.12 * height)]), 0.012 * height, "#5a5a5a", 4)


def _tank(mesh: Mesh, p: dict[str, Any]) -> None:
    """A steel tank with a conical roof on braced legs."""
    height, count = p["height"] * 0.35, max(p["legs"], 4)
    radius, deck = 0.24 * height * p["slimness"], 0.55 * height
    steel = p["roof_colour"]
    feet, heads = circle((0, 0), radius * 1.35, count, 0.3), circle((0, 0), radius * 0.85, count, 0.3)
    thick = 0.014 * height
    for index in range(count):
        after = (index + 1) % count
        for part in range(3):
            low, high = part / 3, (part + 1) / 3
            spots = [
                np.append(feet[k] + (heads[k] - feet[k]) * share, share * deck)
                for k in (index, after) for share in (low, high)
            ]  # fmt: skip
            mesh.tube(np.array([spots[0], spots[1]]), thick * 1.5, steel, 5)
            mesh.tube(np.array([spots[0], spots[3]]), thick * 0.5, steel, 3)
            mesh.tube(np.array([spots[2], spots[1]]), thick * 0.5, steel, 3)
            mesh.tube(np.array([spots[1], spots[3]]), thick * 0.8, steel, 4)
    mesh.frustum((0, 0), 8, 0.1 * radius, 0.1 * radius, deck, steel)
    mesh.frustum((0, 0), 24, 0.35 * radius, radius, 0.14 * height, p["body"], deck - 0.1 * height, 0.0, "metal")
    mesh.frustum((0, 0), 24, 1.12 * radius, 1.12 * radius, 0.02 * height, steel, deck + 0.03 * height, 0.0, "metal")
    mesh.frustum((0, 0), 24, radius, radius, 0.3 * height, p["body"], deck + 0.04 * height, 0.0, "metal")
    if p["antenna_bands"]:
        mesh.frustum((0, 0), 24, 1.01 * radius, 1.01 * radius, 0.1 * height, p["trim"], deck + 0.16 * height)
    dome_shape = {"dome": "round", "onion": "round", "flat": "shallow"}.get(p["roof"])
    if dome_shape:
        dome(mesh, (0, 0), radius, deck + 0.34 * height, p["trim"], dome_shape, 24, "metal")
    else:
        mesh.frustum((0, 0), 24, 1.1 * radius, 0.0, 0.16 * height, p["trim"], deck + 0.34 * height, 0.0, "metal")


def _clock(mesh: Mesh, p: dict[str, Any]) -> None:
    """A square shaft with a clock on each side under its roof."""
    height = p["height"] * 0.5
    wide = 0.2 * height * p["slimness"]
    shaft = 0.7 * height
    material = "brick" if p["body"] in ("#a8583f", "#7a4a38") else "stone"
    size = (wide, wide, shaft)
    windowed_block(
        mesh, (0, 0), size, p["body"], _DARK, p["storeys"], (1 + p["pods"] % 2, 1 + p["pods"] % 2), 0.0, 0.0,
        "round", None, p["trim"], material, (0.3, 0.5),
    )  # fmt: skip
    for x, y in ((1, 1), (-1, 1), (-1, -1), (1, -1)):
        spot = (x * wide * 0.48, y * wide * 0.48)
        mesh.box(spot, (0.16 * wide, 0.16 * wide, shaft), shaded(p["trim"], 0.9), 0.0, 0.0, "stone")
    head = 1.12 * wide
    mesh.box((0, 0), (head, head, 1.15 * wide), p["body"], shaft, 0.0, material)
    face = p["clock_share"] * head * 0.95
    for side in range(4):
        facing = side * math.pi / 2
        spot = (0, 0, shaft + 0.57 * wide)
        mesh.panel(spot, (1.18 * face, 1.18 * face), p["roof_colour"], facing, "disc", head / 2 + 0.06)
        mesh.panel(spot, (face, face), "#f4f0e2", facing, "disc", head / 2 + 0.14)
        across = np.array([-math.sin(facing), math.cos(facing)])
        out = np.array([math.cos(facing), math.sin(facing)]) * (head / 2 + 0.25)
        for angle, length in ((0.9, 0.28), (2.4, 0.4)):
            end = out + across * math.cos(angle) * length * face
            tip = (*end, spot[2] + math.sin(angle) * length * face)
            mesh.tube(np.array([(*out, spot[2]), tip]), 0.035 * face, "#1c1c1c", 4)
    mesh.box((0, 0), (1.15 * head, 1.15 * head, 0.1 * wide), p["trim"], shaft + 1.15 * wide, 0.0, "stone")
    _roof(mesh, p, shaft + 1.25 * wide, head)
    if p["base"] != "none":
        hall = (3.4 * wide, 2.2 * wide, 0.18 * height)
        windowed_block(mesh, (0, 0), hall, p["body"], _DARK, 2, (7, 4), 0.0, 0.0, "round", None, p["trim"], material)
        if p["base"] == "hall":
            mesh.hip((0, 0), (3.6 * wide, 2.4 * wide, 0.1 * height), p["roof_colour"], 0.18 * height)


def _roof(mesh: Mesh, p: dict[str, Any], base: float, wide: float) -> None:
    kind, colour = p["roof"], p["roof_colour"]
    if kind == "pyramid":
        mesh.hip((0, 0), (1.1 * wide, 1.1 * wide, 1.1 * wide), colour, base)
    elif kind == "spire":
        mesh.frustum((0, 0), 8, 0.56 * wide, 0.0, 2.3 * wide, colour, base, 0.0, "tiles")
        for x, y in circle((0, 0), 0.66 * wide, 4, math.pi / 4):
            mesh.frustum((x, y), 4, 0.12 * wide, 0.0, 0.7 * wide, p["trim"], base, 0.0, "stone")
    elif kind in ("dome", "onion"):
        mesh.frustum((0, 0), 8, 0.45 * wide, 0.45 * wide, 0.4 * wide, p["body"], base, 0.0, "stone")
        openings_around(mesh, (0, 0), 0.43 * wide, base + 0.2 * wide, 8, (0.14 * wide, 0.26 * wide), _DARK, "round")
        shape = "round" if kind == "dome" else "onion"
        dome(mesh, (0, 0), 0.48 * wide, base + 0.4 * wide, colour, shape, 20, "metal")
    elif kind == "belfry":
        for x, y in circle((0, 0), 0.6 * wide, 4, math.pi / 4):
            column(mesh, (x * 0.85, y * 0.85), 0.08 * wide, 0.8 * wide, p["trim"], base)
        mesh.ellipsoid((0, 0, base + 0.35 * wide), (0.2 * wide, 0.2 * wide, 0.24 * wide), "#8a6a2a", "metal", 10)
        mesh.hip((0, 0), (1.1 * wide, 1.1 * wide, 0.8 * wide), colour, base + 0.8 * wide)
    else:
        battlements_around(mesh, (0, 0), 0.66 * wide, base, 0.22 * wide, 12, p["body"])
        flag(mesh, (0, 0), base, 0.9 * wide, p["trim"])


def _leaning(mesh: Mesh, p: dict[str, Any]) -> None:
    """A round tower of arcaded storeys that leans."""
    height = p["height"] * 0.4
    radius = 0.15 * height * p["slimness"]
    upright = Mesh()
    storeys = p["storeys"]
    tall = 0.86 * height / storeys
    for index in range(storeys):
        base = index * tall
        upright.frustum((0, 0), 20, 0.84 * radius, 0.84 * radius, tall, shaded(p["body"], 0.8), base, 0.0, "stone")
        upright.frustum((0, 0), 24, radius, radius, 0.14 * tall, p["trim"], base + 0.86 * tall, 0.0, "stone")
        openings_around(
            upright, (0, 0), 0.84 * radius, base + 0.42 * tall, 10, (0.26 * radius, 0.7 * tall), _DARK, "round"
        )
        for spot in circle((0, 0), 0.95 * radius, 14):
            upright.frustum(spot, 5, 0.055 * radius, 0.055 * radius, 0.88 * tall, p["body"], base, 0.0, "stone")
    crown = storeys * tall
    upright.frustum((0, 0), 20, 0.68 * radius, 0.68 * radius, 0.11 * height, p["body"], crown, 0.0, "stone")
    openings_around(
        upright, (0, 0), 0.68 * radius, crown + 0.05 * height, 8, (0.24 * radius, 0.07 * height), _DARK, "round"
    )
    top = crown + 0.11 * height
    if p["roof"] in ("dome", "onion"):
        dome(upright, (0, 0), 0.66 * radius, top, p["roof_colour"], "round" if p["roof"] == "dome" else "onion")
    elif p["roof"] in ("pyramid", "spire"):
        upright.frustum((0, 0), 16, 0.75 * radius, 0.0, 1.1 * radius, p["roof_colour"], top, 0.0, "tiles")
    else:
        upright.frustum((0, 0), 20, 0.76 * radius, 0.76 * radius, 0.02 * height, p["trim"], top, 0.0, "stone")
    sheared = upright.vertices.astype(np.float64)
    sheared[..., 0] += p["tilt"] * 1.3 * sheared[..., 2]
    sheared[..., 0] -= p["tilt"] * 0.5 * height
    for material in ("stone", "metal", "tiles", "glass"):
        chosen = upright.materials == MATERIALS.index(material)
        mesh.triangles(sheared[chosen], upright.colours[chosen], material, upright.normals[chosen])
