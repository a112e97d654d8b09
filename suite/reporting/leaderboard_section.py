"""The leaderboard of one data set: its figure, its table with groups, other intervals, validation."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from suite.reporting import conclusions
from suite.reporting.comparison_figures import main_figure
from suite.reporting.comparison_section import group_letters
from suite.reporting.conclusions_scaling import studied
from suite.reporting.evidence import DatasetEvidence, Evidence
from suite.reporting.looks import Looks
from suite.reporting.metric_table import FLOOR, main_runs, metric_table
from suite.reporting.model import (
    AP,
    HEADLINE,
    Block,
    Cell,
    Column,
    Figure,
    Paragraph,
    Table,
    interval,
    measured,
    number,
    plain,
    whole,
    with_interval,
)
from suite.reporting.plates import render
from suite.reporting.protocol_words import what


def main_figure_data(evidence: Evidence, data: DatasetEvidence, look: Looks) -> tuple:
    """Arguments of `main_figure` for one data set; a column `group` has the letters, if there are any."""
    board, groups = data.board(AP), group_letters(data)
    board = board if groups is None else board.assign(group=board["loss"].map(groups))
    return board, _varied(evidence, data), data.floor(AP), look


def _varied(evidence: Evidence, data: DatasetEvidence) -> pd.DataFrame:
    """The compared losses against batch size, at equal epochs."""
    table = studied(evidence, data, AP, "epochs")
    return table[table["loss"].isin(list(evidence.params.compared))]


def leaderboard(evidence: Evidence, data: DatasetEvidence, look: Looks) -> list[Block]:
    """Main figure, test leaderboard, validation mAP."""
    board = data.board(AP)
    if board.empty:
        return [Paragraph(conclusions.nothing(evidence, data))]
    varied = not _varied(evidence, data).empty
    name = "main" if data is evidence.datasets[0] else f"{data.name}-main"
    groups = group_letters(data)
    drawn = main_figure_data(evidence, data, look)
    wide, narrow = render(main_figure, *drawn)
    caption = (
        f"Test mAP on {data.short} at batch size {evidence.params.main_batch_size}, best on top"
        + ("; and against training batch size at equal epochs, in the same colours and markers" if varied else "")
        + ". Bars: 95 % intervals for new seeds and new classes; dashed: frozen features. Look first at how far the "
        "bars lie from the dashed line; "
        + (
            "which losses differ from one another is for the paired comparison to say."
            if groups is None
            else "then at the letters: losses that share one are not told apart by the paired comparison."
        )
    )
    alt = "Test mAP, best first: " + "; ".join(
        f"{look[row.loss].label} {with_interval(row.mean, row.low, row.high)}"
        + ("" if groups is None else f", group {groups[row.loss]}")
        for row in board.itertuples()
    )
    blocks: list[Block] = [
        Paragraph(f"{conclusions.leader(evidence, data)} {conclusions.lift(data)}".strip()),
        Figure(name, caption, f"{alt}.", wide, narrow, drawn[0].drop(columns="dataset")),
        Paragraph(f"{conclusions.judged(data)} {conclusions.intervals_note(data)} {_grouped(groups)}".strip()),
    ]
    metrics = {metric: label for metric, label in HEADLINE.items() if not data.board(metric).empty}
    caption = (
        f"Test metrics at batch size {evidence.params.main_batch_size}, ordered by mAP: mean over seeds "
        "above its 95 % interval for new seeds and new classes. "
        + ("" if groups is None else "Group: losses that share a letter are not told apart on mAP. ")
        + "Lift: mAP over that of frozen features, the floor in the last row. Bold: highest mean of a column, which "
        "is not by itself a decided difference."
    )
    blocks.append(metric_table(evidence, data, f"{data.name}-leaderboard", metrics, caption, groups, lift=True))
    blocks.append(_intervals_table(evidence, data))
    blocks.append(_validation_table(evidence, data))
    return blocks


def _grouped(groups: dict[str, str] | None) -> str:
    """How letters are read, and what they come to."""
    if groups is None:
        return ""
    text = "Losses that share a letter are not told apart by the paired comparison of mAP; losses that share none are. "
    if len(set(groups.values())) == 1:
        return f"{text}Here all share one, so no order of the losses is established."
    return (
        f"{text}To share a letter is not to be equal, and it is not handed on: of two losses that each share one with "
        "a third, one may still be decided above the other."
    )


def _intervals_table(evidence: Evidence, data: DatasetEvidence) -> Table:
    """What other intervals would say, and what the values vary by."""
    table = data.leaderboard
    table = table[(table["split"] == "test") & (table["metric"] == AP)]
    board = pd.concat([data.board(AP), table[table["loss"] == "frozen"]])
    rows = tuple(
        (
            Cell(FLOOR if row.loss == "frozen" else evidence.label(row.loss)),
            replace(plain(row.mean), runs=None if row.loss == "frozen" else main_runs(evidence, data, row.loss)),
            *(
                Cell(interval(*ends) or number(None))
                for ends in (
                    (row.low, row.high),
                    (row.seeds_low, row.seeds_high),
                    (row.bootstrap_low, row.bootstrap_high),
                )
            ),
            plain(row.sd_seed, 4),
            plain(row.sd_class, 4),
            whole(row.classes),
            whole(row.queries),
        )
        for row in board.itertuples()
    )
    columns = (
        Column("Loss"),
        Column("mAP", True),
        Column("seeds and classes"),
        Column("seeds alone"),
        Column("hierarchical bootstrap"),
        Column("sd of seeds", True),
        Column("sd of classes", True),
        Column("Classes", True),
        Column("Queries", True),
    )
    caption = (
        "Intervals of test mAP for different questions. Seeds and classes (used throughout; of the floor, classes "
        "alone): what new runs judged on new classes would give. Seeds alone (t): new runs on these same classes. "
        "Hierarchical bootstrap of seeds and classes: shown since it is usual; How far the intervals can be trusted "
        "says how it fares. Sd: standard deviation of the mean from seed to seed, and from class "
        "to class. The CSV has every metric."
    )
    frame = data.leaderboard[data.leaderboard["split"] == "test"].drop(columns="dataset")
    return Table(f"{data.name}-intervals", caption, columns, rows, frame, sortable=True, folded=True)


def _validation_table(evidence: Evidence, data: DatasetEvidence) -> Table:
    rows = [
        (
            Cell(evidence.params.loss(row.loss).label),
            replace(whole(row.seeds), runs=main_runs(evidence, data, row.loss)),
            replace(measured(row.mean, row.low, row.high), runs=main_runs(evidence, data, row.loss)),
            measured(row.lift, row.lift_low, row.lift_high, 2),
        )
        for row in data.board(AP, "val").itertuples()
    ]
    floor = data.floor(AP, "val")
    if floor is not None:
        rows.append((Cell(FLOOR), Cell(number(None)), Cell(number(floor), floor), Cell("1.00", 1.0)))
    table = data.leaderboard
    return Table(
        f"{data.name}-validation",
        "Validation mAP, each image against all others, and its lift over frozen features. Optimistic: "
        f"{what(evidence.params, evidence.params.compared)}, and learning rates where a search is on record, were "
        "chosen on these classes; the test table is the one to quote.",
        (Column("Loss"), Column("Seeds", True), Column("mAP (validation)", True), Column("Lift", True)),
        tuple(rows),
        table[(table["split"] == "val") & (table["metric"] == AP)].drop(columns="dataset"),
        sortable=True,
        folded=True,
    )
