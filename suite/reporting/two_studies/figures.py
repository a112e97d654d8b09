"""Differences of two studies: a panel a metric or measuring size, a row a loss, zero a line."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
from matplotlib.ticker import MaxNLocator

from suite.reporting.looks import Looks
from suite.reporting.marks import dot
from suite.reporting.palette import light
from suite.reporting.plates import NARROW, WIDE, Plate


def differences_figure(table: pd.DataFrame, by: str, titles: dict, axis: str, look: Looks, narrow: bool) -> Plate:
    """Differences with their intervals; decided ones are filled, the others hollow.

    Args:
        table: a row a loss and value of `by`; `difference`, `low`, `high`, `decision`.
        by: column that tells the panels apart.
        titles: of the panels, by the values of `by`, in their order.
        axis: what the horizontal axis is.
        look: of the losses.
        narrow: whether panels stand in rows of one.
    """
    losses = list(dict.fromkeys(table["loss"]))
    columns = 1 if narrow else min(3, len(titles))
    rows = -(-len(titles) // columns)
    figure = Plate(figsize=(NARROW if narrow else WIDE, 0.5 + rows * (0.7 + 0.24 * len(losses))))
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes in panels[len(titles) :]:
        axes.remove()
    for axes, (value, title) in zip(panels, titles.items(), strict=False):
        axes.axvline(0, color=light("line"), linewidth=0.9, zorder=1)
        for row in table[table[by] == value].dropna(subset=["difference"]).itertuples():
            style = replace(look[row.loss], hollow=row.decision == "undecided")
            dot(axes, row, ("difference", "low", "high"), losses.index(row.loss), style, sign=True)
        axes.set_title(title)
        axes.grid(False, axis="y")
        axes.xaxis.set_major_locator(MaxNLocator(3))
        axes.margins(x=0.08)
    panels[0].set_yticks(range(len(losses)), [look[loss].label for loss in losses])
    panels[0].set_ylim(len(losses) - 0.4, -0.6)
    figure.supxlabel(axis, fontsize=9, color=light("ink"))
    return figure
