"""What figures are made of: points and lines with their intervals, panels, axes of batch sizes, legends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from suite.reporting.looks import Look, Looks
from suite.reporting.model import interval, number
from suite.reporting.palette import light
from suite.reporting.plates import NARROW, WIDE, Plate


def dot(axes: Axes, row: Any, columns: tuple[str, str, str], place: int, style: Look, sign: bool = False) -> None:
    """A loss on a row of its own: its value with the interval, to be read off the plate.

    Args:
        axes: the panel.
        row: a row of a table, as a named tuple.
        columns: of the value and the ends of its interval.
        place: of the row, from the top.
        style: of the loss; hollow, the mark is an outline.
        sign: whether values are differences, told with their sign.
    """
    value, low, high = (getattr(row, name) for name in columns)
    if np.isfinite(low):
        axes.plot([low, high], [place, place], color=style.colour, linewidth=2, solid_capstyle="butt")
    face, edge = (light("paper"), style.colour) if style.hollow else (style.colour, light("paper"))
    axes.plot([value], [place], style.marker, markerfacecolor=face, markeredgecolor=edge, markersize=6.5)
    told = f"{style.label}: {number(value, sign=sign)} {interval(low, high, sign=sign)}"
    axes.figure.note(axes, value, place, told.strip())


def floor_line(line: Callable[..., Any], value: float | None, look: Looks) -> None:
    """The frozen features' value across a panel, by its `axhline` or `axvline`; nothing without one."""
    if value is not None:
        line(
            value,
            color=look["frozen"].colour,
            linestyle="--",
            linewidth=1,
            label=look["frozen"].label,
            zorder=1.5,
        )


def lines(
    axes: Axes,
    table: pd.DataFrame,
    x: str,
    columns: tuple[str, str, str],
    look: Looks,
    by: str = "loss",
    sizes: bool = True,
) -> None:
    """A line a value of `by`, in the order of `look`, with bars from the second to the third of `columns`.

    Args:
        axes: the panel.
        table: a row a point.
        x: column of the horizontal axis.
        columns: of the value and the ends of its interval.
        look: by the values of `by`; those without a look are left out.
        by: column that tells the lines apart.
        sizes: whether `x` holds batch sizes: the axis is then logarithmic, with a tick a size.
    """
    keys = [key for key in look if key in set(table[by])]
    for place, key in enumerate(keys):
        rows = table[table[by] == key].sort_values(x)
        # Bars of several losses at one batch size would hide each other: each loss stands a little aside.
        shift = 2 ** (0.3 * (place / max(1, len(keys) - 1) - 0.5) if sizes and len(keys) > 1 else 0)
        points(
            axes, rows[x].to_numpy() * shift, rows, columns, look[key], look[key].line, names=rows[x].map("{:g}".format)
        )
    if sizes:
        size_axis(axes, table[x])


def points(
    axes: Axes,
    x: np.ndarray | pd.Series,
    rows: pd.DataFrame,
    columns: tuple[str, str, str],
    style: Look,
    line: str = "none",
    across: tuple[str, str, str] | None = None,
    names: Iterable[str] | None = None,
) -> None:
    """Points of one look with their intervals, each to be read off the plate.

    Args:
        axes: the panel.
        x: places on the horizontal axis.
        rows: a row a point.
        columns: of the value and the ends of its interval.
        style: of all points.
        line: what joins them.
        across: columns of the horizontal value and the ends of its interval, if there is one.
        names: what each point is, beside its label.
    """
    axes.errorbar(
        x,
        rows[columns[0]],
        yerr=_bars(rows, columns),
        xerr=None if across is None else _bars(rows, across),
        color=style.colour,
        marker=style.marker,
        linestyle=line,
        label=style.label,
        elinewidth=1.2,
        capsize=2,
        markerfacecolor=light("paper") if style.hollow else style.colour,
        markeredgecolor=style.colour if style.hollow or style.marker in "x+" else light("paper"),
        markeredgewidth=1.2 if style.hollow else None,
    )
    titles = [style.label] * len(rows) if names is None else [f"{style.label}, {name}" for name in names]
    values = rows[list(columns)].itertuples(index=False)
    for place, title, (value, low, high) in zip(x, titles, values, strict=True):
        axes.figure.note(axes, place, value, f"{title}: {number(value)} {interval(low, high)}".strip())


def panel_grid(amount: int, narrow: bool, columns: int = 3) -> tuple[Plate, list[Axes]]:
    """A figure of panels: one below the other where it is narrow, else in rows of at most `columns`."""
    columns = 1 if narrow else min(amount, columns)
    rows = -(-amount // columns)
    figure = Plate(figsize=(NARROW, 0.9 + 2.4 * rows) if narrow else (WIDE, 0.8 + 2.4 * rows))
    panels = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for axes in panels[amount:]:
        axes.remove()
    return figure, panels[:amount]


def size_axis(axes: Axes, values: pd.Series) -> None:
    """Batch sizes on a logarithmic horizontal axis, a tick each."""
    axes.set_xscale("log", base=2)
    ticks = sorted(int(value) for value in values.unique())
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())


def legend(figure: Plate, panels: Iterable[Axes], columns: int) -> None:
    """One legend below the figure for all panels, with as many columns as fit."""
    found: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    # The floor's line belongs after the losses; the sort is stable, so these keep their order.
    labels = sorted(found, key=lambda label: isinstance(found[label], Line2D))
    renderer = FigureCanvasAgg(figure).get_renderer()
    for ncols in range(min(columns, len(labels)), 0, -1):
        drawn = figure.legend(
            [found[label] for label in labels],
            labels,
            loc="outside lower center",
            ncols=ncols,
            columnspacing=1.2,
        )
        # Long labels need fewer columns: a legend wider than its figure would be cut at both ends.
        if ncols == 1 or drawn.get_window_extent(renderer).width <= figure.bbox.width:
            return
        drawn.remove()


def _bars(rows: pd.DataFrame, columns: tuple[str, str, str]) -> np.ndarray | None:
    mean, low, high = (rows[name] for name in columns)
    below, above = (mean - low).clip(lower=0), (high - mean).clip(lower=0)
    return None if below.isna().all() else np.nan_to_num(np.vstack([below, above]).astype(float))
