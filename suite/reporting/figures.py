"""From recorded tables to figures: pure functions, one style sheet, one look a loss."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import NullLocator

from suite.reporting.looks import Look, Looks, looks
from suite.reporting.model import interval, number
from suite.reporting.palette import light
from suite.reporting.plates import NARROW, WIDE, Plate, render, render_png

__all__ = [
    "NARROW",
    "WIDE",
    "Look",
    "Looks",
    "Plate",
    "floor_line",
    "legend",
    "lines",
    "looks",
    "main_figure",
    "pairwise_figure",
    "panel_grid",
    "points",
    "render",
    "render_png",
    "size_axis",
]


def main_figure(board: pd.DataFrame, scaling: pd.DataFrame, floor: float | None, look: Looks, narrow: bool) -> Plate:
    """Left: mean and interval of each loss, best on top. Right: the metric against training batch size.

    Where the board has a column `group`, its letters stand at the right of the rows.
    """
    both = not scaling.empty
    if narrow:
        height = 1.0 + 0.3 * len(board) + (3.0 if both else 0)
        figure = Plate(figsize=(NARROW, height))
        axes = figure.subplots(1 + both, 1, squeeze=False, height_ratios=[1.0 + 0.3 * len(board), 3.0][: 1 + both])[
            :, 0
        ]
    else:
        figure = Plate(figsize=(WIDE, max(2.2, 1.0 + 0.27 * len(board))))
        axes = figure.subplots(1, 1 + both, squeeze=False)[0]
    _dots(axes[0], board, floor, look)
    if both:
        lines(axes[1], scaling, "batch_size", ("mean", "low", "high"), look)
        floor_line(axes[1].axhline, floor, look)
        axes[1].set_xlabel("training batch size (images)")
        axes[1].set_ylabel("test mAP")
        axes[1].set_title("Batch size")
    return figure


def pairwise_figure(pairs: pd.DataFrame, order: list[str], look: Looks, narrow: bool) -> Plate:
    """Matrix of differences, row minus column; decided ones are filled, undecided ones hatched."""
    count = len(order)
    size = NARROW if narrow else min(WIDE, 2.4 + 0.68 * count)
    figure = Plate(figsize=(size, 1.2 + (0.36 if narrow else 0.42) * count))
    axes = figure.subplots()
    cells = {(row.loss_a, row.loss_b): (row.difference, row.decision) for row in pairs.itertuples()}
    flip = {"a": "b", "b": "a"}
    told = {"a": "decided", "b": "decided", "undecided": "undecided"}
    cells |= {(b, a): (-value, flip.get(decision, decision)) for (a, b), (value, decision) in cells.items()}
    for y, row in enumerate(order):
        for x, column in enumerate(order):
            value, decision = cells.get((row, column), (float("nan"), "none"))
            face, hatch = {
                "a": (light("higher"), ""),
                "b": (light("lower"), ""),
                "undecided": (light("paper"), "///"),
            }.get(decision, (light("nothing"), ""))
            axes.add_patch(
                Rectangle((x, y), 1, 1, facecolor=face, hatch=hatch, edgecolor=light("cells"), linewidth=0.6)
            )
            if decision == "none":
                continue
            names = f"{look[row].label} minus {look[column].label}"
            figure.note(axes, x + 0.5, y + 0.5, f"{names}: {number(value, sign=True)}, {told[decision]}")
            text = "0.0" if abs(value) < 0.0005 else f"{100 * value:+.1f}".replace("-", "−")
            axes.text(
                x + 0.5,
                y + 0.5,
                text,
                ha="center",
                va="center",
                fontsize=min(7.2, 60 / count) if narrow else 8,
                weight="normal" if decision == "undecided" else "bold",
                bbox={"facecolor": light("paper"), "edgecolor": "none", "pad": 1} if hatch else None,
            )
    names = [look[key].label for key in order]
    axes.set(xlim=(0, count), ylim=(count, 0), xticks=np.arange(count) + 0.5, yticks=np.arange(count) + 0.5)
    axes.set_xticklabels(names, rotation=35, ha="right", rotation_mode="anchor", fontsize=7.2 if narrow else 8.5)
    axes.set_yticklabels(names, fontsize=7.2 if narrow else 8.5)
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    handles = [
        Patch(facecolor=light("higher"), edgecolor=light("cells"), label="row higher"),
        Patch(facecolor=light("lower"), edgecolor=light("cells"), label="column higher"),
        Patch(facecolor=light("paper"), hatch="///", edgecolor=light("cells"), label="undecided"),
    ]
    figure.legend(
        handles=handles,
        loc="outside upper left" if narrow else "outside upper right",
        ncols=3,
        handlelength=1.2,
        columnspacing=0.9,
        fontsize=7.5 if narrow else 8.5,
    )
    return figure


def _dots(axes: Axes, board: pd.DataFrame, floor: float | None, look: Looks) -> None:
    for place, row in enumerate(board.itertuples()):
        style = look[row.loss]
        if np.isfinite(row.low):
            axes.plot([row.low, row.high], [place, place], color=style.colour, linewidth=2, solid_capstyle="butt")
        axes.plot([row.mean], [place], style.marker, color=style.colour, markeredgecolor=light("paper"), markersize=6.5)
        told = f"{style.label}: {number(row.mean)} {interval(row.low, row.high)}"
        axes.figure.note(axes, row.mean, place, told.strip())
    axes.set_yticks(range(len(board)), [look[key].label for key in board["loss"]])
    axes.set_ylim(len(board) - 0.4, -0.6)
    axes.grid(False, axis="y")
    axes.set_xlabel("test mAP")
    axes.set_title("Leaderboard")
    for place, letters in enumerate(board.get("group", ())):
        axes.annotate(
            letters,
            (1, place),
            (3, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            fontsize=8.5,
            va="center",
            annotation_clip=False,
        )
    if floor is not None:
        floor_line(axes.axvline, floor, look)
        # Losses mostly lie right of the floor: its name stands on the other side, in room made for it.
        left, right = axes.get_xlim()
        axes.set_xlim(min(left, floor - 0.09 * (right - left)), right)
        axes.annotate(
            "frozen floor",
            (floor, 0),
            (-3, 3),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            fontsize=7.5,
            color=look["frozen"].colour,
            rotation=90,
            ha="right",
            va="bottom",
        )


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
    named: str = "",
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
        named: column by whose values points are read off, where that is not `x`.
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
