"""How often intervals miss the truth, method by method."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from suite.reporting.palette import LOSSES, light
from suite.reporting.plates import NARROW, WIDE, Plate
from suite.validation.methods import TITLES
from suite.validation.studies import DESIGNS, SEEDS

PANELS = {"mean": "Mean of a loss", "difference": "Difference of two losses"}
_BAND = (3.5, 6.5)
_SMALLEST = 0.05
_TICKS = (0.1, 0.5, 2, 5, 10, 20, 50, 100)
_MARKERS = ("o", "s", "^")
_SHORT = {
    "crossed": "Crossed (the suite's)",
    "satterthwaite": "Satterthwaite df",
    "hillis": "Hillis df",
    "cochran_cox": "Cochran–Cox quantile",
    "two_way_cluster": "Two-way cluster-robust",
    "bootstrap": "Hierarchical bootstrap",
    "seeds": "t over seeds",
    "seed_bootstrap": "Bootstrap of seed means",
    "classes": "t over class means",
    "queries": "Queries independent",
}


def coverage_figure(coverage: pd.DataFrame, narrow: bool) -> Plate:
    """A panel a quantity, a row a method, a point a cell: how often, in percent, the 95 % interval misses the truth."""
    figure = Plate(figsize=(NARROW if narrow else WIDE, 7.0 if narrow else 4.2))
    shape = (2, 1) if narrow else (1, 2)
    for place, (axes, (quantity, title)) in enumerate(
        zip(figure.subplots(*shape, sharey=True).reshape(-1), PANELS.items(), strict=True)
    ):
        _panel(axes, coverage[coverage["quantity"] == quantity])
        axes.set_title(title)
        if place or not narrow:
            axes.set_xlabel("intervals that miss the truth (%)")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2 if narrow else 5)
    return figure


def _panel(axes: Axes, table: pd.DataFrame) -> None:
    axes.axvspan(*_BAND, color=light("allowed"), lw=0, label=f"{_BAND[0]:g} to {_BAND[1]:g} %")
    axes.axvline(5.0, color=light("frozen"), lw=0.8)
    named = [name for name, design in DESIGNS.items() if design.named]
    for place, (seeds, colour, marker) in enumerate(zip(SEEDS, LOSSES, _MARKERS, strict=False)):
        for hollow in (True, False):
            rows = table[(table["seeds"] == seeds) & (table["cell"].isin(named) != hollow)]
            missed = (100 - rows["coverage"]).clip(lower=_SMALLEST)
            height = rows["method"].map({name: row for row, name in enumerate(TITLES)}) + 0.26 * (place - 1)
            axes.scatter(
                missed,
                height,
                s=22,
                marker=marker,
                facecolors="none" if hollow else colour,
                edgecolors=colour,
                linewidths=0.9,
                zorder=2 if hollow else 3,
                label=None if hollow else f"{seeds} seeds",
            )
    axes.scatter([], [], s=22, marker="o", facecolors="none", edgecolors=light("frozen"), label="harder cells")
    axes.set_xscale("log")
    axes.set_xlim(_SMALLEST * 0.8, 130)
    axes.xaxis.set_major_locator(FixedLocator(_TICKS))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_yticks(range(len(TITLES)), [_SHORT[name] for name in TITLES])
    axes.set_ylim(len(TITLES) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
