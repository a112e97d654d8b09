"""Every kind of image is decoded right, upright and in RGB, or refused with a short reason."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_makers import (
    CORNERS,
    HEIGHT,
    WIDTH,
    cmyk_jpeg,
    encoded,
    enormous_png,
    enormous_tiff,
    enormous_webp,
    exact,
    exif,
    png,
    png_chunk,
    restated,
    scene,
    turned,
)
from PIL import Image, ImageFile

from suite.datasets.images import (
    DAMAGED,
    EMPTY,
    NOT_AN_IMAGE,
    TOO_MANY_PIXELS,
    TRUNCATED,
    UNKNOWN_PIXELS,
    ImageFault,
    check_image,
    decode_image,
)

FORMS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")


def assert_scene(image: Image.Image, tolerance: int = 6) -> None:
    assert (image.mode, image.size) == ("RGB", (WIDTH, HEIGHT))
    for place, colour in CORNERS.items():
        np.testing.assert_allclose(image.getpixel(place), colour, atol=tolerance)


def fault(data: bytes, **limits: int) -> str:
    with pytest.raises(ImageFault) as caught:
        check_image(data, **limits)
    assert str(caught.value) == caught.value.reason
    return caught.value.reason


@pytest.mark.parametrize("form", FORMS)
def test_formats_are_told_by_content(form: str):
    data = encoded(scene(), form, **exact(form))
    assert_scene(decode_image(data))
    assert check_image(data) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_out_upright(orientation: int, form: str):
    data = turned(orientation, form)
    assert_scene(decode_image(data))
    assert check_image(data) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("orientation", [0, 9, 60000])
def test_an_orientation_that_is_none_is_upright(orientation: int):
    assert_scene(decode_image(encoded(scene(), "PNG", exif=exif(orientation))))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_metadata_do_not_cost_the_image():
    data = encoded(scene(), "JPEG", quality=95, exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + bytes(20))
    assert_scene(decode_image(data))


@pytest.mark.parametrize("adobe", [True, False])
def test_cmyk_jpegs_with_and_without_adobes_inversion(adobe: bool):
    assert_scene(decode_image(cmyk_jpeg(adobe)), tolerance=12)


def test_cmyk_tiff():
    assert_scene(decode_image(encoded(scene().convert("CMYK"), "TIFF")))


def test_progressive_and_grey_jpegs():
    assert_scene(decode_image(encoded(scene(), "JPEG", quality=95, subsampling=0, progressive=True)))
    grey = decode_image(encoded(Image.new("L", (8, 8), 77), "JPEG"))
    assert (grey.mode, grey.getpixel((3, 3))) == ("RGB", (77, 77, 77))


def test_palette_with_alpha_lies_on_white():
    palette = png_chunk(b"PLTE", bytes([255, 0, 0, 0, 0, 255, 0, 255, 0]))
    data = png(3, 1, 8, 3, bytes([0, 1, 2]), palette, png_chunk(b"tRNS", bytes([255, 0, 128])))
    image = decode_image(data)
    assert [image.getpixel((x, 0)) for x in (0, 1)] == [(255, 0, 0), (255, 255, 255)]
    np.testing.assert_allclose(image.getpixel((2, 0)), (127, 255, 127), atol=1)


def test_palette_gif_with_a_transparent_colour_lies_on_white():
    image = Image.new("P", (4, 2), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((0, 0), 0)
    decoded = decode_image(encoded(image, "GIF", transparency=1))
    assert (decoded.getpixel((0, 0)), decoded.getpixel((3, 1))) == ((255, 0, 0), (255, 255, 255))


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(("mode", "colour"), [("RGBA", (200, 100, 0)), ("LA", (200,))])
def test_alpha_lies_on_white(mode: str, colour: tuple[int, ...], form: str):
    pixels = [(*colour, alpha) for alpha in (0, 128, 255)]
    image = Image.new(mode, (3, 1))
    image.putdata(pixels)
    decoded = decode_image(encoded(image if form != "WEBP" else image.convert("RGBA"), form, **exact(form)))
    full = colour if len(colour) == 3 else colour * 3
    half = tuple(round(255 + (value - 255) * 128 / 255) for value in full)
    for x, expected in enumerate([(255, 255, 255), half, full]):
        np.testing.assert_allclose(decoded.getpixel((x, 0)), expected, atol=1)


def test_one_transparent_colour_without_alpha_lies_on_white():
    rgb = png(2, 1, 8, 2, bytes([9, 8, 7, 50, 60, 70]), png_chunk(b"tRNS", bytes([0, 9, 0, 8, 0, 7])))
    assert [decode_image(rgb).getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), (50, 60, 70)]
    deep = png(2, 1, 16, 0, bytes([1, 0, 128, 128]), png_chunk(b"tRNS", bytes([1, 0])))
    assert [decode_image(deep).getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), (128, 128, 128)]


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP", "GIF"])
def test_one_bit(form: str):
    image = Image.new("1", (9, 2))
    image.putpixel((8, 1), 1)
    decoded = decode_image(encoded(image, form))
    assert (decoded.getpixel((8, 1)), decoded.getpixel((0, 0))) == ((255, 255, 255), (0, 0, 0))


def test_16_bit_grey_is_scaled_and_not_clipped():
    values = np.array([[0, 257, 25700, 40000, 65535]], np.uint16)
    expected = [0, 1, 100, 156, 255]
    for data in (
        png(5, 1, 16, 0, values.astype(">u2").tobytes()),
        encoded(Image.fromarray(values), "TIFF"),
        big_endian_tiff(values),
    ):
        assert np.asarray(decode_image(data))[0].tolist() == [[value] * 3 for value in expected]


def big_endian_tiff(values: np.ndarray) -> bytes:
    image = Image.frombytes("I;16B", values.shape[::-1], values.astype(">u2").tobytes())
    data = encoded(image, "TIFF")
    assert Image.open(io.BytesIO(data)).mode == "I;16B"
    return data


def test_16_bit_colour_and_alpha():
    rgb = np.array([[[0, 25700, 65535], [257 * 9, 257 * 8, 257 * 7]]], np.uint16)
    assert np.asarray(decode_image(png(2, 1, 16, 2, rgb.astype(">u2").tobytes())))[0].tolist() == [
        [0, 100, 255],
        [9, 8, 7],
    ]
    grey_alpha = np.array([[[25700, 65535], [0, 0]]], np.uint16)
    decoded = decode_image(png(2, 1, 16, 4, grey_alpha.astype(">u2").tobytes()))
    assert [decoded.getpixel((x, 0)) for x in (0, 1)] == [(100, 100, 100), (255, 255, 255)]


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
def test_first_frame_of_an_animation(form: str):
    others = [Image.new("RGB", (WIDTH, HEIGHT), colour) for colour in ("yellow", "cyan")]
    data = encoded(scene(), form, save_all=True, append_images=others, **exact("JPEG" if form == "MPO" else form))
    assert Image.open(io.BytesIO(data)).n_frames == 3
    assert_scene(decode_image(data))


def test_pixels_of_unknown_scale_are_set_aside():
    assert fault(encoded(Image.new("F", (4, 4), 0.5), "TIFF")) == UNKNOWN_PIXELS
    assert fault(encoded(Image.new("I", (4, 4), 1 << 20), "TIFF")) == UNKNOWN_PIXELS


def noise(form: str, **options: object) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    return encoded(Image.fromarray(pixels), form, **options)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.97])
@pytest.mark.parametrize("form", FORMS)
def test_cut_images_are_set_aside(form: str, share: float):
    data = noise(form)
    assert fault(data[: int(len(data) * share)]) in (TRUNCATED, DAMAGED)


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.97])
def test_cut_jpegs_are_called_truncated(share: float, options: dict):
    data = noise("JPEG", **options)
    assert fault(data[: int(len(data) * share)]) == TRUNCATED


@pytest.mark.parametrize(
    "data",
    [
        b"\0" * 500,
        b"<html>404 Not Found</html>",
        b"%PDF-1.7\n" + bytes(200),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        encoded(scene(), "PPM"),
        encoded(scene(), "PDF"),
        encoded(scene(), "EPS"),
        encoded(scene(), "ICO"),
        encoded(scene(), "TGA"),
        b"\xff",
        b"RIFF\0\0\0\0WAVEfmt ",
    ],
    ids=[
        "zeros",
        "html",
        "pdf",
        "eps",
        "svg",
        "ppm",
        "pdf by pillow",
        "eps by pillow",
        "ico",
        "tga",
        "one byte",
        "wav",
    ],
)
def test_what_is_no_photograph_is_told_by_content(data: bytes):
    assert fault(data) == NOT_AN_IMAGE


def test_zero_bytes_are_empty():
    assert fault(b"") == EMPTY


def test_damaged_pixels_are_set_aside():
    data = bytearray(noise("PNG"))
    data[len(data) // 2] ^= 0xFF
    assert fault(bytes(data)) in (DAMAGED, TRUNCATED)


def text_bomb(kind: bytes, start: bytes) -> bytes:
    """A PNG of one pixel with 200 MiB of zeros packed into a chunk of text."""
    zeros = zlib.compress(bytes(200 * 2**20), 9)
    return png(1, 1, 8, 2, bytes([1, 2, 3]), png_chunk(kind, start + zeros))


BOMBS = {
    "text": (text_bomb(b"zTXt", b"k\0\0"), DAMAGED),
    "international text": (text_bomb(b"iTXt", b"k\0\1\0\0\0"), DAMAGED),
    "colour profile": (text_bomb(b"iCCP", b"k\0\0"), DAMAGED),
    "PNG": (enormous_png(20_000), TOO_MANY_PIXELS),
    "JPEG": (restated(noise("JPEG"), "JPEG", 20_000), TOO_MANY_PIXELS),
    "progressive JPEG": (restated(noise("JPEG", progressive=True), "JPEG", 20_000), TOO_MANY_PIXELS),
    "GIF": (restated(noise("GIF"), "GIF", 20_000), TOO_MANY_PIXELS),
    "BMP": (restated(noise("BMP"), "BMP", 20_000), TOO_MANY_PIXELS),
    "TIFF": (enormous_tiff(20_000), TOO_MANY_PIXELS),
    # 16,384 is the most that WebP has.
    "WEBP": (enormous_webp(16_384), TOO_MANY_PIXELS),
}
CHECKED_ALONE = """
import json, sys
from pathlib import Path
from suite.datasets.images import ImageFault, check_image

