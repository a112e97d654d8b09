"""Images of others: decoded right, or set aside with a short reason.

Formats are told by content, never by name, and only those that photographs come in are tried; none of them starts an
interpreter (as EPS and PDF would). The size is read from the header and checked before a pixel is decoded. Pillow's
process-wide switches stay as they are: threads share them.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageChops,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from suite.errors import SuiteError

MAX_PIXELS = 100_000_000

EMPTY = "empty"
NOT_AN_IMAGE = "not an image"
TOO_MANY_PIXELS = "too many pixels"
TRUNCATED = "truncated"
DAMAGED = "damaged"
UNKNOWN_PIXELS = "unknown kind of pixels"

_FORMATS = tuple(
    plugin.format
    for plugin in (
        JpegImagePlugin.JpegImageFile,
        PngImagePlugin.PngImageFile,
        WebPImagePlugin.WebPImageFile,
        GifImagePlugin.GifImageFile,
        BmpImagePlugin.BmpImageFile,
        TiffImagePlugin.TiffImageFile,
    )
)
# Exif 2.32, 4.6.4, tag 274: what to do with the stored pixels to see the scene upright.
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ImageFault(SuiteError):
    """An image that cannot be used.

    Attributes:
        reason: a few words, the same for all images with this fault, for the data set's card.
    """

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


def decode_image(data: bytes) -> Image.Image:
    """The image in `data`, RGB and upright.

    The Exif orientation is applied; CMYK is converted; transparency lies on white; 16-bit channels are scaled to 8;
    of an animation the first frame is taken. Size is not limited: see `check_image` for data not yet trusted.

    Raises:
        ImageFault: no image of a known format, or a damaged one.
    """
    return _decode(data, None)


def check_image(data: bytes, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Width and height of the upright image in `data`, found by decoding all of it.

    Args:
        data: an encoded image.
        max_pixels: an image with more is refused before it is decoded.

    Raises:
        ImageFault: empty, not an image, too many pixels, truncated, damaged.
    """
    return _decode(data, max_pixels).size


def _decode(data: bytes, max_pixels: int | None) -> Image.Image:
    if not data:
        raise ImageFault(EMPTY)
    try:
        image = _open(data)
        if max_pixels is not None and image.width * image.height > max_pixels:
            raise ImageFault(TOO_MANY_PIXELS)
        image.load()
        return _upright(_rgb(image), _orientation(image))
    except ImageFault:
        raise
    except Image.DecompressionBombError as error:
        raise ImageFault(TOO_MANY_PIXELS) from error
    # Pillow raises nearly every type for a damaged file, from struct.error to AttributeError.
    except Exception as error:
        raise ImageFault(TRUNCATED if _tells_of_the_end(error) else DAMAGED) from error


def _open(data: bytes) -> Image.Image:
    """The lazily decoded image, by the first known format that takes its first bytes.

    `Image.open` does the same but judges the size by a process-wide limit, with a warning or an error.
    """
    for name in _FORMATS:
        factory, accept = Image.OPEN[name]
        if accept is not None and accept(data[:16]) is True:
            return factory(io.BytesIO(data), "")
    raise ImageFault(NOT_AN_IMAGE)


def _tells_of_the_end(error: Exception) -> bool:
    text = str(error).lower()
    return isinstance(error, EOFError) or "truncated" in text or "unexpected end" in text


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        return _from_deep_grey(image)
    if image.mode == "F":
        raise ImageFault(UNKNOWN_PIXELS)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    if image.mode == "CMYK" and image.format in ("JPEG", "MPO") and "adobe" not in image.info:
        # Adobe writes ink inverted, and Pillow inverts every CMYK JPEG back; one without its mark was not inverted.
        image = ImageChops.invert(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _from_deep_grey(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 0xFFFF:
        raise ImageFault(UNKNOWN_PIXELS)
    grey = ((values * 0xFF + 0x7FFF) // 0xFFFF).astype(np.uint8)
    see_through: Any = image.info.get("transparency")
    if isinstance(see_through, int):
        grey[values == see_through] = 0xFF
    return Image.fromarray(grey).convert("RGB")


def _orientation(image: Image.Image) -> int:
    # The pixels are sound whatever the metadata are.
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:
        return 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image
