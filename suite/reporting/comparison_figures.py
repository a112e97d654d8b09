"""Figures that hold losses against one another: leaderboard, pairs, levels of a hierarchy, ranks over data sets."""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from suite.reporting.looks import Look, Looks
from suite.reporting.marks import dot, floor_line, lines
from suite.reporting.model import number
from suite.reporting.palette import light
from suite.reporting.plates import NARROW, WIDE, Plate

INK, FAINT = light("ink"), light("edge")


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
    _leaderboard(axes[0], board, floor, look)
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
        for row in table[table["metric"] == metric].itertuples():
            dot(axes, row, ("mean", "low", "high"), losses.index(row.loss), look[row.loss])
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


def _leaderboard(axes: Axes, board: pd.DataFrame, floor: float | None, look: Looks) -> None:
    for place, row in enumerate(board.itertuples()):
        dot(axes, row, ("mean", "low", "high"), place, look[row.loss])
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
