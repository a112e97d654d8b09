"""The metrics of a hierarchy: mAP level by level, and those that weigh the levels against each other."""

from __future__ import annotations

import pandas as pd

from suite.reporting import conclusions
from suite.reporting.comparison_figures import levels_figure
from suite.reporting.evidence import DatasetEvidence, Evidence
from suite.reporting.looks import Looks
from suite.reporting.metric_table import metric_table
from suite.reporting.model import AP, Block, Figure, Paragraph, listing, with_interval, worded
from suite.reporting.plates import render

# Over all levels, by the names of the tables.
HIERARCHICAL = {"H_AP": "H-AP", "NDCG": "NDCG", "ASI": "ASI"}


def levels(evidence: Evidence, data: DatasetEvidence, look: Looks) -> list[Block]:
    """Figure and table of mAP at every level and of the hierarchical metrics."""
    if data.board(AP).empty:
        return [Paragraph(conclusions.nothing(evidence, data))]
    of_levels = {f"level{place}/AP": f"mAP ({worded(name)})" for place, name in enumerate(data.levels)}
    metrics = {metric: label for metric, label in (of_levels | HIERARCHICAL).items() if not data.board(metric).empty}
    if len(set(metrics) & set(of_levels)) < 2:
        return [Paragraph("Results at one hierarchy level alone are on record.")]
    order = list(data.board(AP)["loss"])
    table = pd.concat(
        data.board(metric).set_index("loss").reindex(order).dropna(subset=["mean"]).reset_index().assign(metric=label)
        for metric, label in metrics.items()
    )
    floors = {label: data.floor(metric) for metric, label in metrics.items() if data.floor(metric) is not None}
    name = f"{data.name}-levels"
    caption = (
        f"Test metrics of the hierarchy of {data.short}, the losses in the order of the leaderboard: mean and 95 % "
        "interval for new seeds and new classes; dashed: frozen features. See whether the order of the finest level "
        "holds at coarser ones; every panel has its own scale."
    )
    wide, narrow = render(levels_figure, table, floors, look)
    return [
        Paragraph(_text(data, metrics)),
        Figure(name, caption, _alt(table, look), wide, narrow, table.drop(columns="dataset")),
        metric_table(
            evidence,
            data,
            name,
            metrics,
            "Test mAP at each hierarchy level, finest first, and metrics over all levels: mean over seeds above its 95 "
            "% interval for new seeds and new classes. Random retrieval already scores more at a coarser level, so "
            "compare within a column.",
            folded=True,
        ),
    ]


def _text(data: DatasetEvidence, metrics: dict[str, str]) -> str:
    text = (
        f"The classes of the leaderboard are the finest level, {worded(data.levels[0])}. Coarser levels ask "
        "whether what is retrieved is at least of the right kind. A loss sees finest classes alone unless its "
        "settings, under Tuning, name another level."
    )
    leaders = {label: data.board(metric)["loss"].iloc[0] for metric, label in metrics.items()}
    if len(data.board(AP)) < 2:
        return f"{text} With one loss there is no order to hold against another level."
    first = leaders[metrics[AP]]
    others = [label for label, loss in leaders.items() if loss != first]
    label = data.board(AP)["label"].iloc[0]
    if not others:
        text += f" {label}, highest at the finest level, has the highest mean in every column."
    else:
        text += f" {label}, highest at the finest level, is not highest on {listing(others)}."
    if data.board(AP)["low"].isna().all():
        return f"{text} With one seed a loss neither order can be told from the luck of a run."
    return f"{text} Highest means are not by themselves decided differences; the CSV of the pairs has every metric."


def _alt(table: pd.DataFrame, look: Looks) -> str:
    parts = []
    for metric, rows in table.groupby("metric", sort=False):
        best = rows.sort_values("mean", ascending=False, kind="stable").iloc[0]
        value = with_interval(best["mean"], best.low, best.high)
        parts.append(f"{metric}, highest {look[best.loss].label} {value}")
    return f"Dots with intervals, a panel a metric: {'; '.join(parts)}."
