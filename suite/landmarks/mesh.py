"""Solids as coloured triangles: what an archetype is built from.

Units are metres, z is up, the ground is z = 0 and a landmark stands around the origin. Angles are radians,
counter-clockwise seen from above. A colour is three linear values in 0..1 or an sRGB string such as "#c8b89a".
Winding does not matter: both sides of a triangle are shaded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from suite.landmarks.placing import draw_out, place, place_above, split_cells
from suite.landmarks.polygons import triangulate

MATERIALS = (
    "plain",
    "stone",
    "brick",
    "plaster",
    "wood",
    "rock",
    "grass",
    "snow",
    "water",
    "metal",
    "glass",
    "tiles",
    "foliage",
)
Colour = Sequence[float] | np.ndarray | str

# Frusta with at least so many sides stand for round things and get smooth normals.
_ROUND = 12


def linear(colour: Colour) -> np.ndarray:
    """`colour` as three linear float32 values: "#rrggbb" is sRGB, numbers are taken as linear already."""
    if not isinstance(colour, str):
        return np.asarray(colour, dtype=np.float32)
    srgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4).astype(np.float32)


class Mesh:
    """Collects triangles. Every method adds a solid and returns the mesh, so that calls can be chained."""

    def __init__(self) -> None:
        self._parts: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []

    def __len__(self) -> int:
        return sum(len(part[0]) for part in self._parts)

    @property
    def vertices(self) -> np.ndarray:
        """(T, 3, 3) float32: triangle, corner, xyz in metres."""
        return self._column(0, (0, 3, 3), np.float32)

    @property
    def normals(self) -> np.ndarray:
        """(T, 3, 3) float32: unit normal at each corner; the three are equal on flat faces."""
        return self._column(1, (0, 3, 3), np.float32)

    @property
    def colours(self) -> np.ndarray:
        """(T, 3) float32, linear."""
        return self._column(2, (0, 3), np.float32)

    @property
    def materials(self) -> np.ndarray:
        """(T,) int32: positions in MATERIALS."""
        return self._column(3, (0,), np.int32)

    def _column(self, index: int, empty: tuple[int, ...], dtype: type) -> np.ndarray:
        if len(self._parts) > 1:
            self._parts = [tuple(np.concatenate(columns) for columns in zip(*self._parts, strict=True))]
        return self._parts[0][index] if self._parts else np.empty(empty, dtype)

    def triangles(
        self, vertices: np.ndarray, colour: Colour | np.ndarray, material: str, normals: np.ndarray | None = None
    ) -> Mesh:
        """Add triangles (T, 3, 3) as they are; `colour` is one for all or (T, 3); flat normals if none are given."""
        vertices = np.asarray(vertices, dtype=np.float64).reshape(-1, 3, 3)
        across = np.cross(vertices[:, 1] - vertices[:, 0], vertices[:, 2] - vertices[:, 0])
        area = np.linalg.norm(across, axis=1)
        kept = area > 1e-10
        vertices, across, area = vertices[kept], across[kept], area[kept]
        if normals is None:
            normals = np.repeat((across / area[:, None])[:, None], 3, axis=1)
        else:
            normals = np.asarray(normals, dtype=np.float64).reshape(-1, 3, 3)[kept]
            normals = normals / np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-12)
        colours = linear(colour)
        colours = colours[kept] if colours.ndim == 2 else np.repeat(colours[None], len(vertices), axis=0)
        ids = np.full(len(vertices), MATERIALS.index(material), np.int32)
        self._parts.append((vertices.astype(np.float32), normals.astype(np.float32), colours, ids))
        return self

    def _quads(self, grid: np.ndarray, colour: Colour, material: str, normals: np.ndarray | None = None) -> Mesh:
        """The surface over a (rows, columns, 3) grid of points."""
        return self.triangles(split_cells(grid), colour, material, None if normals is None else split_cells(normals))

    def box(
        self,
        centre_xy: Sequence[float],
        size_xyz: Sequence[float],
        colour: Colour,
        base: float = 0.0,
        turn: float = 0.0,
        material: str = "plain",
    ) -> Mesh:
        """A block of `size_xyz` that stands at height `base`, turned about its own centre."""
        x, y = size_xyz[0] / 2, size_xyz[1] / 2
        outline = place(np.array([[-x, -y], [x, -y], [x, y], [-x, y]]), centre_xy, turn)
        return self.prism(outline, size_xyz[2], colour, base, None, material)

    def prism(
        self,
        outline_xy: np.ndarray,
        height: float,
        colour: Colour,
        base: float = 0.0,
        cap: Colour | None = None,
        material: str = "plain",
    ) -> Mesh:
        """A simple polygon (n, 2) raised by `height` from `base`; `cap` colours its top (None: as the walls)."""
        outline = np.asarray(outline_xy, dtype=np.float64)
        ring = np.concatenate([outline, outline[:1]])
        levels = [np.column_stack([ring, np.full(len(ring), z)]) for z in (base, base + height)]
        self._quads(np.stack(levels), colour, material)
        faces = outline[triangulate(outline)]
        for z, paint in ((base + height, colour if cap is None else cap), (base, colour)):
            self.triangles(np.concatenate([faces, np.full((*faces.shape[:2], 1), z)], axis=2), paint, material)
        return self

    def frustum(
        self,
        centre_xy: Sequence[float],
        sides: int,
        bottom_radius: float,
        top_radius: float,
        height: float,
        colour: Colour,
        base: float = 0.0,
        turn: float = 0.0,
        material: str = "plain",
    ) -> Mesh:
        """A tapering tower: cylinder or cone from 12 sides (smooth), pyramid or obelisk below.

        With `turn` 0 the first face, not the first edge, looks along +x; radii reach to the edges (corners).
        """
        profile = [(bottom_radius, base), (top_radius, base + height)]
        self._revolve(profile, colour, sides, centre_xy, material, turn + math.pi / sides, sides >= _ROUND)
        for radius, z in profile:
            if radius > 0:
                angles = turn + math.pi / sides + np.arange(sides) * 2 * math.pi / sides
                rim = np.column_stack([np.cos(angles), np.sin(angles)]) * radius + np.asarray(centre_xy)
                self.polygon(np.column_stack([rim, np.full(sides, z)]), colour, material)
        return self

    def lathe(
        self,
        profile: np.ndarray,
        colour: Colour,
        sides: int = 24,
        centre_xy: Sequence[float] = (0.0, 0.0),
        material: str = "plain",
        smooth: bool = True,
    ) -> Mesh:
        """A profile (n, 2) of (radius, z) revolved about the vertical: domes, onion domes, bowls, columns."""
        return self._revolve(profile, colour, sides, centre_xy, material, 0.0, smooth)

    def _revolve(self, profile, colour, sides, centre_xy, material, turn, smooth) -> Mesh:
        profile = np.asarray(profile, dtype=np.float64)
        angles = turn + np.arange(sides + 1) * 2 * math.pi / sides
        around = np.column_stack([np.cos(angles), np.sin(angles)])
        heading = np.diff(profile, axis=0)
        heading /= np.maximum(np.linalg.norm(heading, axis=1, keepdims=True), 1e-12)
        for index in range(len(heading)):
            rings, normals = [], []
            for end, neighbour in ((index, index - 1), (index + 1, index + 1)):
                radius, z = profile[end]
                rings.append(np.column_stack([around * radius + np.asarray(centre_xy), np.full(sides + 1, z)]))
                slope = heading[index]
                # A bend of less than 45 degrees is a curve, a sharper one an edge.
                if 0 <= neighbour < len(heading) and heading[neighbour] @ slope > math.sqrt(0.5):
                    slope = slope + heading[neighbour]
                normals.append(np.column_stack([around * slope[1], np.full(sides + 1, -slope[0])]))
            self._quads(np.stack(rings), colour, material, np.stack(normals) if smooth else None)
        return self

    def gable(
        self,
        centre_xy: Sequence[float],
        size_xyz: Sequence[float],
        colour: Colour,
        base: float = 0.0,
        turn: float = 0.0,
        gable_colour: Colour | None = None,
        material: str = "tiles",
    ) -> Mesh:
        """A pitched roof over a rectangle, ridge along its own x; `gable_colour` paints the two end triangles."""
        x, y, z = size_xyz[0] / 2, size_xyz[1] / 2, size_xyz[2]
        eaves = np.array([[-x, -y, 0], [x, -y, 0], [x, y, 0], [-x, y, 0]])
        ridge = np.array([[-x, 0, z], [x, 0, z]])
        slopes = [[eaves[0], eaves[1], ridge[1], ridge[0]], [eaves[3], eaves[2], ridge[1], ridge[0]]]
        ends = np.array([[eaves[0], eaves[3], ridge[0]], [eaves[1], eaves[2], ridge[1]]])
        for slope in slopes:
            self.polygon(place_above(np.array(slope), centre_xy, base, turn), colour, material)
        paint = colour if gable_colour is None else gable_colour
        return self.triangles(place_above(ends, centre_xy, base, turn), paint, "plaster")

    def hip(
        self,
        centre_xy: Sequence[float],
        size_xyz: Sequence[float],
        colour: Colour,
        base: float = 0.0,
        turn: float = 0.0,
        material: str = "tiles",
    ) -> Mesh:
        """A hipped roof, ridge along the longer side; a pyramid over a square."""
        x, y, z = size_xyz[0] / 2, size_xyz[1] / 2, size_xyz[2]
        along, across = max(x - y, 0.0), max(y - x, 0.0)
        eaves = np.array([[-x, -y, 0], [x, -y, 0], [x, y, 0], [-x, y, 0]])
        low, high = np.array([-along, -across, z]), np.array([along, across, z])
        if x >= y:
            faces = [[0, 1, high, low], [2, 3, low, high], [1, 2, high], [3, 0, low]]
        else:
            faces = [[1, 2, high, low], [3, 0, low, high], [0, 1, low], [2, 3, high]]
        for face in faces:
            points = np.array([eaves[point] if isinstance(point, int) else point for point in face])
            for corner in range(1, len(points) - 1):
                self.triangles(place_above(points[[0, corner, corner + 1]], centre_xy, base, turn), colour, material)
        return self

    def arch(
        self,
        span: float,
        rise: float,
        thickness: float,
        depth: float,
        colour: Colour,
        centre: Sequence[float] = (0.0, 0.0, 0.0),
        turn: float = 0.0,
        material: str = "plain",
        pieces: int = 20,
    ) -> Mesh:
        """A half-ellipse band: `span` and `rise` of its inside, `depth` along its own y.

        `centre` (x, y, z) is the middle between the two feet; the arch stands in its own x-z plane.
        """
        angles = np.linspace(0, math.pi, pieces + 1)
        around = np.column_stack([np.cos(angles), np.sin(angles)])
        inner, outer = around * (span / 2, rise), around * (span / 2 + thickness, rise + thickness)
        section = [(inner, -1), (outer, -1), (outer, 1), (inner, 1), (inner, -1)]
        grid = np.stack([np.column_stack([p[:, 0], np.full(len(p), s * depth / 2), p[:, 1]]) for p, s in section])
        return self._quads(place_above(grid, centre[:2], centre[2], turn), colour, material)

    def wall_with_arches(
        self,
        length: float,
        height: float,
        thickness: float,
        arches: int,
        arch_width: float,
        arch_height: float,
        colour: Colour,
        centre_xy: Sequence[float] = (0.0, 0.0),
        base: float = 0.0,
        turn: float = 0.0,
        material: str = "stone",
    ) -> Mesh:
        """A wall along its own x, pierced by evenly spaced round-headed openings that reach down to `base`."""
        pitch, radius = length / arches, arch_width / 2
        spring = max(arch_height - radius, 0.0)
        angles = np.linspace(math.pi, 0, 13)
        for index in range(arches):
            middle = -length / 2 + (index + 0.5) * pitch
            curve = np.column_stack(
                [middle + radius * np.cos(angles), spring + (arch_height - spring) * np.sin(angles)]
            )
            feet = np.array([[middle - radius, 0.0]]), np.array([[middle + radius, 0.0]])
            opening = np.concatenate([feet[0], curve, feet[1]])
            self._quads(place_above(draw_out(opening, thickness), centre_xy, base, turn), colour, material)
            left, right = middle - pitch / 2, middle + pitch / 2
            corners = np.array([[right, 0], [right, height], [left, height], [left, 0]])
            face = np.concatenate([opening, corners])
            triangles = face[triangulate(face)]
            for side in (-thickness / 2, thickness / 2):
                flat = np.stack([triangles[..., 0], np.full(triangles.shape[:2], side), triangles[..., 1]], axis=2)
                self.triangles(place_above(flat, centre_xy, base, turn), colour, material)
        half = length / 2
        rim = np.array([[-half, 0], [-half, height], [half, height], [half, 0]])
        return self._quads(place_above(draw_out(rim, thickness), centre_xy, base, turn), colour, material)

    def panel(
        self,
        centre_xyz: Sequence[float],
        size_wh: Sequence[float],
        colour: Colour,
        facing: float,
        shape: str = "rect",
        offset: float = 0.05,
        material: str | None = None,
    ) -> Mesh:
        """A thin upright shape `offset` in front of a facade: window, door, clock.

        `facing` is the yaw of its outward normal. `shape`: "rect", "round" (round head), "pointed" (gothic head)
        or "disc". `material` None is glass (lit at night), for a disc plain.
        """
        width, height = size_wh[0] / 2, size_wh[1] / 2
        if shape == "rect":
            outline = np.array([[-width, -height], [width, -height], [width, height], [-width, height]])
        elif shape == "disc":
            angles = np.arange(20) * math.pi / 10
            outline = np.column_stack([width * np.cos(angles), height * np.sin(angles)])
        elif shape in ("round", "pointed"):
            rise = min(width * (1.0 if shape == "round" else 1.6), 2 * height)
            angles = np.linspace(0, math.pi, 9)
            head = np.column_stack([width * np.cos(angles), np.sin(angles)])
            if shape == "pointed":
                head[:, 1] = np.sqrt(np.clip(1 - ((np.abs(head[:, 0]) / width + 1) ** 2 - 1) / 3, 0, 1))
            head[:, 1] = height - rise + rise * head[:, 1]
            outline = np.concatenate([[[-width, -height], [width, -height]], head])
        else:
            raise ValueError(f"panel: shape {shape!r} is none of rect, round, pointed, disc")
        side, out = (
            np.array([-math.sin(facing), math.cos(facing), 0]),
            np.array([math.cos(facing), math.sin(facing), 0]),
        )
        middle = np.asarray(centre_xyz, dtype=np.float64) + offset * out
        points = middle + outline[:, :1] * side + outline[:, 1:] * np.array([0, 0, 1.0])
        fan = [[points[0], points[i], points[i + 1]] for i in range(1, len(points) - 1)]
        return self.triangles(np.array(fan), colour, material or ("plain" if shape == "disc" else "glass"))

    def tube(self, points: np.ndarray, radius: float, colour: Colour, sides: int = 8, material: str = "metal") -> Mesh:
        """A round bar along a line of points (n, 3): cables, railings, pipes."""
        points = np.asarray(points, dtype=np.float64)
        along = np.gradient(points, axis=0)
        along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)
        # The reference direction least parallel to the line, so that sections never collapse.
        reference = np.eye(3)[np.argmin(np.abs(along).max(axis=0))]
        first = np.cross(along, reference)
        first /= np.maximum(np.linalg.norm(first, axis=1, keepdims=True), 1e-12)
        second = np.cross(along, first)
        angles = np.arange(sides + 1) * 2 * math.pi / sides
        normals = np.cos(angles)[:, None, None] * first + np.sin(angles)[:, None, None] * second
        return self._quads(points + radius * normals, colour, material, normals)

    def terrain(
        self,
        heights: np.ndarray,
        extent: float,
        colours: np.ndarray | Callable[[np.ndarray, np.ndarray], np.ndarray],
        material: str = "rock",
        centre_xy: Sequence[float] = (0.0, 0.0),
    ) -> Mesh:
        """A height field (n, n) over a square of side `extent`; row i runs along y, column j along x.

        `colours` is (n, n, 3) linear or a function (height in metres, slope as rise over run) -> (n, n, 3).
        Ground that lies at z = 0 or below is hidden by the ground of the scene.
        """
        heights = np.asarray(heights, dtype=np.float64)
        axis = np.linspace(-extent / 2, extent / 2, len(heights))
        x, y = np.meshgrid(axis + centre_xy[0], axis + centre_xy[1])
        grid = np.stack([x, y, heights], axis=2)
        dy, dx = np.gradient(heights, axis[1] - axis[0])
        paint = colours(heights, np.hypot(dx, dy)) if callable(colours) else np.asarray(colours)
        normals = np.stack([-dx, -dy, np.ones_like(dx)], axis=2)
        return self.triangles(split_cells(grid), split_cells(paint).mean(axis=1), material, split_cells(normals))

    def polygon(self, points: np.ndarray, colour: Colour, material: str = "plain") -> Mesh:
        """A flat simple polygon (n, 3) in any plane."""
        points = np.asarray(points, dtype=np.float64)
        # Newell's normal; dropping its largest axis keeps the polygon simple.
        ahead = np.roll(points, -1, axis=0)
        normal = np.cross(points, ahead).sum(axis=0)
        flat = np.delete(points, int(np.argmax(np.abs(normal))), axis=1)
        return self.triangles(points[triangulate(flat)], colour, material)

    def ellipsoid(
        self, centre: Sequence[float], radii: Sequence[float], colour: Colour, material: str = "plain", sides: int = 16
    ) -> Mesh:
        """An ellipsoid with half-axes `radii` along x, y, z."""
        up = np.linspace(-math.pi / 2, math.pi / 2, sides // 2 + 1)[:, None]
        around = np.arange(sides + 1)[None] * 2 * math.pi / sides
        unit = np.stack([np.cos(up) * np.cos(around), np.cos(up) * np.sin(around), np.sin(up) + 0 * around], axis=2)
        return self._quads(np.asarray(centre) + unit * np.asarray(radii), colour, material, unit / np.asarray(radii))

    def add(self, other: Mesh, at: Sequence[float] = (0.0, 0.0, 0.0), turn: float = 0.0, scale: float = 1.0) -> Mesh:
        """Another mesh scaled, turned about the vertical, then moved by `at`."""
        if len(other):
            moved = place_above(other.vertices * scale, at[:2], at[2] if len(at) > 2 else 0.0, turn).astype(np.float32)
            turned = place_above(other.normals, (0.0, 0.0), 0.0, turn).astype(np.float32)
            self._parts.append((moved, turned, other.colours, other.materials))
        return self
