"""A drawing as part of a page: its colours follow the page's theme, its names are its own."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

from suite.reporting.model import Drawing
from suite.reporting.palette import THEMES

_BODY = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
# What matplotlib says of all elements would hold for the whole page; report.css says it of drawings.
_STYLE = re.compile(r"\s*<style[^>]*>.*?</style>", re.DOTALL)
_USED = re.compile(r'(?:url\(#|href="#)([^")]+)')
_NAME = re.compile(r' id="([^"]*)"')
# Names of other drawings may look like colours; they stand after another quote or a bracket.
_COLOUR = re.compile(r"(?:(?<=: )|(?<= fill=\"))#[0-9a-f]{6}\b")
_FAMILY = re.compile(r"font-family: [^;\"]*")
_TAG = re.compile(r"<[^>]*>")
# Matplotlib's six decimals are millionths of a point.
_FINE = re.compile(r"(?<![\w.])(-?[0-9]+\.[0-9]{2})[0-9]+(?![\w.])")
# Indents, and turns by nothing, are a third of a file.
_IDLE = re.compile(r' transform="rotate\(-?0 [^)]*\)"|(?<=\n) +|(?<=>)\n')
# A style that all markers of a line share.
_MARKERS = re.compile(r'<g([^>]*)>((?:<use [^>]*?( style="[^"]*")/>)(?:<use [^>]*?\3/>)*)</g>')
_VARIABLES = {light: f"var(--figure-{name})" for name, (light, _) in THEMES.items()}


def inline_svg(drawing: Drawing, name: str, label: str) -> Markup:
    """The drawing as an `svg` element with the page's colours and type.

    Args:
        drawing: whose colours are those of the palette.
        name: prefix of the names inside, unlike that of any other drawing of the page.
        label: what the drawing shows, for those who cannot see it.
    """
    body = _BODY.search(drawing.svg.decode("utf-8"))[1]
    body = _STYLE.sub("", _METADATA.sub("", body))
    used = {old: f"{name}-{place}" for place, old in enumerate(dict.fromkeys(_USED.findall(body)))}
    body = _NAME.sub(lambda found: f' id="{used[found[1]]}"' if found[1] in used else "", body)
    body = _USED.sub(lambda found: found[0].replace(f"#{found[1]}", f"#{used[found[1]]}"), body)
    body = _IDLE.sub("", body).replace(" xlink:href=", " href=")
    body = _MARKERS.sub(lambda found: f"<g{found[1]}{found[3]}>{found[2].replace(found[3], '')}</g>", body)
    body = _TAG.sub(lambda tag: _FINE.sub(r"\1", tag[0]), body)
    body = _FAMILY.sub("font-family: var(--type)", body)
    body = _COLOUR.sub(lambda found: _VARIABLES.get(found[0], found[0]), body)
    head = f'<svg viewBox="0 0 {drawing.width:g} {drawing.height:g}" role="img" aria-label="{escape(label)}">'
    return Markup(f"{head}{body.strip()}</svg>")
