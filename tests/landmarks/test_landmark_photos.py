from __future__ import annotations

import math

import numpy as np
import pytest

from suite.landmarks.archetypes import ARCHETYPES, archetype
from suite.landmarks.camera import Camera
from suite.landmarks.catalogue import Key, generator, is_twin, landmark_parameters, make_landmark
from suite.landmarks.developing import encode_jpeg
from suite.landmarks.foreground import occluder
from suite.landmarks.landmark import Landmark
from suite.landmarks.mesh import Mesh
from suite.landmarks.photo import take_photo
from suite.landmarks.raster import rasterise
from suite.landmarks.render import Scene, cast_shadows, render
from suite.landmarks.scenery import KINDS, photograph_scenery
from suite.landmarks.shading import openness, sunlit
from suite.landmarks.weather import SKIES, draw_weather

SUN = (math.sqrt(0.5), 0.0, math.sqrt(0.5))


def clear_day():
    light = draw_weather(generator("day"), 100.0, "clear").light
    return light._replace(sun=SUN, fog=0.0, snow=0.0, autumn=0.0, wet=0.0, cover=0.0)


@pytest.fixture(scope="module")
def tower() -> Mesh:
    """A tower 10 m tall and 4 m wide: with the sun at 45 degrees its shadow is 10 m long, towards -x."""
    return Mesh().box((0, 0), (4, 4, 10), "#b0b0b0")


class TestLight:
    def test_the_shadow_ends_where_the_sun_s_slope_puts_it(self, tower):
        shadows = cast_shadows(tower.vertices, 30.0, SUN)
        lit = [sunlit(x, 0.0, 0.0, 0.0, 0.0, 1.0, shadows) for x in (-3.0, -7.0, -11.0, -13.5, -20.0, 5.0)]
        assert lit == [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]

    def test_a_wall_in_the_sun_does_not_shade_itself(self, tower):
        shadows = cast_shadows(tower.vertices, 30.0, SUN)
        assert [sunlit(2.0, y, z, 1.0, 0.0, 0.0, shadows) for y in (-1.5, 0, 1.5) for z in (1, 5, 9)] == [1.0] * 9

    def test_the_foot_of_a_wall_sees_less_sky_than_open_ground(self, tower):
        shadows = cast_shadows(tower.vertices, 30.0, SUN)
        foot, open_ground = (openness(x, 0.0, 0.0, 0.0, 0.0, 1.0, shadows) for x in (3.0, 25.0))
        assert foot < 0.9
        assert open_ground == pytest.approx(1.0)

    def test_ground_in_the_shadow_is_darker_in_the_picture(self, tower):
        camera = Camera((0.0, -40.0, 30.0), (0.0, 0.0, 0.0), 96, 35.0)
        image = render(Scene(tower, "paving", 30.0, 1.0, 1), camera, clear_day())
        brightness = {}
        for x in (-7.0, 7.0):
            column, row, _ = camera.project([x, 0.0, 0.0])
            brightness[x] = image[int(row) - 1 : int(row) + 2, int(column) - 1 : int(column) + 2].mean()
        assert brightness[-7.0] < 0.6 * brightness[7.0]

    def test_water_shows_what_stands_in_it_upside_down(self):
        red = Mesh().box((0, 0), (6, 6, 12), (0.9, 0.02, 0.02))
        camera = Camera((0.0, -40.0, 4.0), (0.0, 0.0, 0.0), 96, 35.0)
        image = render(Scene(red, "water", 30.0, 1.0, 1), camera, clear_day())
        column, row, _ = camera.project([0.0, -3.0, -4.0])
        red_there, _, blue_there = image[int(row), int(column)]
        assert red_there > 2 * blue_there

    def test_fog_veils_by_distance_as_its_extinction_says(self, tower):
        camera = Camera((0.0, -40.0, 5.0), (0.0, 0.0, 5.0), 64, 35.0)
        scene = Scene(tower, "grass", 30.0, 1.0, 1)
        # The front of the tower is 38 m away, in the middle of the picture.
        clear, foggy, veil = (
            render(scene, camera, clear_day()._replace(fog=fog))[31, 31] for fog in (0.0, 0.03, 1000.0)
        )
        np.testing.assert_allclose(foggy, veil + (clear - veil) * math.exp(-38 * 0.03), rtol=0.01)

    @pytest.mark.parametrize("sky", SKIES)
    def test_every_sky_gives_finite_light(self, sky, tower):
        weather = draw_weather(generator("sky", sky), 50.0, sky)
        image = render(Scene(tower, "grass", 30.0, 1.0, 1), Camera((9, -30, 3), (0, 0, 5), 32), weather.light)
        assert np.isfinite(image).all()
        assert (image >= 0).all()


