from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from suite.datasets.drawing import draw_all, draw_png, icon_svg
from suite.datasets.emoji_leakage import alike_across, identical_across, pixel_digests, thumbnails
from suite.datasets.emoji_names import Emoji, IconNames, variant_families
from suite.errors import SuiteError

HALF = '<rect width="8" height="16" fill="currentColor"/>'
ICONS = {
    "width": 16,
    "height": 16,
    "icons": {
        "half": {"body": HALF},
        "wide": {"body": '<rect width="32" height="16" fill="red"/>', "width": 32},
    },
    "aliases": {
        "mirrored": {"parent": "half", "hFlip": True},
        "back": {"parent": "mirrored", "hFlip": True},
        "circle": {"parent": "circle"},
        "turned": {"parent": "half", "rotate": 1},
    },
}


def emoji(*names: str) -> list[Emoji]:
    return [Emoji(chr(0xE000 + place), name, name.replace(" ", "-"), "s", "g") for place, name in enumerate(names)]


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def png(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "names",
    [
        ("person running", "man running", "woman running", "woman running facing right"),
        ("health worker", "man health worker", "woman health worker"),
        ("family", "family man, woman, boy", "family woman, girl, girl"),
        ("kiss", "kiss man, man", "kiss woman, man"),
        ("couple with heart", "couple with heart woman, man"),
        ("people holding hands", "women holding hands", "woman and man holding hands"),
        ("older person", "old man", "old woman"),
        ("merperson", "merman", "mermaid"),
        ("people wrestling", "men wrestling"),
    ],
)
def test_variants_make_one_family_with_the_neutral_member_first(names: tuple[str, ...]):
    assert [[one.name for one in family] for family in variant_families(emoji(*names))] == [list(names)]
    backwards = variant_families(emoji(*reversed(names)))
    assert backwards[0][0].name == names[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("woman’s hat", "man’s shoe"),
        ("men’s room", "women’s room"),
        ("man cook", "man judge"),
        ("keycap #", "keycap *"),
        ("mantelpiece clock", "woman"),
    ],
)
def test_different_subjects_stay_apart(one: str, other: str):
    assert len(variant_families(emoji(one, other))) == 2


def test_names_are_looked_up_by_code_points_without_the_selector():
    names = IconNames({"icons": {"heart": {}}}, {"2764-fe0f": "heart", "2665": "gone"})
    assert names.find(Emoji("❤", "red heart", "red-heart", "s", "g")) == "heart"
    assert names.find(Emoji("❤\ufe0f", "red heart", "red-heart", "s", "g")) == "heart"
    assert names.find(Emoji("\u2665", "heart suit", "heart", "s", "g")) is None


def test_names_without_characters_are_slugs():
    names = IconNames({"icons": {"red-heart": {}}, "aliases": {"heart": {"parent": "red-heart"}}}, {})
    assert names.find(Emoji("❤", "red heart", "red-heart", "s", "g")) == "red-heart"
    assert names.find(Emoji("x", "heart", "heart", "s", "g")) == "heart"
    assert names.find(Emoji("y", "star", "star", "s", "g")) is None


def test_aliases_mirror_and_mirror_back():
    half, mirrored = (pixels(draw_png(icon_svg(ICONS, name), 16)) for name in ("half", "mirrored"))
    assert (half[:, :8] == 0).all()
    assert (half[:, 8:] == 255).all()
    assert np.array_equal(mirrored, half[:, ::-1])
    assert icon_svg(ICONS, "back") == icon_svg(ICONS, "half")


def test_wide_icons_are_letterboxed_on_white():
    drawn = pixels(draw_png(icon_svg(ICONS, "wide"), 32))
    assert drawn.shape == (32, 32, 3)
    assert (drawn[:7] == 255).all()
    assert (drawn[9:23] == [255, 0, 0]).all()


@pytest.mark.parametrize(("name", "reason"), [("absent", "no icon"), ("circle", "circle"), ("turned", "rotated")])
def test_unusable_icons_are_refused(name: str, reason: str):
    with pytest.raises(ValueError, match=reason):
        icon_svg(ICONS, name)


def test_a_broken_drawing_is_named():
    with pytest.raises(SuiteError, match="style/broken: cannot be drawn"):
        draw_all([("style/broken", "<svg")], 16, processes=1)


def test_equal_pixels_have_equal_digests_whatever_the_encoding():
    array = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format="BMP")
    first, second = pixel_digests([png(array), buffer.getvalue()])
    assert first == second


def test_identical_images_are_marked_only_across_classes():
    marked = identical_across([b"a", b"a", b"b", b"b", b"c"], np.array([0, 1, 2, 2, 3]))
    assert marked.tolist() == [True, True, False, False, False]


@given(seed=st.integers(0, 2**32 - 1), limit=st.floats(0.01, 0.3), spread=st.integers(1, 60))
def test_alike_images_are_those_of_the_definition(seed: int, limit: float, spread: int):
    draw = np.random.default_rng(seed)
    base = draw.integers(0, 256 - spread, (3, 32, 32, 3))
    small = (base[draw.integers(0, 3, 12)] + draw.integers(0, spread, (12, 32, 32, 3))).astype(np.uint8)
    classes = draw.integers(0, 4, 12)
    values = small.reshape(12, -1).astype(np.float64) / 255
    distances = np.sqrt(np.square(values[:, None] - values[None]).mean(2))
    expected = ((distances < limit) & (classes[:, None] != classes[None])).any(1)
    assert alike_across(small, classes, limit).tolist() == expected.tolist()


def test_thumbnails_average_areas():
    array = np.zeros((96, 96, 3), np.uint8)
    array[:3, :3] = 90
    array[0, 3] = 90
    small = thumbnails([png(array)])
    assert small.shape == (1, 32, 32, 3)
    assert small[0, 0, :2].tolist() == [[90] * 3, [10] * 3]
