"""SVG icons to PNG images, over processes, in a fixed order."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import resvg_py
from PIL import Image

from suite.errors import SuiteError
from suite.workers import parallel_map

_ICONS_PER_TASK = 64
# Chains of aliases are one or two long; a longer one is a circle.
_MAX_ALIASES = 8


def icon_svg(icons: Mapping[str, Any], name: str) -> str:
    """The square SVG document of icon `name` of an Iconify set, aliases and their reflections followed.

    Args:
        icons: parsed `icons.json`: `icons` and `aliases` by name, default `width`, `height`, `left`, `top`.
        name: an icon or an alias.

    Raises:
        ValueError: neither an icon nor an alias of one, or an alias asks for a rotation.
    """
    flips = {"hFlip": False, "vFlip": False}
    overrides: dict[str, Any] = {}
    for _ in range(_MAX_ALIASES):
        if name in icons["icons"]:
            break
        alias = icons.get("aliases", {}).get(name)
        if alias is None:
            raise ValueError(f"no icon '{name}'")
        flips = {flip: flips[flip] != bool(alias.get(flip)) for flip in flips}
        overrides = {**alias, **overrides}
        name = alias["parent"]
    else:
        raise ValueError(f"aliases of icon '{name}' go in a circle")
    icon = {
        **{key: icons[key] for key in ("width", "height", "left", "top") if key in icons},
        **icons["icons"][name],
    }
    icon.update({key: overrides[key] for key in ("width", "height", "left", "top") if key in overrides})
    if overrides.get("rotate") or icon.get("rotate"):
        raise ValueError(f"icon '{name}' is rotated, which is not supported")
    flips = {flip: flips[flip] != bool(icon.get(flip)) for flip in flips}
    return _document(icon, horizontal=flips["hFlip"], vertical=flips["vFlip"])


def draw_png(svg: str, size: int) -> bytes:
    """Draw a square SVG document on white, `size` x `size` pixels; returns an RGB PNG.

    Fonts of the machine are left out: a drawing must not depend on them.
    """
    drawn = resvg_py.svg_to_bytes(svg_string=svg, background="#ffffff", width=size, height=size, skip_system_fonts=True)
    buffer = io.BytesIO()
    Image.open(io.BytesIO(drawn)).convert("RGB").save(buffer, format="PNG")
    return buffer.getvalue()


def draw_all(drawings: Sequence[tuple[str, str]], size: int, processes: int) -> list[bytes]:
    """Draw many SVG documents, in order.

    Args:
        drawings: pairs of a key, named in errors, and an SVG document.
        size: width and height in pixels.
        processes: worker processes; the result does not depend on it.

    Raises:
        SuiteError: a document cannot be drawn.
    """
    tasks = [(part, size) for part in _parts(drawings)]
    if processes == 1 or len(tasks) == 1:
        return [image for task in tasks for image in _draw_part(task)]
    return [image for part in parallel_map(_draw_part, tasks, processes) for image in part]


def _draw_part(task: tuple[list[tuple[str, str]], int]) -> list[bytes]:
    part, size = task
    images = []
    for key, svg in part:
        try:
            images.append(draw_png(svg, size))
        except ValueError as error:
            raise SuiteError(f"{key}: cannot be drawn ({error})") from None
    return images


def _parts(drawings: Iterable[tuple[str, str]]) -> Iterable[list[tuple[str, str]]]:
    remaining = iter(drawings)
    while part := list(islice(remaining, _ICONS_PER_TASK)):
        yield part


def _document(icon: Mapping[str, Any], horizontal: bool, vertical: bool) -> str:
    left, top = icon.get("left", 0), icon.get("top", 0)
    width, height = icon.get("width", 16), icon.get("height", 16)
    body = icon["body"]
    if horizontal or vertical:
        x, y = (2 * left + width) * horizontal, (2 * top + height) * vertical
        scale = f"{-1 if horizontal else 1} {-1 if vertical else 1}"
        body = f'<g transform="translate({x} {y}) scale({scale})">{body}</g>'
    side = max(width, height)
    box = f"{left - (side - width) / 2:g} {top - (side - height) / 2:g} {side} {side}"
    # Monochrome sets paint with currentColor, which is the document's `color`.
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" color="#000000" '
        f'width="{side}" height="{side}" viewBox="{box}">{body}</svg>'
    )
