"""Encoded images of every kind that a data set may bring, each of a scene whose upright look is known."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

# Upright: 48 wide, 32 high; red top left, green top right, blue bottom left, grey bottom right.
WIDTH, HEIGHT = 48, 32
CORNERS = {(6, 6): (220, 30, 30), (41, 6): (30, 200, 40), (6, 25): (30, 40, 210), (41, 25): (120, 120, 120)}
# Exif orientation: what was done to the upright scene before it was stored, inverse of what a viewer does.
STORED_AS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def scene() -> Image.Image:
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for (x, y), colour in CORNERS.items():
        pixels[y // 16 * 16 : y // 16 * 16 + 16, x // 24 * 24 : x // 24 * 24 + 24] = colour
    return Image.fromarray(pixels)


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def exif(orientation: int) -> bytes:
    found = Image.Exif()
    found[0x0112] = orientation
    return found.tobytes()


def turned(orientation: int, form: str) -> bytes:
    """The scene stored as a camera held in another way stores it."""
    image, how = scene(), STORED_AS[orientation]
    return encoded(image if how is None else image.transpose(how), form, exif=exif(orientation), **exact(form))


def exact(form: str) -> dict[str, object]:
    return {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}.get(form, {})


def cmyk_jpeg(adobe: bool) -> bytes:
    """A JPEG of four inks: inverted and marked by Adobe's segment, or neither."""
    image = scene().convert("CMYK")
    if adobe:
        return encoded(image, "JPEG", quality=95)
    # Pillow inverts and marks: undo the first beforehand, cut out the second.
    data = encoded(Image.eval(image, lambda value: 255 - value), "JPEG", quality=95)
    start = data.index(b"\xff\xee\x00\x0eAdobe")
    return data[:start] + data[start + 16 :]


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    """A PNG of raw rows (no filter bytes); colour 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA."""
    stride = len(rows) // height
    filtered = b"".join(b"\0" + rows[start : start + stride] for start in range(0, len(rows), stride))
    head = png_chunk(b"IHDR", struct.pack(">2I5B", width, height, depth, colour, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + head
        + b"".join(extra)
        + png_chunk(b"IDAT", zlib.compress(filtered))
        + png_chunk(b"IEND", b"")
    )


def enormous_png(side: int) -> bytes:
    """A PNG of a few hundred bytes that says it has `side` x `side` pixels."""
    head = png_chunk(b"IHDR", struct.pack(">2I5B", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + png_chunk(b"IDAT", zlib.compress(bytes(1000))) + png_chunk(b"IEND", b"")


def restated(data: bytes, form: str, side: int) -> bytes:
    """`data` with another size in its header."""
    changed = bytearray(data)
    if form == "JPEG":
        place = next(data.index(mark) for mark in (b"\xff\xc0", b"\xff\xc2") if mark in data) + 5
        changed[place : place + 4] = struct.pack(">2H", side, side)
    elif form == "GIF":
        changed[6:10] = struct.pack("<2H", side, side)
    elif form == "BMP":
        changed[18:26] = struct.pack("<2i", side, side)
    return bytes(changed)


def enormous_tiff(side: int) -> bytes:
    """A TIFF of one short strip that says it has `side` x `side` pixels."""
    entries = [(256, 4, 1, side), (257, 4, 1, side), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    entries += [(273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, side), (279, 4, 1, side * side)]
    table = b"".join(struct.pack("<2H2I", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(entries)) + table + bytes(4)


def enormous_webp(side: int) -> bytes:
    """An extended WebP whose canvas has `side` x `side` pixels."""
    frame = encoded(scene(), "WEBP", lossless=True)[12:]
    canvas = b"VP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + (side - 1).to_bytes(3, "little") * 2
    body = b"WEBP" + canvas + frame
    return b"RIFF" + struct.pack("<I", len(body)) + body
