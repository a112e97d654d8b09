"""The gap of every loss over seeds, along training, and on the training classes beside the unseen ones.

A gap is an average over drawn partitions, and every run is measured on the same ones. Its t interval over seeds is
therefore conditional on these partitions; how far other partitions would move it stands beside it, as the standard
error over partitions of the mean over seeds, and as the number of partitions that the precision asked for needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from suite.config import Params
from suite.statistics.controls import FROZEN, RANDOM
from suite.statistics.gap import PARTS
from suite.statistics.gap_interval import partitions_needed, standard_error
from suite.statistics.intervals import t_interval
from suite.statistics.records import label, typed

_LOSS = {"dataset": "str", "loss": "str", "label": "str"}
_MEASURED = {"sampler": "str", "measure_batch_size": "int64", "metric": "str"}
_RUN = _LOSS | {"budget": "str", "train_batch_size": "int64"}
GAP = (
    _RUN
    | {"split": "str"}
    | _MEASURED
    | {"seeds": "int64", "partitions": "int64"}
    | {"queries": "float64", "queries_without_positive": "float64", "images_never_drawn": "int64"}
    | {f"{part}{end}": "float64" for part in PARTS for end in ("", "_low", "_high")}
    | {"gap_partition_se": "float64", "partitions_needed": "Int64"}
)
_ENDS = ("set_value", "gap", "gap_low", "gap_high")
GAP_TRAINING = _LOSS | {"epoch": "int64"} | _MEASURED | {"seeds": "int64"} | dict.fromkeys(_ENDS, "float64")
_BOTH = ("train_set_value", "test_set_value", "train_gap", "test_gap")
GAP_GENERALISATION = (
    _LOSS | {"train_batch_size": "int64", "seed": "int64"} | _MEASURED | dict.fromkeys(_BOTH, "float64")
)


def gap_table(gaps: pd.DataFrame, params: Params) -> pd.DataFrame:
    """Mean of the gap and its parts: over the partitions of a run, then, with an interval, over seeds."""
    keys = ["dataset", "loss", "budget", "train_batch_size", "split", *_MEASURED]
    rows = []
    for key, group in in_order(chosen_heads(gaps), keys, params):
        interval = t_interval(group.groupby("seed", sort=True)[list(PARTS)].mean().to_numpy())
        by_partition = group.groupby("partition")["gap"].mean().to_numpy()
        row = dict(zip(keys, key, strict=True)) | {
            "label": label(key[1], params),
            "seeds": group["seed"].nunique(),
            "partitions": len(by_partition),
            "queries": group["queries"].mean(),
            "queries_without_positive": group["queries_without_positive"].mean(),
            "images_never_drawn": group["images_never_drawn"].iloc[0],
            "gap_partition_se": standard_error(by_partition),
            "partitions_needed": partitions_needed(by_partition, params.measure.precision),
        }
        for place, part in enumerate(PARTS):
            row |= {
                part: interval.mean[place],
                f"{part}_low": interval.low[place],
                f"{part}_high": interval.high[place],
            }
        rows.append(row)
    return typed([pd.DataFrame(rows)] if rows else [], GAP)


def gap_training(gaps: pd.DataFrame, params: Params) -> pd.DataFrame:
    """Gap and set value of the followed runs, over seeds, at every validation; epoch 0 is where training starts."""
    kept = gaps[gaps["epoch"].notna() & gaps["gap"].notna()]
    keys = ["dataset", "loss", "epoch", *_MEASURED]
    rows = []
    for key, group in in_order(kept, keys, params):
        by_seed = group.groupby("seed", sort=True)[["set_value", "gap"]].mean()
        interval = t_interval(by_seed["gap"].to_numpy())
        rows.append(
            dict(zip(keys, key, strict=True))
            | {"label": label(key[1], params), "seeds": len(by_seed), "set_value": by_seed["set_value"].mean()}
            | {"gap": float(interval.mean), "gap_low": float(interval.low), "gap_high": float(interval.high)}
        )
    return typed([pd.DataFrame(rows)] if rows else [], GAP_TRAINING)


def gap_generalisation(gaps: pd.DataFrame, params: Params) -> pd.DataFrame:
    """Gap and set value of every run on the training classes and on those it has not seen, means over partitions."""
    keys = ["dataset", "loss", "train_batch_size", "seed", *_MEASURED]
    chosen = chosen_heads(gaps)
    means = chosen.groupby([*keys, "split", "budget"])[["set_value", "gap"]].mean()
    if means.empty or not {"train", "test"} <= set(chosen["split"]):
        return typed([], GAP_GENERALISATION)
    both = means.unstack("split").dropna()
    both.columns = [f"{split}_{name}" for name, split in both.columns]
    rows = []
    for key, group in in_order(both.reset_index(), ["dataset", "loss"], params):
        rows.append(group.assign(label=label(key[1], params)))
    return typed(rows, GAP_GENERALISATION)


def chosen_heads(gaps: pd.DataFrame) -> pd.DataFrame:
    """The rows of the heads chosen on validation that have a value: not those kept along training."""
    return gaps[gaps["epoch"].isna() & gaps["gap"].notna()]


def in_order(gaps: pd.DataFrame, keys: Sequence[str], params: Params) -> Iterator[tuple[tuple, pd.DataFrame]]:
    """The groups of rows by `keys`, of which the first two are data set and loss, in the order of the settings.

    Controls come before losses, samplers and metrics as the settings have them, all else ascending.
    """
    places = {
        "dataset": list(params.datasets),
        "loss": [FROZEN, RANDOM, *params.losses],
        "split": ["test", "train"],
        "sampler": list(params.measure.samplers),
        "metric": params.measure.metrics,
    }

    def order(pair: tuple[tuple, pd.DataFrame]) -> tuple:
        named = zip(keys, pair[0], strict=True)
        return tuple(places[name].index(value) if name in places else value for name, value in named)

    return iter(sorted(gaps.groupby(list(keys), sort=True), key=order))
