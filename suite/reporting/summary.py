"""The summary: which loss wins, how sure that is, what the gap, the ablations and the batch size did, in few words."""

from __future__ import annotations

import math

import pandas as pd

from suite.reporting import conclusions, conclusions_ablations, conclusions_gap, conclusions_scaling
from suite.reporting.decisions import tally
from suite.reporting.evidence import CONTROLS, DatasetEvidence, Evidence
from suite.reporting.model import AP, Finding, Summary, count, listing, number, signed, with_interval
from suite.statistics.controls import WHITENED

# Findings of a data set.
MOST = 6
# How intervals and decisions go together.
NOTE = (
    "Intervals are 95 %, each for itself: of test metrics for new seeds and new classes, of gaps for new seeds on the "
    "same partitions; after a range of estimates stand the outermost ends of their intervals. Decisions are at the "
    "5 % level after Holm's correction over a family of comparisons, so that an interval may leave zero out and its "
    "case be undecided all the same. What cannot be decided is not thereby equal."
)


def summary(evidence: Evidence) -> tuple[Summary, ...]:
    """What all data sets say together, where there are several, then each of them in at most `MOST` findings."""
    if len(evidence.datasets) == 1:
        return (Summary("", findings(evidence, evidence.datasets[0])),)
    first = evidence.datasets[0].name
    together = Finding("Which loss wins", agreement(evidence), f"{first}-leaderboard")
    parts = (Summary(data.short, findings(evidence, data)) for data in evidence.datasets)
    return (Summary("All data sets", (together,)), *parts)


def findings(evidence: Evidence, data: DatasetEvidence) -> tuple[Finding, ...]:
    """The findings of one data set; ablations that find no room of their own share the last one."""
    told = [
        ("Which loss wins", winner(evidence, data), "leaderboard"),
        ("How sure", sureness(evidence, data), "comparison"),
        ("Decomposability gap", gap(evidence, data), "gap"),
    ]
    last = [("Batch size", batch_size(evidence, data), "scaling")]
    failed = conclusions.failures(data)
    room = MOST - sum(bool(text) for _, text, _ in (*told, *last)) - bool(failed)
    told += [(label, text, "ablations") for label, text in _ablations(evidence, data, room)]
    findings = [Finding(label, text, f"{data.name}-{section}") for label, text, section in (*told, *last) if text]
    return (*findings, *((Finding("Failed runs", failed, "runs"),) if failed else ()))


def agreement(evidence: Evidence) -> str:
    """Whether the data sets have the same winner, and where its lead is decided."""
    boards = {data.name: data.board(AP) for data in evidence.datasets}
    known = [data for data in evidence.datasets if not boards[data.name].empty]
    if not known:
        return "No data set has finished runs to rank."
    best = {data.short: _names(evidence, boards[data.name]) for data in known}
    where = "both data sets" if len(known) == 2 else f"all {len(known)} data sets"
    if len(known) == 1:
        text = f"{known[0].short} alone has finished runs to rank: {best[known[0].short]} leads there."
    elif len(set(best.values())) == 1:
        text = f"{next(iter(best.values()))} has the highest test mAP on {where}."
    else:
        text = f"The data sets do not agree: {listing(f'{names} leads on {short}' for short, names in best.items())}."
    missing = len(evidence.datasets) - len(known)
    if missing and len(known) > 1:
        text += f" {count(missing, 'data set has', 'data sets have')} no finished runs to rank."
    sides = {data.short: [one.side for one in conclusions.standings(data)] for data in known}
    sides = {short: found for short, found in sides.items() if found}
    clear = [short for short, found in sides.items() if set(found) == {"below"}]
    open_ = [
        f"{sum(side != 'below' for side in found)} of {count(len(found), 'other')} cannot be put below it on {short}"
        for short, found in sides.items()
        if short not in clear
    ]
    told = [f"it is decidedly above every other loss on {listing(clear)}"] if clear else []
    clauses = "; ".join([*told, *open_])
    return f"{text} {_begun(clauses)}." if clauses else text


def winner(evidence: Evidence, data: DatasetEvidence) -> str:
    """The loss of the highest test mAP, its mAP, its lift over frozen features, and what both rest on."""
    board = data.board(AP)
    if board.empty:
        return conclusions.nothing(evidence, data)
    first = board.iloc[0]
    names, value = _names(evidence, board), with_interval(first["mean"], first.low, first.high)
    sides = {one.side for one in conclusions.standings(data)}
    if len(conclusions.leaders(board)) > 1:
        text = f"{names} share the highest test mAP, {number(first['mean'])}"
    elif len(board) == 1:
        text = f"{names} is the only loss with finished runs: test mAP {value}"
    elif sides == {"below"}:
        text = f"{names} wins: test mAP {value}"
    else:
        text = f"{names} has the highest test mAP, {value}"
    floor = data.floor(AP)
    if floor is not None and _known(first.lift):
        text += f", {with_interval(first.lift, first.lift_low, first.lift_high, 2)} times that of frozen features"
        text += f" ({number(floor)})"
    seeds = count(int(first.seeds), "seed")
    lacking = "" if _known(first.low) else ", and one seed gives no interval"
    return f"{text}. {seeds} at batch size {int(first.batch_size)}{lacking}."


