"""Sections that hold results of one data set; leaderboard, comparisons, levels and examples are made here."""

from __future__ import annotations

import pandas as pd

from suite.reporting import conclusions, figures
from suite.reporting.ablation_section import ablations
from suite.reporting.conclusions_scaling import studied
from suite.reporting.end_to_end_section import end_to_end
from suite.reporting.evidence import DatasetEvidence, Evidence
from suite.reporting.gap_section import gap
from suite.reporting.model import (
    AP,
    HEADLINE,
    Block,
    Cell,
    Column,
    Figure,
    Paragraph,
    Section,
    Table,
    count,
    interval,
    measured,
    number,
    p_value,
    plain,
    whole,
    with_interval,
    worded,
)
from suite.reporting.protocol_words import what
from suite.reporting.retrieval import gallery
from suite.reporting.scaling_section import scaling


def sections(evidence: Evidence, data: DatasetEvidence, look: figures.Looks) -> list[Section]:
    """All result sections of one data set; titles name it where the study has several."""
    several = len(evidence.datasets) > 1
    parts = {
        "leaderboard": ("Leaderboard", leaderboard(evidence, data, look)),
        "comparison": ("Pairwise comparison", comparison(evidence, data, look)),
        "gap": ("Decomposability gap", gap(evidence, data, look)),
        "ablations": ("Ablations", ablations(evidence, data, look)),
        "end-to-end": ("End-to-end training", end_to_end(evidence, data)),
        "scaling": ("Training batch size", scaling(evidence, data, look)),
        "levels": ("Hierarchical levels", levels(evidence, data)),
        "retrieval": ("Retrieval examples", retrieval(evidence, data)),
    }
    return [
        Section(f"{data.name}-{key}", f"{title}: {data.short}" if several else title, tuple(blocks))
        for key, (title, blocks) in parts.items()
        if blocks
    ]


def main_figure_data(evidence: Evidence, data: DatasetEvidence, look: figures.Looks) -> tuple:
    """Arguments of `figures.main_figure` for one data set."""
    return data.board(AP), _varied(evidence, data), data.floor(AP), look


def _varied(evidence: Evidence, data: DatasetEvidence) -> pd.DataFrame:
    """The compared losses against batch size, at equal epochs."""
    table = studied(evidence, data, AP, "epochs")
    return table[table["loss"].isin(list(evidence.params.compared))]


def leaderboard(evidence: Evidence, data: DatasetEvidence, look: figures.Looks) -> list[Block]:
    """Main figure, test leaderboard, validation mAP."""
    board = data.board(AP)
    if board.empty:
        return [Paragraph(conclusions.nothing(evidence, data))]
    varied = not _varied(evidence, data).empty
    name = "main" if data is evidence.datasets[0] else f"{data.name}-main"
    wide, narrow = figures.render(figures.main_figure, *main_figure_data(evidence, data, look))
    caption = (
        f"Test mAP on {data.short} at batch size {evidence.params.main_batch_size}, best on top"
        + ("; and against training batch size at equal epochs, in the same colours and markers" if varied else "")
        + ". Bars: 95 % intervals for new seeds and new classes; dashed: frozen features. Look first at how far the "
        "bars lie from the dashed line; which losses differ from one another is for the paired comparison to say."
    )
    alt = "Test mAP, best first: " + "; ".join(
        f"{look[row.loss].label} {with_interval(row.mean, row.low, row.high)}" for row in board.itertuples()
    )
    blocks: list[Block] = [
        Paragraph(f"{conclusions.leader(evidence, data)} {conclusions.lift(data)}".strip()),
        Figure(name, caption, f"{alt}.", wide, narrow, board.drop(columns="dataset")),
        Paragraph(f"{conclusions.judged(data)} {conclusions.intervals_note(data)}"),
    ]
    metrics = {metric: label for metric, label in HEADLINE.items() if not data.board(metric).empty}
    blocks.append(_board_table(evidence, data, metrics))
    blocks.append(_intervals_table(evidence, data))
    blocks.append(_validation_table(evidence, data))
    return blocks


