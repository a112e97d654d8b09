"""Every archetype: sound for every draw of its parameters."""

from __future__ import annotations

import numpy as np
import pytest

from suite.landmarks.archetypes import ARCHETYPES, archetype
from suite.landmarks.archetypes.landforms import pillar, rough, sheet, strata
from suite.landmarks.landmark import Landmark
from suite.landmarks.mesh import Mesh

HUMAN_MADE = tuple(name for name, (_, _, domain) in ARCHETYPES.items() if domain == "human-made")
NATURAL = tuple(name for name in ARCHETYPES if name not in HUMAN_MADE)
SEEDS = range(16)
TRIANGLES = {"human-made": 20000, "natural": 20000}
# Feet may reach this share of the height under the ground.
SUNK = 0.6


def draw(name: str, seed: int) -> tuple[dict, Landmark]:
    module = archetype(name)
    parameters = module.parameters(np.random.default_rng(seed))
    return parameters, module.build(parameters, np.random.default_rng([seed, 1]))


def check(name: str, landmark: Landmark) -> None:
    corners = landmark.mesh.vertices.reshape(-1, 3).astype(np.float64)
    assert np.isfinite(corners).all()
    assert np.isfinite(landmark.mesh.normals).all()
    colours = landmark.mesh.colours
    assert colours.min() >= 0
    assert colours.max() <= 1
    assert 30 < len(landmark.mesh) <= TRIANGLES[ARCHETYPES[name][2]]
    assert corners[:, 2].min() >= -SUNK * landmark.height
    assert corners[:, 2].max() <= landmark.height * (1 + 1e-6)
    assert landmark.radius >= 0.499 * landmark.height


@pytest.mark.parametrize("name", HUMAN_MADE + NATURAL)
def test_every_seed_gives_a_sound_landmark(name: str):
    for seed in SEEDS:
        check(name, draw(name, seed)[1])


@pytest.mark.parametrize("name", HUMAN_MADE + NATURAL)
def test_a_seed_always_gives_the_same_landmark(name: str):
    (first, one), (second, two) = draw(name, 3), draw(name, 3)
    assert first == second
    assert (one.radius, one.height, one.ground, one.view) == (two.radius, two.height, two.ground, two.view)
    for column in ("vertices", "normals", "colours", "materials"):
        assert np.array_equal(getattr(one.mesh, column), getattr(two.mesh, column))


@pytest.mark.parametrize("name", HUMAN_MADE + NATURAL)
def test_two_seeds_give_two_landmarks(name: str):
    drawn = [draw(name, seed) for seed in range(6)]
    for index, (parameters, landmark) in enumerate(drawn):
        for other, built in drawn[:index]:
            assert parameters != other
            assert landmark.height != built.height or len(landmark.mesh) != len(built.mesh)


@pytest.mark.parametrize("name", HUMAN_MADE + NATURAL)
def test_every_parameter_can_be_drawn_anew_on_its_own(name: str):
    module = archetype(name)
    parameters = module.parameters(np.random.default_rng(0))
    others = [module.parameters(np.random.default_rng([9, seed])) for seed in range(4)]
    for key in parameters:
        for other in others:
            check(name, module.build({**parameters, key: other[key]}, np.random.default_rng(1)))


@pytest.mark.parametrize("name", HUMAN_MADE + NATURAL)
def test_building_leaves_the_parameters_alone(name: str):
    parameters, _ = draw(name, 5)
    assert parameters == archetype(name).parameters(np.random.default_rng(5))


def test_there_are_natural_and_human_made_landmarks():
    assert {domain for _, _, domain in ARCHETYPES.values()} == {"human-made", "natural"}
    assert len(ARCHETYPES) >= 20
    assert len({label for _, label, _ in ARCHETYPES.values()}) == len(ARCHETYPES)


def test_a_waterfall_and_a_wheel_are_photographed_from_the_front():
    for name in ("waterfall", "ferris_wheel", "rock_arch"):
        low, high = draw(name, 0)[1].view.azimuth
        assert -180 < low < -90 < high < 0


def test_sheets_leave_out_cells_without_a_colour():
    rows, columns = np.meshgrid(np.arange(4.0), np.arange(5.0), indexing="ij")
    points = np.stack([rows, columns, 0 * rows], axis=2)
    colours = np.full((3, 4, 3), 0.5)
    colours[1, 2] = np.nan
    mesh = Mesh()
    sheet(mesh, points, colours, "rock")
    assert len(mesh) == 2 * (12 - 1)
    assert np.allclose(np.abs(mesh.normals), (0, 0, 1))
    area = np.cross(mesh.vertices[:, 1] - mesh.vertices[:, 0], mesh.vertices[:, 2] - mesh.vertices[:, 0])
    assert np.isclose(np.linalg.norm(area, axis=1).sum() / 2, 11.0)


def test_roughness_is_bounded_seeded_and_a_function_of_position():
    points = np.random.default_rng(0).uniform(-50, 50, (2000, 3))
    values = rough(4, points, 10.0)
    assert np.abs(values).max() < 2
    assert values.std() > 0.1
    assert np.array_equal(values[::-1], rough(4, points[::-1], 10.0))
    assert not np.allclose(values, rough(5, points, 10.0))


def test_strata_are_layers_of_the_palette():
    share = np.linspace(0, 1, 200)
    layers = strata(["#ff0000", "#0000ff"], share, 2, 6)
    changes = (np.abs(np.diff(layers, axis=0)).max(axis=1) > 0).sum()
    assert changes == 5
    assert (layers[:, 1] == 0).all()


def test_a_pillar_is_closed_around():
    mesh = Mesh()
    pillar(mesh, (3, 4), [(2, 0), (1.5, 8), (0, 9)], 1.3, 0.4, 7, 0.2, ["#808080"], 3)
    corners = mesh.vertices.reshape(-1, 3)
    # Every edge of a closed surface has two faces; only the foot is open.
    edges = {}
    for face in np.round(mesh.vertices, 3):
        for start, end in ((0, 1), (1, 2), (2, 0)):
            key = tuple(sorted((tuple(face[start]), tuple(face[end]))))
            edges[key] = edges.get(key, 0) + 1
    open_edges = [key for key, count in edges.items() if count == 1]
    assert open_edges
    assert max(max(a[2], b[2]) for a, b in open_edges) < 0.5
    assert np.allclose(corners[:, :2].mean(axis=0), (3, 4), atol=0.6)
