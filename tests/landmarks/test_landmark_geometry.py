from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.landmarks.camera import Camera
from suite.landmarks.mesh import MATERIALS, Mesh, linear
from suite.landmarks.polygons import triangulate
from suite.landmarks.raster import NEAR, rasterise, rasterise_flat


def area(mesh: Mesh) -> float:
    corners = mesh.vertices.astype(np.float64)
    return float(
        np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2
    )


def draw(triangles, size: int = 40, focal: float = 40.0) -> tuple[np.ndarray, np.ndarray]:
    depth, faces = np.zeros((size, size)), np.full((size, size), -1, np.int32)
    rasterise(np.asarray(triangles, dtype=np.float64), focal, size / 2, size / 2, depth, faces)
    return depth, faces


def facing(z: float, half: float = 100.0) -> list:
    """A triangle across the line of sight at distance z, larger than the picture."""
    return [[-half, -half, z], [3 * half, -half, z], [-half, 3 * half, z]]


class TestCamera:
    def test_a_point_lands_where_similar_triangles_put_it(self):
        camera = Camera((0, -10, 2), (0, 0, 2), size=90, focal=36.0)
        x, y, depth = camera.project([1.0, 0.0, 3.0])
        assert (x, y, depth) == pytest.approx((45 + 90 * 1 / 10, 45 - 90 * 1 / 10, 10))

    def test_the_target_is_in_the_middle_and_moves_with_the_shift(self):
        camera = Camera((7, 3, 9), (1, -2, 4), size=64, shift=(0.25, -0.1))
        assert camera.project([1.0, -2.0, 4.0])[:2] == pytest.approx((64 * 0.75, 64 * 0.4))

    def test_a_longer_lens_enlarges_in_proportion(self):
        near, far = (Camera((0, -20, 0), (0, 0, 0), 100, focal) for focal in (24.0, 72.0))
        assert far.project([2.0, 0, 1.0])[0] - 50 == pytest.approx(3 * (near.project([2.0, 0, 1.0])[0] - 50))

    def test_rolling_the_camera_clockwise_turns_the_picture_the_other_way(self):
        camera = Camera((0, -10, 0), (0, 0, 0), 100, roll=math.pi / 2)
        x, y, _ = camera.project([1.0, 0.0, 0.0])
        assert x == pytest.approx(50)
        assert y < 50

    @given(st.lists(st.floats(-50, 50), min_size=6, max_size=6), st.floats(-3, 3))
    @settings(max_examples=50, deadline=None)
    def test_axes_are_orthonormal(self, numbers, roll):
        position, target = tuple(numbers[:3]), tuple(numbers[3:])
        if math.dist(position, target) < 1e-3:
            target = (position[0], position[1], position[2] - 1)
        axes = Camera(position, target, 32, roll=roll).axes
        np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-9)
        np.testing.assert_allclose(np.cross(axes[0], axes[1]), axes[2], atol=1e-9)


class TestRaster:
    def test_depth_is_that_of_the_plane_at_each_pixel_centre(self):
        # The plane z = 4 + x / 2 meets the ray (u, v, 1) at z = 4 / (1 - u / 2).
        corners = [[x, y, 4 + x / 2] for x, y in ((-6, -90), (60, -90), (-6, 90))]
        depth, faces = draw([corners])
        u = (np.arange(40) + 0.5 - 20) / 40
        seen = faces[20] == 0
        assert seen[5:35].all()
        np.testing.assert_allclose(1 / depth[20, seen], (4 / (1 - u / 2))[seen], rtol=1e-9)

    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
    def test_the_nearest_is_seen_in_any_order(self, order):
        walls = [facing(9.0), facing(3.0), facing(5.0)]
        _, faces = draw([walls[index] for index in order])
        assert (faces == order.index(1)).all()

    def test_planes_that_cross_are_parted_at_their_line(self):
        slanted = [[-90, -90, 5 - 45.0], [90, -90, 5 + 45.0], [0, 270, 5.0]]
        _, faces = draw([facing(5.0), slanted])
        assert (faces[20, :19] == 1).all()
        assert (faces[20, 21:] == 0).all()

    def test_what_reaches_behind_the_lens_is_clipped_at_the_near_plane(self):
        # The ground one metre below the lens, from far behind it to far before it, fills the lower half.
        ground = [[-1e4, 1, -1e4], [1e4, 1, -1e4], [0, 1, 1e5]]
        depth, faces = draw([ground])
        assert (faces[:20] == -1).all()
        assert (faces[21:] == 0).all()
        v = (np.arange(21, 40) + 0.5 - 20) / 40
        np.testing.assert_allclose(1 / depth[21:, 20], 1 / v, rtol=1e-9)

    def test_what_lies_behind_or_nearer_than_the_near_plane_is_not_drawn(self):
        _, faces = draw([facing(-3.0), facing(NEAR / 2)])
        assert (faces == -1).all()

    @given(st.integers(0, 2**32 - 1))
    @settings(max_examples=40, deadline=None)
    def test_two_triangles_that_share_an_edge_leave_no_gap(self, seed):
        rng = np.random.default_rng(seed)
        a, b, c, d = np.array([[-50, -50], [50, -50], [50, 50], [-50, 50]]) + rng.uniform(-9, 9, (4, 2))
        depth = rng.uniform(1.0, 1.5)
        corners = [[*point, depth] for point in (a, b, c, d)]
        _, faces = draw([[corners[0], corners[1], corners[2]], [corners[0], corners[2], corners[3]]])
        assert (faces >= 0).all()

    def test_the_suns_view_keeps_the_nearest(self):
        depth = np.zeros((8, 8))
        wide = [[-10, -10, 2.0], [30, -10, 2.0], [-10, 30, 2.0]]
        rasterise_flat(np.array([wide, [[x, y, 5.0] for x, y in ((0, 0), (4, 0), (0, 4))]]), depth)
        assert depth[0, 0] == 5.0
        assert depth[7, 7] == 2.0


