"""Sections that hold results of one data set: leaderboard, comparisons, gap, batch size, levels, examples."""

from __future__ import annotations

from suite.reporting import batchsize, conclusions, figures
from suite.reporting.conclusions import AP
from suite.reporting.evidence import DatasetEvidence, Evidence
from suite.reporting.model import (
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
    whole,
    with_interval,
    worded,
)
from suite.reporting.retrieval import gallery


def sections(evidence: Evidence, data: DatasetEvidence, look: figures.Looks) -> list[Section]:
    """All result sections of one data set; titles name it where the study has several."""
    several = len(evidence.datasets) > 1
    parts = {
        "leaderboard": ("Leaderboard", leaderboard(evidence, data, look)),
        "comparison": ("Pairwise comparison", comparison(evidence, data, look)),
        "gap": ("Decomposability gap", batchsize.gap(evidence, data, look)),
        "scaling": ("Training batch size", batchsize.scaling(evidence, data, look)),
        "levels": ("Hierarchical levels", levels(evidence, data)),
        "retrieval": ("Retrieval examples", retrieval(evidence, data)),
    }
    return [
        Section(f"{data.name}-{key}", f"{title}: {data.short}" if several else title, tuple(blocks))
        for key, (title, blocks) in parts.items()
    ]


def main_figure_data(evidence: Evidence, data: DatasetEvidence, look: figures.Looks) -> tuple:
    """Arguments of `figures.main_figure` for one data set."""
    return data.board(AP), conclusions.studied(data, AP), data.floor(AP), look


def leaderboard(evidence: Evidence, data: DatasetEvidence, look: figures.Looks) -> list[Block]:
    """Main figure, test leaderboard, validation mAP."""
    board = data.board(AP)
    if board.empty:
        return [Paragraph(conclusions.nothing(evidence, data))]
    varied = not conclusions.studied(data, AP).empty
    name = "main" if data is evidence.datasets[0] else f"{data.name}-main"
    wide, narrow = figures.render(figures.main_figure, *main_figure_data(evidence, data, look))
    caption = (
        f"Test mAP on {data.short} at batch size {evidence.params.main_batch_size}, best on top"
        + ("; and against training batch size, in the same colours and markers" if varied else "")
        + ". Bars: 95 % t intervals over seeds; dashed: frozen features. Look first at how far the bars lie from "
        "the dashed line; which losses differ from one another is for the paired comparison to say."
    )
    alt = "Test mAP, best first: " + "; ".join(
        f"{look[row.loss].label} {with_interval(row.mean, row.low, row.high)}" for row in board.itertuples()
    )
    blocks: list[Block] = [
        Figure(name, caption, f"{alt}.", wide, narrow),
        Paragraph(f"{conclusions.judged(data)} {conclusions.intervals_note(data)}"),
    ]
    metrics = {metric: label for metric, label in HEADLINE.items() if not data.board(metric).empty}
    blocks.append(_board_table(evidence, data, metrics))
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
        f"Losses are compared at equal seeds: differences of test mAP run by run, a paired t test, and "
        f"Holm's correction over "
        f"the {count(len(pairs), 'pair')}. {decided} of {len(pairs)} are decided at the 5 % level."
    )
    if decided < len(pairs):
        text += " For the others these seeds cannot say which is better, or whether either is."
    wide, narrow = figures.render(figures.pairwise_figure, pairs, order, look)
    caption = (
        "Difference of test mAP, row minus column, in hundredths, best loss first. Bold on a fill: "
        "decided after Holm's "
        "correction over the pairs of this metric (none across metrics), the fill saying which is higher; "
        "hatched: undecided."
    )
    figure = Figure(
        f"{data.name}-pairwise",
        caption,
        f"Matrix of {len(pairs)} paired differences, {decided} decided; every value is in the table that follows.",
        wide,
        narrow,
    )
    rows = tuple(
        (
            Cell(labels[row.loss_a]),
            Cell(labels[row.loss_b]),
            Cell(str(row.seeds), float(row.seeds)),
            measured(row.difference, float("nan"), float("nan"), sign=True),
            Cell(interval(row.low, row.high, sign=True) or number(None)),
            p_value(row.p_holm),
            Cell(
                conclusions.decision_text(labels[row.loss_a], labels[row.loss_b], row.decision, row.reason),
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
        Column("95 % interval"),
        Column("p (Holm)", True),
        Column("Decision", wide=True),
    )
    table = Table(
        f"{data.name}-pairwise",
        "Every pair: mean difference of test mAP over common seeds with its 95 % interval, "
        "p after Holm's correction over these pairs, and the decision at 5 %. The CSV has the other metrics, each a "
        "family of its own: nothing is corrected across metrics.",
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
        f"whether what is retrieved "
        "is at least of the right kind. A loss sees finest classes alone unless its settings, under "
        "Tuning, name another level."
    )
    return [
        Paragraph(text),
        _metric_table(
            evidence,
            data,
            f"{data.name}-levels",
            metrics,
            "Test mAP at each hierarchy level, finest first: mean over seeds above its 95 % interval. "
            "Random retrieval "
            "already scores more at a coarser level, so compare within a column.",
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
        f"above its 95 % interval. Lift: mAP "
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
    floors = {metric: data.floor(metric) for metric in metrics}
    if floors[AP] is not None:
        cells = [Cell("Frozen features (floor)"), Cell("–")]
        cells += [Cell(number(value), value) for value in floors.values()]
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
        "Validation mAP, each image against all others, and its lift over frozen features. Optimistic: heads, and "
        "learning rates where a search is on record, were chosen on these classes; the test table is the one to quote.",
        (Column("Loss"), Column("Seeds", True), Column("mAP (validation)", True), Column("Lift", True)),
        tuple(rows),
        table[(table["split"] == "val") & (table["metric"] == AP)].drop(columns="dataset"),
        sortable=True,
        folded=True,
    )