def memory(what):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(what))) * 1024

found = {}
for path in map(Path, sys.argv[1:]):
    data, held = path.read_bytes(), memory("VmRSS")
    try:
        outcome = check_image(data)
    except ImageFault as fault:
        outcome = fault.reason
    found[path.name] = (outcome, memory("VmHWM") - held)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def checked_alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[object, int]]:
    """What `check_image` says of each bomb in a process of its own, and the bytes that it took to say so."""
    folder = tmp_path_factory.mktemp("bombs")
    for name, (data, _) in BOMBS.items():
        (folder / name).write_bytes(data)
    command = [sys.executable, "-c", CHECKED_ALONE, *(str(folder / name) for name in BOMBS)]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_and_20_000_by_20_000_are_refused_before_they_are_decoded(name: str, checked_alone):
    outcome, taken = checked_alone[name]
    assert outcome == BOMBS[name][1]
    assert taken < 48 * 2**20


def test_the_limit_of_pixels_is_the_one_asked_for():
    data = encoded(Image.new("RGB", (100, 100)), "PNG")
    assert check_image(data, max_pixels=10_000) == (100, 100)
    assert fault(data, max_pixels=9_999) == TOO_MANY_PIXELS


def test_pillows_own_limit_and_switches_are_left_alone(recwarn):
    # More pixels than Pillow warns of, fewer than it refuses.
    data = encoded(Image.new("1", (9_500, 9_500)), "PNG")
    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
    assert check_image(data) == (9_500, 9_500)
    assert before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
    assert before[1] is False
    assert not [warning for warning in recwarn if "decompression" in str(warning.message).lower()]


def test_threads_decode_the_same_pixels():
    images = [turned(number % 8 + 1, "JPEG") if number % 3 else noise("PNG") for number in range(60)]
    alone = [decode_image(data).tobytes() for data in images]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda data: decode_image(data).tobytes(), images)) == alone


@given(st.sampled_from(FORMS), st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), min_size=1, max_size=4))
def test_any_damage_gives_an_image_or_a_fault(form: str, damage: list[tuple[float, int]]):
    data = bytearray(encoded(scene(), form))
    for place, bits in damage:
        data[int(place * (len(data) - 1))] ^= bits
    outcome: object
    try:
        outcome = check_image(bytes(data), max_pixels=10_000_000)
    except ImageFault as caught:
        outcome = caught.reason
    assert outcome in (EMPTY, NOT_AN_IMAGE, TRUNCATED, DAMAGED, TOO_MANY_PIXELS, UNKNOWN_PIXELS) or len(outcome) == 2
