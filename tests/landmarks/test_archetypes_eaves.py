"""Windmills, pagodas, palaces and glass houses: sound, deterministic, of bounded size, whatever is drawn."""

from __future__ import annotations

import numpy as np
import pytest

from suite.landmarks.archetypes import ARCHETYPES, archetype
from suite.landmarks.archetypes.parts_eaves import curved_roof, many_sided
from suite.landmarks.mesh import Mesh

NAMES = ("windmill", "pagoda", "palace", "greenhouse")
SEEDS = range(12)
# Metres that may lie below the ground: the feet of slanting poles.
BELOW = 0.6
TRIANGLES = 8_000


def _made(name: str, seed: int, **changed):
    module = archetype(name)
    drawn = module.parameters(np.random.default_rng(seed))
    return module.build({**drawn, **changed}, np.random.default_rng(seed + 1000))


def _check(landmark) -> None:
    vertices = landmark.mesh.vertices
    assert np.isfinite(vertices).all()
    assert np.isfinite(landmark.mesh.normals).all()
    assert ((landmark.mesh.colours >= 0) & (landmark.mesh.colours <= 1)).all()
    assert vertices[..., 2].min() > -BELOW
    assert vertices[..., 2].max() <= landmark.height + 1e-3
    away = np.linalg.norm(vertices.astype(np.float64) - (0, 0, landmark.height / 2), axis=-1)
    assert away.max() <= landmark.radius + 1e-3
    assert 150 < len(landmark.mesh) < TRIANGLES


@pytest.mark.parametrize("name", NAMES)
def test_is_registered_under_its_own_name(name):
    assert name in ARCHETYPES
    assert _made(name, 0).name == name


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_builds_the_same_landmark(name):
    one, two = _made(name, 5), _made(name, 5)
    np.testing.assert_array_equal(one.mesh.vertices, two.mesh.vertices)
    np.testing.assert_array_equal(one.mesh.colours, two.mesh.colours)
    assert (one.radius, one.height, one.ground, one.view) == (two.radius, two.height, two.ground, two.view)


@pytest.mark.parametrize("name", NAMES)
def test_no_two_seeds_draw_the_same_parameters(name):
    drawn = [archetype(name).parameters(np.random.default_rng(seed)) for seed in SEEDS]
    assert all(drawn[i] != drawn[j] for i in SEEDS for j in range(i))
    assert 10 <= len(drawn[0]) <= 24


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", NAMES)
def test_a_landmark_is_sound(name, seed):
    _check(_made(name, seed))


@pytest.mark.parametrize("name", NAMES)
def test_every_key_drawn_alone_gives_a_sound_landmark(name):
    module = archetype(name)
    for seed in (1, 2, 3):
        drawn = module.parameters(np.random.default_rng(seed))
        other = module.parameters(np.random.default_rng(seed + 50))
        for key in drawn:
            _check(module.build({**drawn, key: other[key]}, np.random.default_rng(seed)))


@pytest.mark.parametrize(
    ("name", "key", "values"),
    [
        ("windmill", "style", ("tower", "smock", "post", "island", "pump")),
        ("windmill", "cap", ("boat", "dome", "ogee", "cone")),
        ("pagoda", "style", ("timber", "brick", "dense", "stone", "round")),
        ("pagoda", "spire", ("rings", "gourd", "needle", "ball")),
        ("palace", "centre", ("dome", "pediment", "tower", "cupolas", "mansard")),
        ("palace", "wings", ("straight", "pavilions", "court", "towers")),
        ("palace", "roof", ("flat", "hip", "mansard")),
        ("greenhouse", "plan", ("hall", "winged", "rotunda", "three", "cross")),
        ("greenhouse", "centre", ("vault", "tiered", "ogee", "gable", "bell")),
    ],
)
def test_every_value_of_a_style_changes_the_shape(name, key, values):
    fixed = {"style": "tower"} if (name, key) == ("windmill", "cap") else {}
    made = [_made(name, 4, **{**fixed, key: value}) for value in values]
    for landmark in made:
        _check(landmark)
    shapes = {landmark.mesh.vertices.tobytes() for landmark in made}
    assert len(shapes) == len(values)


@pytest.mark.parametrize("sides", [4, 6, 8, 24])
def test_the_corners_of_a_curved_roof_sweep_up(sides):
    mesh = Mesh()
    curved_roof(mesh, sides, 5.0, 2.0, 10.0, 1.5, 0.8, "#333333", "#aa0000", "#222222")
    points = mesh.vertices.reshape(-1, 3)
    far = np.hypot(points[:, 0], points[:, 1])
    corner = points[far > 5.2][:, 2].max() if sides < 16 else points[far > 4.99][:, 2].max()
    assert corner == pytest.approx(10.8 if sides < 16 else 10.0, abs=0.2)
    assert points[:, 2].max() == pytest.approx(11.5, abs=0.2)


def test_a_polygon_of_many_sides_has_a_face_towards_x():
    corners = many_sided(2.0, 6)
    np.testing.assert_allclose(np.hypot(*corners.T), 2.0)
    assert corners[0, 0] == pytest.approx(corners[-1, 0])
