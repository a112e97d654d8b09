"""Drawing of contact sheets: a label and a row of images each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

TILE, GAP, MARGIN, LABEL, CAPTION = 128, 8, 24, 236, 18
TITLE_SIZE, LABEL_SIZE, SMALL_SIZE, CAPTION_SIZE = 24, 16, 13, 11
LABEL_LINES = 3
INK, FAINT, RULE, BEHIND, PAPER = "#1a1a1a", "#6a6a6a", "#e2e2e2", "#f3f3f3", "white"
_BREAKS = " _-/.,"


@dataclass(frozen=True)
class Tile:
    """An image of a row, with a line below it, the colour of its frame, and a box to mark in pixels of the image."""

    image: Image.Image
    caption: str = ""
    frame: str | None = None
    box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class Row:
    """A row: what it shows, details in small print, images."""

    label: str
    details: Sequence[str]
    tiles: Sequence[Tile]


def draw_sheet(title: str, note: str, rows: Sequence[Row], columns: int) -> Image.Image:
    """A sheet of `rows` with at most `columns` images each, below a title and a note."""
    caption = CAPTION if any(tile.caption for row in rows for tile in row.tiles) else 0
    step = TILE + caption + GAP + 4
    width = 2 * MARGIN + LABEL + columns * (TILE + GAP) - GAP
    lines = wrap(note, SMALL_SIZE, width - 2 * MARGIN, 2)
    head = MARGIN + TITLE_SIZE + 10 + 18 * len(lines) + 12
    sheet = Image.new("RGB", (width, head + step * len(rows) + MARGIN - GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    (shown,) = wrap(title, TITLE_SIZE, width - 2 * MARGIN, 1, bold=True) or [""]
    # Text stands on its baseline: its top moves with the letters.
    draw.text((MARGIN, MARGIN + TITLE_SIZE - 4), shown, INK, font(TITLE_SIZE, True), anchor="ls")
    for place, line in enumerate(lines, 1):
        draw.text((MARGIN, MARGIN + TITLE_SIZE + 5 + 18 * place), line, FAINT, font(SMALL_SIZE), anchor="ls")
    for place, row in enumerate(rows):
        top = head + step * place
        draw.line((MARGIN, top - GAP, width - MARGIN, top - GAP), RULE)
        _draw_label(draw, row, top)
        for column, tile in enumerate(row.tiles[:columns]):
            _draw_tile(sheet, draw, tile, MARGIN + LABEL + column * (TILE + GAP), top)
    return sheet


def wrap(text: str, size: int, width: float, lines: int, bold: bool = False) -> list[str]:
    """`text` in at most `lines` lines no wider than `width` pixels, cut short with an ellipsis where it is longer."""
    face, rest, found = font(size, bold), " ".join(text.split()), []
    while rest and len(found) < lines:
        fits = next((n for n in range(len(rest), 1, -1) if face.getlength(rest[:n]) <= width), 1)
        if fits < len(rest):
            breaks = [n for n in range(fits // 2 + 1, fits + 1) if rest[n - 1] in _BREAKS or rest[n] == " "]
            fits = breaks[-1] if breaks and len(found) < lines - 1 else fits
        found.append(rest[:fits].strip())
        rest = rest[fits:].strip()
    if rest:
        last = found[-1]
        while last and face.getlength(f"{last}…") > width:
            last = last[:-1]
        found[-1] = f"{last.rstrip()}…"
    return found


@cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which covers Latin, Greek and Cyrillic and comes with Matplotlib."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, size)


def _draw_label(draw: ImageDraw.ImageDraw, row: Row, top: int) -> None:
    lines = wrap(row.label, LABEL_SIZE, LABEL - 16, LABEL_LINES, bold=True)
    top -= 4
    for line in lines:
        top += LABEL_SIZE + 4
        draw.text((MARGIN, top), line, INK, font(LABEL_SIZE, True), anchor="ls")
    top += 4
    for line in (part for detail in row.details for part in wrap(detail, SMALL_SIZE, LABEL - 16, 2)):
        top += SMALL_SIZE + 4
        draw.text((MARGIN, top), line, FAINT, font(SMALL_SIZE), anchor="ls")


def _draw_tile(sheet: Image.Image, draw: ImageDraw.ImageDraw, tile: Tile, left: int, top: int) -> None:
    draw.rectangle((left, top, left + TILE - 1, top + TILE - 1), BEHIND)
    scale = TILE / max(tile.image.size)
    size = tuple(max(1, round(side * scale)) for side in tile.image.size)
    small = tile.image.resize(size, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC)
    x, y = left + (TILE - size[0]) // 2, top + (TILE - size[1]) // 2
    sheet.paste(small, (x, y))
    if tile.box is not None:
        sides = [min(max(round(side * scale), 0), size[place % 2] - 1) for place, side in enumerate(tile.box)]
        corners = (x + sides[0], y + sides[1], x + sides[2], y + sides[3])
        draw.rectangle(corners, outline="white", width=3)
        draw.rectangle(corners, outline=tile.frame, width=2)
    elif tile.frame:
        draw.rectangle((left, top, left + TILE - 1, top + TILE - 1), outline=tile.frame, width=3)
    if tile.caption:
        (caption,) = wrap(tile.caption, CAPTION_SIZE, TILE, 1)
        ink = tile.frame or FAINT
        draw.text((left + TILE // 2, top + TILE + CAPTION - 4), caption, ink, font(CAPTION_SIZE), anchor="ms")
