"""Windmills: tower mills, smock mills, post mills, island mills with jib sails, and wind pumps on a lattice."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from suite.landmarks.archetypes.parts import finish, shaded
from suite.landmarks.archetypes.parts_eaves import beam, rail_around
from suite.landmarks.landmark import Landmark, ViewHints
from suite.landmarks.mesh import Mesh

_STYLES = ("tower", "tower", "smock", "smock", "post", "island", "pump")
_BODIES = ("#e6e1d4", "#a5492f", "#33413a", "#6b4a30", "#2b2b2e", "#c9a877", "#7d8f86", "#8a2f2a", "#37567a", "#d8c048")
_CAPS = ("#e9e6dc", "#2f2f33", "#8c3b2e", "#3f6b56", "#b08a52", "#4a5f80")


def parameters(rng: np.random.Generator) -> dict[str, Any]:
    """What sets one mill apart: every key can be drawn anew on its own."""
    return {
        "style": str(rng.choice(_STYLES)),
        "height": float(rng.uniform(12, 24)),
        "girth": float(rng.uniform(0.19, 0.29)),
        "taper": float(rng.uniform(0.5, 0.85)),
        "body": str(rng.choice(_BODIES)),
        "plinth": str(rng.choice(["#8f4a36", "#d9d4c6", "#77716a", "#2c3a34", "#b79a68"])),
        "plinth_share": float(rng.choice([0.15, 0.3, 0.42])),
        "band": str(rng.choice(["none", "none", "rings", "top", "low"])),
        "cap": str(rng.choice(["boat", "dome", "ogee", "cone"])),
        "cap_colour": str(rng.choice(_CAPS)),
        "sails": int(rng.choice([4, 4, 4, 4, 5, 6])),
        "reach": float(rng.uniform(0.52, 0.78)),
        "fill": str(rng.choice(["lattice", "cloth", "cloth", "half", "shutters"])),
        "cloth": str(rng.choice(["#ece6d6", "#a23a2c", "#d6b27a", "#2f4a66", "#5a3a2a"])),
        "stock": str(rng.choice(["#e8e4da", "#a5332b", "#3a2b22", "#2d5c48"])),
        "phase": float(rng.uniform(0, 1)),
        "stage": bool(rng.random() < 0.5),
        "rear": str(rng.choice(["none", "pole", "fantail"])),
        "shed": str(rng.choice(["none", "none", "#b5523a", "#d9d2c0", "#6a5a48"])),
        "ground": str(rng.choice(["grass", "grass", "earth", "sand", "paving"])),
    }


def build(parameters: dict[str, Any], rng: np.random.Generator) -> Landmark:
    """The mill that `parameters` describe; its sails look along -y."""
    p, mesh = parameters, Mesh()
    if p["style"] == "pump":
        _pump(mesh, p)
    elif p["style"] == "post":
        _post(mesh, p)
    else:
        _tower(mesh, p)
    if p["shed"] != "none":
        side = p["height"] * 0.42
        size = (side * 1.1, side * 0.6, side * 0.42)
        mesh.box((side * 1.05, side * 0.55), size, p["shed"], 0, 0, "plaster")
        mesh.gable((side * 1.05, side * 0.55), (side * 1.2, side * 0.72, side * 0.34), "#5b3a30", side * 0.42, 0,
                   p["shed"])  # fmt: skip
    view = ViewHints(elevation=(-3, 8), azimuth=(-175, -5), distance=(1.7, 2.8))
    return finish(mesh, "windmill", p["ground"], view)


def _tower(mesh: Mesh, p: dict[str, Any]) -> None:
    """A tower, a smock on its plinth or a whitewashed island mill, with its cap and sails."""
    island, smock = p["style"] == "island", p["style"] == "smock"
    height = p["height"] * (0.62 if island else 1.0)
    low = p["height"] * p["girth"] * (0.95 if island else 1.0)
    top = low * (0.92 if island else 0.58 + 0.3 * (p["taper"] - 0.5))
    sides, material = (8, "wood") if smock else (24, "plaster")
    split = p["plinth_share"] if smock or p["stage"] else 0.0

    def radius(share: float) -> float:
        return low + (top - low) * share

    body = "#ece8de" if island and p["cloth"] != "#5a3a2a" else p["body"]
    if split:
        mesh.frustum((0, 0), sides, low * 1.02, radius(split) * 1.02, split * height, p["plinth"], 0, 0, "brick")
    cuts = np.linspace(split, 1, 8)
    for index, (one, two) in enumerate(itertools.pairwise(cuts)):
        striped = {"none": False, "rings": index % 2 == 1, "top": index == 6, "low": index == 0}[p["band"]]
        paint = p["cap_colour"] if striped else body
        mesh.frustum((0, 0), sides, radius(one), radius(two), (two - one) * height, paint, one * height, 0, material)
    flat = math.cos(math.pi / sides)
    for row, share in enumerate((0.12, 0.4, 0.62, 0.82)):
        for side in range(4):
            tall = low * (0.62 if row == 0 else 0.3)
            at = (0, 0, tall / 2 if row == 0 else share * height)
            facing = side * math.pi / 2 + (0 if row % 2 == 0 or smock else math.pi / 4)
            out = radius(max(0.0, at[2] - tall / 2) / height) * flat
            mesh.panel(at, (tall * 0.78 + 0.3, tall + 0.3), "#e9e4d8", facing, "rect", out + 0.05, "plaster")
            mesh.panel(at, (tall * 0.7, tall), "#2a3138" if row else p["stock"], facing, "rect", out + 0.12,
                       None if row else "wood")  # fmt: skip
    if p["stage"] and not island:
        deck, wide = max(split, 0.15) * height, low * 1.5
        mesh.frustum((0, 0), 16, wide, wide, 0.3, "#5d4a38", deck, 0, "wood")
        rail_around(mesh, wide * 0.97, deck, low * 0.28, 16, p["stock"])
        for angle in np.arange(8) * math.pi / 4:
            way = np.array([math.cos(angle), math.sin(angle)])
            beam(mesh, (*way * low, deck * 0.45), (*way * wide * 0.95, deck), low * 0.035, "#5d4a38")
    hub = _cap(mesh, p, height, top, island)
    clear = hub - max(split * height if p["stage"] else 0.0, 0.5)
    reach = min(p["reach"] * p["height"] * (0.62 if island else 0.92), clear * 0.97)
    front = max(top * 1.25, (low if island else radius((hub - reach * 0.75) / height if reach < hub else 0.0)) * 0.98)
    beam(mesh, (0, 0, hub), (0, -front - 0.5, hub), top * 0.12, "#3a2b22", 8)
    (_jibs if island else _sails)(mesh, p, hub, -front - 0.3, reach)


def _cap(mesh: Mesh, p: dict[str, Any], base: float, top: float, island: bool) -> float:
    """The turning head; returns the height of the windshaft."""
    colour = p["cap_colour"]
    mesh.frustum((0, 0), 24, top * 1.12, top * 1.12, top * 0.22, shaded(colour, 0.6), base, 0, "wood")
    base += top * 0.22
    if island or p["cap"] == "cone":
        thatch = "#a88a58" if island else colour
        mesh.frustum((0, 0), 24, top * 1.3, 0.02, top * (1.15 if island else 1.25), thatch, base, 0, "wood")
    elif p["cap"] == "boat":
        # A keel turned over: the ridge falls from the front to the back, the flanks bulge.
        angles = np.linspace(0, math.pi, 9)
        for one, two in ((-1.25, -0.4), (-0.4, 0.5), (0.5, 1.3)):
            edge = []
            for y in (one, two):
                wide, tall = top * (1.12 - 0.22 * abs(y) ** 2), top * (1.2 - 0.22 * y)
                edge.append([(wide * math.cos(a), y * top, base + tall * math.sin(a) ** 0.8) for a in angles])
            for k in range(8):
                mesh.polygon(np.array([edge[0][k], edge[0][k + 1], edge[1][k + 1]]), colour, "wood")
                mesh.polygon(np.array([edge[0][k], edge[1][k + 1], edge[1][k]]), colour, "wood")
            if one < -1 or two > 1:
                mesh.polygon(np.array(edge[0 if one < -1 else 1]), shaded(colour, 0.75), "wood")
    else:
        dome = [(1.12, 0), (1.1, 0.35), (0.95, 0.75), (0.65, 1.05), (0.3, 1.2), (0, 1.25)]
        ogee = [(1.15, 0), (1.2, 0.25), (1.1, 0.55), (0.8, 0.85), (0.4, 1.1), (0.15, 1.4), (0.06, 1.8), (0, 1.9)]
        profile = np.array(dome if p["cap"] == "dome" else ogee) * top
        mesh.lathe(np.add(profile, (0, base)), colour, 20, (0, 0), "metal")
        mesh.ellipsoid((0, 0, profile[-1, 1] + base), (top * 0.14,) * 3, p["stock"], "metal", 8)
    hub = base + top * 0.42
    if island or p["rear"] == "none":
        return hub
    if p["rear"] == "pole":
        foot = (0, top * 1.5 + base * 0.42, base * 0.12)
        for side in (-0.6, 0.0, 0.6):
            beam(mesh, (side * top, top * 0.9, base + top * 0.2), foot, top * 0.07, p["stock"])
    else:
        centre = np.array([0, top * 2.1, base + top * 0.9])
        for side in (-0.4, 0.4):
            beam(mesh, (side * top, top * 0.8, base), np.add(centre, (side * 0.4 * top, 0, 0)), top * 0.06, p["stock"])
        for index in range(8):
            a = index * math.pi / 4
            ends = [centre + top * far * np.array([0, math.cos(a + b), math.sin(a + b)])
                    for far, b in ((0.1, 0), (0.75, -0.25), (0.75, 0.25))]  # fmt: skip
            mesh.polygon(np.array(ends), p["cloth"], "wood")
    return hub


def _sails(mesh: Mesh, p: dict[str, Any], hub: float, front: float, reach: float) -> None:
    """Stocks with frames of bars, covered as the miller left them."""
    thick, wide = reach * 0.022, reach * 0.24
    count = p["sails"]
    for index in range(count):
        a = (index + 0.12 + 0.76 * p["phase"]) * 2 * math.pi / count
        along, across = np.array([math.cos(a), 0, math.sin(a)]), np.array([-math.sin(a), 0, math.cos(a)])
        middle = np.array([0, front, hub])

        def at(far, off, lift=0.0, middle=middle, along=along, across=across):
            return middle + along * far * reach + across * off * wide + np.array([0, lift * thick, 0])

        beam(mesh, middle, at(1.0, 0), thick, p["stock"])
        for far in np.linspace(0.2, 1.0, 9):
            beam(mesh, at(far, -0.25), at(far, 1.0), thick * 0.55, p["stock"], 3)
        for off in (0.5, 1.0):
            beam(mesh, at(0.2, off), at(1.0, off), thick * 0.55, p["stock"], 3)
        board = np.array([at(0.2, 0), at(1, 0), at(1, -0.25), at(0.2, -0.25)])
        mesh.polygon(board, p["stock"], "wood")
        if p["fill"] in ("cloth", "half"):
            inner = 0.2 if p["fill"] == "cloth" else 0.52
            mesh.polygon(np.array([at(inner, 0, 1), at(1, 0, 1), at(1, 1, 1), at(inner, 1, 1)]), p["cloth"], "plaster")
        elif p["fill"] == "shutters":
            for far in np.linspace(0.21, 0.93, 9):
                shutter = [at(far, -0.25, -1), at(far + 0.055, -0.25, -1), at(far + 0.055, 1, -1), at(far, 1, -1)]
                mesh.polygon(np.array(shutter), p["cloth"], "plaster")
    mesh.ellipsoid((0, front, hub), (thick * 2.6,) * 3, p["stock"], "metal", 8)


def _jibs(mesh: Mesh, p: dict[str, Any], hub: float, front: float, reach: float) -> None:
    """A wheel of poles, tied at the rim, with a triangle of cloth on each."""
    count = p["sails"] * 2
    middle, tip = np.array([0, front, hub]), np.array([0, front - reach * 0.35, hub])
    rim = []
    for index in range(count):
        a = (index + p["phase"]) * 2 * math.pi / count
        rim.append(middle + reach * np.array([math.cos(a), 0, math.sin(a)]))
        beam(mesh, middle, rim[-1], reach * 0.018, "#4a3626")
        beam(mesh, tip, rim[-1], reach * 0.007, "#5a4a3a", 3)
    beam(mesh, middle, tip, reach * 0.03, "#4a3626")
    for index in range(count):
        one, two = rim[index], rim[(index + 1) % count]
        beam(mesh, one, two, reach * 0.01, "#4a3626", 3)
        furl = 0.85 if p["fill"] != "lattice" else 0.4
        inner, outer = middle + 0.16 * (one - middle), one - (0, 0.02 * reach, 0)
        mesh.polygon(np.array([inner, outer, one + furl * (two - one) * 0.9]), p["cloth"], "plaster")


def _post(mesh: Mesh, p: dict[str, Any]) -> None:
    """A boarded house that turns on a trestle, or on a round-house, with a ladder behind."""
    height = p["height"] * 0.86
    low, wide, deep = height * 0.3, height * p["girth"] * 1.65, height * p["girth"] * 1.95
    body = height - low - wide * 0.5
    if p["stage"]:
        mesh.frustum((0, 0), 16, wide * 0.85, wide * 0.8, low * 0.78, p["plinth"], 0, 0, "brick")
        mesh.frustum((0, 0), 16, wide * 0.98, wide * 0.3, low * 0.5, p["cap_colour"], low * 0.78, 0, "tiles")
        mesh.panel((0, 0, low * 0.3), (low * 0.35, low * 0.6), "#2a2320", -math.pi / 2, "rect", wide * 0.86, "wood")
    else:
        mesh.box((0, 0), (wide * 0.16, wide * 0.16, low * 1.1), "#3f2f24", 0, 0, "wood")
        for angle in np.arange(4) * math.pi / 2 + math.pi / 4:
            foot = np.array([math.cos(angle), math.sin(angle), 0]) * wide * 0.8
            beam(mesh, foot, (0, 0, low * 0.95), wide * 0.06, "#3f2f24")
            mesh.box(foot[:2], (wide * 0.22, wide * 0.22, low * 0.16), p["plinth"], 0, angle, "brick")
    mesh.box((0, 0), (wide, deep, body), p["body"], low, 0, "wood")
    for corner in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
        at = (corner[0] * wide / 2, corner[1] * deep / 2)
        mesh.box(at, (wide * 0.07, wide * 0.07, body), p["stock"], low, 0, "wood")
    for part in range(1, 4) if p["band"] != "none" else ():
        mesh.box((0, 0), (wide * 1.02, deep * 1.02, body * 0.04), p["stock"], low + body * part / 4, 0, "wood")
    roof = wide * (0.42 + 0.5 * (p["taper"] - 0.5))
    mesh.gable((0, 0), (deep * 1.12, wide * 1.2, roof), p["cap_colour"], low + body, math.pi / 2, p["body"])
    for facing, out in ((0, wide / 2), (math.pi, wide / 2), (math.pi / 2, deep / 2), (-math.pi / 2, deep / 2)):
        for share in (0.28, 0.66):
            at = (0, 0, low + body * share)
            mesh.panel(at, (wide * 0.28, wide * 0.3), "#ece7da", facing, "rect", out + 0.05, "plaster")
            mesh.panel(at, (wide * 0.2, wide * 0.22), "#262d33", facing, "rect", out + 0.12)
    for side in (-0.2, 0.2):
        beam(mesh, (side * wide, deep * 0.5, low * 1.05), (side * wide, deep * 0.5 + low * 1.3, 0), wide * 0.035,
            p["stock"])  # fmt: skip
    hub = low + body * 0.88
    reach = min(p["reach"] * height, hub * 0.96)
    beam(mesh, (0, 0, hub), (0, -deep * 0.5 - wide * 0.35, hub), wide * 0.07, "#3a2b22", 8)
    _sails(mesh, p, hub, -deep * 0.5 - wide * 0.3, reach)


def _pump(mesh: Mesh, p: dict[str, Any]) -> None:
    """A wheel of many blades and a tail vane on a lattice tower, with a tank beside."""
    height, wide = p["height"], p["height"] * p["girth"] * 0.85
    levels = np.linspace(0, 1, 6)

    def leg(side: int, share: float) -> np.ndarray:
        spread = wide * (1 - 0.9 * share)
        angle = side * math.pi / 2 + math.pi / 4
        return np.array([math.cos(angle) * spread, math.sin(angle) * spread, share * height])

    for side in range(4):
        beam(mesh, leg(side, 0), leg(side, 1), height * 0.011, p["stock"])
        for one, two in itertools.pairwise(levels):
            beam(mesh, leg(side, one), leg(side + 1, two), height * 0.006, p["stock"], 3)
            beam(mesh, leg(side + 1, one), leg(side, two), height * 0.006, p["stock"], 3)
            beam(mesh, leg(side, two), leg(side + 1, two), height * 0.006, p["stock"], 3)
    mesh.box((0, 0), (wide * 0.5, wide * 0.5, height * 0.02), "#6b5a44", height * 0.88, 0, "wood")
    wheel, hub, front = height * p["reach"] * 0.42, height * 1.02, -wide * 0.3
    blades = 4 * p["sails"]
    for index in range(blades):
        a = index * 2 * math.pi / blades
        spread = 0.75 * math.pi / blades
        ends = [(front + y * wheel, far * wheel, a + turn * spread)
                for far, turn, y in ((0.32, -1, 0.03), (1, -1, 0.08), (1, 1, -0.08), (0.32, 1, -0.03))]  # fmt: skip
        points = [(r * math.cos(t), y, hub + r * math.sin(t)) for y, r, t in ends]
        paint = p["body"] if p["band"] == "none" or index % 4 < 2 else p["cap_colour"]
        mesh.triangles(np.array([points[:3], [points[0], points[2], points[3]]]), paint, "plaster")
    for ring in (0.34, 0.75):
        t = np.linspace(0, 2 * math.pi, 25)
        line = np.column_stack([np.cos(t) * wheel * ring, np.full(25, front), hub + np.sin(t) * wheel * ring])
        mesh.tube(line, wheel * 0.015, p["stock"], 4)
    beam(mesh, (0, front * 1.3, hub), (0, wheel * 1.2, hub), wheel * 0.05, p["stock"])
    vane = [(0.55, -0.1), (1.5, -0.32), (1.65, 0.32), (0.55, 0.1)]
    mesh.polygon(np.array([(0, y * wheel, hub + z * wheel) for y, z in vane]), p["cloth"], "plaster")
    tank = (-wide * 1.6, wide * 0.3)
    if p["stage"]:
        mesh.frustum(tank, 16, wide * 0.7, wide * 0.7, wide * 0.75, p["plinth"], 0, 0, "metal")
    else:
        for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
            mesh.box((tank[0] + x * wide * 0.4, tank[1] + y * wide * 0.4), (0.3, 0.3, wide), "#5d4a38", 0, 0, "wood")
        mesh.frustum(tank, 16, wide * 0.65, wide * 0.65, wide * 0.9, p["plinth"], wide, 0, "wood")
        mesh.frustum(tank, 16, wide * 0.75, 0.02, wide * 0.35, p["cap_colour"], wide * 1.9, 0, "tiles")
