"""From a figure to what is printed: one style sheet, SVG with text as text, and the places where values can be read."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from suite.reporting.drawing_pool import drawn
from suite.reporting.model import Drawing, Spot

# Inches: on paper and wide screens, and on narrow ones.
WIDE, NARROW = 7.2, 3.9
# The fonts that matplotlib measures the text of a drawing with: where it stays text, it is to be set in them.
FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
# SVG counts in points.
_POINTS = 72.0
_VIEW = re.compile(rb'viewBox="0 0 ([0-9.]+) ([0-9.]+)"')


class Plate(Figure):
    """A figure that remembers which values can be read where."""

    def __init__(self, *arguments: Any, **keywords: Any):
        super().__init__(*arguments, **keywords)
        self._notes: list[tuple[Axes, float, float, str]] = []

    def note(self, axes: Axes, x: float, y: float, text: str) -> None:
        """Have `text` read at (x, y), in the data coordinates of `axes`."""
        self._notes.append((axes, float(x), float(y), text))

    def spots(self, height: float) -> tuple[Spot, ...]:
        """The notes in the units of the SVG, whose vertical axis points down; to be asked once the figure is drawn."""
        scale = _POINTS / self.dpi
        places = ((axes.transData.transform((x, y)) * scale, text) for axes, x, y, text in self._notes)
        return tuple(Spot(round(float(x), 2), round(height - float(y), 2), text) for (x, y), text in places)


def render(draw: Callable[..., Plate], *arguments: Any) -> tuple[Drawing, Drawing]:
    """Draw a figure wide and narrow; both as SVG, free of dates: the same data gives the same bytes.

    Within a `drawing_pool` they are promises.
    """
    return drawn(_drawing, draw, arguments, False), drawn(_drawing, draw, arguments, True)


def render_png(draw: Callable[..., Plate], *arguments: Any) -> bytes:
    """Draw a figure wide and return it as PNG, about 1,600 pixels across."""
    _, data = _export(draw, arguments, False, "png")
    return data


def _drawing(draw: Callable[..., Plate], arguments: tuple[Any, ...], narrow: bool) -> Drawing:
    plate, svg = _export(draw, arguments, narrow, "svg")
    width, height = (float(value) for value in _VIEW.search(svg).groups())
    return Drawing(svg, width, height, plate.spots(height))


def _export(draw: Callable[..., Plate], arguments: tuple[Any, ...], narrow: bool, kind: str) -> tuple[Plate, bytes]:
    with (
        as_file(files("suite.reporting") / "report.mplstyle") as sheet,
        matplotlib.style.context(sheet, after_reset=True),
    ):
        plate = draw(*arguments, narrow)
        handle = io.BytesIO()
        plate.savefig(
            handle,
            format=kind,
            metadata={"Date": None, "Creator": None} if kind == "svg" else {"Software": None},
        )
    return plate, handle.getvalue()
