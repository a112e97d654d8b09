"""What several archetypes share: rows of windows, battlements, columns, domes, crosses, mounds.

Outlines run counter-clockwise, so that the outside of a wall lies on the right of its direction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from suite.landmarks.landmark import Landmark, ViewHints
from suite.landmarks.mesh import Colour, Mesh, linear
from suite.landmarks.placing import place

Point = Sequence[float]


def finish(mesh: Mesh, name: str, ground: str, view: ViewHints) -> Landmark:
    """The landmark of a finished mesh, with the height and the radius that hold it."""
    corners = mesh.vertices.reshape(-1, 3).astype(np.float64)
    height = float(corners[:, 2].max())
    radius = float(np.linalg.norm(corners - (0, 0, height / 2), axis=1).max())
    return Landmark(mesh=mesh, radius=radius * 1.001, height=height, ground=ground, view=view, name=name)


def shaded(colour: Colour, factor: float) -> np.ndarray:
    """A colour made darker (factor below 1) or lighter, as linear values."""
    return np.clip(linear(colour) * factor, 0.0, 1.0)


def rectangle(centre_xy: Point, size_xy: Point, turn: float = 0.0) -> np.ndarray:
    """Corners (4, 2), counter-clockwise, the front (-y) edge first."""
    x, y = size_xy[0] / 2, size_xy[1] / 2
    return place([(-x, -y), (x, -y), (x, y), (-x, y)], centre_xy, turn)


def circle(centre_xy: Point, radius: float, count: int, turn: float = 0.0) -> np.ndarray:
    """Points (count, 2) on a circle, counter-clockwise."""
    angles = turn + np.arange(count) * 2 * math.pi / count
    return np.column_stack([np.cos(angles), np.sin(angles)]) * radius + np.asarray(centre_xy)


def outside(start: Point, end: Point) -> float:
    """Yaw of the outward normal of the wall from `start` to `end`."""
    return math.atan2(end[1] - start[1], end[0] - start[0]) - math.pi / 2


def openings(
    mesh: Mesh,
    start: Point,
    end: Point,
    height: float,
    count: int,
    size_wh: Point,
    colour: Colour,
    shape: str = "rect",
    frame: Colour | None = None,
    material: str | None = None,
) -> None:
    """A row of `count` windows along a wall, their middles at `height`; `frame` paints a rim around each."""
    facing = outside(start, end)
    for index in range(count):
        share = (index + 0.5) / count
        spot = (start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share, height)
        if frame is not None:
            rim = 0.3 * size_wh[0]
            mesh.panel(spot, (size_wh[0] + 2 * rim, size_wh[1] + 2 * rim), frame, facing, shape, 0.06, "plaster")
        mesh.panel(spot, size_wh, colour, facing, shape, 0.12, material)


def openings_around(
    mesh: Mesh,
    centre_xy: Point,
    radius: float,
    height: float,
    count: int,
    size_wh: Point,
    colour: Colour,
    shape: str = "rect",
    turn: float = 0.0,
    material: str | None = None,
) -> None:
    """Windows around a round tower or a drum."""
    for index in range(count):
        facing = turn + index * 2 * math.pi / count
        mesh.panel((*centre_xy, height), size_wh, colour, facing, shape, radius + 0.08, material)


def windowed_block(
    mesh: Mesh,
    centre_xy: Point,
    size_xyz: Point,
    colour: Colour,
    glass: Colour,
    storeys: int,
    bays: tuple[int, int],
    base: float = 0.0,
    turn: float = 0.0,
    shape: str = "rect",
    frame: Colour | None = None,
    trim: Colour | None = None,
    material: str = "plaster",
    share: tuple[float, float] = (0.42, 0.56),
) -> None:
    """A block with `storeys` rows of windows on all sides, `bays` of them along x and y.

    `share` is the part of a bay's width and of a storey's height that a window takes; `trim` paints a plinth and a
    cornice that stand out a little.
    """
    length, depth, height = size_xyz
    mesh.box(centre_xy, size_xyz, colour, base, turn, material)
    corners = rectangle(centre_xy, (length, depth), turn)
    storey = height / storeys
    for side in range(4):
        count = bays[side % 2]
        wide = (length, depth)[side % 2] / max(count, 1) * share[0]
        for row in range(storeys):
            middle = base + (row + 0.5) * storey
            size = (wide, storey * share[1])
            openings(mesh, corners[side], corners[(side + 1) % 4], middle, count, size, glass, shape, frame)
    if trim is not None:
        edge = 0.025 * height + 0.2
        mesh.box(
            centre_xy, (length + 2 * edge, depth + 2 * edge, 1.5 * edge), trim, base + height - edge, turn, "stone"
        )
        mesh.box(centre_xy, (length + edge, depth + edge, 2 * edge), trim, base, turn, "stone")


def battlements(
    mesh: Mesh, start: Point, end: Point, base: float, height: float, thickness: float, colour: Colour
) -> None:
    """Merlons along a line, gaps as wide as the merlons."""
    run = np.subtract(end, start)
    length, turn = float(np.hypot(*run)), math.atan2(run[1], run[0])
    count = max(2, round(length / (2.4 * height)))
    for index in range(count):
        spot = np.asarray(start) + run * (index + 0.5) / count
        mesh.box(spot, (length / count * 0.55, thickness, height), colour, base, turn, "stone")


def battlements_around(
    mesh: Mesh, centre_xy: Point, radius: float, base: float, height: float, count: int, colour: Colour
) -> None:
    """Merlons on the rim of a round or many-sided tower."""
    wide = 2 * math.pi * radius / count
    for index, spot in enumerate(circle(centre_xy, radius * 0.93, count, math.pi / count)):
        turn = (index + 0.5) * 2 * math.pi / count
        mesh.box(spot, (radius * 0.16, wide * 0.55, height), colour, base, turn, "stone")


def column(
    mesh: Mesh,
    centre_xy: Point,
    radius: float,
    height: float,
    colour: Colour,
    base: float = 0.0,
    capital: str = "plain",
    sides: int = 8,
    material: str = "stone",
) -> None:
    """A tapering column with a capital: "plain" (a spreading cushion and a slab), "scroll" or "leaf" (taller)."""
    head = radius * {"plain": 0.9, "scroll": 1.0, "leaf": 2.0}[capital]
    slab = radius * 0.5
    shaft = height - head - slab
    mesh.frustum(centre_xy, sides, radius, radius * 0.82, shaft, colour, base, 0.0, material)
    if capital == "scroll":
        mesh.box(centre_xy, (radius * 2.9, radius * 1.9, head), colour, base + shaft, 0.0, material)
    else:
        mesh.frustum(centre_xy, sides, radius * 0.85, radius * 1.35, head, colour, base + shaft, 0.0, material)
    mesh.box(centre_xy, (radius * 2.8, radius * 2.8, slab), colour, base + height - slab, 0.0, material)


def steps(mesh: Mesh, centre_xy: Point, size_xy: Point, height: float, count: int, run: float, colour: Colour) -> None:
    """A stepped platform; `size_xy` is the top, each lower step reaches `run` further out on all sides."""
    for index in range(count):
        out = 2 * run * (count - 1 - index)
        mesh.box(
            centre_xy,
            (size_xy[0] + out, size_xy[1] + out, height / count),
            shaded(colour, 0.86 + 0.14 * (index % 2)),
            height * index / count,
            0.0,
            "stone",
        )


def stairs(mesh: Mesh, centre_x: float, front_y: float, width: float, height: float, colour: Colour, count: int = 6):
    """A flight of steps that climbs from the front (-y) up to `height` at `front_y`, as deep as 1.7 heights."""
    run = 1.7 * height / count
    for index in range(count):
        deep = run * (count - index)
        shade = shaded(colour, 0.82 if index % 2 else 1.0)
        mesh.box(
            (centre_x, front_y - deep / 2), (width, deep, height / count), shade, height * index / count, 0, "stone"
        )


_DOMES = {
    # share of the radius, share of the radius above the base
    "round": [(math.cos(a), math.sin(a)) for a in np.linspace(0, math.pi / 2, 9)],
    "shallow": [(math.cos(a), 0.55 * math.sin(a)) for a in np.linspace(0, math.pi / 2, 7)],
    "tall": [(math.cos(a), 1.35 * math.sin(a)) for a in np.linspace(0, math.pi / 2, 9)],
    "pointed": [(1, 0), (1.0, 0.3), (0.95, 0.6), (0.82, 0.92), (0.62, 1.2), (0.36, 1.44), (0.12, 1.62), (0, 1.75)],
    "onion": [
        (0.86, 0),
        (1.05, 0.22),
        (1.14, 0.5),
        (1.1, 0.8),
        (0.92, 1.1),
        (0.62, 1.4),
        (0.32, 1.68),
        (0.12, 1.95),
        (0, 2.3),
    ],
    "bulb": [
        (0.7, 0),
        (1.0, 0.2),
        (1.17, 0.5),
        (1.12, 0.8),
        (0.85, 1.08),
        (0.45, 1.3),
        (0.18, 1.55),
        (0.06, 1.9),
        (0, 2.0),
    ],
}


def dome(
    mesh: Mesh,
    centre_xy: Point,
    radius: float,
    base: float,
    colour: Colour,
    shape: str = "round",
    sides: int = 20,
    material: str = "plain",
    ribs: Colour | None = None,
) -> float:
    """A dome of one of the shapes above, with `ribs` of another colour if given; returns the height of its top."""
    profile = np.array(_DOMES[shape]) * radius
    profile[:, 1] += base
    mesh.lathe(profile, colour, sides, centre_xy, material)
    if ribs is not None:
        for facing in np.arange(8) * math.pi / 4:
            spread = profile[:-1, 0] * 1.01
            line = np.column_stack([spread * math.cos(facing), spread * math.sin(facing), profile[:-1, 1]])
            mesh.tube(np.add(line, (*centre_xy, 0)), radius * 0.035, ribs, 4)
    return float(profile[-1, 1])


def cross(mesh: Mesh, centre_xy: Point, base: float, height: float, colour: Colour) -> None:
    """A Latin cross that reads from all sides."""
    thick = height * 0.12
    mesh.box(centre_xy, (thick, thick, height), colour, base, 0.0, "metal")
    mesh.box(centre_xy, (height * 0.6, thick, thick), colour, base + height * 0.58, 0.0, "metal")
    mesh.box(centre_xy, (thick, height * 0.6, thick), colour, base + height * 0.58, 0.0, "metal")


def flag(mesh: Mesh, centre_xy: Point, base: float, height: float, colour: Colour) -> None:
    """A banner on a pole."""
    foot = np.array([*centre_xy, base])
    mesh.tube(np.array([foot, np.add(foot, (0, 0, height))]), height * 0.03, "#4a4238", 4)
    cloth = [(0, 0, height), (0.62, 0.1, 0.9 * height), (0.62, 0.1, 0.66 * height), (0, 0, 0.6 * height)]
    scale = np.array([height, height, 1.0])
    mesh.polygon(foot + np.array(cloth) * scale, colour)


def mound(
    mesh: Mesh, plateau: float, height: float, steep: float, rng: np.random.Generator, rock: Colour, turf: Colour
) -> None:
    """A hill with a flat top of radius `plateau`; `steep` is the drop over the run of its flanks."""
    extent, count = 2.3 * (plateau + height / steep), 33
    axis = np.linspace(-extent / 2, extent / 2, count)
    x, y = np.meshgrid(axis, axis)
    rough = rng.normal(size=(count, count))
    for _ in range(2):
        rough = (
            rough + np.roll(rough, 1, 0) + np.roll(rough, 1, 1) + np.roll(rough, -1, 0) + np.roll(rough, -1, 1)
        ) / 3
    down = (np.hypot(x, y) - plateau) * steep / height
    fall = np.clip(down + np.where(down > 0, 0.22 * rough, 0.0), 0.0, 1.06)
    heights = height * (1 - fall)

    def paint(_: np.ndarray, slope: np.ndarray) -> np.ndarray:
        return np.where((slope > 0.65)[..., None], linear(rock), linear(turf))

    mesh.terrain(heights, extent, paint)