def comparison(evidence: Evidence, data: DatasetEvidence, look: figures.Looks) -> list[Block]:
    """Matrix and table of pairwise decisions on test mAP."""
    pairs = conclusions.test_pairs(data)
    order = [key for key in data.board(AP)["loss"] if key in {*pairs["loss_a"], *pairs["loss_b"]}]
    if pairs.empty or len(order) < 2:
        return [Paragraph("There are not two losses with finished runs, so there is nothing to compare.")]
    decided = int((pairs["decision"] != "undecided").sum())
    labels = {key: look[key].label for key in order}
    text = (
        "Losses are compared at equal seeds, query by query: the difference of test mAP, an interval and a test for "
        f"new seeds and new classes, and Holm's correction over the {count(len(pairs), 'pair')}. "
        f"{conclusions.rivals(evidence, data)} {conclusions.detectable(data)}"
    )
    if decided < len(pairs):
        text += " Of an undecided pair this study cannot say which is better, or whether either is."
    text += f" {conclusions.across_datasets(evidence)}"
    wide, narrow = figures.render(figures.pairwise_figure, pairs, order, look)
    caption = (
        "Difference of test mAP, row minus column, in hundredths, best loss first. Bold on a fill: "
        "decided after Holm's correction over the pairs of this metric (none across metrics), the fill saying which is "
        "higher; hatched: undecided."
    )
    figure = Figure(
        f"{data.name}-pairwise",
        caption,
        f"Matrix of {len(pairs)} paired differences, {decided} decided; every value is in the table that follows.",
        wide,
        narrow,
        pairs.drop(columns="dataset"),
    )
    rows = tuple(
        (
            Cell(labels[row.loss_a]),
            Cell(labels[row.loss_b]),
            Cell(str(row.seeds), float(row.seeds)),
            measured(row.difference, row.low, row.high, sign=True, strong=row.decision != "undecided"),
            p_value(row.p_holm),
            measured(row.improvement, row.improvement_low, row.improvement_high, 2),
            plain(row.effect_size, 1),
            plain(row.detectable),
            Cell(
                conclusions.decision_text(labels[row.loss_a], labels[row.loss_b], row.decision, row.p_holm, row.reason),
                strong=row.decision != "undecided",
            ),
        )
        for row in pairs.itertuples()
        if {row.loss_a, row.loss_b} <= set(labels)
    )
    columns = (
        Column("Loss a"),
        Column("Loss b"),
        Column("Seeds", True),
        Column("mAP, a − b", True),
        Column("p (Holm)", True),
        Column("P(a > b)", True),
        Column("effect size", True),
        Column("detectable", True),
        Column("Decision", wide=True),
    )
    table = Table(
        f"{data.name}-pairwise",
        "Every pair: difference of test mAP over common seeds above its 95 % interval for new seeds and new classes; p "
        "after Holm's correction over these pairs, and the decision at 5 %. Over runs on these classes: P(a > b), the "
        "probability that a run of a beats one of b, and the effect size, Hedges' g, in standard deviations from run "
        "to run. Detectable: the smallest true difference found with 80 % power. The CSV has intervals over seeds "
        "alone and of the hierarchical bootstrap, and the other metrics, each a family of its own.",
        columns,
        rows,
        data.pairwise.drop(columns="dataset"),
        sortable=True,
        folded=True,
    )
    return [Paragraph(text), figure, table]


def levels(evidence: Evidence, data: DatasetEvidence) -> list[Block]:
    """mAP at every hierarchy level."""
    metrics = {f"level{place}/AP": f"mAP, {worded(name)}" for place, name in enumerate(data.levels)}
    metrics = {metric: label for metric, label in metrics.items() if not data.board(metric).empty}
    if len(metrics) < 2:
        return [Paragraph("Results at one hierarchy level alone are on record.")]
    text = (
        f"The classes of the leaderboard are the finest level, {worded(data.levels[0])}. Coarser levels ask "
        "whether what is retrieved is at least of the right kind. A loss sees finest classes alone unless its "
        "settings, under Tuning, name another level."
    )
    return [
        Paragraph(text),
        _metric_table(
            evidence,
            data,
            f"{data.name}-levels",
            metrics,
            "Test mAP at each hierarchy level, finest first: mean over seeds above its 95 % interval for new seeds "
            "and new classes. Random retrieval already scores more at a coarser level, so compare within a column.",
        ),
    ]


