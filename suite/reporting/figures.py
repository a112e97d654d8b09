"""From recorded tables to figures: pure functions, one style sheet, one look a loss."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import Any

import matplotlib
import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import NullLocator

from suite.config import Params

# Okabe and Ito's colours without yellow, too faint on white, and with two dark ones of Tol's muted scheme.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#882255", "#56B4E9", "#E69F00", "#332288")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
WIDE, NARROW = 7.2, 3.9


@dataclass(frozen=True)
class Look:
    """How a loss is drawn wherever it appears."""

    label: str
    colour: str
    marker: str
    line: str = "-"
    hollow: bool = False


Looks = dict[str, Look]


def looks(params: Params) -> Looks:
    """A colour and a marker for every loss of the settings and for the controls."""
    table = {key: _look(place, loss.label) for place, (key, loss) in enumerate(params.losses.items())}
    table["frozen"] = Look("Frozen features", "#444444", "x", "--")
    table["random"] = Look("Random embeddings", "#8a8a8a", "+", ":")
    return table


def render(draw: Callable[..., Figure], *arguments: Any) -> tuple[bytes, bytes]:
    """Draw a figure wide and narrow; both as SVG, free of dates: the same data gives the same bytes."""
    return tuple(_export(draw, arguments, narrow, "svg") for narrow in (False, True))


def render_png(draw: Callable[..., Figure], *arguments: Any) -> bytes:
    """Draw a figure wide and return it as PNG, about 1,600 pixels across."""
    return _export(draw, arguments, False, "png")


def main_figure(board: pd.DataFrame, scaling: pd.DataFrame, floor: float | None, look: Looks, narrow: bool) -> Figure:
    """Left: mean and interval of each loss, best on top. Right: the metric against training batch size."""
    both = not scaling.empty
    if narrow:
        height = 1.0 + 0.3 * len(board) + (3.0 if both else 0)
        figure = Figure(figsize=(NARROW, height))
        axes = figure.subplots(1 + both, 1, squeeze=False, height_ratios=[1.0 + 0.3 * len(board), 3.0][: 1 + both])[
            :, 0
        ]
    else:
        figure = Figure(figsize=(WIDE, max(2.2, 1.0 + 0.27 * len(board))))
        axes = figure.subplots(1, 1 + both, squeeze=False)[0]
    _dots(axes[0], board, floor, look)
    if both:
        _lines(axes[1], scaling, "batch_size", "mean", "low", "high", look, "training batch size (images)")
        _floor(axes[1].axhline, floor, look)
        axes[1].set_ylabel("test mAP")
        axes[1].set_title("Batch size")
    return figure


def pairwise_figure(pairs: pd.DataFrame, order: list[str], look: Looks, narrow: bool) -> Figure:
    """Matrix of differences, row minus column; decided ones are filled, undecided ones hatched."""
    count = len(order)
    size = NARROW if narrow else min(WIDE, 2.4 + 0.68 * count)
    figure = Figure(figsize=(size, 1.2 + (0.36 if narrow else 0.42) * count))
    axes = figure.subplots()
    cells = {(row.loss_a, row.loss_b): (row.difference, row.decision) for row in pairs.itertuples()}
    flip = {"a": "b", "b": "a"}
    cells |= {(b, a): (-value, flip.get(decision, decision)) for (a, b), (value, decision) in cells.items()}
    for y, row in enumerate(order):
        for x, column in enumerate(order):
            value, decision = cells.get((row, column), (float("nan"), "none"))
            face, hatch = {"a": ("#b9d9ee", ""), "b": ("#f7d3b8", ""), "undecided": ("white", "///")}.get(
                decision, ("#eeeeee", "")
            )
            axes.add_patch(Rectangle((x, y), 1, 1, facecolor=face, hatch=hatch, edgecolor="#c4c4c4", linewidth=0.6))
            if decision == "none":
                continue
            text = "0.0" if abs(value) < 0.0005 else f"{100 * value:+.1f}".replace("-", "−")
            axes.text(
                x + 0.5,
                y + 0.5,
                text,
                ha="center",
                va="center",
                fontsize=6 if narrow else 8,
                weight="normal" if decision == "undecided" else "bold",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1} if hatch else None,
            )
    names = [look[key].label for key in order]
    axes.set(xlim=(0, count), ylim=(count, 0), xticks=np.arange(count) + 0.5, yticks=np.arange(count) + 0.5)
    axes.set_xticklabels(names, rotation=35, ha="right", rotation_mode="anchor", fontsize=7 if narrow else 8.5)
    axes.set_yticklabels(names, fontsize=7 if narrow else 8.5)
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    handles = [
        Patch(facecolor="#b9d9ee", edgecolor="#c4c4c4", label="row higher"),
        Patch(facecolor="#f7d3b8", edgecolor="#c4c4c4", label="column higher"),
        Patch(facecolor="white", hatch="///", edgecolor="#c4c4c4", label="undecided"),
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


def gap_figure(gap: pd.DataFrame, look: Looks, narrow: bool) -> Figure:
    """The decomposability gap of AP against measuring batch size, and the two shares it is the sum of."""
    titles = {
        "gap": "Gap",
        "fewer_negatives": "Share of fewer negatives",
        "fewer_positives": "Share of fewer positives",
    }
    if narrow:
        figure = Figure(figsize=(NARROW, 8.6))
        panels = dict(zip(titles, figure.subplots(3, 1), strict=True))
    else:
        figure = Figure(figsize=(WIDE, 4.6))
        panels = figure.subplot_mosaic([["gap", "fewer_negatives"], ["gap", "fewer_positives"]], width_ratios=[1.25, 1])
    for name, axes in panels.items():
        _lines(
            axes,
            gap,
            "measure_batch_size",
            name,
            f"{name}_low",
            f"{name}_high",
            look,
            "measuring batch size (images)",
        )
        axes.axhline(0, color="#999999", linewidth=0.8, zorder=1)
        axes.set_title(titles[name])
        axes.set_ylabel("AP in a batch − AP over the set" if name == "gap" else "change of AP")
    _legend(figure, panels["gap"], 2 if narrow else 4)
    return figure


def gap_training_figure(gap: pd.DataFrame, controls: pd.DataFrame, look: Looks, narrow: bool) -> Figure:
    """The gap against training batch size, one panel a measuring size; the frozen control goes across."""
    sizes = sorted(gap["measure_batch_size"].unique())[:6]
    columns = 1 if narrow else 2
    rows = -(-len(sizes) // columns)
    figure = Figure(figsize=(NARROW if narrow else WIDE, 0.7 + 2.1 * rows))
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    for axes, size in zip(panels, sizes, strict=False):
        part = gap[gap["measure_batch_size"] == size]
        _lines(axes, part, "train_batch_size", "gap", "gap_low", "gap_high", look, "training batch size (images)")
        frozen = controls[(controls["loss"] == "frozen") & (controls["measure_batch_size"] == size)]
        for row in frozen.itertuples():
            _floor(axes.axhline, row.gap, look)
            if np.isfinite(row.gap_low):
                axes.axhspan(row.gap_low, row.gap_high, color=look["frozen"].colour, alpha=0.12, linewidth=0)
        axes.set_title(f"measured at {size}")
        axes.set_ylabel("gap of AP")
    for axes in panels[: len(sizes) - columns]:
        axes.set_xlabel("")
    for axes in panels[len(sizes) :]:
        axes.remove()
    _legend(figure, panels[0], 2 if narrow else 5)
    return figure


def scaling_figure(tables: dict[str, tuple[pd.DataFrame, float | None]], look: Looks, narrow: bool) -> Figure:
    """Metrics against training batch size, one panel a metric, the frozen floor as a line across."""
    shape = (len(tables), 1) if narrow else (1, len(tables))
    figure = Figure(figsize=(NARROW, 0.8 + 2.7 * len(tables)) if narrow else (WIDE, 3.3))
    panels = figure.subplots(*shape, squeeze=False).ravel()
    for axes, (label, (table, floor)) in zip(panels, tables.items(), strict=True):
        _lines(axes, table, "batch_size", "mean", "low", "high", look, "training batch size (images)")
        _floor(axes.axhline, floor, look)
        axes.set_ylabel(f"test {label}")
        axes.set_title(label)
    _legend(figure, panels[0], 2 if narrow else 5)
    return figure


def _look(place: int, label: str) -> Look:
    return Look(label, COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)])


def _export(draw: Callable[..., Figure], arguments: tuple[Any, ...], narrow: bool, kind: str) -> bytes:
    with (
        as_file(files("suite.reporting") / "report.mplstyle") as sheet,
        matplotlib.style.context(sheet, after_reset=True),
    ):
        figure = draw(*arguments, narrow)
        handle = io.BytesIO()
        figure.savefig(
            handle,
            format=kind,
            metadata={"Date": None, "Creator": None} if kind == "svg" else {"Software": None},
        )
    return handle.getvalue()


def _dots(axes: Axes, board: pd.DataFrame, floor: float | None, look: Looks) -> None:
    for place, row in enumerate(board.itertuples()):
        style = look[row.loss]
        if np.isfinite(row.low):
            axes.plot([row.low, row.high], [place, place], color=style.colour, linewidth=2, solid_capstyle="butt")
        axes.plot([row.mean], [place], style.marker, color=style.colour, markeredgecolor="white", markersize=6.5)
    axes.set_yticks(range(len(board)), [look[key].label for key in board["loss"]])
    axes.set_ylim(len(board) - 0.4, -0.6)
    axes.grid(False, axis="y")
    axes.set_xlabel("test mAP")
    axes.set_title("Leaderboard")
    if floor is not None:
        _floor(axes.axvline, floor, look)
        axes.annotate(
            "frozen floor",
            (floor, 0),
            (4, 3),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            fontsize=7.5,
            color=look["frozen"].colour,
            rotation=90,
            va="bottom",
        )


def _floor(line: Callable[..., Any], value: float | None, look: Looks) -> None:
    if value is not None:
        line(
            value,
            color=look["frozen"].colour,
            linestyle="--",
            linewidth=1,
            label=look["frozen"].label,
            zorder=1.5,
        )


def _lines(
    axes: Axes,
    table: pd.DataFrame,
    x: str,
    mean: str,
    low: str,
    high: str,
    look: Looks,
    xlabel: str,
) -> None:
    keys = [key for key in look if key in set(table["loss"])]
    for place, key in enumerate(keys):
        rows = table[table["loss"] == key].sort_values(x)
        style = look[key]
        # Bars of several losses at one batch size would hide each other: each loss stands a little aside.
        shift = 2 ** (0.3 * (place / max(1, len(keys) - 1) - 0.5) if len(keys) > 1 else 0)
        below, above = (rows[mean] - rows[low]).clip(lower=0), (rows[high] - rows[mean]).clip(lower=0)
        bars = None if below.isna().all() else np.nan_to_num(np.vstack([below, above]).astype(float))
        axes.errorbar(
            rows[x].to_numpy() * shift,
            rows[mean],
            yerr=bars,
            color=style.colour,
            marker=style.marker,
            linestyle=style.line,
            label=style.label,
            elinewidth=1.2,
            capsize=2,
            markeredgecolor=style.colour if style.marker in "x+" else "white",
        )
    axes.set_xscale("log", base=2)
    ticks = sorted(int(value) for value in table[x].unique())
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(xlabel)


def _legend(figure: Figure, axes: Axes, columns: int) -> None:
    handles, labels = axes.get_legend_handles_labels()
    # The floor's line belongs after the losses; the sort is stable, so these keep their order.
    pairs = sorted(zip(handles, labels, strict=True), key=lambda pair: isinstance(pair[0], Line2D))
    handles, labels = zip(*pairs, strict=True)
    for ncols in range(min(columns, len(labels)), 0, -1):
        legend = figure.legend(handles, labels, loc="outside lower center", ncols=ncols, columnspacing=1.2)
        # Long labels need fewer columns: a legend wider than its figure would be cut at both ends.
        figure.draw_without_rendering()
        if ncols == 1 or legend.get_window_extent().width <= figure.bbox.width:
            return
        legend.remove()
