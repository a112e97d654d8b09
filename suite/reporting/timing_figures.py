"""Time and memory of the losses against batch size: one panel a family, a loss and its peers in one colour."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from suite.benchmarking.timings import FLOOR
from suite.reporting.looks import MARKERS, Look, Looks
from suite.reporting.palette import LOSSES, light
from suite.reporting.plates import NARROW, WIDE, Plate

QUANTITIES = {"median_ms": "forward + backward", "peak_memory_bytes": "memory beyond inputs"}


def timed_looks(table: pd.DataFrame, look: Looks) -> Looks:
    """A look for everything in a timing table, in the order of the table.

    Losses of the study keep theirs. Others take a colour and a marker that their panel does not use yet; a peer has
    those of the loss it implements, with a hollow marker and a broken line; the matrix products are a dotted line.
    """
    chosen: Looks = {}
    for family in table["family"].unique():
        rows = table[table["family"] == family].drop_duplicates("loss")
        ours = rows[(rows["twin"] == "") & (rows["loss"] != FLOOR)]
        taken = [look[name] for name in ours["loss"] if name in look]
        colours = _unused(LOSSES, [style.colour for style in taken])
        markers = _unused(MARKERS, [style.marker for style in taken])
        fresh = (name for name in ours["loss"] if name not in look)
        for place, name in enumerate(fresh):
            label = ours.loc[ours["loss"] == name, "label"].iloc[0]
            chosen[name] = Look(label, colours[place % len(colours)], markers[place % len(markers)])
        chosen |= {name: look[name] for name in ours["loss"] if name in look}
    for place, row in enumerate(table.drop_duplicates("loss").itertuples()):
        if row.loss == FLOOR:
            chosen[row.loss] = Look(row.label, light("ink"), "", ":")
        elif row.twin:
            # Without its twin in the record a peer is grey, with a marker of its own.
            twin = chosen.get(row.twin, Look(row.label, light("peer"), MARKERS[-1 - place % len(MARKERS)]))
            chosen[row.loss] = replace(twin, label=row.label, line="--", hollow=True)
    return {name: chosen[name] for name in table["loss"].unique()}


def growth_figure(table: pd.DataFrame, value: str, look: Looks, narrow: bool) -> Plate:
    """`value` of a timing table (a key of `QUANTITIES`) against batch size, both axes logarithmic.

    Losses timed at one batch size alone are left out.
    """
    table = table.dropna(subset=[value])
    table = table[table.groupby("loss")["batch_size"].transform("nunique") > 1]
    families = [family for family in table["family"].unique() if family]
    columns = 1 if narrow else 2
    rows = -(-len(families) // columns)
    height = (3.3 if narrow else 2.9) * max(1, rows)
    figure = Plate(figsize=(NARROW if narrow else WIDE, height), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    floor = table[table["loss"] == FLOOR]
    for place, axes in enumerate(panels.ravel()):
        if place >= len(families):
            axes.remove()
            continue
        part = pd.concat([table[table["family"] == families[place]], floor])
        for name in part["loss"].unique():
            mine = part[part["loss"] == name].sort_values("batch_size")
            _line(axes, mine["batch_size"], mine[value], look[name])
            for size, amount in zip(mine["batch_size"], mine[value], strict=True):
                shown = _SHOWN[value](amount)
                figure.note(axes, size, amount, f"{look[name].label}, {size:,}: {shown}")
        axes.set_title(families[place])
        axes.tick_params(labelbottom=True, labelleft=True)
        axes.set_xlabel("batch size (images)", fontsize=8.5)
        axes.legend(loc="upper center", bbox_to_anchor=(0.45, -0.22), ncols=2, fontsize=7.5, columnspacing=1.0)
        if narrow or place % columns == 0:
            axes.set_ylabel(QUANTITIES[value])
    _scales(panels[0, 0], sorted(table["batch_size"].unique()), value)
    return figure


def _unused(choices: tuple[str, ...], taken: list[str]) -> list[str]:
    """`choices`, those not in `taken` first."""
    return [choice for choice in choices if choice not in taken] + [choice for choice in choices if choice in taken]


def _line(axes: Axes, sizes: pd.Series, values: pd.Series, style: Look) -> None:
    axes.plot(
        sizes,
        values,
        color=style.colour,
        linestyle=style.line,
        marker=style.marker or None,
        markersize=5,
        label=style.label,
        markerfacecolor=light("paper") if style.hollow else style.colour,
        markeredgecolor=style.colour if style.hollow else light("paper"),
        markeredgewidth=1.0 if style.hollow else 0.6,
        zorder=1.5 if not style.marker else 2,
    )


def _scales(axes: Axes, sizes: list[int], value: str) -> None:
    """Logarithmic axes for all panels, which share them: powers of two across, of ten upwards."""
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size / 1024:g}k" if size >= 1024 else f"{size:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(10, numticks=12))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda amount, _: _SHOWN[value](amount)))


def _milliseconds(value: float) -> str:
    return f"{value / 1000:.3g} s" if value >= 1000 else f"{value:.3g} ms"


def _bytes(value: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:g} B"


_SHOWN = {"median_ms": _milliseconds, "peak_memory_bytes": _bytes}
