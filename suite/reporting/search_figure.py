"""Recall against speed of the kinds of index: one panel a gallery, one curve a kind over its knob."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from suite.benchmarking.search import DRAWN, KNOBS
from suite.files import atomic_file
from suite.reporting.looks import Look
from suite.reporting.palette import LOSSES, light
from suite.reporting.plates import NARROW, WIDE, Plate, render, render_png

LOOKS = {
    "flat": Look("flat (exact)", light("frozen"), "D", "--"),
    "ivf": Look("ivf, nprobe", LOSSES[0], "o"),
    "hnsw": Look("hnsw, ef_search", LOSSES[1], "s"),
}
_LEAST_RECALL = 0.4
# The axis is logarithmic in what is missed, so it has an end: what misses less stands there.
_LEAST_MISSED = 4e-4
_TICKS = (0.5, 0.8, 0.9, 0.97, 0.99, 0.999, 1.0)


def write_search_figure(table: pd.DataFrame, output: Path) -> None:
    """Draw the table of `search_study` as `search.svg` and `search.png` into `output`."""
    for kind, drawn in (("svg", render(search_figure, table)[0].svg), ("png", render_png(search_figure, table))):
        with atomic_file(Path(output) / f"search.{kind}") as temporary:
            temporary.write_bytes(drawn)


def search_figure(table: pd.DataFrame, narrow: bool) -> Plate:
    """Queries a second against recall@k, both logarithmic, recall in what is missed; numbers are values of the knob.

    A recall above 0.9996 stands at 1. Settings of recall below 0.4 are left out unless the best of their kind is.
    """
    panels = list(table.groupby(["source", "gallery"], sort=False))
    columns = 1 if narrow else min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure = Plate(figsize=(NARROW if columns == 1 else WIDE, 0.5 + 2.9 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes, ((source, gallery), part) in zip(grid, panels, strict=False):
        _curves(axes, part)
        what = "drawn embeddings" if source == DRAWN else f"features of {source}"
        axes.set_title(f"{gallery:,} {what}, {part['dimensions'].iloc[0]:,}-d", fontsize=9)
        axes.set_xlabel(f"recall@{part['k'].iloc[0]}")
        axes.tick_params(labelbottom=True, labelleft=True)
    for axes in grid[::columns]:
        axes.set_ylabel("queries a second")
    for axes in grid[len(panels) :]:
        axes.remove()
    # Shared, and ascending in recall.
    grid[0].invert_xaxis()
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, columnspacing=1.4)
    return figure


def _curves(axes: Axes, part: pd.DataFrame) -> None:
    for kind, style in LOOKS.items():
        rows = part[part["kind"] == kind]
        rows = rows[rows["recall"] >= min(_LEAST_RECALL, rows["recall"].max())]
        # The exact search is one point; its line across shows what is slower than it.
        if KNOBS[kind] is None:
            axes.axhline(rows["queries_per_second"].iloc[0], color=style.colour, linestyle=style.line, linewidth=1)
        axes.plot(
            _missed(rows["recall"]),
            rows["queries_per_second"],
            color=style.colour,
            marker=style.marker,
            linestyle=style.line,
            label=style.label,
            markeredgecolor=light("paper"),
            zorder=3 if KNOBS[kind] else 4,
        )
        if KNOBS[kind] is not None:
            _name_points(axes, rows, KNOBS[kind], style, above=kind == "hnsw")
    axes.margins(x=0.1, y=0.09)
    axes.set_xscale("log")
    axes.set_xticks([_missed(recall) for recall in _TICKS], [f"{recall:g}" for recall in _TICKS])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(10))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _missed(recall: Any) -> Any:
    return np.maximum(1 - recall, _LEAST_MISSED)


def _name_points(axes: Axes, rows: pd.DataFrame, knob: str, style: Look, above: bool) -> None:
    for row in rows.to_dict("records"):
        axes.annotate(
            str(row[knob]),
            (_missed(row["recall"]), row["queries_per_second"]),
            (3, 2) if above else (-3, -2),
            textcoords="offset points",
            ha="left" if above else "right",
            va="bottom" if above else "top",
            fontsize=7,
            color=style.colour,
            # Readable where the line of the exact search runs behind.
            path_effects=[withStroke(linewidth=1.5, foreground=light("paper"))],
            zorder=5,
        )
