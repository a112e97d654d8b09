"""What the numbers allow to be said, as sentences; and, where they decide nothing, that."""

from __future__ import annotations

import math

import pandas as pd

from suite.reporting.evidence import DatasetEvidence, Evidence
from suite.reporting.model import count, listing, number, with_interval

AP = "level0/AP"


def summary(evidence: Evidence) -> tuple[str, ...]:
    """The sentences that open the report, data set by data set."""
    sentences = []
    for data in evidence.datasets:
        lead = f"{data.short}: " if len(evidence.datasets) > 1 else ""
        for text in (
            leader(evidence, data),
            rivals(evidence, data),
            lift(data),
            gap(evidence, data),
            scaling(data),
            failures(data),
        ):
            if text:
                sentences.append(lead + text)
    return tuple(sentences)


def leader(evidence: Evidence, data: DatasetEvidence) -> str:
    """Which loss has the highest test mAP, or which losses share it."""
    board = data.board(AP)
    if board.empty:
        return nothing(evidence, data)
    best = leaders(board)
    first = best.iloc[0]
    names = listing(_label(evidence, loss) for loss in best["loss"])
    value = with_interval(first["mean"], first.low, first.high)
    if len(board) == 1:
        text = f"{names} is the only loss with finished runs; its test mAP is {value}"
    elif len(best) > 1:
        text = f"{names} share the highest mean test mAP, {number(first['mean'])}"
    else:
        text = f"{names} has the highest test mAP, {value}"
    seeds = sorted(set(board["seeds"].astype(int)))
    scope = f"{count(int(first.seeds), 'seed')} at batch size {int(first.batch_size)}"
    if len(best) > 1:
        text += f" at batch size {int(first.batch_size)}."
    elif _known(first.low):
        text += f" (mean and 95 % interval over {scope})."
    else:
        text += f" ({scope}; one seed gives no interval, so its spread is unknown)."
    if len(seeds) > 1:
        each = "; ".join(
            f"{listing(_label(evidence, loss) for loss in part['loss'])} {amount}"
            for amount, part in board.groupby("seeds", sort=True)
        )
        text += f" The means are not over the same number of seeds: {each}."
    return text


def leaders(board: pd.DataFrame) -> pd.DataFrame:
    """The rows of a leaderboard, best first, that share its highest mean."""
    return board[board["mean"] == board["mean"].iloc[0]]


def rivals(evidence: Evidence, data: DatasetEvidence) -> str:
    """Whether the others can be told apart from the leader, by the Holm-adjusted paired comparison.

    The comparison is over the seeds that both finished, so a loss of lower mean may still stand above the leader.
    """
    board = data.board(AP)
    if len(board) < 2:
        return "There is no second loss to compare with." if len(board) == 1 else ""
    best = board["loss"].iloc[0]
    pairs = test_pairs(data)
    found: dict[str, list[str]] = {"below": [], "above": [], "undecided": [], "missing": []}
    for other in board["loss"].iloc[1:]:
        found[_stands(pairs, other, best)].append(_label(evidence, other))
    test = "by a paired test over seeds with Holm's correction"
    words = {
        "below": f"below it {test}",
        "above": f"above it at the seeds both finished, {test}",
        "undecided": "not told apart from it by these seeds",
        "missing": "not compared with it",
    }
    parts = [f"{_these(names)} {words[side]}: {listing(names)}" for side, names in found.items() if names]
    others = count(len(board) - 1, "other loss", "other losses")
    compared = f", compared with {_label(evidence, best)}" if len(leaders(board)) > 1 else ""
    text = f"Of the {others}{compared}, {'; '.join(parts)}."
    if found["undecided"]:
        text += " An undecided pair is not a proof of equality."
    return text


def _stands(pairs: pd.DataFrame, loss: str, other: str) -> str:
    """Where the paired comparison puts `loss` against `other`: above, below, undecided, or missing."""
    for side, opposite, mine in (("loss_a", "loss_b", "a"), ("loss_b", "loss_a", "b")):
        row = pairs[(pairs[side] == loss) & (pairs[opposite] == other)]
        if len(row):
            decision = row["decision"].iloc[0]
            return "undecided" if decision == "undecided" else "above" if decision == mine else "below"
    return "missing"


def lift(data: DatasetEvidence) -> str:
    """The frozen floor and how far the losses lift it."""
    floor, board = data.floor(AP), data.board(AP)
    if floor is None or board.empty:
        return "There is no frozen floor on record, so no lift can be given." if floor is None else ""
    best = board.iloc[0]
    times = f"{with_interval(best.lift, best.lift_low, best.lift_high, 2)} times"
    text = f"Frozen features, the floor, reach mAP {number(floor)}; the best loss "
    text += f"lifts it to {times} that." if best["mean"] > floor else f"does not lift it: it reaches {times} that."
    known = board.dropna(subset=["low", "high"])
    if len(known) > 1:
        above = int((known["low"] > floor).sum())
        have = "has its" if above == 1 else "have their"
        text += f" {above} of {len(known)} losses{_with_intervals(known, board)} {have} whole interval above the floor."
    below = int((known["high"] < floor).sum())
    if below:
        text += f" {count(below, 'loss has its', 'losses have their')} whole interval below it."
    return text


