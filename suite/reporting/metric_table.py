"""The table that leaderboard and levels share: a loss a row, a metric a column, the frozen floor last."""

from __future__ import annotations

from dataclasses import replace

from suite.reporting.evidence import DatasetEvidence, Evidence
from suite.reporting.model import AP, Cell, Column, Runs, Table, measured, number, whole

FLOOR = "Frozen features (floor)"


def main_runs(evidence: Evidence, data: DatasetEvidence, loss: str) -> Runs | None:
    """The runs behind a loss in the leaderboard; a control has none."""
    return Runs(data.name, loss, evidence.params.main_batch_size, "epochs") if loss in evidence.params.losses else None


def metric_table(
    evidence: Evidence,
    data: DatasetEvidence,
    name: str,
    metrics: dict[str, str],
    caption: str,
    groups: dict[str, str] | None = None,
    lift: bool = False,
    folded: bool = False,
) -> Table:
    """Mean and interval of every loss at the main batch size, best test mAP on top, the highest mean of a column bold.

    Args:
        evidence, data: what is on record.
        name: of the table.
        metrics: columns, from a metric's name in the tables to the one shown; each has a row on record.
        caption: of the table.
        groups: letters of the losses, shown beside mAP, which they are about; None: no such column.
        lift: whether the ratio of mAP to the floor is shown.
        folded: whether the table is of second rank.
    """
    boards = {metric: data.board(metric) for metric in metrics}
    best = {metric: board["loss"].iloc[0] for metric, board in boards.items()}
    rows = []
    for row in data.board(AP).itertuples():
        runs = main_runs(evidence, data, row.loss)
        cells = [Cell(evidence.params.loss(row.loss).label, strong=row.loss == best[AP])]
        cells.append(replace(whole(row.seeds), runs=runs))
        for metric, board in boards.items():
            mine = board[board["loss"] == row.loss]
            cells.append(
                replace(measured(*mine[["mean", "low", "high"]].iloc[0], strong=row.loss == best[metric]), runs=runs)
                if len(mine)
                else Cell(number(None))
            )
            cells += [] if groups is None or metric != AP else [Cell(groups[row.loss])]
        if lift:
            cells.append(replace(measured(row.lift, row.lift_low, row.lift_high, 2), runs=runs))
        rows.append(tuple(cells))
    if data.floor(AP) is not None:
        cells = [Cell(FLOOR), Cell(number(None))]
        for metric in metrics:
            cells.append(_floor(data, metric))
            cells += [] if groups is None or metric != AP else [Cell(number(None))]
        rows.append((*cells, Cell("1.00", 1.0)) if lift else tuple(cells))
    columns = [Column("Loss"), Column("Seeds", True)]
    for metric, label in metrics.items():
        columns.append(Column(label, True))
        columns += [] if groups is None or metric != AP else [Column("Group")]
    columns += [Column("Lift", True)] if lift else []
    table = data.leaderboard
    frame = table[(table["split"] == "test") & table["metric"].isin(metrics)].drop(columns="dataset")
    frame = frame if groups is None else frame.assign(group=frame["loss"].map(groups).fillna(""))
    return Table(name, caption, tuple(columns), tuple(rows), frame, sortable=True, folded=folded)


def _floor(data: DatasetEvidence, metric: str) -> Cell:
    table = data.leaderboard
    row = table[(table["metric"] == metric) & (table["split"] == "test") & (table["loss"] == "frozen")]
    return measured(*row[["mean", "low", "high"]].iloc[0]) if len(row) else Cell(number(None))
