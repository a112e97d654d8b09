"""Figures of the decomposability gap: pure functions of the gap tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from suite.reporting.looks import Looks
from suite.reporting.marks import floor_line, legend, lines, panel_grid, points
from suite.reporting.model import metric_name, number
from suite.reporting.palette import light
from suite.reporting.plates import NARROW, WIDE, Plate

GAP = ("gap", "gap_low", "gap_high")
_MEASURED = "measuring batch size (images)"
_TRAINED = "training batch size (images)"


def gap_figure(gap: pd.DataFrame, look: Looks, narrow: bool) -> Plate:
    """The decomposability gap of AP against measuring batch size, and the two shares it is the sum of."""
    titles = {
        "gap": "Gap",
        "fewer_negatives": "Share of fewer negatives",
        "fewer_positives": "Share of fewer positives",
    }
    if narrow:
        figure = Plate(figsize=(NARROW, 8.6))
        panels = dict(zip(titles, figure.subplots(3, 1), strict=True))
    else:
        figure = Plate(figsize=(WIDE, 4.6))
        panels = figure.subplot_mosaic([["gap", "fewer_negatives"], ["gap", "fewer_positives"]], width_ratios=[1.25, 1])
    for name, axes in panels.items():
        lines(axes, gap, "measure_batch_size", (name, f"{name}_low", f"{name}_high"), look)
        _zero(axes)
        axes.set_title(titles[name])
        axes.set_xlabel(_MEASURED)
        axes.set_ylabel("AP in a batch − AP over the set" if name == "gap" else "change of AP")
    legend(figure, panels.values(), 2 if narrow else 4)
    return figure


def difference_figure(comparison: pd.DataFrame, look: Looks, narrow: bool) -> Plate:
    """Gap of each loss minus that of a control against measuring batch size, a panel a control."""
    controls = list(comparison["control"].unique())
    figure, panels = panel_grid(len(controls), narrow)
    for axes, control in zip(panels, controls, strict=True):
        part = comparison[comparison["control"] == control]
        lines(axes, part, "measure_batch_size", ("difference", "low", "high"), look)
        _zero(axes)
        axes.set_title(f"minus {look[control].label.lower()}")
        axes.set_xlabel(_MEASURED)
        axes.set_ylabel("difference of the gap of AP")
    legend(figure, panels, 2 if narrow else 4)
    return figure


def metrics_figure(gap: pd.DataFrame, look: Looks, narrow: bool) -> Plate:
    """The gap against measuring batch size, a panel a metric."""
    metrics = list(gap["metric"].unique())
    figure, panels = panel_grid(len(metrics), narrow)
    for axes, metric in zip(panels, metrics, strict=True):
        lines(axes, gap[gap["metric"] == metric], "measure_batch_size", GAP, look)
        _zero(axes)
        axes.set_title(metric_name(metric))
        axes.set_xlabel(_MEASURED)
        axes.set_ylabel(f"gap of {metric_name(metric)}")
    legend(figure, panels, 2 if narrow else 4)
    return figure


def trained_figure(gap: pd.DataFrame, controls: pd.DataFrame, look: Looks, narrow: bool) -> Plate:
    """The gap against training batch size, one panel a measuring size; the frozen control goes across."""
    sizes = sorted(gap["measure_batch_size"].unique())[:6]
    figure, panels = panel_grid(len(sizes), narrow, columns=2)
    for axes, size in zip(panels, sizes, strict=True):
        lines(axes, gap[gap["measure_batch_size"] == size], "train_batch_size", GAP, look)
        frozen = controls[(controls["loss"] == "frozen") & (controls["measure_batch_size"] == size)]
        for row in frozen.itertuples():
            floor_line(axes.axhline, row.gap, look)
            if np.isfinite(row.gap_low):
                axes.axhspan(row.gap_low, row.gap_high, color=look["frozen"].colour, alpha=0.12, linewidth=0)
        axes.set_title(f"measured at {size}")
        axes.set_xlabel(_TRAINED)
        axes.set_ylabel("gap of AP")
    legend(figure, panels, 2 if narrow else 5)
    return figure


def along_figure(training: pd.DataFrame, controls: pd.DataFrame, look: Looks, narrow: bool) -> Plate:
    """The gap of AP against AP over the set along training, a panel a measuring size; a control is a point.

    A ring marks the last validation of each loss.
    """
    sizes = sorted(training["measure_batch_size"].unique())
    figure, panels = panel_grid(len(sizes), narrow)
    for axes, size in zip(panels, sizes, strict=True):
        for key in (key for key in look if key in set(training["loss"])):
            rows = training[(training["loss"] == key) & (training["measure_batch_size"] == size)].sort_values("epoch")
            points(
                axes,
                rows["set_value"],
                rows,
                GAP,
                look[key],
                look[key].line,
                names=rows["epoch"].map("epoch {:g}".format),
            )
            axes.plot(
                rows["set_value"].iloc[-1:],
                rows["gap"].iloc[-1:],
                "o",
                markersize=11,
                markerfacecolor="none",
                markeredgecolor=look[key].colour,
                markeredgewidth=1,
            )
        for row in controls[controls["measure_batch_size"] == size].itertuples():
            style = look[row.loss]
            axes.plot(
                [row.set_value],
                [row.gap],
                style.marker,
                color=style.colour,
                markeredgewidth=1.6,
                markersize=7,
                label=style.label,
            )
            figure.note(axes, row.set_value, row.gap, f"{style.label}: {number(row.gap)}")
        axes.set_title(f"measured at {size}")
        axes.set_xlabel("AP over the set")
        axes.set_ylabel("gap of AP")
    legend(figure, panels, 2 if narrow else 4)
    return figure


def generalisation_figure(table: pd.DataFrame, size: int, look: Looks, narrow: bool) -> Plate:
    """Training classes across, unseen classes up: AP over the set, and the gap; a point a loss, equality a line.

    Args:
        table: a row a loss; `train_set_value`, `test_set_value`, `train_gap`, `test_gap`, each with `_low`, `_high`.
        size: measuring batch size of the gap.
        look: of the losses.
        narrow: whether panels stand below each other.
    """
    figure, panels = panel_grid(2, narrow)
    titles = {"set_value": "AP over the set", "gap": f"gap of AP in batches of {size}"}
    for axes, (name, title) in zip(panels, titles.items(), strict=True):
        across, up = (tuple(f"{split}_{name}{end}" for end in ("", "_low", "_high")) for split in ("train", "test"))
        for key in (key for key in look if key in set(table["loss"])):
            rows = table[table["loss"] == key]
            points(axes, rows[across[0]], rows, up, look[key], across=across)
        ends = table[[across[0], up[0]]].to_numpy()
        axes.plot([ends.min(), ends.max()], [ends.min(), ends.max()], color=light("line"), linewidth=0.8, zorder=1)
        axes.set_title(title)
        axes.set_xlabel("training classes")
        axes.set_ylabel("unseen classes")
    legend(figure, panels, 2 if narrow else 4)
    return figure


def _zero(axes: Axes) -> None:
    axes.axhline(0, color=light("line"), linewidth=0.8, zorder=1)
