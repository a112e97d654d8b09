"""What may be said of the decomposability gap."""

from __future__ import annotations

from typing import Any

import pandas as pd

from suite.reporting.decisions import decided, each
from suite.reporting.evidence import CONTROLS, DatasetEvidence, Evidence
from suite.reporting.model import AP, count, interval, listing, metric_name, number, with_interval
from suite.statistics.controls import WHITENED

WORDS = {"below": "smaller for", "above": "larger for"}
_MOVES = "A gap also moves with the AP over the set, so a difference is not by itself due to the form of a loss."


def measured(evidence: Evidence, data: DatasetEvidence, metric: str | None = "AP") -> pd.DataFrame:
    """Gap rows of the main sampler on test at equal epochs: every loss and training batch size, and the controls.

    `metric` None: of all metrics.
    """
    table = data.gap
    chosen = (table["sampler"] == evidence.params.measure.main_sampler) & (table["split"] == "test")
    chosen &= table["budget"] == "epochs"
    return table[chosen if metric is None else chosen & (table["metric"] == metric)]


def at_main(evidence: Evidence, table: pd.DataFrame) -> pd.DataFrame:
    """Of a table of gaps, the compared losses at the main batch size and the controls."""
    chosen = table["train_batch_size"].isin([0, evidence.params.main_batch_size])
    return table[chosen & table["loss"].isin([*evidence.params.compared, *CONTROLS])]


def headline_size(evidence: Evidence, data: DatasetEvidence) -> int | None:
    """The smallest measured batch size, where the gap is largest; None where the gap was not measured."""
    main = at_main(evidence, measured(evidence, data))
    return None if main.empty else int(main["measure_batch_size"].min())


def against_controls(evidence: Evidence, data: DatasetEvidence) -> pd.DataFrame:
    """Gap of AP of the compared losses at the main batch size against each control."""
    table = data.gap_comparison
    chosen = (table["train_batch_size"] == evidence.params.main_batch_size) & (table["metric"] == "AP")
    chosen &= (table["budget"] == "epochs") & table["loss"].isin(list(evidence.params.compared))
    return table[chosen]


def gap(evidence: Evidence, data: DatasetEvidence) -> str:
    """The gap of the leader and of the controls at the smallest measured size."""
    main, board = at_main(evidence, measured(evidence, data)), data.board(AP)
    size = headline_size(evidence, data)
    if size is None or board.empty or main[main["loss"] == board["loss"].iloc[0]].empty:
        return "The decomposability gap was not measured at the main batch size."
    rows = main[main["measure_batch_size"] == size].set_index("loss")
    known = [loss for loss in (board["loss"].iloc[0], *CONTROLS) if loss in rows.index]
    values = (with_interval(*rows.loc[loss, ["gap", "gap_low", "gap_high"]]) for loss in known)
    gaps = listing(f"{value} for {lowered(evidence, loss)}" for loss, value in zip(known, values, strict=True))
    text = f"The decomposability gap, AP within batches of {size} minus AP over the whole evaluation set, is {gaps}."
    if "frozen" in known:
        return text
    return f"{text} Without a frozen control on record this cannot be set apart from what batch size alone does."


def difference(evidence: Evidence, rows: pd.DataFrame, most: int | None = None) -> str:
    """How far each loss's gap differs from one control's at one measuring size; nothing without rows."""
    if rows.empty:
        return ""
    control = evidence.label(rows["control"].iloc[0]).lower()
    name = _named(evidence)
    told = decided(rows, WORDS, name, tell=lambda some: each(some, name, most=most))
    return f"Against {control}, the gap is: {told}."


def comparisons(evidence: Evidence, data: DatasetEvidence) -> list[str]:
    """A sentence a control and measuring size, then how they are to be read."""
    table = against_controls(evidence, data)
    if table.empty:
        return ["Without a control on record no difference between a loss and it can be claimed."]
    sentences = []
    for size in sorted(table["measure_batch_size"].unique()):
        rows = table[table["measure_batch_size"] == size]
        told = [
            difference(evidence, rows[rows["control"] == control], most)
            for control, most in (("frozen", None), ("random", 2))
        ]
        sentences.append(f"Measured at {size}. {' '.join(filter(None, told))}")
    partitions = int(table["partitions"].iloc[0])
    sentences.append(
        "These are differences paired by partition, tested by t over seeds with Holm's correction over the losses of a "
        f"measuring size. Intervals are over seeds, conditional on the same {count(partitions, 'partition')}; the "
        f"error over partitions stands beside them in the table. {_MOVES}"
    )
    return sentences