def sureness(evidence: Evidence, data: DatasetEvidence) -> str:
    """Which other losses are decided against the winner, and what differences the study can find."""
    board = data.board(AP)
    if board.empty:
        return ""
    if len(board) == 1:
        return "There is no second loss to compare with."
    standings = conclusions.standings(data)

    def told(side: str) -> str:
        mine = sorted((one for one in standings if one.side == side), key=lambda one: -one.difference)
        ends = [one for one in dict.fromkeys((mine[0], mine[-1])) if _known(one.difference)]
        named = [f"{evidence.label(one.loss)} ({signed(one.difference, one.low, one.high)})" for one in ends]
        return f", {'from ' if len(named) > 1 else ''}{' to '.join(named)}" if named else ""

    words = {
        "below": "decidedly below it",
        "above": "decidedly above it at the seeds both finished",
        "undecided": "not told apart from it",
        "missing": "not compared with it",
    }
    amounts = {side: sum(one.side == side for one in standings) for side in words}
    parts = [f"{amounts[side]} {phrase}{told(side)}" for side, phrase in words.items() if amounts[side]]
    text = f"Of {count(len(standings), 'other loss', 'other losses')}: {'; '.join(parts)}."
    if amounts["below"] == len(standings) > 1:
        text = f"All {len(standings)} other losses are {words['below']}{told('below')}."
    pairs = conclusions.test_pairs(data)
    decided = int((pairs["decision"] != "undecided").sum())
    amount = "none is" if decided == 0 else "1 is" if decided == 1 else f"{decided} are"
    text += f" Of {count(len(pairs), 'pair')} {amount} decided."
    if not board["low"].notna().any():
        text += " With one seed a loss, their order may be the luck of a run."
    known = pairs["detectable"].dropna()
    if len(known):
        ends = dict.fromkeys((number(known.min()), number(known.max())))
        text += f" True differences under {' to '.join(ends)}, by the pair, would mostly be missed."
    return text


def gap(evidence: Evidence, data: DatasetEvidence) -> str:
    """The gap of the winner beside that of frozen features, and which losses have another one at equal AP."""
    size = conclusions_gap.headline_size(evidence, data)
    main, board = conclusions_gap.at_main(evidence, conclusions_gap.measured(evidence, data)), data.board(AP)
    if size is None or board.empty or board["loss"].iloc[0] not in set(main["loss"]):
        return "It was not measured at the main batch size."
    rows = main[main["measure_batch_size"] == size].set_index("loss")
    shown = [loss for loss in (board["loss"].iloc[0], *CONTROLS[:1]) if loss in rows.index]
    values = {loss: with_interval(*rows.loc[loss, ["gap", "gap_low", "gap_high"]]) for loss in shown}
    gaps = listing(f"{value} for {conclusions_gap.lowered(evidence, loss)}" for loss, value in values.items())
    text = f"AP within batches of {size} is above AP over the whole set by {gaps}."
    words = {"above": "larger", "below": "smaller"}
    table = data.gap_matched
    table = table[(table["metric"] == "AP") & (table["measure_batch_size"] == size) & (table["seeds"] > 1)]
    equal = table[(table["reference"] == WHITENED) & table["loss"].isin(list(evidence.params.compared))]
    if len(equal):
        return f"{text} At equal AP, against whitened frozen features, it is {tally(equal, words, 'losses')}."
    table = conclusions_gap.against_controls(evidence, data)
    table = table[(table["control"] == "frozen") & (table["measure_batch_size"] == size)]
    if table.empty:
        return f"{text} Without a frozen control on record this cannot be set apart from what batch size alone does."
    return f"{text} Against frozen features, at whatever AP each has, it is {tally(table, words, 'losses')}."


def batch_size(evidence: Evidence, data: DatasetEvidence) -> str:
    """What a doubling of the training batch is worth at equal epochs and at equal steps."""
    words = {"higher": "a rise", "lower": "a fall"}
    found = {budget: conclusions_scaling.effects(data, AP, budget, "slope") for budget in conclusions_scaling.MEANS}
    found = {budget: rows for budget, rows in found.items() if len(rows)}
    if not found:
        return conclusions_scaling.NOT_VARIED
    smallest = min(rows["smallest"].min() for rows in found.values())
    largest = max(rows["largest"].max() for rows in found.values())
    estimate = conclusions_scaling.ESTIMATE
    told = {budget: tally(rows, words, "losses", estimate) for budget, rows in found.items()}
    parts = [f"at equal {budget} {text}" for budget, text in told.items()]
    text = f"What a doubling of the training batch ({smallest} to {largest}) does to test mAP: {'; '.join(parts)}."
    if set(found) == {"epochs"} and conclusions_scaling.studied(evidence, data, AP, "steps").empty:
        text += " Nothing was trained at equal steps."
    return text


def _ablations(evidence: Evidence, data: DatasetEvidence, room: int) -> list[tuple[str, str]]:
    """Label and outcome of each ablation; what does not fit in the room is told together."""
    size = conclusions_gap.headline_size(evidence, data)
    quantities = [AP] if size is None else [AP, f"gap_AP_at_{size}"]
    names = conclusions_ablations.varied(evidence.params, data.name)
    alone = names if len(names) <= room else names[: max(room - 1, 0)]
    label = {name: evidence.params.ablations[name].label for name in names}
    told = [(label[name], _begun(conclusions_ablations.outcome(data, name, quantities))) for name in alone]
    if len(alone) == len(names):
        return told
    rest = (f"{label[one]}: {conclusions_ablations.outcome(data, one, quantities[:1])}" for one in names[len(alone) :])
    return [*told, ("Other ablations", " ".join(rest))]


def _begun(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"


def _names(evidence: Evidence, board: pd.DataFrame) -> str:
    return listing(evidence.label(loss) for loss in conclusions.leaders(board)["loss"])


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
