"""Churches: naves with towers, spires, rose windows, onion domes, gables with bells, and always a cross on top."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from suite.landmarks.archetypes.church_parts import FRONT, GLASS, GOLD, apse, door, nave, rose, west_tower
from suite.landmarks.archetypes.parts import cross, dome, finish, openings, openings_around, rectangle, shaded
from suite.landmarks.landmark import Landmark, ViewHints
from suite.landmarks.mesh import Mesh


def parameters(rng: np.random.Generator) -> dict[str, Any]:
    """What sets one church apart: every key can be drawn anew on its own."""
    return {
        "style": str(
            rng.choice(["parish", "gothic", "wooden", "orthodox", "baroque", "mission", "crossing", "chapel"])
        ),
        "stone": str(rng.choice(["#a8977a", "#7d7a76", "#9b4f3a", "#d9cfb8", "#c9a878", "#6b5d52"])),
        "plaster": str(rng.choice(["#f1ede2", "#e7cf8b", "#e3b7a0", "#a9c4d6", "#b7c9a4", "#d98f6c"])),
        "roof": str(rng.choice(["#4a4f5a", "#8d3f2c", "#3f6f62", "#2e2e33", "#6d4a33"])),
        "metal": str(rng.choice(["#c99a2e", "#2d5f9a", "#3d8568", "#c99a2e", "#8a8f96"])),
        "length": float(rng.uniform(1.9, 3.0)),
        "width": float(rng.uniform(10, 16)),
        "nave": float(rng.uniform(0.75, 1.1)),
        "tower": float(rng.uniform(2.0, 3.2)),
        "spire": float(rng.uniform(0.7, 2.4)),
        "cap": str(rng.choice(["spire", "spire", "pyramid", "onion", "battlement"])),
        "bays": int(rng.integers(4, 8)),
        "aisles": bool(rng.random() < 0.6),
        "transept": bool(rng.random() < 0.5),
        "domes": int(rng.choice([1, 3, 5, 5])),
        "clock": bool(rng.random() < 0.5),
        "tower_side": int(rng.choice([-1, 0, 0, 1])),
        "door": str(rng.choice(["#4b2d1c", "#7a1f1c", "#24485a"])),
    }


def build(parameters: dict[str, Any], rng: np.random.Generator) -> Landmark:
    """The church that `parameters` describe; its front looks along -y."""
    mesh = Mesh()
    {
        "parish": _parish,
        "gothic": _gothic,
        "wooden": _wooden,
        "orthodox": _orthodox,
        "baroque": _baroque,
        "mission": _mission,
        "crossing": _crossing,
        "chapel": _chapel,
    }[parameters["style"]](mesh, parameters)
    view = ViewHints(elevation=(-2, 14), azimuth=(-200, 20), distance=(1.75, 2.6))
    ground = "paving" if parameters["style"] in ("gothic", "baroque") else "grass"
    return finish(mesh, "church", ground, view)


def _parish(mesh: Mesh, p) -> None:
    width, length = p["width"], p["width"] * p["length"]
    height = width * p["nave"] * 0.8
    nave(mesh, p, p["stone"], width, length, height, 0.6, aisles=p["aisles"])
    tower, front = width * 0.62, -length / 2
    x = p["tower_side"] * (width * 0.5 + tower * 0.3)
    y = front - tower * 0.3 if x == 0 else front + tower * 0.5
    west_tower(mesh, p, p["stone"], (x, y), tower, width * p["tower"] * 0.8, p["cap"])
    door(mesh, p, (0, front - (tower * 0.8 if x == 0 else 0)), width * 0.2, width * 0.36, shaded(p["stone"], 1.25))
    if x:
        rose(mesh, (0, front, height * 0.95), width * 0.16, shaded(p["stone"], 1.25))
    chancel = width * 0.7
    mesh.box((0, length / 2 + chancel / 2), (chancel, chancel, height * 0.8), p["stone"], 0, 0, "stone")
    mesh.gable(
        (0, length / 2 + chancel / 2),
        (chancel, chancel * 1.1, chancel * 0.6),
        p["roof"],
        height * 0.8,
        math.pi / 2,
        p["stone"],
    )
    if p["transept"]:
        _transept(mesh, p, p["stone"], width, length * 0.25, height)


def _transept(mesh: Mesh, p, wall, width, y, height, shape="pointed", material="stone") -> None:
    span, deep = width * 2.1, width * 0.7
    mesh.box((0, y), (span, deep, height), wall, 0.0, 0.0, material)
    mesh.gable((0, y), (span * 1.01, deep * 1.1, width * 0.5), p["roof"], height, 0.0, wall)
    for side in (0, math.pi):
        mesh.panel((0, y, height * 0.55), (deep * 0.42, height * 0.7), GLASS, side, shape, span / 2 + 0.1)


def _gothic(mesh: Mesh, p) -> None:
    """A cathedral: two west towers about a rose window, flying buttresses, a thin spire over the crossing."""
    width, length = p["width"], p["width"] * p["length"] * 1.15
    height, pale = width * p["nave"] * 1.35, shaded(p["stone"], 1.25)
    nave(mesh, p, p["stone"], width, length, height, 0.8, aisles=True)
    apse(mesh, p, p["stone"], length / 2, width * 0.5, height * 0.9, "pointed")
    if p["transept"]:
        _transept(mesh, p, p["stone"], width, length * 0.2, height)
    front, tower = -length / 2, width * 0.56
    tall = width * p["tower"] * 0.95
    for side in (-1, 1):
        cap = p["cap"] if p["cap"] in ("spire", "battlement") else "battlement"
        west_tower(mesh, p, p["stone"], (side * width * 0.56, front), tower, tall, cap)
        door(mesh, p, (side * width * 0.56, front - tower / 2), tower * 0.4, width * 0.4, pale)
        for share in np.linspace(-0.35, 0.4, p["bays"]):
            spot = np.array([side * width * 1.02, share * length])
            mesh.box(spot, (1.2, 1.0, height * 0.85), p["stone"], 0, 0, "stone")
            mesh.frustum(spot, 4, 0.9, 0.0, 3.0, pale, height * 0.85, 0.0, "stone")
            line = [(*spot, height * 0.72), (side * width * 0.5, spot[1], height * 0.95)]
            mesh.tube(line, 0.45, p["stone"], 4, "stone")
    wall = front - tower * 0.3
    mesh.box((0, front), (width * 0.7, tower * 0.6, height * 1.25), p["stone"], 0, 0, "stone")
    rose(mesh, (0, wall, height * 0.82), width * 0.2, pale)
    door(mesh, p, (0, wall), width * 0.26, width * 0.5, pale)
    openings(
        mesh, (-width * 0.3, wall), (width * 0.3, wall), height * 1.12, 5, (0.8, height * 0.16), GLASS, "pointed", pale
    )
    mesh.frustum((0, length * 0.2), 8, width * 0.1, 0.0, width * 0.9, p["roof"], height + width * 0.6, 0.0, "metal")


def _wooden(mesh: Mesh, p) -> None:
    """White boards, a porch, a steeple in stages over the front."""
    width, length = p["width"] * 0.9, p["width"] * p["length"] * 0.7
    height, wall = width * p["nave"] * 0.65, p["plaster"]
    mesh.box((0, 0), (width, length, height), wall, 0, 0, "wood")
    mesh.gable((0, 0), (length * 1.03, width * 1.12, width * 0.5), p["roof"], height, math.pi / 2, wall)
    for side in (-1, 1):
        ends = [(side * width / 2, -side * length / 2), (side * width / 2, side * length / 2)]
        shape = "pointed" if p["aisles"] else "rect"
        openings(mesh, *ends, height * 0.52, p["bays"], (1.5, height * 0.6), GLASS, shape, "#f6f3ea")
    front, side = -length / 2, width * 0.36
    mesh.box((0, front), (side, side, height * 1.6), wall, 0, 0, "wood")
    level = height * 1.6
    for share, tall in ((1.12, 0.06), (0.84, 0.6), (0.98, 0.06)):
        mesh.box(
            (0, front), (side * share, side * share, tall * side), wall if tall > 0.1 else "#f6f3ea", level, 0, "wood"
        )
        if tall > 0.1:
            for facing in np.arange(4) * math.pi / 2:
                mesh.panel(
                    (0, front, level + tall * side * 0.5),
                    (side * 0.3, side * 0.46),
                    "#1b1b1d",
                    facing,
                    "round",
                    side * 0.42 + 0.05,
                )
        level += tall * side
    rise = side * (1.0 + p["spire"])
    mesh.frustum((0, front), 8, side * 0.5, 0.0, rise, p["roof"], level, 0.0, "tiles")
    cross(mesh, (0, front), level + rise - 0.2, side * 0.5, GOLD)
    door(mesh, p, (0, front - side / 2), side * 0.4, height * 0.5, "#f6f3ea", "rect")
    openings(
        mesh, (-width / 2, front), (width / 2, front), height * 0.55, 4, (1.3, height * 0.5), GLASS, "rect", "#f6f3ea"
    )
    if p["clock"]:
        mesh.panel((0, front, height * 1.35), (side * 0.5, side * 0.5), "#26282b", FRONT, "disc", side / 2 + 0.1)


def _orthodox(mesh: Mesh, p) -> None:
    """A white cube, drums with onion domes, gables as half circles."""
    width, wall = p["width"] * 1.15, p["plaster"]
    height = width * p["nave"] * 0.85
    mesh.box((0, 0), (width, width, height), wall, 0, 0, "plaster")
    corners = rectangle((0, 0), (width, width))
    for side in range(4):
        ends = corners[side], corners[(side + 1) % 4]
        openings(mesh, *ends, height * 0.5, 3, (width * 0.07, height * 0.48), GLASS, "round", "#f6f3ea")
        for index in range(3):
            spot = corners[side] + (corners[(side + 1) % 4] - corners[side]) * (index + 0.5) / 3
            size = (width * 0.34, width * 0.17)
            mesh.panel((*spot, height + width * 0.085), size, wall, (side - 1) * math.pi / 2, "round", 0.0, "plaster")
            mesh.panel(
                (*spot, height + width * 0.07),
                (width * 0.2, width * 0.1),
                p["metal"],
                (side - 1) * math.pi / 2,
                "round",
                0.1,
                "plain",
            )
    mesh.hip((0, 0), (width * 1.02, width * 1.02, width * 0.22), p["roof"], height)
    for facing in (0, 1, 2):
        mesh.frustum(
            ((facing - 1) * width * 0.3, width * 0.5),
            14,
            width * 0.16,
            width * 0.16,
            height * 0.6,
            wall,
            0,
            0,
            "plaster",
        )
    spots = [(0.0, 0.0, 1.0)]
    if p["domes"] >= 3:
        spots += [(s * 0.32, -0.32, 0.62) for s in (-1, 1)]
    if p["domes"] == 5:
        spots += [(s * 0.32, 0.32, 0.62) for s in (-1, 1)]
    for index, (x, y, scale) in enumerate(spots):
        xy, radius = (x * width, y * width), width * 0.17 * scale
        drum = width * (0.3 + 0.12 * p["tower"]) * (0.55 + 0.45 * scale)
        mesh.frustum(xy, 16, radius, radius, drum, wall, height, 0, "plaster")
        openings_around(mesh, xy, radius, height + drum * 0.65, 8, (radius * 0.24, drum * 0.4), GLASS, "round")
        colour = GOLD if index == 0 and p["clock"] else p["metal"]
        top = dome(mesh, xy, radius * 1.15, height + drum, colour, "onion", 16, "metal")
        cross(mesh, xy, top - 0.3, radius * 1.3, GOLD)
    door(mesh, p, (0, -width / 2), width * 0.14, height * 0.36, p["metal"], "round")
    if p["transept"]:
        belfry = (0, -width * 1.05)
        mesh.box((0, -width * 0.65), (width * 0.4, width * 0.7, height * 0.45), wall, 0, 0, "plaster")
        west_tower(mesh, p, wall, belfry, width * 0.36, height * 1.5, "onion", "round", "plaster")


def _baroque(mesh: Mesh, p) -> None:
    """A scrolled front between two capped towers, a dome on a drum behind it."""
    width, length = p["width"] * 1.1, p["width"] * p["length"] * 0.8
    height, wall, white = p["width"] * p["nave"], p["plaster"], "#f3efe4"
    nave(mesh, p, wall, width, length, height, 0.4, "round", "plaster", p["aisles"])
    front = -length / 2
    tall = p["width"] * p["tower"] * 0.75
    for side in (-1, 1):
        xy = (side * width * 0.52, front)
        west_tower(
            mesh, p, wall, xy, width * 0.34, tall, "onion" if p["cap"] != "pyramid" else "pyramid", "round", "plaster"
        )
    mesh.box((0, front), (width * 0.72, width * 0.3, height * 1.2), wall, 0, 0, "plaster")
    y = front - width * 0.15
    mesh.gable((0, y), (0.8, width * 0.76, width * 0.22), white, height * 1.2, math.pi / 2, white, "stone")
    for x in (-0.3, -0.18, 0.18, 0.3):
        mesh.box((x * width, y), (width * 0.045, 0.8, height * 1.2), white, 0, 0, "stone")
    for share in (0.58, 1.14):
        mesh.box((0, y), (width * 0.74, 1.0, 0.9), white, height * share, 0, "stone")
    door(mesh, p, (0, y - 0.1), width * 0.15, height * 0.4, white, "round")
    openings(
        mesh,
        (-width * 0.14, y),
        (width * 0.14, y),
        height * 0.88,
        1,
        (width * 0.14, height * 0.3),
        GLASS,
        "round",
        white,
    )
    if p["domes"] > 1:
        back, radius = (0, length * 0.22), width * 0.32
        base = height + width * 0.1
        mesh.frustum(back, 20, radius, radius, radius * 1.1, wall, base, 0, "plaster")
        openings_around(mesh, back, radius, base + radius * 0.6, 10, (radius * 0.28, radius * 0.7), GLASS, "round")
        top = dome(mesh, back, radius * 1.06, base + radius * 1.1, p["metal"], "tall", 20, "metal", white)
        mesh.frustum(back, 8, radius * 0.2, radius * 0.2, radius * 0.4, white, top - 0.2)
        cross(mesh, back, top + radius * 0.3, radius * 0.8, GOLD)


def _mission(mesh: Mesh, p) -> None:
    """Thick plaster walls, a curved gable with bells in it, perhaps a belfry beside it."""
    width, length = p["width"], p["width"] * p["length"] * 0.75
    height, wall = width * p["nave"] * 0.75, p["plaster"]
    nave(mesh, p, wall, width, length, height, 0.3, "round", "plaster")
    front = -length / 2
    half = width * 0.62
    side = [(1.0, 0), (1.0, 1.05), (0.86, 1.1), (0.72, 1.3), (0.48, 1.4), (0.42, 1.75), (0.22, 2.0), (0.0, 2.08)]
    outline = np.array([(x, z) for x, z in side] + [(-x, z) for x, z in side[-2::-1]]) * (half, height)
    for y in (front - 0.9, front + 0.9):
        mesh.polygon([(x, y, z) for x, z in outline], wall, "plaster")
    rim = np.array([[(x, y, z) for x, z in outline] for y in (front - 0.9, front + 0.9)])
    for index in range(len(outline) - 1):
        mesh.polygon(
            [rim[0, index], rim[0, index + 1], rim[1, index + 1], rim[1, index]], shaded(wall, 0.95), "plaster"
        )
    y = front - 0.9
    openings(
        mesh,
        (-half * 0.36, y),
        (half * 0.36, y),
        height * 1.52,
        2,
        (half * 0.2, height * 0.26),
        "#1b1a1a",
        "round",
        None,
        "plain",
    )
    openings(
        mesh,
        (-half * 0.2, y),
        (half * 0.2, y),
        height * 1.84,
        1,
        (half * 0.16, height * 0.18),
        "#1b1a1a",
        "round",
        None,
        "plain",
    )
    mesh.panel((0, y, height * 1.12), (half * 0.3, half * 0.3), GLASS, FRONT, "disc", 0.1, "glass")
    door(mesh, p, (0, y), half * 0.36, height * 0.6, p["stone"], "round")
    cross(mesh, (0, front), height * 2.06, width * 0.22, "#2a2522")
    if p["tower_side"]:
        xy = (p["tower_side"] * width * 0.78, front + width * 0.2)
        west_tower(mesh, p, wall, xy, width * 0.42, height * p["tower"] * 0.85, p["cap"], "round", "plaster")


def _crossing(mesh: Mesh, p) -> None:
    """Round arches, heavy walls, a many-sided tower where the arms of a cross meet, apses."""
    width, length = p["width"], p["width"] * p["length"]
    height, pale = width * p["nave"], shaded(p["stone"], 1.25)
    nave(mesh, p, p["stone"], width, length, height, 0.45, "round", aisles=p["aisles"])
    y = length * 0.2
    _transept(mesh, p, p["stone"], width, y, height, "round")
    apse(mesh, p, p["stone"], length / 2, width * 0.45, height * 0.8)
    sides, radius = 8 if p["clock"] else 4, width * (0.5 if p["clock"] else 0.56)
    tall = height + width * p["tower"] * 0.42
    mesh.frustum((0, y), sides, radius, radius, tall, p["stone"], 0, 0, "stone")
    flat = radius * math.cos(math.pi / sides)
    for share in (0.72, 0.9):
        openings_around(
            mesh, (0, y), flat, tall * share, sides, (flat * 0.4, tall * 0.12), "#1b1a1a", "round", material="plain"
        )
    mesh.frustum((0, y), sides, radius * 1.1, radius * 1.1, 0.8, pale, tall - 0.8, 0, "stone")
    rise = width * (0.3 + 0.4 * p["spire"])
    mesh.frustum((0, y), sides, radius * 1.08, 0.0, rise, p["roof"], tall, 0, "tiles")
    cross(mesh, (0, y), tall + rise - 0.2, width * 0.25, GOLD)
    front = -length / 2
    door(mesh, p, (0, front), width * 0.22, height * 0.45, pale, "round")
    rose(mesh, (0, front, height * 0.92), width * 0.15, pale)
    if p["domes"] == 5:
        for side in (-1, 1):
            west_tower(mesh, p, p["stone"], (side * width * 0.6, front), width * 0.32, tall * 0.85, "pyramid", "round")


def _chapel(mesh: Mesh, p) -> None:
    """A small whitewashed house of prayer: a bell gable or a blue dome, one door, a cross."""
    width, length = p["width"] * 0.7, p["width"] * p["length"] * 0.5
    height, wall = width * p["nave"], p["plaster"]
    if p["domes"] >= 3:
        mesh.box((0, 0), (width, length, height), wall, 0, 0, "plaster")
        radius = width * 0.42
        mesh.frustum((0, length * 0.1), 16, radius, radius, height * 0.3, wall, height, 0, "plaster")
        top = dome(mesh, (0, length * 0.1), radius * 1.05, height * 1.3, p["metal"], "round", 20, "plaster")
        cross(mesh, (0, length * 0.1), top - 0.1, width * 0.3, "#f6f3ea")
        mesh.frustum((0, length / 2), 16, width * 0.3, width * 0.3, height * 0.7, wall, 0, 0, "plaster")
        mesh.lathe(
            np.array([(width * 0.3, height * 0.7), (width * 0.2, height * 0.85), (0, height * 0.92)]),
            wall,
            16,
            (0, length / 2),
            "plaster",
        )
    else:
        nave(mesh, p, wall, width, length, height, 0.7, "pointed", "plaster")
    front = -length / 2
    gable = height * (1.05 if p["domes"] >= 3 else 1.5)
    mesh.wall_with_arches(
        width * 0.66, width * 0.5, 0.9, 2, width * 0.2, width * 0.36, wall, (0, front), gable, 0, "plaster"
    )
    mesh.box((0, front), (width * 0.66, 0.9, gable), wall, 0, 0, "plaster")
    for x in (-0.165, 0.165):
        mesh.frustum(
            (x * width, front), 8, width * 0.06, width * 0.03, width * 0.12, GOLD, gable + width * 0.14, 0, "metal"
        )
    mesh.gable((0, front), (1.1, width * 0.72, width * 0.22), p["roof"], gable + width * 0.5, math.pi / 2, wall)
    cross(mesh, (0, front), gable + width * 0.7, width * 0.32, "#2a2522")
    door(mesh, p, (0, front - 0.45), width * 0.22, height * 0.5, p["stone"], "round")
    openings(
        mesh, (-width / 2, front), (width / 2, front), height * 0.5, 4, (width * 0.07, height * 0.3), GLASS, "round"
    )