def matched(
    evidence: Evidence,
    data: DatasetEvidence,
    size: int,
    references: tuple[str, ...] | None = None,
    most: int | None = None,
) -> list[str]:
    """How far each loss's gap differs from each reference's where both have the same AP over the set.

    `references` None: all on record; more losses of one side than `most` are told together.
    """
    name = _named(evidence)
    table = data.gap_matched
    table = table[(table["metric"] == "AP") & (table["measure_batch_size"] == size)]
    table = table if references is None else table[table["reference"].isin(references)]
    sentences = []
    for reference, rows in table.groupby("reference", sort=False):
        against = lowered(evidence, reference)
        if reference == WHITENED:
            against += " (frozen ones evened out within the training classes, which have learnt by no loss)"
        met = rows["seeds"] > 1
        why = "fewer than two seeds with an AP over the set in common"
        rows = rows.assign(reason=rows["reason"].where(met, why), p_holm=rows["p_holm"].where(met))
        values = rows.loc[met, "set_value"]
        ends = dict.fromkeys((number(values.min()), number(values.max()))) if len(values) else ()
        at = f" (AP {' to '.join(ends)})" if ends else ""
        sentences.append(
            f"At equal AP over the set{at}, against {against}, the gap in batches of {size} is: "
            f"{decided(rows, WORDS, name, tell=lambda some: each(some, name, most=most))}."
        )
    return sentences


def precision(evidence: Evidence, data: DatasetEvidence) -> str:
    """How many partitions the precision asked for takes, against those measured."""
    table = at_main(evidence, measured(evidence, data, None)).dropna(subset=["partitions_needed"])
    if table.empty:
        return "How many partitions a given precision takes is not on record."
    enough = int((table["partitions_needed"] <= table["partitions"]).sum())
    low, high = int(table["partitions_needed"].min()), int(table["partitions_needed"].max())
    asked = f"a 95 % interval over partitions of ±{evidence.params.measure.precision:g}"
    takes = f"{low:,} to {high:,} partitions" if low < high else count(low, "partition")
    return (
        f"For {asked}, a gap of these losses and controls takes {takes}, by metric and size; the "
        f"{count(int(table['partitions'].max()), 'partition')} measured are enough for {enough} of {len(table)}."
    )


def samplers(evidence: Evidence, data: DatasetEvidence) -> pd.DataFrame:
    """Gap of AP at the main batch size by sampler, at the largest size that all of several samplers measured."""
    table = data.gap
    table = table[(table["metric"] == "AP") & (table["split"] == "test") & (table["budget"] == "epochs")]
    table = at_main(evidence, table)
    used = table.groupby("measure_batch_size")["sampler"].nunique()
    if used.empty or used.max() < 2:
        return table.iloc[:0]
    return table[table["measure_batch_size"] == used[used == used.max()].index.max()]


def sampling(evidence: Evidence, data: DatasetEvidence, table: pd.DataFrame) -> str:
    """Whether and how far the way in which batches are drawn moves the gap, for the leader and the frozen control."""
    board = data.board(AP)
    shown = [loss for loss in (*board["loss"].head(1), "frozen") if loss in set(table["loss"])]
    parts = []
    for loss in shown:
        rows = table[table["loss"] == loss].sort_values("gap")
        low, high = rows.iloc[0], rows.iloc[-1]
        ends = " to ".join(
            f"{with_interval(row['gap'], row.gap_low, row.gap_high)} ({sampler_name(evidence, row.sampler)})"
            for row in (low, high)
        )
        parts.append(f"{ends} for {lowered(evidence, loss)}")
    size = int(table["measure_batch_size"].iloc[0])
    return f"The gap belongs to a sampler as much as to a loss: in batches of {size} it goes from {listing(parts)}."


def sampler_name(evidence: Evidence, key: str) -> str:
    """How a sampler of the settings draws, in words."""
    sampler = evidence.params.measure.samplers.get(key)
    if sampler is None:
        return key
    if sampler.kind == "random":
        return "at random"
    if sampler.kind == "hierarchical":
        return f"{sampler.samples_per_class} images a class, {sampler.super_classes} super-classes"
    return f"{sampler.samples_per_class} images a class"