def _with_intervals(known: pd.DataFrame, board: pd.DataFrame) -> str:
    return "" if len(known) == len(board) else " with an interval"


def nothing(evidence: Evidence, data: DatasetEvidence) -> str:
    """Why there is no leaderboard."""
    if data.finished.empty:
        return "No run finished, so nothing can be concluded about any loss."
    return f"No run finished at batch size {evidence.params.main_batch_size}, so the losses cannot be ranked."


def judged(data: DatasetEvidence) -> str:
    """How the test images are judged."""
    protocol = data.protocol
    if protocol.gallery is None:
        return f"Test: each of {len(protocol.queries):,} images against all others."
    text = f"Test: {len(protocol.queries):,} queries against a gallery of {len(protocol.gallery):,} images"
    text += f" (protocol `{protocol.name}`)."
    if "positive" in set(() if protocol.relations is None else protocol.relations["relation"]):
        text += " mAP@100 goes by the pairs that the data set states, the other metrics by shared labels."
    return text


def gap(evidence: Evidence, data: DatasetEvidence) -> str:
    """How the decomposability gap behaves with measuring batch size, beside the frozen control."""
    main = gap_at_main(evidence, data)
    board = data.board(AP)
    sizes = sorted(main["measure_batch_size"].unique())
    if board.empty or main[main["loss"] == board["loss"].iloc[0]].empty:
        return "The decomposability gap was not measured at the main batch size."
    best = board["loss"].iloc[0]
    small, large = (_gap_row(main, best, size) for size in (sizes[0], sizes[-1]))
    text = (
        f"The decomposability gap of {_label(evidence, best)}, AP within batches minus AP over the "
        f"whole evaluation set, is "
        f"{with_interval(small['gap'], small.gap_low, small.gap_high)} in batches of {sizes[0]}"
    )
    if len(sizes) > 1:
        text += f" and {with_interval(large['gap'], large.gap_low, large.gap_high)} in batches of {sizes[-1]}"
    control = _gap_row(main, "frozen", sizes[0])
    if control is None:
        return text + "; without a frozen control on record this cannot be set apart from what batch size alone does."
    text += f"; for frozen features, where nothing was learnt, it is {number(control['gap'])}"
    far = _gap_row(main, "frozen", sizes[-1])
    if len(sizes) > 1 and far is not None:
        text += f" and {number(far['gap'])}"
        if far["gap"] < control["gap"]:
            text += ", so a fall with batch size is not in itself an effect of a loss"
    return text + "."


def scaling(data: DatasetEvidence) -> str:
    """What training batch size did to test mAP, by the paired test between the ends of each loss."""
    table = studied(data, AP)
    if table.empty:
        return "Training batch size was not varied, so nothing can be said about it."
    tests = data.scaling_comparison
    tests = tests[(tests["metric"] == AP) & (tests["split"] == "test")].set_index("loss")
    found: dict[str, list[str]] = {"higher": [], "lower": [], "undecided": []}
    for loss, rows in table.groupby("loss", sort=False):
        found[tests["decision"].get(loss, "undecided")].append(_moved(rows.sort_values("batch_size")))
    words = {
        "higher": "higher at the largest training batch than at the smallest for",
        "lower": "lower at the largest training batch than at the smallest for",
    }
    parts = [f"{text} {listing(found[side])}" for side, text in words.items() if found[side]]
    sentences = []
    if parts:
        sentences.append(
            "By a paired test over common seeds with Holm's correction over the losses, test mAP is "
            f"{'; '.join(parts)}."
        )
    if found["undecided"]:
        sentences.append(
            "Whether the largest training batch gives a higher test mAP than the smallest cannot be decided by these "
            f"seeds for {listing(found['undecided'])}."
        )
    sentences.append("Epochs are equal, so a larger batch also means fewer steps: the two are not separated here.")
    return " ".join(sentences)


def _moved(rows: pd.DataFrame) -> str:
    """A loss with its means at both ends and, where one lies between these, its extremes."""
    first, last = rows.iloc[0], rows.iloc[-1]
    ends = f"{number(first['mean'])} at {first.batch_size}, {number(last['mean'])} at {last.batch_size}"
    inner = rows.iloc[1:-1]
    for word, place in (("highest", rows["mean"].idxmax()), ("lowest", rows["mean"].idxmin())):
        if place in inner.index:
            ends += f", {word} mean at batch {inner.loc[place, 'batch_size']}: {number(inner.loc[place, 'mean'])}"
    return f"{first.label} ({ends})"


