"""From recorded tables to figures: pure functions, one style sheet, one look a loss."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from typing import Any

import matplotlib
import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import NullLocator

from suite.config import Params
from suite.reporting.model import Drawing

# Okabe and Ito's colours without yellow, too faint on white, and with two dark ones of Tol's muted scheme.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#882255", "#56B4E9", "#E69F00", "#332288")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
WIDE, NARROW = 7.2, 3.9
_VIEW = re.compile(rb'viewBox="0 0 ([0-9.]+) ([0-9.]+)"')


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
    """A colour and a marker for every loss of the settings and for the controls.

    A loss that is not compared has the colour of what its ablation holds it against, hollow and with a broken line.
    """
    table = {key: _look(place, loss.label) for place, (key, loss) in enumerate(params.losses.items())}
    for ablation in params.ablations.values():
        first = table[next(iter(ablation.arms))]
        for key in ablation.arms:
            if not params.losses[key].compared:
                table[key] = replace(table[key], colour=first.colour, line="-.", hollow=True)
    table["frozen"] = Look("Frozen features", "#444444", "x", "--")
    table["random"] = Look("Random embeddings", "#8a8a8a", "+", ":")
    return table


def render(draw: Callable[..., Figure], *arguments: Any) -> tuple[Drawing, Drawing]:
    """Draw a figure wide and narrow; both as SVG, free of dates: the same data gives the same bytes."""
    wide, narrow = (_export(draw, arguments, narrow, "svg") for narrow in (False, True))
    return _drawing(wide), _drawing(narrow)


def render_png(draw: Callable[..., Figure], *arguments: Any) -> bytes:
    """Draw a figure wide and return it as PNG, about 1,600 pixels across."""
    return _export(draw, arguments, False, "png")


def main_figure(board: pd.DataFrame, scaling: pd.DataFrame, floor: float | None, look: Looks, narrow: bool) -> Figure:
    """Left: mean and interval of each loss, best on top. Right: the metric against training batch size.

    Where the board has a column `group`, its letters stand at the right of the rows.
    """
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
        lines(axes[1], scaling, "batch_size", ("mean", "low", "high"), look)
        floor_line(axes[1].axhline, floor, look)
        axes[1].set_xlabel("training batch size (images)")
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


def _look(place: int, label: str) -> Look:
    return Look(label, COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)])


def _drawing(svg: bytes) -> Drawing:
    width, height = (float(value) for value in _VIEW.search(svg).groups())
    return Drawing(svg, width, height)


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
        points(axes, rows[x].to_numpy() * shift, rows, columns, look[key], look[key].line)
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
) -> None:
    """Points of one look with their intervals; `across` names value and ends of the horizontal one, if there is one."""
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
        markerfacecolor="white" if style.hollow else style.colour,
        markeredgecolor=style.colour if style.hollow or style.marker in "x+" else "white",
        markeredgewidth=1.2 if style.hollow else None,
    )


def panel_grid(amount: int, narrow: bool, columns: int = 3) -> tuple[Figure, list[Axes]]:
    """A figure of panels: one below the other where it is narrow, else in rows of at most `columns`."""
    columns = 1 if narrow else min(amount, columns)
    rows = -(-amount // columns)
    figure = Figure(figsize=(NARROW, 0.9 + 2.4 * rows) if narrow else (WIDE, 0.8 + 2.4 * rows))
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


def legend(figure: Figure, panels: Iterable[Axes], columns: int) -> None:
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
