"""Figures of training batch size and of ablations: pure functions of their tables."""

from __future__ import annotations

import pandas as pd

from suite.reporting.looks import MARKERS, Look, Looks
from suite.reporting.marks import floor_line, legend, lines, panel_grid
from suite.reporting.model import quantity_name
from suite.reporting.palette import SIZES, light
from suite.reporting.plates import NARROW, WIDE, Plate

BUDGETS = {"epochs": "equal epochs", "steps": "equal steps"}
_TRAINED = "training batch size (images)"
_ARM = ("mean", "low", "high")
_CHANGE = ("difference", "difference_low", "difference_high")


def scaling_figure(table: pd.DataFrame, floors: dict[str, float | None], look: Looks, narrow: bool) -> Plate:
    """Metrics (rows) against training batch size, budgets side by side on one scale; the floor goes across.

    Args:
        table: rows of `scaling`; `metric` is one of `floors`.
        floors: the frozen features' value of each metric shown, None where there is none.
        look: of the losses.
        narrow: whether panels stand below each other.
    """
    budgets = [budget for budget in BUDGETS if budget in set(table["budget"])]
    pairs = [(metric, budget) for metric in floors for budget in budgets]
    rows, columns = (len(pairs), 1) if narrow else (len(floors), len(budgets))
    figure = Plate(figsize=(NARROW, 0.9 + 2.3 * rows) if narrow else (WIDE, 0.8 + 2.5 * rows))
    panels = figure.subplots(rows, columns, squeeze=False, sharey=False if narrow else "row").ravel()
    for axes, (metric, budget) in zip(panels, pairs, strict=True):
        part = table[(table["metric"] == metric) & (table["budget"] == budget)]
        lines(axes, part, "batch_size", _ARM, look)
        floor_line(axes.axhline, floors[metric], look)
        axes.set_title(f"{quantity_name(metric)}, {BUDGETS[budget]}")
        axes.set_xlabel(_TRAINED)
        axes.set_ylabel(f"test {quantity_name(metric)}")
    legend(figure, panels, 2 if narrow else 5)
    return figure


def cost_figure(costs: pd.DataFrame, look: Looks, narrow: bool) -> Plate:
    """Time and memory of an update against training batch size, both axes logarithmic."""
    known = [name for name in ("seconds", "bytes") if costs[name].notna().any()]
    shape = (len(known), 1) if narrow else (1, len(known))
    figure = Plate(figsize=(NARROW, 0.9 + 2.5 * len(known)) if narrow else (WIDE, 3.3))
    panels = figure.subplots(*shape, squeeze=False).ravel()
    shown = costs.assign(
        ms=1e3 * costs["seconds"],
        ms_low=1e3 * costs["seconds_low"],
        ms_high=1e3 * costs["seconds_high"],
        mib=costs["bytes"] / 2**20,
    )
    columns = {"seconds": ("ms", "ms_low", "ms_high"), "bytes": ("mib", "mib", "mib")}
    names = {"seconds": ("Time of an update", "milliseconds"), "bytes": ("Memory of an update", "MiB")}
    for axes, name in zip(panels, known, strict=True):
        lines(axes, shown.dropna(subset=[columns[name][0]]), "batch_size", columns[name], look)
        axes.set_yscale("log")
        axes.set_title(names[name][0])
        axes.set_xlabel(_TRAINED)
        axes.set_ylabel(names[name][1])
    legend(figure, panels, 2 if narrow else 5)
    return figure


def weight_figure(arms: pd.DataFrame, axis: str, narrow: bool) -> Plate:
    """Means against the number that an ablation varies, a panel a quantity, a line a training batch size.

    Args:
        arms: rows of `ablations` with a `value_number`.
        axis: what the number is.
        narrow: whether panels stand below each other.
    """
    quantities = list(arms["quantity"].unique())
    figure, panels = panel_grid(len(quantities), narrow, columns=2)
    look = _size_looks(arms["batch_size"])
    for axes, quantity in zip(panels, quantities, strict=True):
        lines(axes, arms[arms["quantity"] == quantity], "value_number", _ARM, look, "batch_size", sizes=False)
        axes.set_title(_capital(quantity))
        axes.set_xlabel(axis)
        axes.set_ylabel(quantity_name(quantity))
    legend(figure, panels, 2 if narrow else 6)
    return figure


def switch_figure(arms: pd.DataFrame, look: Looks, narrow: bool) -> Plate:
    """Change against the first arm over training batch size, a panel a quantity, a line an arm, zero a line."""
    quantities = list(arms["quantity"].unique())
    figure, panels = panel_grid(len(quantities), narrow, columns=2)
    for axes, quantity in zip(panels, quantities, strict=True):
        lines(axes, arms[arms["quantity"] == quantity], "batch_size", _CHANGE, look)
        axes.axhline(0, color=light("line"), linewidth=0.8, zorder=1)
        axes.set_title(_capital(quantity))
        axes.set_xlabel(_TRAINED)
        axes.set_ylabel(f"change of {quantity_name(quantity)}")
    legend(figure, panels, 2 if narrow else 4)
    return figure


def _size_looks(sizes: pd.Series) -> Looks:
    """Batch sizes as looks: light to dark, a marker each."""
    ordered = sorted(sizes.unique())
    return {
        size: Look(
            f"trained at {size}",
            SIZES[round(place * (len(SIZES) - 1) / max(1, len(ordered) - 1)) if len(ordered) > 1 else 2],
            MARKERS[place % len(MARKERS)],
        )
        for place, size in enumerate(ordered)
    }


def _capital(quantity: str) -> str:
    name = quantity_name(quantity)
    return name[0].upper() + name[1:] if name.startswith("gap") else name
