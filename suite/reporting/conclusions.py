"""What the numbers allow to be said, as sentences; and, where they decide nothing, that."""

from __future__ import annotations

import math
from typing import NamedTuple

import pandas as pd

from suite.reporting.evidence import DatasetEvidence, Evidence
from suite.reporting.model import AP, count, listing, number, signed, with_interval


class Standing(NamedTuple):
    """Where the paired comparison puts a loss against the leader: below, above, undecided or missing, and how far."""

    loss: str
    side: str
    difference: float = math.nan
    low: float = math.nan
    high: float = math.nan


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
    scope = f"{count(int(first.seeds), 'seed')}{_classes(first)} at batch size {int(first.batch_size)}"
    if len(best) > 1:
        text += f" at batch size {int(first.batch_size)}."
    elif _known(first.low):
        text += f" (mean and 95 % interval for {_new(first)}, from {scope})."
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
    found: dict[str, list[str]] = {"below": [], "above": [], "undecided": [], "missing": []}
    for one in standings(data):
        by = f" ({signed(one.difference, one.low, one.high)})" if _known(one.difference) else ""
        found[one.side].append(f"{_label(evidence, one.loss)}{by}")
    test = "by a paired test over seeds and classes with Holm's correction"
    words = {
        "below": f"below it {test}",
        "above": f"above it at the seeds both finished, {test}",
        "undecided": "not told apart from it",
        "missing": "not compared with it",
    }
    parts = [f"{_these(names)} {words[side]}: {listing(names)}" for side, names in found.items() if names]
    others = count(len(board) - 1, "other loss", "other losses")
    compared = f", compared with {_label(evidence, best)}" if len(leaders(board)) > 1 else ""
    text = f"Of the {others}{compared}, {'; '.join(parts)}."
    return text


def standings(data: DatasetEvidence) -> list[Standing]:
    """Every other loss against the first of the leaderboard, in the leaderboard's order."""
    board, pairs = data.board(AP), test_pairs(data)
    if board.empty:
        return []
    best = board["loss"].iloc[0]
    return [_stands(pairs, loss, best) for loss in board["loss"].iloc[1:]]


def _stands(pairs: pd.DataFrame, loss: str, other: str) -> Standing:
    for side, opposite, mine in (("loss_a", "loss_b", "a"), ("loss_b", "loss_a", "b")):
        rows = pairs[(pairs[side] == loss) & (pairs[opposite] == other)]
        if len(rows):
            row = rows.iloc[0]
            ends = (row.difference, row.low, row.high) if mine == "a" else (-row.difference, -row.high, -row.low)
            told = "undecided" if row.decision == "undecided" else "above" if row.decision == mine else "below"
            return Standing(loss, told, *ends)
    return Standing(loss, "missing")


def detectable(data: DatasetEvidence) -> str:
    """How many pairs are decided, and the smallest true difference that the study finds."""
    pairs = test_pairs(data)
    if pairs.empty:
        return ""
    text = f"{decided_pairs(pairs)}."
    known = pairs["detectable"].dropna()
    if known.empty:
        return f"{text} What difference could have been found cannot be told."
    ends = dict.fromkeys((number(known.min()), number(known.max())))
    return (
        f"{text} With 80 % power, at these seeds and classes, it takes a true difference of "
        f"{' to '.join(ends)}{', depending on the pair' if len(ends) > 1 else ''}, to be decided after that "
        "correction: smaller ones this study cannot be expected to see."
    )


def decided_pairs(pairs: pd.DataFrame) -> str:
    """How many pairs the comparison decides."""
    decided = int((pairs["decision"] != "undecided").sum())
    return f"{decided} of {count(len(pairs), 'pair')} {'is' if decided == 1 else 'are'} decided at the 5 % level"


def lift(data: DatasetEvidence) -> str:
    """The frozen floor and how far the losses lift it."""
    floor, board = data.floor(AP), data.board(AP)
    if floor is None or board.empty:
        return "There is no frozen floor on record, so no lift can be given." if floor is None else ""
    best = board.iloc[0]
    times = f"{with_interval(best.lift, best.lift_low, best.lift_high, 2)} times"
    text = f"Frozen features, the floor, reach mAP {number(floor)}; the best loss "
    text += f"lifts it to {times} that." if best["mean"] > floor else f"does not lift it: it reaches {times} that."
    known = board.dropna(subset=["lift_low", "lift_high"])
    if len(known) > 1:
        above = int((known["lift_low"] > 1).sum())
        have = "has" if above == 1 else "have"
        text += (
            f" {above} of {len(known)} losses{_with_intervals(known, board)} {have} the whole interval of this ratio "
            "above 1."
        )
    below = int((known["lift_high"] < 1).sum())
    if below:
        text += f" {count(below, 'loss has it', 'losses have it')} below 1."
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


def failures(data: DatasetEvidence) -> str:
    """Failed runs, if there are any."""
    if data.failed.empty:
        return ""
    rest = "is not in any mean; it is" if len(data.failed) == 1 else "are not in any mean; they are"
    return (
        f"{count(len(data.failed), 'run')} of {len(data.failed) + len(data.finished)} failed and {rest} listed below."
    )


def across_datasets(evidence: Evidence) -> str:
    """Ranks over data sets, or why there are none."""
    ranks = evidence.friedman[evidence.friedman["metric"] == AP]
    if ranks.empty:
        return (
            "Ranks over data sets (Friedman's test with Nemenyi's critical difference) take data sets as blocks and "
            f"need five of them; this study has {len(evidence.datasets)}, and seeds are no substitute."
        )
    first = ranks.iloc[0]
    order = ranks.sort_values("mean_rank", kind="stable")
    listed = listing(f"{evidence.label(row.loss)} {number(row.mean_rank, 2)}" for row in order.itertuples())
    text = f"Mean ranks over {count(int(first.datasets), 'data set')}, 1 the best: {listed}."
    if first.reason:
        return f"{text} There is no test of them: {first.reason}."
    return (
        f"{text} Friedman's test: p = {number(first.p)}; ranks further apart than "
        f"{number(first.critical_difference, 2)} (Nemenyi, 95 %) differ."
    )


def test_pairs(data: DatasetEvidence) -> pd.DataFrame:
    """Pairwise comparisons of test mAP."""
    return data.pairwise[(data.pairwise["split"] == "test") & (data.pairwise["metric"] == AP)]


def intervals_note(data: DatasetEvidence) -> str:
    """How intervals are to be read."""
    if data.board(AP)["low"].notna().any():
        return (
            "Intervals are 95 %, for new seeds and new classes, seeds crossed with classes and queries nested in "
            "these. Overlap of two intervals is no test; the paired comparison is."
        )
    return (
        "With one seed a loss there are no intervals, and the order of the losses cannot be told "
        "from the luck of a run."
    )


def _new(row: pd.Series) -> str:
    return "new seeds and new classes" if row.method == "crossed" else "new seeds on the same classes"


def _classes(row: pd.Series) -> str:
    return "" if pd.isna(row.classes) else f" and {count(int(row.classes), 'class', 'classes')}"


def _label(evidence: Evidence, loss: str) -> str:
    return evidence.params.loss(loss).label


def _these(names: list[str]) -> str:
    return "one is" if len(names) == 1 else f"{len(names)} are"


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def decision_text(label_a: str, label_b: str, decision: str, p: float, reason: str | None) -> str:
    """The decision of a pair in words; the reason why it is undecided where that is not its p value."""
    if decision == "undecided":
        why = isinstance(reason, str) and reason and not _known(p)
        return f"undecided{f' ({reason})' if why else ''}"
    return f"{label_a if decision == 'a' else label_b} higher"
