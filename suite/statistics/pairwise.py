"""The `pairwise` table: every pair of compared losses on the test queries, at equal seeds."""

from __future__ import annotations

import re
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from suite.config import Params
from suite.statistics.bootstrap import Ends, crossed_bootstrap
from suite.statistics.comparisons import LEVEL, Paired, holm, paired_comparison, verdict
from suite.statistics.crossed import Crossed, class_means, crossed_classes, effective_number
from suite.statistics.improvement import effect_size, probability_of_improvement
from suite.statistics.leaderboard import BOOTSTRAP_SEED
from suite.statistics.power import detectable_difference
from suite.statistics.queries import QueryReader, QueryValues
from suite.statistics.records import fingerprints, typed

PAIRWISE = (
    dict.fromkeys(("dataset", "split", "metric", "loss_a", "loss_b"), "str")
    | {"seeds": "int64", "classes": "int64"}
    | dict.fromkeys(("difference", "low", "high", "p", "p_holm"), "float64")
    | {"decision": "str", "reason": "str"}
    | dict.fromkeys(("seeds_low", "seeds_high", "seeds_p", "bootstrap_low", "bootstrap_high"), "float64")
    | dict.fromkeys(
        ("effect_size", "improvement", "improvement_low", "improvement_high", "detectable"), "float64"
    )
)  # fmt: skip
# What losses are compared by: the metrics that reports show.
COMPARED = re.compile(r"level\d+/AP|level0/(R_at_1|mAP_at_R)|stated/mAP_at_100|NDCG|H_AP|ASI")


class _Pair(NamedTuple):
    """One pair on the metrics of one family of queries; arrays are (M,)."""

    losses: tuple[str, str]
    seeds: int
    classes: int
    effective: float
    found: Crossed
    over_seeds: Paired
    resampled: Ends


def pairwise(runs: pd.DataFrame, readers: dict[str, QueryReader], params: Params) -> pd.DataFrame:
    """Every pair of losses at the main batch size: the difference of every query at equal seeds, a minus b.

    Interval and test are for new seeds and new classes (`suite.statistics.crossed`); Holm's correction is over the
    pairs of a metric. `effect_size` and `improvement` are over runs, `detectable` is the smallest true difference that
    the first step of Holm's rule finds with 80 % power at these seeds and classes.

    Args:
        runs: the `runs` table.
        readers: of the per-query tables, by data set.
        params: the study; data sets and losses are taken from it, in its order.
    """
    parts = []
    for dataset in params.datasets:
        read = {
            loss: readers[dataset].runs(loss, fingerprints(runs, dataset, loss, params.main_batch_size))
            for loss in params.compared
        }
        known = next((values for values in read.values() if values is not None), None)
        if known is None:
            continue
        metrics = [name for name in known.values if COMPARED.fullmatch(name)]
        for family in known.families(metrics):
            parts.append(_family(read, family.metrics).assign(dataset=dataset, split="test"))
    return typed(parts, PAIRWISE)


def _family(read: dict[str, QueryValues | None], metrics: list[str]) -> pd.DataFrame:
    pairs = [_compare((a, b), read[a], read[b], metrics) for a, b in combinations(read, 2)]
    if not pairs:
        return pd.DataFrame(columns=list(PAIRWISE))
    p = np.stack([pair.found.p for pair in pairs])
    adjusted = holm(p)
    # Nothing is tested where p is missing; a family of none is corrected as if all of it were there.
    tested = np.isfinite(p).sum(axis=0)
    tables = []
    for pair, p_holm in zip(pairs, adjusted, strict=True):
        a, b = (_run_means(read[loss], metrics) for loss in pair.losses)
        better = probability_of_improvement(a, b)
        decided = [
            verdict(pair.seeds, difference, value, classes=pair.classes)
            for difference, value in zip(pair.found.mean, p_holm, strict=True)
        ]
        tables.append(
            pd.DataFrame({"metric": metrics}).assign(
                loss_a=pair.losses[0],
                loss_b=pair.losses[1],
                seeds=pair.seeds,
                classes=pair.classes,
                difference=pair.found.mean,
                low=pair.found.low,
                high=pair.found.high,
                p=pair.found.p,
                p_holm=p_holm,
                decision=[decision for decision, _ in decided],
                reason=[reason for _, reason in decided],
                seeds_low=pair.over_seeds.low,
                seeds_high=pair.over_seeds.high,
                seeds_p=pair.over_seeds.p,
                bootstrap_low=pair.resampled.low,
                bootstrap_high=pair.resampled.high,
                effect_size=effect_size(a, b),
                improvement=better.mean,
                improvement_low=better.low,
                improvement_high=better.high,
                detectable=_detectable(pair, tested),
            )
        )
    return pd.concat(tables, ignore_index=True)


def _compare(losses: tuple[str, str], a: QueryValues | None, b: QueryValues | None, metrics: list[str]) -> _Pair:
    seeds = sorted(set(a.seeds) & set(b.seeds)) if a is not None and b is not None else []
    if not seeds:
        none = np.full(len(metrics), np.nan)
        nothing = Crossed(*[none] * len(Crossed._fields))
        return _Pair(losses, 0, 0, np.nan, nothing, Paired(none, none, none, none), Ends(none, none))
    (first,), (second,) = (list(values.at(seeds).families(metrics)) for values in (a, b))
    means, sizes = class_means(first.values - second.values, first.classes)
    return _Pair(
        losses,
        len(seeds),
        len(sizes),
        effective_number(sizes),
        crossed_classes(means, sizes),
        paired_comparison(first.values.mean(axis=1), second.values.mean(axis=1)),
        crossed_bootstrap(means, sizes, np.random.default_rng(BOOTSTRAP_SEED)),
    )


def _run_means(values: QueryValues | None, metrics: list[str]) -> np.ndarray:
    """(S, M) mean over queries of every run, at whatever seeds there are."""
    if values is None:
        return np.empty((0, len(metrics)))
    (family,) = values.families(metrics)
    return family.values.mean(axis=1)


def _detectable(pair: _Pair, tested: np.ndarray) -> np.ndarray:
    if pair.seeds < 2 or pair.classes < 2:
        return np.full(len(tested), np.nan)
    parts = [
        detectable_difference(se, share, pair.seeds, pair.effective, LEVEL / max(count, 1))
        for se, share, count in zip(pair.found.se, pair.found.share, tested, strict=True)
    ]
    return np.array(parts, dtype=np.float64)
