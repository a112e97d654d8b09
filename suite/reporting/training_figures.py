"""Curves along training: validation mAP, all losses together, and training loss, each in a panel of its own."""

from __future__ import annotations

import textwrap

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from suite.reporting.looks import Looks
from suite.reporting.marks import legend, points
from suite.reporting.plates import NARROW, WIDE, Plate

_ENDS = ("mean", "low", "high")


def validation_figure(table: pd.DataFrame, wholes: set[str], look: Looks, narrow: bool) -> Plate:
    """Validation mAP against epoch; heads and whole networks in panels of their own, where both were trained.

    Args:
        table: a row a loss and epoch, `loss`, `epoch`, `mean`, `low`, `high`.
        wholes: losses that train the whole network.
        look: of the losses.
        narrow: for narrow screens.
    """
    of_wholes = table["loss"].isin(wholes)
    parts = {"Heads": table[~of_wholes], "Whole network": table[of_wholes]}
    parts = {title: part for title, part in parts.items() if len(part)}
    shape = (len(parts), 1) if narrow else (1, len(parts))
    figure = Plate(figsize=(NARROW, 0.9 + 2.5 * len(parts)) if narrow else (WIDE, 3.3))
    ratios = {} if narrow or len(parts) == 1 else {"width_ratios": [2.2, 1]}
    panels = figure.subplots(*shape, squeeze=False, **ratios).ravel()
    for axes, (title, part) in zip(panels, parts.items(), strict=True):
        keys = [key for key in look if key in set(part["loss"])]
        epochs = np.sort(part["epoch"].unique())
        # Bars of several losses at one epoch would hide each other: each loss stands a little aside.
        room = 0.5 * np.diff(epochs).min() if len(epochs) > 1 else 0.0
        aside = {key: room * (place / max(1, len(keys) - 1) - 0.5) for place, key in enumerate(keys)}
        for key in keys:
            rows = part[part["loss"] == key].sort_values("epoch")
            x = rows["epoch"] + (aside[key] if len(keys) > 1 else 0.0)
            points(axes, x, rows, _ENDS, look[key], look[key].line, names=_epochs(rows))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("epoch")
        if len(parts) > 1:
            axes.set_title(title)
    panels[0].set_ylabel("validation mAP")
    legend(figure, panels, 2 if narrow else 4)
    return figure


def training_loss_figure(table: pd.DataFrame, look: Looks, narrow: bool) -> Plate:
    """Training loss against epoch, a panel a loss and batch size.

    Args:
        table: a row a loss, batch size and epoch, `loss`, `batch_size`, `epoch`, `mean`, `low`, `high`.
        look: of the losses.
        narrow: for narrow screens.
    """
    cases = dict(list(table.groupby(["loss", "batch_size"])))
    order = sorted(cases, key=lambda case: (list(look).index(case[0]), case[1]))
    columns = min(len(order), 2 if narrow else 4)
    rows = -(-len(order) // columns)
    figure = Plate(figsize=(NARROW if narrow else WIDE, 0.3 + 1.45 * rows))
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[len(order) :]:
        axes.remove()
    several = table.groupby("loss")["batch_size"].nunique().max() > 1
    for axes, case in zip(panels, order, strict=False):
        part, style = cases[case].sort_values("epoch"), look[case[0]]
        # Panels are small and epochs many.
        with matplotlib.rc_context({"lines.markersize": 3.5, "lines.markeredgewidth": 0.5}):
            names = part["epoch"].map("epoch {:g}".format)
            points(axes, part["epoch"], part, _ENDS, style, style.line, names=names)
        title = f"{style.label}, {case[1]}" if several else style.label
        axes.set_title(textwrap.fill(title, 18), fontsize=8.5)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(4))
    figure.supxlabel("epoch", fontsize=9)
    figure.supylabel("training loss (own scale)", fontsize=9)
    return figure


def _epochs(rows: pd.DataFrame) -> pd.Series:
    return rows["epoch"].map("epoch {:.3g}".format)
