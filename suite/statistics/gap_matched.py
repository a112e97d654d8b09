"""The gap of a loss against a reference where both have the same value of the metric over the set.

A gap moves with the set's value even where nothing is learnt, so a difference of gaps says something of a loss only
at equal values. A followed run passes through many on its way: its path is the points (set value, gap) of the head it
starts from and of those at its validations, in order; that of a run that is not followed is the one point of its
chosen head. The path of a
reference is, in the same way, that of another loss at the same seed; or the controls' draws, each a point; or
`whitened`, from the frozen features to those whitened within the training classes, which has learnt by no loss.

Both paths are read at the largest set value that both reach, each where it first passes that value, by linear
interpolation between its points: between two validations a run is taken to go straight. Nothing is extrapolated: a
path that starts above that value has no match there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from suite.config import Params
from suite.statistics.comparisons import paired_comparison
from suite.statistics.controls import FROZEN, RANDOM, WHITENED
from suite.statistics.gap_comparison import decided
from suite.statistics.gap_tables import in_order
from suite.statistics.records import label

_MEASURED = ["dataset", "measure_batch_size", "metric"]
GAP_MATCHED = (
    {"dataset": "str", "loss": "str", "label": "str", "reference": "str", "reference_label": "str"}
    | {"sampler": "str", "measure_batch_size": "int64", "metric": "str", "seeds": "int64", "seeds_asked": "int64"}
    | dict.fromkeys(("set_value", "gap", "reference_gap", "difference", "low", "high", "p", "p_holm"), "float64")
    | {"decision": "str", "reason": "str"}
)


class GapPath(NamedTuple):
    """(n,) set values and gaps, in the order in which they were reached."""

    values: np.ndarray
    gaps: np.ndarray

    def at(self, value: float) -> float:
        """The gap where the path first passes a set value; NaN if it does not."""
        if len(self.values) == 1:
            return float(self.gaps[0]) if self.values[0] == value else float("nan")
        before, after = self.values[:-1], self.values[1:]
        passed = np.flatnonzero((np.minimum(before, after) <= value) & (value <= np.maximum(before, after)))
        if not len(passed):
            return float("nan")
        first = passed[0]
        span = after[first] - before[first]
        share = (value - before[first]) / span if span else 0.0
        return float(self.gaps[first] + share * (self.gaps[first + 1] - self.gaps[first]))


class Match(NamedTuple):
    """Two paths at the largest set value that both reach; NaN gaps where one does not pass it."""

    value: float
    gap: float
    reference_gap: float


def match_paths(path: GapPath, reference: GapPath) -> Match:
    """Both gaps at the smaller of the two largest set values."""
    value = float(min(path.values.max(), reference.values.max()))
    return Match(value, path.at(value), reference.at(value))


def gap_matched(gaps: pd.DataFrame, whitened: pd.DataFrame, params: Params) -> pd.DataFrame:
    """Gap of a loss minus gap of a reference at equal set value, matched within a seed, with a t test over seeds.

    At the main batch size and equal epochs, on the test classes, by the main sampler. References of every compared
    loss are `frozen`, `random` and `whitened`; of every arm of an ablation, its first arm. Holm's correction is over
    the losses held against one reference.
    """
    judged = gaps[(gaps["split"] == "test") & (gaps["sampler"] == params.measure.main_sampler) & gaps["gap"].notna()]
    main = (judged["train_batch_size"] == params.main_batch_size) & (judged["budget"] == "epochs")
    paths = {key: dict(_loss_paths(group)) for key, group in judged[main].groupby([*_MEASURED, "loss"])}
    controls = dict(_control_paths(judged[judged["train_batch_size"] == 0], whitened))
    rows = []
    for key, _ in in_order(judged[main], ["dataset", "loss", "measure_batch_size", "metric"], params):
        dataset, loss, *measured = key
        mine = paths[(dataset, *measured, loss)]
        for reference in _references(loss, params):
            theirs = controls.get((dataset, *measured, reference)) or paths.get((dataset, *measured, reference))
            if theirs is None:
                continue
            # A control has one path for all seeds.
            pairs = {seed: theirs.get(seed, theirs.get(None)) for seed in mine}
            matches = {seed: match_paths(mine[seed], other) for seed, other in pairs.items() if other is not None}
            if matches:
                rows.append(
                    {"dataset": dataset, "loss": loss, "label": label(loss, params)}
                    | {"reference": reference, "reference_label": label(reference, params)}
                    | {"sampler": params.measure.main_sampler}
                    | dict(zip(("measure_batch_size", "metric"), measured, strict=True))
                    | _summary(matches, mine, pairs)
                )
    return decided(rows, ["dataset", "measure_batch_size", "metric", "reference"], GAP_MATCHED)


def _loss_paths(group: pd.DataFrame) -> Iterator[tuple[int, GapPath]]:
    """The path of each seed: the heads kept along training, or the chosen one where none was kept."""
    for seed, rows in group.groupby("seed", sort=True):
        kept = rows[rows["epoch"].notna()]
        chosen = kept if len(kept) else rows
        points = chosen.assign(epoch=chosen["epoch"].fillna(0)).groupby("epoch", sort=True)[["set_value", "gap"]].mean()
        yield seed, GapPath(points["set_value"].to_numpy(), points["gap"].to_numpy())


def _control_paths(draws: pd.DataFrame, whitened: pd.DataFrame) -> Iterator[tuple[tuple, dict[None, GapPath]]]:
    """The paths of the controls; `frozen` is where that of `whitened` begins."""
    frozen = draws[draws["loss"] == FROZEN]
    steps = pd.concat([frozen.assign(strength=0.0, loss=WHITENED), whitened[whitened["gap"].notna()]])
    named = pd.concat([draws[draws["loss"].isin([FROZEN, RANDOM])].assign(strength=0.0), steps])
    for key, rows in named.groupby([*_MEASURED, "loss"]):
        points = rows.groupby("strength", sort=True)[["set_value", "gap"]].mean()
        yield key, {None: GapPath(points["set_value"].to_numpy(), points["gap"].to_numpy())}


def _references(loss: str, params: Params) -> list[str]:
    controls = [FROZEN, RANDOM, WHITENED] if loss in params.compared else []
    firsts = [next(iter(ablation.arms)) for ablation in params.ablations.values() if loss in ablation.arms]
    return controls + [first for first in dict.fromkeys(firsts) if first != loss]


def _summary(matches: dict[int, Match], mine: dict[int, GapPath], theirs: dict[int, GapPath]) -> dict:
    found = [match for match in matches.values() if not np.isnan(match.gap + match.reference_gap)]
    values, gaps, references = (
        (np.array(column) for column in zip(*found, strict=True)) if found else (np.empty(0),) * 3
    )
    result = paired_comparison(gaps, references)
    row = {"seeds": len(found), "seeds_asked": len(matches), "reason": ""}
    row |= {
        name: float(column.mean()) if len(found) else float("nan")
        for name, column in (("set_value", values), ("gap", gaps), ("reference_gap", references))
    }
    row |= {name: float(value) for name, value in result._asdict().items()}
    if len(found) < 2:
        spans = [_span([paths[seed] for seed in matches]) for paths in (mine, theirs)]
        row["reason"] = (
            f"{len(found)} of {len(matches)} seeds have a set value in common: the loss was seen at {spans[0]}, the"
            f" reference at {spans[1]}"
        )
    return row


def _span(paths: list[GapPath]) -> str:
    low, high = min(path.values.min() for path in paths), max(path.values.max() for path in paths)
    return f"{low:.3f}" if low == high else f"{low:.3f} to {high:.3f}"
