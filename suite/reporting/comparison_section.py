"""Which losses the paired comparison tells apart on one data set: matrix, table, groups."""

from __future__ import annotations

from suite.reporting import conclusions
from suite.reporting.comparison_figures import pairwise_figure
from suite.reporting.evidence import DatasetEvidence, Evidence
from suite.reporting.looks import Looks
from suite.reporting.metric_table import main_runs
from suite.reporting.model import (
    AP,
    Block,
    Cell,
    Column,
    Figure,
    Paragraph,
    Table,
    count,
    measured,
    p_value,
    plain,
)
from suite.reporting.plates import render
from suite.statistics.groups import letters


def group_letters(data: DatasetEvidence) -> dict[str, str] | None:
    """Letters of the losses of the leaderboard, by the decisions on test mAP; None where no two losses are compared."""
    pairs, order = conclusions.test_pairs(data), list(data.board(AP)["loss"])
    if pairs.empty or len(order) < 2:
        return None
    decided = pairs[pairs["decision"] != "undecided"]
    return letters(order, zip(decided["loss_a"], decided["loss_b"], strict=True))


def comparison(evidence: Evidence, data: DatasetEvidence, look: Looks) -> list[Block]:
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
    wide, narrow = render(pairwise_figure, pairs, order, look)
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
            Cell(labels[row.loss_a], runs=main_runs(evidence, data, row.loss_a)),
            Cell(labels[row.loss_b], runs=main_runs(evidence, data, row.loss_b)),
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
