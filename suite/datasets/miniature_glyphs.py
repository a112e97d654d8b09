"""The glyphs of the miniature: parametric outlines and the styles that draw them, on a 64 x 64 canvas."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi, sin

Point = tuple[float, float]


@dataclass(frozen=True)
class Glyph:
    """What an icon shows: closed outlines, drawn one over the other, and a hue in [0, 1)."""

    outlines: tuple[str, ...]
    hue: float


def _path(points: list[Point]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "z"


def _circle(x: float, y: float, radius: float) -> str:
    arc = f"a{radius:.1f} {radius:.1f} 0 1 0"
    return f"M{x - radius:.1f} {y:.1f}{arc} {2 * radius:.1f} 0{arc} {-2 * radius:.1f} 0z"


def _box(x: float, y: float, width: float, height: float) -> str:
    return _path([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])


def _turn(count: int, radius: float, start: float = -pi / 2) -> list[Point]:
    angles = [start + 2 * pi * step / count for step in range(count)]
    return [(32 + radius * cos(angle), 32 + radius * sin(angle)) for angle in angles]


def _polygon(n: int) -> list[str]:
    return [_path(_turn(n + 2, 26))]


def _star(n: int) -> list[str]:
    points = n + 3
    tips, notches = _turn(points, 28), _turn(points, 11, -pi / 2 + pi / points)
    return [_path([point for pair in zip(tips, notches, strict=True) for point in pair])]


def _target(n: int) -> list[str]:
    return [_circle(32, 32, 28 * (n + 1 - ring) / (n + 1)) for ring in range(n + 1)]


def _stripes(n: int) -> list[str]:
    step = 56 / (2 * n + 1)
    return [_box(4, 4 + step * (2 * row + 0.5), 56, step) for row in range(n + 1)]


def _flower(n: int) -> list[str]:
    return [*(_circle(x, y, 9) for x, y in _turn(n + 2, 17)), _circle(32, 32, 8)]


def _tree(n: int) -> list[str]:
    height = 44 / n
    tiers = [(6 + height * row, 8 + 16 * (row + 1) / n) for row in range(n)]
    return [
        _box(28, 50, 8, 10),
        *(_path([(32, y - 2), (32 + half, y + height), (32 - half, y + height)]) for y, half in tiers),
    ]


def _sun(n: int) -> list[str]:
    rays = 2 * n + 2
    spread = pi / rays / 1.6
    tips = [(angle, -pi / 2 + 2 * pi * angle / rays) for angle in range(rays)]
    return [
        *(
            _path(
                [
                    (32 + 30 * cos(a), 32 + 30 * sin(a)),
                    *((32 + 17 * cos(a + s), 32 + 17 * sin(a + s)) for s in (-spread, spread)),
                ]
            )
            for _, a in tips
        ),
        _circle(32, 32, 13),
    ]


def _fish(n: int) -> list[str]:
    body = f"M6 32Q28 {14 - 2 * n} 46 32Q28 {50 + 2 * n} 6 32z"
    return [
        body,
        _path([(44, 32), (60, 18), (60, 46)]),
        *(_circle(14 + 8 * spot, 31, 2.5) for spot in range(n)),
    ]


def _house(n: int) -> list[str]:
    width = 36 / n
    windows = [_box(16 + width * column, 36, width * 0.6, 10) for column in range(n)]
    return [_path([(32, 6), (58, 28), (6, 28)]), _box(12, 28, 40, 30), *windows]


def _tower(n: int) -> list[str]:
    height = 52 / (n + 1)
    return [
        _box(14 + 4 * floor, 58 - height * (floor + 1), 36 - 8 * floor, height - 2)
        for floor in range(n + 1)
        if floor < 4
    ]


def _bridge(n: int) -> list[str]:
    span = 56 / n
    return [
        _box(2, 20, 60, 10),
        *(f"M{4 + span * arch:.1f} 54a{span * 0.42:.1f} 20 0 0 1 {span * 0.84:.1f} 0z" for arch in range(n)),
    ]


def _fence(n: int) -> list[str]:
    width = 56 / (n + 1)
    posts = [(4 + width * post, width * 0.55) for post in range(n + 1)]
    return [
        _box(2, 38, 60, 6),
        *(_path([(x, 58), (x, 20), (x + w / 2, 10), (x + w, 20), (x + w, 58)]) for x, w in posts),
    ]


def _figure(hat: int) -> list[str]:
    hats = [[], [_box(22, 4, 20, 6)], [_path([(32, 0), (44, 12), (20, 12)])]]
    return [
        _circle(32, 18, 9),
        _path([(32, 26), (46, 58), (18, 58)]),
        _path([(40, 36), (58, 14), (54, 10), (36, 32)]),
        *hats[hat],
    ]


def _moon(_: int) -> list[str]:
    return [_circle(32, 32, 24), _circle(24, 24, 5), _circle(40, 38, 7)]


# Group, then sub-group, then what draws its classes.
SHAPES: dict[str, dict[str, Callable[[int], list[str]]]] = {
    "Figures": {"polygon": _polygon, "star": _star, "target": _target, "stripes": _stripes},
    "Nature": {"flower": _flower, "tree": _tree, "sun": _sun, "fish": _fish},
    "Buildings": {"house": _house, "tower": _tower, "bridge": _bridge, "fence": _fence},
}
WORDS = ("one", "two", "three", "four")


def shape_glyph(group: str, subgroup: str, number: int) -> Glyph:
    """The glyph of class `number` (0 to 3) of a sub-group."""
    place = [name for kinds in SHAPES.values() for name in kinds].index(subgroup)
    return Glyph(tuple(SHAPES[group][subgroup](number + 1)), (place / 12 + number * 0.23) % 1)


def figure_glyph(variant: int) -> Glyph:
    """A waving figure: 0 a person, 1 and 2 with either hat."""
    return Glyph(tuple(_figure(variant)), 0.1)


def moon_glyph() -> Glyph:
    """A moon with two craters."""
    return Glyph(tuple(_moon(0)), 0.15)


def _colour(hue: float, lightness: float, saturation: float) -> str:
    red, green, blue = colorsys.hls_to_rgb(hue % 1, lightness, saturation)
    return f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"


def _layers(glyph: Glyph, paint: Callable[[int], str]) -> str:
    return "".join(f'<path {paint(layer)} d="{outline}"/>' for layer, outline in enumerate(glyph.outlines))


def _flat(glyph: Glyph) -> str:
    return _layers(glyph, lambda layer: f'fill="{_colour(glyph.hue + 0.08 * layer, 0.5, 0.7)}"')


def _line(glyph: Glyph) -> str:
    body = _layers(glyph, lambda layer: 'fill="none" stroke="currentColor" stroke-width="2.5" stroke-linejoin="round"')
    return f'<g transform="translate(3 3) scale(.9)">{body}</g>'


def _mono(glyph: Glyph) -> str:
    return _layers(
        glyph,
        lambda layer: (
            f'fill="{"currentColor" if layer % 2 == 0 else "#ffffff"}" stroke="currentColor" stroke-width="1"'
        ),
    )


def _comic(glyph: Glyph) -> str:
    body = _layers(
        glyph,
        lambda layer: f'fill="{_colour(glyph.hue + 0.3 + 0.15 * layer, 0.65, 0.9)}" stroke="#222222" stroke-width="4"',
    )
    return f'<g transform="rotate(-12 32 32) translate(6 6) scale(.8)">{body}</g>'


def _badge(glyph: Glyph) -> str:
    body = _layers(glyph, lambda layer: f'fill="{"#ffffff" if layer % 2 == 0 else _colour(glyph.hue, 0.8, 0.4)}"')
    return (
        f'<circle cx="32" cy="32" r="31" fill="{_colour(glyph.hue + 0.5, 0.35, 0.6)}"/>'
        f'<g transform="translate(11 11) scale(.65)">{body}</g>'
    )


def _pastel(glyph: Glyph) -> str:
    gradient = (
        f'<linearGradient id="a" x2="0" y2="1"><stop stop-color="{_colour(glyph.hue + 0.15, 0.85, 0.6)}"/>'
        f'<stop offset="1" stop-color="{_colour(glyph.hue, 0.6, 0.5)}"/></linearGradient>'
    )
    body = _layers(glyph, lambda layer: 'fill="url(#a)" stroke="#ffffff" stroke-width="1.5"')
    return f'{gradient}<g transform="rotate(8 32 32)">{body}</g>'


STYLES: dict[str, Callable[[Glyph], str]] = {
    "flat": _flat,
    "line": _line,
    "mono": _mono,
    "comic": _comic,
    "badge": _badge,
    "pastel": _pastel,
}