def retrieval(evidence: Evidence, data: DatasetEvidence) -> list[Block]:
    """Pictures of queries and their first results."""
    board = data.board(AP)
    best = board["loss"].iloc[0] if len(board) else ""
    made = gallery(data, best, evidence.params.loss(best).label) if best else None
    if made is None:
        return [
            Paragraph(
                "Neighbours of the best loss and of frozen features are not both on record, so there are no examples."
            )
        ]
    return [
        Paragraph(
            "Examples illustrate; they decide nothing. The marks tell the levels apart by glyph and "
            "border, not by colour alone."
        ),
        made,
    ]


def _board_table(evidence: Evidence, data: DatasetEvidence, metrics: dict[str, str]) -> Table:
    caption = (
        f"Test metrics at batch size {evidence.params.main_batch_size}, ordered by mAP: mean over seeds "
        f"above its 95 % interval for new seeds and new classes. Lift: mAP "
        "over that of frozen features, the floor in the last row. Bold: highest mean of a column, which "
        "is not by itself a decided difference."
    )
    return _metric_table(evidence, data, f"{data.name}-leaderboard", metrics, caption, lift=True)


def _metric_table(
    evidence: Evidence,
    data: DatasetEvidence,
    name: str,
    metrics: dict[str, str],
    caption: str,
    lift: bool = False,
) -> Table:
    boards = {metric: data.board(metric) for metric in metrics}
    best = {metric: board["loss"].iloc[0] for metric, board in boards.items()}
    rows = []
    for row in data.board(AP).itertuples():
        cells = [Cell(evidence.params.loss(row.loss).label, strong=row.loss == best[AP]), whole(row.seeds)]
        for metric, board in boards.items():
            mine = board[board["loss"] == row.loss]
            cells.append(
                measured(*mine[["mean", "low", "high"]].iloc[0], strong=row.loss == best[metric])
                if len(mine)
                else Cell(number(None))
            )
        if lift:
            cells.append(measured(row.lift, row.lift_low, row.lift_high, 2))
        rows.append(tuple(cells))
    if data.floor(AP) is not None:
        cells = [Cell("Frozen features (floor)"), Cell("–")]
        cells += [_floor_cell(data, metric) for metric in metrics]
        rows.append((*cells, Cell("1.00", 1.0)) if lift else tuple(cells))
    columns = (
        Column("Loss"),
        Column("Seeds", True),
        *(Column(label, True) for label in metrics.values()),
        *([Column("Lift", True)] if lift else []),
    )
    table = data.leaderboard
    frame = table[(table["split"] == "test") & table["metric"].isin(metrics)].drop(columns="dataset")
    return Table(name, caption, columns, tuple(rows), frame, sortable=True)


def _floor_cell(data: DatasetEvidence, metric: str) -> Cell:
    table = data.leaderboard
    row = table[(table["metric"] == metric) & (table["split"] == "test") & (table["loss"] == "frozen")]
    return measured(*row[["mean", "low", "high"]].iloc[0]) if len(row) else Cell(number(None))


def _intervals_table(evidence: Evidence, data: DatasetEvidence) -> Table:
    """What other intervals would say, and what the values vary by."""
    table = data.leaderboard
    table = table[(table["split"] == "test") & (table["metric"] == AP)]
    board = pd.concat([data.board(AP), table[table["loss"] == "frozen"]])
    rows = tuple(
        (
            Cell("Frozen features (floor)" if row.loss == "frozen" else evidence.label(row.loss)),
            plain(row.mean),
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
            whole(row.seeds),
            measured(row.mean, row.low, row.high),
            measured(row.lift, row.lift_low, row.lift_high, 2),
        )
        for row in data.board(AP, "val").itertuples()
    ]
    floor = data.floor(AP, "val")
    if floor is not None:
        rows.append((Cell("Frozen features (floor)"), Cell("–"), Cell(number(floor), floor), Cell("1.00", 1.0)))
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
