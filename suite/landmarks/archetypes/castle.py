"""Castles: battlemented walls, corner towers, keeps, gatehouses, and the turreted palaces of fairy tales."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from suite.landmarks.archetypes.parts import (
    battlements,
    battlements_around,
    circle,
    finish,
    flag,
    mound,
    openings,
    openings_around,
    rectangle,
    shaded,
    windowed_block,
)
from suite.landmarks.landmark import Landmark, ViewHints
from suite.landmarks.mesh import Mesh

_DARK = "#1d1c1e"


def parameters(rng: np.random.Generator) -> dict[str, Any]:
    """What sets one castle apart: every key can be drawn anew on its own."""
    return {
        "style": str(rng.choice(["curtain", "keep", "drum", "fairytale", "fairytale", "chateau", "gatehouse", "twin"])),
        "stone": str(rng.choice(["#8f8574", "#6f6a66", "#b79f78", "#a8694a", "#d5cab2", "#5d5c63", "#c08d62"])),
        "second": str(rng.choice(["#8b4b36", "#e2dccb", "#7c7466", "#c9a66b"])),
        "roof": str(rng.choice(["#3f4756", "#8d3a2a", "#2f5a7c", "#4c7a68", "#54402f", "#b4603a"])),
        "crown": str(rng.choice(["battlements", "battlements", "cone", "spire"])),
        "tower_sides": int(rng.choice([4, 6, 20, 20])),
        "towers": int(rng.integers(4, 8)),
        "aspect": float(rng.uniform(0.7, 1.0)),
        "wall": float(rng.uniform(7, 13)),
        "tower_height": float(rng.uniform(1.35, 2.3)),
        "tower_width": float(rng.uniform(0.1, 0.17)),
        "keep_height": float(rng.uniform(2.2, 3.8)),
        "keep_sides": int(rng.choice([4, 4, 8, 20])),
        "turrets": bool(rng.random() < 0.6),
        "site": str(rng.choice(["plain", "plain", "hill", "crag", "moat"])),
        "rock": str(rng.choice(["#6d665c", "#55504b", "#8b7d68"])),
        "banner": str(rng.choice(["#b3262b", "#d9a521", "#224f9c", "#f0efe9"])),
        "turn": float(rng.uniform(0, 2 * math.pi)),
    }


def build(parameters: dict[str, Any], rng: np.random.Generator) -> Landmark:
    """The castle that `parameters` describe; `rng` shapes its hill."""
    p = parameters
    size = 34.0
    mesh = Mesh()
    high = {"plain": 0.0, "hill": 9.0, "crag": 26.0, "moat": 2.5}[p["site"]]
    if high:
        steep = {"hill": 0.55, "crag": 1.5, "moat": 1.2}[p["site"]]
        mound(mesh, size * 1.12, high, steep, rng, p["rock"], "#4d6a2c")
    works = Mesh()
    {
        "curtain": _curtain_castle,
        "keep": _keep_castle,
        "drum": _drum_castle,
        "fairytale": _fairytale,
        "chateau": _chateau,
        "gatehouse": _gatehouse_castle,
        "twin": _twin_castle,
    }[p["style"]](works, p, size)
    if p["site"] == "moat":
        works.box((0, -size * 1.35), (4.5, size * 0.9, 1.0), p["second"], -1.0, 0.0, "stone")
    mesh.add(works, (0, 0, high), p["turn"])
    view = ViewHints(elevation=(0, 20), distance=(1.75, 2.7))
    return finish(mesh, "castle", "water" if p["site"] == "moat" else "grass", view)


def _tower(mesh: Mesh, p: dict[str, Any], xy, radius: float, height: float, crown: str, sides: int, banner=False):
    """A tower with slits, a corbelled head, and battlements or a roof."""
    mesh.frustum(xy, sides, radius * 1.08, radius, height, p["stone"], 0.0, 0.0, "stone")
    head = 0.35 * radius
    mesh.frustum(xy, sides, radius, radius * 1.18, head, shaded(p["stone"], 0.75), height, 0.0, "stone")
    flat = radius * math.cos(math.pi / sides)
    count = sides if sides < 10 else 6
    for share in (0.45, 0.8):
        openings_around(mesh, xy, flat * 1.03, share * height, count, (0.28 * radius, 0.7 * radius), _DARK)
    top = height + head
    if crown == "battlements":
        mesh.frustum(xy, sides, radius * 1.18, radius * 1.18, 0.25 * radius, p["stone"], top, 0.0, "stone")
        rim = radius * (1.18 if sides > 8 else 1.05)
        battlements_around(mesh, xy, rim, top + 0.25 * radius, 0.45 * radius, 10 if sides > 8 else 8, p["stone"])
        top += 0.7 * radius
    else:
        tall = radius * (1.9 if crown == "cone" else 3.6)
        mesh.frustum(xy, sides, radius * 1.34, 0.0, tall, p["roof"], top, 0.0, "tiles")
        top += tall
    if banner:
        flag(mesh, xy, top - 0.3, max(1.4 * radius, 3.5), p["banner"])


def _wall(mesh: Mesh, p: dict[str, Any], start, end, height: float) -> None:
    run = np.subtract(end, start)
    length, turn = float(np.hypot(*run)), math.atan2(run[1], run[0])
    middle = np.add(start, end) / 2
    mesh.box(middle, (length, 2.4, height), p["stone"], 0.0, turn, "stone")
    mesh.box(middle, (length, 3.0, 0.8), shaded(p["stone"], 0.75), height - 0.8, turn, "stone")
    battlements(mesh, start, end, height, 1.5, 2.8, p["stone"])


def _ward(mesh: Mesh, p: dict[str, Any], corners: np.ndarray, wall: float, gate: bool = True) -> None:
    """Curtain walls between corner towers, a gate in the first edge."""
    radius = p["tower_width"] * 34.0
    for index, corner in enumerate(corners):
        after = corners[(index + 1) % len(corners)]
        _wall(mesh, p, corner, after, wall)
        _tower(mesh, p, corner, radius, wall * p["tower_height"], p["crown"], p["tower_sides"])
    if gate:
        _gate(mesh, p, corners[0], corners[1], wall)


def _gate(mesh: Mesh, p: dict[str, Any], start, end, wall: float) -> None:
    run = np.subtract(end, start)
    turn, middle = math.atan2(run[1], run[0]), np.add(start, end) / 2
    mesh.box(middle, (9.0, 6.0, wall * 1.25), p["second"], 0.0, turn, "stone")
    left, right = middle - 4.5 * run / np.hypot(*run), middle + 4.5 * run / np.hypot(*run)
    battlements(mesh, left, right, wall * 1.25, 1.3, 6.0, p["second"])
    out = (math.sin(turn), -math.cos(turn))
    mesh.panel(
        (*(middle + 3.0 * np.array(out)), wall * 0.4),
        (4.2, wall * 0.8),
        _DARK,
        turn - math.pi / 2,
        "round",
        0.1,
        "wood",
    )


def _hall(mesh: Mesh, p: dict[str, Any], xy, size, turn: float = 0.0) -> None:
    windowed_block(mesh, xy, size, p["second"], _DARK, 2, (5, 2), 0.0, turn, "round", share=(0.3, 0.5))
    mesh.gable(xy, (size[0] * 1.02, size[1] * 1.12, size[1] * 0.6), p["roof"], size[2], turn, p["second"])


def _keep(mesh: Mesh, p: dict[str, Any], xy, radius: float, height: float) -> None:
    """The great tower: a block with corner turrets, or round."""
    _tower(mesh, p, xy, radius, height, "battlements", p["keep_sides"], banner=True)
    if p["turrets"]:
        for corner in circle(xy, radius * 1.02, 4, math.pi / 4):
            _tower(mesh, p, corner, radius * 0.24, height * 1.12, p["crown"], 20)


def _polygon(p: dict[str, Any], size: float) -> np.ndarray:
    """The corners of the ward, a front edge first."""
    count = p["towers"]
    corners = circle((0, 0), size, count, -math.pi / 2 - math.pi / count)
    return corners * (1.0, p["aspect"])


def _curtain_castle(mesh: Mesh, p: dict[str, Any], size: float) -> None:
    corners = _polygon(p, size)
    _ward(mesh, p, corners, p["wall"])
    _keep(mesh, p, (size * 0.2, size * 0.15), size * 0.2, p["wall"] * p["keep_height"] * 0.8)
    _hall(mesh, p, (-size * 0.3, size * 0.05), (size * 0.42, size * 0.24, p["wall"] * 1.15), math.pi / 2)


def _keep_castle(mesh: Mesh, p: dict[str, Any], size: float) -> None:
    _keep(mesh, p, (0, 0.05 * size), size * 0.36, p["wall"] * p["keep_height"])
    for corner, after in zip(_polygon(p, size), np.roll(_polygon(p, size), -1, 0), strict=True):
        _wall(mesh, p, corner, after, p["wall"] * 0.6)
    _gate(mesh, p, *_polygon(p, size)[:2], p["wall"] * 0.8)


def _drum_castle(mesh: Mesh, p: dict[str, Any], size: float) -> None:
    """A broad round tower on top of everything, a low ward in front of it."""
    _tower(mesh, p, (0, 0), size * 0.5, p["wall"] * 1.9, "battlements", 24)
    _tower(mesh, p, (size * 0.36, size * 0.2), size * 0.13, p["wall"] * 1.4 * p["tower_height"], p["crown"], 20, True)
    _ward(mesh, p, _polygon(p, size), p["wall"] * 0.75)


def _twin_castle(mesh: Mesh, p: dict[str, Any], size: float) -> None:
    """A square ward whose corner towers all but hide it, of two colours of stone in bands."""
    corners = rectangle((0, 0), (size * 1.15, size * 1.15 * p["aspect"]))
    _ward(mesh, p, corners, p["wall"] * 1.6)
    radius = p["tower_width"] * 34.0
    flat = radius * 1.07
    for corner in corners:
        for share in (0.2, 0.4, 0.6, 0.8):
            height = share * p["wall"] * 1.6 * p["tower_height"]
            mesh.frustum(corner, p["tower_sides"], flat, flat, p["wall"] * 0.14, p["second"], height, 0.0, "stone")


def _gatehouse_castle(mesh: Mesh, p: dict[str, Any], size: float) -> None:
    """Two great drums about the gate, walls that run back from them."""
    corners = rectangle((0, 0), (size * 1.5, size * 1.1 * p["aspect"]))
    _ward(mesh, p, corners, p["wall"], gate=False)
    front = corners[0][1]
    high = p["wall"] * p["keep_height"] * 0.8
    for side in (-1, 1):
        _tower(mesh, p, (side * size * 0.27, front), size * 0.19, high, p["crown"], 20, side > 0)
    mesh.box((0, front), (size * 0.4, size * 0.24, high * 0.85), p["stone"], 0.0, 0.0, "stone")
    battlements(mesh, (-size * 0.2, front), (size * 0.2, front), high * 0.85, 1.6, size * 0.24, p["stone"])
    y = front - size * 0.12
    mesh.panel((0, y, high * 0.24), (size * 0.19, high * 0.48), _DARK, -math.pi / 2, "round", 0.1, "wood")
    openings(mesh, (-size * 0.1, y), (size * 0.1, y), high * 0.66, 2, (1.6, 3.2), _DARK, "round", p["second"])
    _hall(mesh, p, (0, size * 0.2), (size * 0.8, size * 0.3, p["wall"] * 1.3))


def _fairytale(mesh: Mesh, p: dict[str, Any], size: float) -> None:
    """A high gabled house with slender towers of all heights under pointed roofs."""
    high = p["wall"] * 2.1
    length, depth = size * 1.05, size * 0.42
    windowed_block(
        mesh, (0, 0), (length, depth, high), p["stone"], _DARK, 4, (8, 3), 0, 0, "round", shaded(p["stone"], 1.3)
    )
    mesh.gable((0, 0), (length, depth * 1.08, depth * 0.75), p["roof"], high, 0.0, p["stone"])
    spots = [
        (-0.5, -0.5, 0.11, 1.35),
        (0.5, 0.5, 0.13, 2.0),
        (0.5, -0.5, 0.08, 1.25),
        (-0.5, 0.5, 0.08, 1.5),
        (0.1, 0.55, 0.1, 1.7),
    ]
    for x, y, wide, tall in spots[: p["towers"] - 1 if p["towers"] < 6 else 5]:
        wide *= size * (0.5 + 5 * p["tower_width"])
        tower = high * tall * (0.6 + 0.25 * p["tower_height"])
        _tower(mesh, p, (x * length, y * depth), wide, tower, "spire", 8 if p["tower_sides"] < 8 else 20, tall > 1.9)
    for side in (-1, 1):
        for x in (-0.25, 0.0, 0.25):
            spot = (x * length, side * depth * 0.42)
            mesh.box(spot, (length * 0.09, depth * 0.2, high * 0.22), p["stone"], high, 0, "stone")
            mesh.hip(spot, (length * 0.11, depth * 0.24, high * 0.22), p["roof"], high * 1.2)
    front = -size * 0.78
    mesh.box((size * 0.1, front), (size * 0.42, size * 0.24, high * 0.42), p["second"], 0.0, 0.0, "brick")
    mesh.panel(
        (size * 0.1, front - size * 0.12, high * 0.14), (4.5, high * 0.28), _DARK, -math.pi / 2, "round", 0.1, "wood"
    )
    for side in (-1, 1):
        spot = (size * (0.1 + side * 0.22), front)
        mesh.frustum(spot, 20, 3.0, 3.0, high * 0.55, p["second"], 0.0, 0.0, "brick")
        mesh.frustum(spot, 20, 3.9, 0.0, 7.5, p["roof"], high * 0.55, 0.0, "tiles")
        _wall(mesh, p, (side * size * 0.6, -depth * 0.5), spot, high * 0.24)


def _chateau(mesh: Mesh, p: dict[str, Any], size: float) -> None:
    """A great house between four fat corner towers, all under steep roofs with chimneys."""
    high = p["wall"] * 1.5
    length, depth = size * 1.15, size * 0.8 * p["aspect"]
    pale = shaded(p["stone"], 1.3)
    windowed_block(mesh, (0, 0), (length, depth, high), p["stone"], _DARK, 3, (7, 5), 0, 0, "rect", pale, pale)
    mesh.hip((0, 0), (length, depth, high * 0.75), p["roof"], high)
    radius = size * (0.1 + 0.75 * p["tower_width"])
    for corner in rectangle((0, 0), (length, depth)):
        _tower(
            mesh,
            p,
            corner,
            radius,
            high * (0.7 + 0.25 * p["tower_height"]),
            "cone" if p["crown"] == "battlements" else p["crown"],
            20,
        )
    for x in (-0.22, 0.22):
        mesh.box((x * length, 0), (2.0, 4.0, high * 1.05), p["second"], high * 0.9, 0, "brick")
    for side in (-1, 1):
        for x in (-0.3, -0.1, 0.1, 0.3):
            spot = (x * length, side * depth * 0.44)
            mesh.box(spot, (3.0, 4.0, 3.4), p["stone"], high, 0, "stone")
            mesh.gable(spot, (4.0, 3.4, 2.2), p["roof"], high + 3.4, math.pi / 2, p["stone"])
            mesh.panel((*spot, high + 1.9), (1.6, 2.2), _DARK, side * math.pi / 2, "rect", 2.06)
    if p["turrets"]:
        _tower(mesh, p, (0, 0), radius * 0.6, high * 2.0, "spire", 20, True)
    mesh.panel((0, -depth / 2, high * 0.17), (3.4, high * 0.34), _DARK, -math.pi / 2, "round", 0.2, "wood")