class TestArchetypes:
    @pytest.mark.parametrize("supercategory", ARCHETYPES)
    def test_landmarks_are_well_formed_and_the_same_each_time(self, supercategory):
        key = Key("train", supercategory, 3)
        first, second = (make_landmark(key, 5) for _ in range(2))
        mesh, landmark = first.landmark.mesh, first.landmark
        assert isinstance(landmark, Landmark)
        assert 100 < len(mesh) < 60_000
        assert np.isfinite(mesh.vertices).all()
        assert mesh.colours.min() >= 0
        assert mesh.colours.max() <= 1.01
        assert mesh.vertices[..., 2].max() <= landmark.height * 1.01 + 0.5
        for name in ("vertices", "normals", "colours", "materials"):
            np.testing.assert_array_equal(getattr(mesh, name), getattr(second.landmark.mesh, name))

    @pytest.mark.parametrize("supercategory", ARCHETYPES)
    def test_any_parameter_can_be_drawn_anew_on_its_own(self, supercategory):
        module = archetype(supercategory)
        drawn, other = (module.parameters(generator(supercategory, number)) for number in range(2))
        assert list(drawn) == list(other)
        for name in drawn:
            landmark = module.build({**drawn, name: other[name]}, generator("details"))
            assert len(landmark.mesh) > 0

    @pytest.mark.parametrize("supercategory", ARCHETYPES)
    def test_a_twin_shares_most_parameters_and_not_all(self, supercategory):
        twin, original = (landmark_parameters(Key("train", supercategory, number), 0) for number in (9, 8))
        same = sum(twin[name] == original[name] for name in original)
        assert is_twin(Key("train", supercategory, 9))
        assert len(original) // 2 <= same < len(original)

    def test_a_landmark_depends_on_nothing_but_its_own_name(self):
        names = [Key(part, "lighthouse", number) for part in ("train", "index") for number in range(3)]
        drawn = [str(landmark_parameters(name, seed)) for name in names for seed in (0, 1)]
        assert len(set(drawn)) >= len(drawn) - 4


class TestPhotos:
    def test_photos_of_a_landmark_differ_and_each_is_the_same_again(self):
        site = make_landmark(Key("train", "lighthouse", 0), 0)
        photos = [take_photo(site, generator("photo", number), 48) for number in range(4)]
        assert photos[0].shape == (48, 48, 3)
        assert photos[0].dtype == np.uint8
        np.testing.assert_array_equal(photos[1], take_photo(site, generator("photo", 1), 48))
        for first in range(4):
            for second in range(first):
                difference = photos[first].astype(float) - photos[second]
                assert np.abs(difference).mean() > 4

    def test_what_gets_before_the_lens_hides_something_and_never_the_picture(self):
        camera = Camera((0.0, -60.0, 1.7), (0.0, 0.0, 6.0), 64, 35.0)
        shares = []
        for number in range(40):
            mesh = occluder(camera, number % 4 == 0, generator("occluder", number))
            depth, faces = np.zeros((64, 64)), np.full((64, 64), -1, np.int32)
            rasterise(camera.to_camera(mesh.vertices), camera.focal_pixels, *camera.centre, depth, faces)
            shares.append((faces >= 0).mean())
        assert max(shares) < 0.6
        assert np.median(shares) > 0.02

    @pytest.mark.parametrize("kind", KINDS)
    def test_scenery_can_be_photographed(self, kind):
        first, second = (photograph_scenery(generator(kind), 32, kind) for _ in range(2))
        assert first.shape == (32, 32, 3)
        np.testing.assert_array_equal(first, second)

    def test_a_jpeg_stays_within_its_budget_down_to_the_lowest_quality(self):
        noise = generator("noise").integers(0, 256, (64, 64, 3)).astype(np.uint8)
        large, small = encode_jpeg(noise, 10**6), encode_jpeg(noise, 1800)
        assert len(large) > 3000
        assert len(small) <= 1800