def by_training_batch(evidence: Evidence, data: DatasetEvidence, size: int) -> str:
    """What training batch size did to the gap of AP measured at `size`, at each budget."""
    table = data.scaling_effect
    table = table[(table["metric"] == f"gap_AP_at_{size}") & (table["quantity"] == "slope")]
    sentences = []
    for budget, rows in table.groupby("budget", sort=False):
        told = decided(
            rows, {"higher": "a rise for", "lower": "a fall for"}, _named(evidence), ("estimate", "low", "high")
        )
        sentences.append(
            f"Change of the gap of AP in batches of {size} for a doubling of the training batch at equal {budget}: "
            f"{told}."
        )
    return " ".join(sentences)


def followed(evidence: Evidence, data: DatasetEvidence) -> pd.DataFrame:
    """Gap of AP of the compared losses along training."""
    table = data.gap_training
    return table[(table["metric"] == "AP") & table["loss"].isin(list(evidence.params.compared))]


def along(evidence: Evidence, data: DatasetEvidence) -> str:
    """How the gap moved from the first validation kept to the last."""
    table = followed(evidence, data)
    if table.empty:
        return ""
    size = int(table["measure_batch_size"].min())
    rows = table[table["measure_batch_size"] == size]
    parts = []
    for loss in (key for key in evidence.params.losses if key in set(rows["loss"])):
        mine = rows[rows["loss"] == loss].sort_values("epoch")
        first, last = mine.iloc[0], mine.iloc[-1]
        parts.append(
            f"{evidence.label(loss)} {number(first['gap'])} to "
            f"{with_interval(last['gap'], last.gap_low, last.gap_high)} "
            f"(AP over the set {number(first.set_value)} to {number(last.set_value)})"
        )
    return (
        f"From the first to the last validation, the gap of AP in batches of {size} went from: {'; '.join(parts)}. "
        "What retrieves better over the set has another gap for that alone, so losses are to be compared at "
        "equal AP over the set, not at equal epochs."
    )


def generalisation(table: pd.DataFrame, evidence: Evidence, size: int) -> str:
    """How training classes differ from unseen ones, in AP and in gap; `table` has a row a loss."""
    trained = table[~table["loss"].isin(CONTROLS)]
    drop = trained["train_set_value"] - trained["test_set_value"]
    change = trained["train_gap"] - trained["test_gap"]
    text = (
        f"AP over the set is higher on training classes than on unseen ones by {_range(drop)} between losses (means "
        f"over seeds), and the gap in batches of {size} differs by {_range(change)} (training minus unseen)."
    )
    frozen = table[table["loss"] == "frozen"]
    if len(frozen):
        row = frozen.iloc[0]
        text += (
            f" For frozen features, which saw neither, these differences are "
            f"{number(row.train_set_value - row.test_set_value, sign=True)} and "
            f"{number(row.train_gap - row.test_gap, sign=True)}: that much is due to the classes."
        )
    return text


def _range(values: pd.Series) -> str:
    low, high = number(values.min(), sign=True), number(values.max(), sign=True)
    return low if low == high else f"{low} to {high}"


def metrics_in_words(evidence: Evidence, data: DatasetEvidence) -> str:
    """The leader's gap metric by metric at the smallest measured size."""
    table, board = at_main(evidence, measured(evidence, data, None)), data.board(AP)
    if board.empty or table["metric"].nunique() < 2:
        return ""
    rows = table[(table["loss"] == board["loss"].iloc[0])]
    size = rows["measure_batch_size"].min()
    parts = [
        f"{metric_name(row.metric)} {number(row.gap)} {interval(row.gap_low, row.gap_high)}".strip()
        for row in rows[rows["measure_batch_size"] == size].itertuples()
    ]
    leader = evidence.label(board["loss"].iloc[0])
    return f"Every metric has a gap of its own: for {leader} in batches of {size}, {listing(parts)}."


def _named(evidence: Evidence) -> Any:
    return lambda row: evidence.label(row.loss)


def lowered(evidence: Evidence, loss: str) -> str:
    """What a loss or a control is called within a sentence."""
    label = evidence.label(loss)
    return label.lower() if loss in (*CONTROLS, WHITENED) else label