def failures(data: DatasetEvidence) -> str:
    """Failed runs, if there are any."""
    if data.failed.empty:
        return ""
    rest = "is not in any mean; it is" if len(data.failed) == 1 else "are not in any mean; they are"
    return (
        f"{count(len(data.failed), 'run')} of {len(data.failed) + len(data.finished)} failed and {rest} listed below."
    )


def test_pairs(data: DatasetEvidence) -> pd.DataFrame:
    """Pairwise comparisons of test mAP."""
    return data.pairwise[(data.pairwise["split"] == "test") & (data.pairwise["metric"] == AP)]


def gap_at_main(evidence: Evidence, data: DatasetEvidence) -> pd.DataFrame:
    """Gap rows of the losses at the main batch size and of the controls."""
    return data.gap[data.gap["train_batch_size"].isin([0, evidence.params.main_batch_size])]


def studied(data: DatasetEvidence, metric: str) -> pd.DataFrame:
    """Test rows of the batch-size study: losses on record at two batch sizes or more."""
    table = data.scaling[(data.scaling["metric"] == metric) & (data.scaling["split"] == "test")].dropna(subset=["mean"])
    sizes = table.groupby("loss")["batch_size"].transform("nunique")
    return table[sizes > 1]


def gap_difference(evidence: Evidence, data: DatasetEvidence) -> str:
    """At the smallest measuring batch, which losses' gap differs from the frozen control's, by the paired test."""
    rows = data.gap_comparison
    rows = rows[(rows["control"] == "frozen") & (rows["train_batch_size"] == evidence.params.main_batch_size)]
    rows = rows[rows["measure_batch_size"] == rows["measure_batch_size"].min()]
    if rows.empty:
        return "Without a frozen control on record no difference between a loss and it can be claimed."
    known, unknown = rows.dropna(subset=["p_holm"]), rows[rows["p_holm"].isna()]
    size = int(rows["measure_batch_size"].iloc[0])
    partitions = int(rows["partitions"].iloc[0])
    sentences = []
    words = {
        "below": "is smaller than that of frozen features for",
        "above": "is larger than that of frozen features for",
        "undecided": "is not set apart from it for",
    }
    parts = [
        f"{text} {_names(evidence, known[known['decision'] == side])}"
        for side, text in words.items()
        if (known["decision"] == side).any()
    ]
    if parts:
        tests = "the test" if len(known) == 1 else f"{len(known)} tests"
        sentences.append(
            f"At measuring batch {size}, by differences paired by partition, a t test over seeds and Holm's "
            f"correction over {tests}, the gap {'; it '.join(parts)}."
        )
    if len(unknown):
        sentences.append(f"No test was possible for {_names(evidence, unknown)}: {_reasons(unknown)}.")
    if parts:
        sentences.append(
            f"These intervals are over seeds, conditional on the same {count(partitions, 'partition')}; the "
            "error over partitions stands beside them in the table."
        )
        sentences.append(
            "A gap also moves with the AP over the set, and these APs differ, so such a difference is not "
            "yet due to the loss's form."
        )
    return " ".join(sentences)


def intervals_note(data: DatasetEvidence) -> str:
    """How intervals are to be read."""
    if data.board(AP)["low"].notna().any():
        return (
            "Intervals are 95 % t intervals over seeds: they cover the luck of a run, not that of the "
            "choice of classes. "
            "Overlap of two intervals is no test; the paired comparison is."
        )
    return (
        "With one seed a loss there are no intervals, and the order of the losses cannot be told "
        "from the luck of a run."
    )


def _label(evidence: Evidence, loss: str) -> str:
    return evidence.params.loss(loss).label


def _names(evidence: Evidence, rows: pd.DataFrame) -> str:
    return listing(_label(evidence, loss) for loss in rows["loss"])


def _reasons(rows: pd.DataFrame) -> str:
    return "; ".join(dict.fromkeys(rows["reason"]))


def _these(names: list[str]) -> str:
    return "one is" if len(names) == 1 else f"{len(names)} are"


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _gap_row(table: pd.DataFrame, loss: str, size: int) -> pd.Series | None:
    rows = table[(table["loss"] == loss) & (table["measure_batch_size"] == size)]
    return None if rows.empty else rows.iloc[0]


def decision_text(label_a: str, label_b: str, decision: str, reason: str | None) -> str:
    """The decision of a pair in words."""
    if decision == "undecided":
        return f"undecided{f' ({reason})' if isinstance(reason, str) and reason else ''}"
    return f"{label_a if decision == 'a' else label_b} higher"