class TestPolygons:
    @given(st.integers(3, 14), st.integers(0, 2**32 - 1), st.booleans())
    @settings(max_examples=80, deadline=None)
    def test_triangles_cover_the_polygon_and_no_more(self, count, seed, reverse):
        rng = np.random.default_rng(seed)
        angles = (np.arange(count) + rng.uniform(0.1, 0.9, count)) * 2 * math.pi / count
        star = rng.uniform(0.3, 2.0, count)[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])
        star = star[::-1] if reverse else star
        faces = star[triangulate(star)]
        first, second = faces[:, 1] - faces[:, 0], faces[:, 2] - faces[:, 0]
        covered = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]).sum() / 2
        ahead = np.roll(star, -1, axis=0)
        shoelace = abs((star[:, 0] * ahead[:, 1] - star[:, 1] * ahead[:, 0]).sum()) / 2
        assert covered == pytest.approx(shoelace, rel=1e-6)


class TestMesh:
    def test_a_box_has_the_size_place_and_area_it_was_given(self):
        mesh = Mesh().box((10, 20), (4, 2, 6), "#ffffff", base=1.0, turn=math.pi / 2)
        corners = mesh.vertices.reshape(-1, 3)
        np.testing.assert_allclose(corners.min(axis=0), (9, 18, 1), atol=1e-5)
        np.testing.assert_allclose(corners.max(axis=0), (11, 22, 7), atol=1e-5)
        assert area(mesh) == pytest.approx(2 * (4 * 2 + 4 * 6 + 2 * 6), rel=1e-5)

    def test_round_solids_come_near_the_areas_of_true_ones(self):
        assert area(Mesh().frustum((0, 0), 96, 2, 2, 5, (1, 1, 1))) == pytest.approx(28 * math.pi, rel=0.01)
        assert area(Mesh().frustum((0, 0), 96, 3, 0, 4, (1, 1, 1))) == pytest.approx(24 * math.pi, rel=0.01)
        assert area(Mesh().ellipsoid((1, 2, 3), (2, 2, 2), (1, 1, 1), sides=64)) == pytest.approx(
            16 * math.pi, rel=0.01
        )
        angles = np.linspace(0, math.pi / 2, 40)
        dome = Mesh().lathe(np.column_stack([np.cos(angles), np.sin(angles)]), (1, 1, 1), 64)
        assert area(dome) == pytest.approx(2 * math.pi, rel=0.01)

    def test_a_sphere_s_normals_point_away_from_its_middle(self):
        mesh = Mesh().ellipsoid((0, 0, 0), (1, 1, 1), (1, 1, 1))
        np.testing.assert_allclose(mesh.normals, mesh.vertices, atol=1e-6)

    def test_arches_are_cut_out_of_their_wall(self):
        mesh = Mesh().wall_with_arches(30, 10, 2, 3, 6, 8, (1, 1, 1))
        front = mesh.vertices[(np.abs(mesh.vertices[..., 1] + 1) < 1e-5).all(axis=1)]
        wall = Mesh().triangles(front, (1, 1, 1), "plain")
        assert area(wall) == pytest.approx(300 - 3 * (6 * 5 + math.pi * 9 / 2), rel=0.01)

    def test_an_arch_spans_and_rises_as_asked(self):
        corners = Mesh().arch(10, 4, 1, 3, (1, 1, 1), (0, 0, 2)).vertices.reshape(-1, 3)
        np.testing.assert_allclose(corners.min(axis=0), (-6, -1.5, 2), atol=1e-5)
        np.testing.assert_allclose(corners.max(axis=0), (6, 1.5, 7), atol=1e-5)

    @pytest.mark.parametrize("shape", ["rect", "round", "pointed", "disc"])
    def test_a_panel_lies_in_front_of_its_wall_within_its_size(self, shape):
        mesh = Mesh().panel((3, 0, 5), (2, 4), (1, 1, 1), 0.0, shape, 0.1)
        corners = mesh.vertices.reshape(-1, 3)
        np.testing.assert_allclose(corners[:, 0], 3.1, atol=1e-6)
        np.testing.assert_allclose(corners[:, 1:].min(axis=0), (-1, 3), atol=1e-5)
        np.testing.assert_allclose(corners[:, 1:].max(axis=0), (1, 7), atol=1e-5)

    def test_an_unknown_panel_is_refused(self):
        with pytest.raises(ValueError, match="shape 'oval' is none of rect, round, pointed, disc"):
            Mesh().panel((0, 0, 0), (1, 1), (1, 1, 1), 0.0, "oval")

    def test_roofs_reach_their_ridge_and_cover_their_walls(self):
        for roof in (Mesh().gable((0, 0), (8, 6, 3), "#883322", 4.0), Mesh().hip((0, 0), (8, 6, 3), "#883322", 4.0)):
            corners = roof.vertices.reshape(-1, 3)
            np.testing.assert_allclose(corners.min(axis=0), (-4, -3, 4), atol=1e-5)
            np.testing.assert_allclose(corners.max(axis=0), (4, 3, 7), atol=1e-5)

    def test_terrain_passes_through_its_heights_and_paints_by_height(self):
        heights = np.add.outer(np.arange(5.0), np.zeros(5))
        mesh = Mesh().terrain(heights, 8.0, lambda height, slope: np.stack([height / 4, slope, 0 * slope], axis=2))
        np.testing.assert_allclose(mesh.vertices[..., 2], (mesh.vertices[..., 1] + 4) / 2, atol=1e-5)
        np.testing.assert_allclose(mesh.colours[:, 1], 0.5, atol=1e-6)
        np.testing.assert_allclose(mesh.colours[:, 0], mesh.vertices[..., 2].mean(axis=1) / 4, atol=1e-5)

    def test_a_mesh_is_added_scaled_turned_and_moved(self):
        part = Mesh().box((1, 0), (1, 1, 1), "#102030", material="brick")
        corners = Mesh().add(part, (10, 0, 5), math.pi / 2, 2.0).vertices.reshape(-1, 3)
        np.testing.assert_allclose(corners.min(axis=0), (9, 1, 5), atol=1e-5)
        np.testing.assert_allclose(corners.max(axis=0), (11, 3, 7), atol=1e-5)

    def test_tubes_keep_their_radius_along_any_direction(self):
        for end in ((0, 0, 9), (9, 0, 0), (0, 9, 0), (5, 5, 5)):
            mesh = Mesh().tube(np.array([[0, 0, 0], end], dtype=float), 0.5, (1, 1, 1))
            along = np.array(end) / np.linalg.norm(end)
            corners = mesh.vertices.reshape(-1, 3)
            away = corners - np.outer(corners @ along, along)
            np.testing.assert_allclose(np.linalg.norm(away, axis=1), 0.5, atol=1e-5)

    def test_columns_agree_and_an_empty_mesh_has_them_too(self):
        mesh = Mesh().box((0, 0), (1, 1, 1), "#ffffff").hip((0, 0), (1, 1, 1), (0.5, 0.1, 0.1), 1.0)
        for filled in (mesh, Mesh()):
            count = len(filled)
            shapes = [filled.vertices.shape, filled.normals.shape, filled.colours.shape, filled.materials.shape]
            assert shapes == [(count, 3, 3), (count, 3, 3), (count, 3), (count,)]
        assert MATERIALS[mesh.materials[-1]] == "tiles"
        np.testing.assert_allclose(linear("#ffffff"), 1.0, rtol=1e-6)
