"""Drawings as parts of a page: their colours follow its theme, and they share one style sheet."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

from suite.reporting.model import Drawing
from suite.reporting.palette import THEMES

_BODY = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
# What matplotlib says of all elements would hold for the whole page; report.css says it of drawings.
_SHEET = re.compile(r"\s*<style[^>]*>.*?</style>", re.DOTALL)
_USED = re.compile(r'(url\(#|href="#)([^")]+)')
_NAME = re.compile(r' id="([^"]*)"')
_STYLE = re.compile(r' style="([^"]*)"')
# Of styles and of attributes; a name that looks like a colour is that of an address, and stands after a bracket.
_COLOUR = re.compile(r'(?:(?<=: )|(?<=="))#[0-9a-f]{6}\b')
_FAMILY = re.compile(r"font-family: [^;\"]*")
_TAG = re.compile(r"<[^>]*>")
_GROUP = re.compile(r"<(/?)g\b([^>]*)>")
# Matplotlib's six decimals are millionths of a point.
_FINE = re.compile(r"(?<![\w.])(-?[0-9]+\.[0-9]{2})[0-9]+(?![\w.])")
# Indents, and turns by nothing, are a third of a file.
_IDLE = re.compile(r' transform="rotate\(-?0 [^)]*\)"|(?<=\n) +|(?<=>)\n')
_VARIABLES = {light: f"var(--figure-{name})" for name, (light, _) in THEMES.items()}


class InlineDrawings:
    """Makes drawings part of one page, where names are short and no two alike, and equal styles are said once.

    Most of a drawing is the same few styles repeated: as classes they take a third of the room.
    """

    def __init__(self) -> None:
        self._classes: dict[str, str] = {}
        self._names = 0

    def draw(self, drawing: Drawing, label: str) -> Markup:
        """The drawing as an `svg` element with the page's colours and type.

        Args:
            drawing: whose colours are those of the palette.
            label: what the drawing shows, for those who cannot see it.
        """
        body = _BODY.search(drawing.svg.decode("utf-8"))[1]
        body = _SHEET.sub("", _METADATA.sub("", body)).replace("xlink:href", "href")
        names = {name: self._name() for name in dict.fromkeys(found[2] for found in _USED.finditer(body))}
        body = _NAME.sub(lambda found: f' id="{names[found[1]]}"' if found[1] in names else "", body)
        body = _USED.sub(lambda found: f"{found[1]}{names[found[2]]}", body)
        body = _IDLE.sub("", body)
        body = _TAG.sub(lambda tag: _FINE.sub(r"\1", tag[0]), body)
        body = _FAMILY.sub("font-family: var(--type)", body)
        body = _COLOUR.sub(lambda found: _VARIABLES.get(found[0], found[0]), body)
        body = _STYLE.sub(lambda found: f' class="{self._class(found[1])}"', body)
        head = f'<svg viewBox="0 0 {drawing.width:g} {drawing.height:g}" role="img" aria-label="{escape(label)}">'
        return Markup(f"{head}{_without_idle_groups(body).strip()}</svg>")

    @property
    def style(self) -> Markup:
        """The style sheet of all drawings made so far."""
        return Markup("\n".join(f".drawing .{name} {{ {style} }}" for style, name in self._classes.items()))

    def _class(self, style: str) -> str:
        return self._classes.setdefault(style, f"s{len(self._classes)}")

    def _name(self) -> str:
        self._names += 1
        return f"d{self._names}"


def _without_idle_groups(body: str) -> str:
    """The body without the groups that say nothing of what they hold."""
    idle: list[bool] = []

    def kept(tag: re.Match[str]) -> str:
        if not tag[1]:
            idle.append(not tag[2])
            return "" if idle[-1] else tag[0]
        return "" if idle.pop() else tag[0]

    return _GROUP.sub(kept, body)
