"""Figures that hold losses against one another: metrics of a hierarchy, and mean ranks over data sets."""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from suite.reporting.figures import NARROW, WIDE, Look, Looks, Plate, floor_line
from suite.reporting.model import interval, number
from suite.reporting.palette import light

INK, FAINT = light("ink"), light("edge")


def levels_figure(table: pd.DataFrame, floors: dict[str, float], look: Looks, narrow: bool) -> Plate:
    """A panel a metric, a row a loss: mean and interval, the frozen floor dashed; the rows are the same in all panels.

    Args:
        table: a row a metric and loss, `metric` (as shown), `loss`, `mean`, `low`, `high`; losses in the order of the
            rows, the first on top.
        floors: the floor's value by metric, where it is on record.
        look: of the losses.
        narrow: for narrow screens.
    """
    metrics, losses = list(dict.fromkeys(table["metric"])), list(dict.fromkeys(table["loss"]))
    columns = min(len(metrics), 2 if narrow else 3)
    rows = -(-len(metrics) // columns)
    figure = Plate(figsize=(NARROW if narrow else WIDE, rows * (0.75 + (0.2 if narrow else 0.21) * len(losses))))
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes in panels[len(metrics) :]:
        axes.remove()
    for axes, metric in zip(panels, metrics, strict=False):
        mine = table[table["metric"] == metric].set_index("loss")
        for place, loss in enumerate(losses):
            if loss in mine.index:
                _dot(axes, mine.loc[loss], place, look[loss])
        floor_line(axes.axvline, floors.get(metric), look)
        axes.set_title(textwrap.fill(metric, 18 if narrow else 24), fontsize=8.5 if narrow else None)
        axes.grid(False, axis="y")
        axes.xaxis.set_major_locator(MaxNLocator(3 if narrow else 4))
    panels[0].set_yticks(range(len(losses)), [look[loss].label for loss in losses])
    panels[0].set_ylim(len(losses) - 0.4, -0.6)
    figure.supxlabel("test value; dashed: frozen features", fontsize=9, color=INK)
    return figure


def critical_difference_figure(ranks: pd.DataFrame, look: Looks, narrow: bool) -> Plate:
    """Demsar's diagram: losses on an axis of mean ranks, the best at the left; a bar joins those not told apart.

    Args:
        ranks: a row a loss, `loss`, `mean_rank` and the one `critical_difference` of all.
        look: of the losses.
        narrow: for narrow screens.
    """
    ranks = ranks.sort_values("mean_rank", kind="stable", ignore_index=True)
    difference, count = float(ranks["critical_difference"].iloc[0]), len(ranks)
    bars = joined(ranks["mean_rank"].to_numpy(), difference)
    names = [textwrap.fill(look[loss].label, 16 if narrow else 40) for loss in ranks["loss"]]
    left, step = (count + 1) // 2, 1 + 0.8 * max(name.count("\n") for name in names)
    # In lines of type: the scale at 0, bars below it, then the names.
    first = -1.2 - 0.5 * len(bars) - 0.4 * (step - 1)
    bottom = first - (left - 1) * step - 0.8 * step
    figure = Plate(figsize=(NARROW if narrow else WIDE, (0.19 if narrow else 0.2) * (3.6 - bottom)))
    axes = figure.subplots()
    axes.set(xlim=(1 - 0.02 * count, count + 0.02 * count), ylim=(bottom, 3.0))
    axes.xaxis.tick_top()
    axes.spines["top"].set(visible=True, position=("data", 0))
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set(yticks=[], xticks=range(1, count + 1))
    axes.grid(False)
    axes.set_title("Mean rank, 1 the best", fontsize=9, weight="normal", pad=4)
    axes.errorbar(
        1 + difference / 2, 2.3, xerr=difference / 2, color=INK, capsize=3, elinewidth=1.2, marker="none", clip_on=False
    )
    axes.text(1 + difference, 2.3, f"  critical difference {difference:.2f}", va="center", fontsize=8, color=INK)
    for place, (start, end) in enumerate(bars):
        height = -0.55 - 0.5 * place
        axes.plot([start, end], [height, height], color=FAINT, linewidth=3.5, solid_capstyle="round", zorder=2)
    for place, row in enumerate(ranks.itertuples()):
        on_left = place < left
        height = first - step * (place if on_left else count - 1 - place)
        end = (1.0 if on_left else float(count), height)
        _leader(axes, row.mean_rank, end, on_left, names[place], look[row.loss], 7.5 if narrow else 8.5)
    return figure


def joined(ranks: np.ndarray, difference: float) -> list[tuple[float, float]]:
    """Longest runs of mean ranks, ascending, that lie within the critical difference: their ends, of two or more.

    Args:
        ranks: (n,) mean ranks, ascending.
        difference: ranks further apart than this differ.
    """
    ends = np.searchsorted(ranks, ranks + difference, side="right") - 1
    return [
        (float(ranks[start]), float(ranks[end]))
        for start, end in enumerate(ends)
        if end > start and (start == 0 or ends[start - 1] < end)
    ]


def _dot(axes: Axes, row: pd.Series, place: int, style: Look) -> None:
    if np.isfinite(row["low"]):
        axes.plot([row["low"], row["high"]], [place, place], color=style.colour, linewidth=2, solid_capstyle="butt")
    axes.plot([row["mean"]], [place], style.marker, color=style.colour, markeredgecolor=light("paper"), markersize=6)
    told = f"{style.label}: {number(row['mean'])} {interval(row['low'], row['high'])}"
    axes.figure.note(axes, row["mean"], place, told.strip())


def _leader(axes: Axes, rank: float, end: tuple[float, float], left: bool, name: str, style: Look, size: float) -> None:
    """A loss on the scale, and the line that leads to its name at one side."""
    axes.plot([rank, rank, end[0]], [0, end[1], end[1]], color=style.colour, linewidth=1, zorder=1.5)
    axes.plot([rank], [0], style.marker, color=style.colour, markeredgecolor=light("paper"), clip_on=False, zorder=3)
    axes.figure.note(axes, rank, 0, f"{style.label}: mean rank {rank:.2f}")
    for text, gap in ((f"{rank:.2f}", 4), (name, 4 + 3.2 * size)):
        axes.annotate(
            text,
            end,
            (-gap if left else gap, 0),
            textcoords="offset points",
            ha="right" if left else "left",
            va="center",
            multialignment="right" if left else "left",
            fontsize=size,
            color=INK,
            annotation_clip=False,
        )
