"""The losses over all data sets: values and ranks side by side, and the critical-difference diagram."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from suite.reporting import conclusions
from suite.reporting.comparison_figures import critical_difference_figure
from suite.reporting.evidence import Evidence
from suite.reporting.looks import Looks
from suite.reporting.metric_table import main_runs
from suite.reporting.model import AP, Block, Cell, Column, Figure, Paragraph, Table, listing, number, plain
from suite.reporting.plates import render


def across(evidence: Evidence, look: Looks) -> list[Block]:
    """Mean ranks with their test where there are data sets enough; a table of ranks where there is more than one."""
    blocks: list[Block] = [Paragraph(conclusions.across_datasets(evidence))]
    ranks = evidence.friedman[evidence.friedman["metric"] == AP]
    if len(ranks) and ranks["critical_difference"].notna().all():
        blocks.append(_diagram(ranks, look))
    table = _ranked(evidence)
    if table["dataset"].nunique() > 1:
        blocks.append(_table(evidence, table))
    return blocks


def _diagram(ranks: pd.DataFrame, look: Looks) -> Figure:
    ranks = ranks.sort_values("mean_rank", kind="stable")
    difference, amount = float(ranks["critical_difference"].iloc[0]), int(ranks["datasets"].iloc[0])
    wide, narrow = render(critical_difference_figure, ranks, look)
    caption = (
        f"Mean rank of the losses over {amount} data sets by test mAP. See which losses a grey bar joins: their mean "
        f"ranks lie within Nemenyi's critical difference (95 %), {number(difference, 2)}, and are not told apart; "
        "those that no bar joins differ."
    )
    listed = listing(f"{look[row.loss].label} {number(row.mean_rank, 2)}" for row in ranks.itertuples())
    alt = f"Critical-difference diagram. Mean ranks: {listed}. Critical difference: {number(difference, 2)}."
    return Figure("critical-difference", caption, alt, wide, narrow, ranks)


def _ranked(evidence: Evidence) -> pd.DataFrame:
    """A row a data set and loss with its mean test mAP and its rank there, 1 the best; equal means share their mean."""
    boards = [data.board(AP).assign(dataset=data.name) for data in evidence.datasets]
    table = pd.concat(boards, ignore_index=True)[["dataset", "loss", "label", "seeds", "mean", "low", "high"]]
    return table.assign(rank=table.groupby("dataset")["mean"].rank(ascending=False))


def _table(evidence: Evidence, table: pd.DataFrame) -> Table:
    shown = [data for data in evidence.datasets if data.name in set(table["dataset"])]
    cells = {(row.dataset, row.loss): row for row in table.itertuples()}
    means = table.groupby("loss")["rank"].agg(["mean", "size"])
    order = means.sort_values("mean", kind="stable").index
    rows = []
    for loss in order:
        row = [Cell(evidence.label(loss))]
        for data in shown:
            found = cells.get((data.name, loss))
            row += (
                [Cell(number(None))] * 2
                if found is None
                else [
                    replace(plain(found.mean), runs=main_runs(evidence, data, loss)),
                    plain(found.rank, _digits(found)),
                ]
            )
        # A mean over some of the data sets is not to be held against one over all.
        row.append(plain(means.at[loss, "mean"], 2) if means.at[loss, "size"] == len(shown) else Cell(number(None)))
        rows.append(tuple(row))
    columns = (
        Column("Loss"),
        *(column for data in shown for column in (Column(f"{data.short}: mAP", True), Column("rank", True))),
        Column("Mean rank", True),
    )
    caption = (
        "Mean test mAP and rank of each loss on each data set, 1 the best, ordered by mean rank. Ranks say nothing of "
        "how far losses lie apart; which differences are decided stands with each data set."
    )
    return Table("across", caption, columns, tuple(rows), table, sortable=True)


def _digits(row: object) -> int:
    return 0 if float(row.rank).is_integer() else 1
