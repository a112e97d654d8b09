"""The gap of every loss over seeds, and how it differs from the gap of what has learnt nothing.

A gap is an average over drawn partitions of the evaluation set, and every run is measured on the same ones. Its t
interval over seeds is therefore conditional on these partitions; how far other partitions would move it stands
beside it, as the standard error over partitions of the mean over seeds.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from suite.config import Params
from suite.statistics.comparisons import holm, paired_comparison, verdict
from suite.statistics.controls import FROZEN, RANDOM
from suite.statistics.gap import PARTS
from suite.statistics.intervals import t_interval
from suite.statistics.records import label, typed

_WHERE = {
    "dataset": "str",
    "loss": "str",
    "label": "str",
    "train_batch_size": "int64",
    "measure_batch_size": "int64",
}
_KEYS = [name for name in _WHERE if name != "label"]
GAP = (
    _WHERE
    | {"seeds": "int64", "partitions": "int64", "gap_partition_se": "float64"}
    | {f"{part}{end}": "float64" for part in PARTS for end in ("", "_low", "_high")}
)
GAP_COMPARISON = (
    _WHERE
    | {"control": "str", "seeds": "int64", "partitions": "int64"}
    | dict.fromkeys(("difference", "low", "high", "partition_se", "p", "p_holm"), "float64")
    | {"decision": "str", "reason": "str"}
)
_SIDES = {"a": "above", "b": "below", "undecided": "undecided"}


def gap_table(gaps: pd.DataFrame, params: Params) -> pd.DataFrame:
    """Mean of the gap and its parts: over the partitions of a run, then, with an interval, over seeds."""
    rows = []
    for key, group in _in_order(gaps, params):
        interval = t_interval(group.groupby("seed", sort=True)[list(PARTS)].mean().to_numpy())
        by_partition = group.groupby("partition")["gap"].mean().to_numpy()
        row = dict(zip(_KEYS, key, strict=True)) | {
            "label": label(key[1], params),
            "seeds": group["seed"].nunique(),
            "partitions": len(by_partition),
            "gap_partition_se": _standard_error(by_partition),
        }
        for place, part in enumerate(PARTS):
            row |= {
                part: interval.mean[place],
                f"{part}_low": interval.low[place],
                f"{part}_high": interval.high[place],
            }
        rows.append(row)
    return typed([pd.DataFrame(rows)] if rows else [], GAP)


def gap_comparison(gaps: pd.DataFrame, params: Params) -> pd.DataFrame:
    """Gap of a loss minus gap of a control on the same partitions, for every loss, batch sizes and control.

    The difference is taken partition by partition (the draws of a control averaged), then averaged within each
    seed of the loss; the paired t test is over seeds. Holm's correction is over the losses at one training and one
    measuring batch size.
    """
    draws = gaps[gaps["train_batch_size"] == 0]
    controls = draws.groupby(["loss", "dataset", "measure_batch_size", "partition"])["gap"].mean()
    rows = []
    for key, group in _in_order(gaps[gaps["train_batch_size"] > 0], params):
        dataset, loss, _, measured = key
        for control in (FROZEN, RANDOM):
            if (control, dataset, measured) not in controls.index.droplevel("partition"):
                continue
            base = controls.loc[(control, dataset, measured)].rename("control")
            both = group.join(base, on="partition", how="inner")
            by_seed = both.groupby("seed", sort=True)[["gap", "control"]].mean()
            result = paired_comparison(by_seed["gap"].to_numpy(), by_seed["control"].to_numpy())
            by_partition = both.groupby("partition")[["gap", "control"]].mean()
            rows.append(
                dict(zip(_KEYS, key, strict=True))
                | {
                    "label": label(loss, params),
                    "control": control,
                    "seeds": len(by_seed),
                    "partitions": len(by_partition),
                    "partition_se": _standard_error((by_partition["gap"] - by_partition["control"]).to_numpy()),
                }
                | {name: float(value) for name, value in result._asdict().items()}
            )
    if not rows:
        return typed([], GAP_COMPARISON)
    table = pd.DataFrame(rows)
    family = table.groupby(["dataset", "train_batch_size", "measure_batch_size", "control"])["p"]
    table["p_holm"] = family.transform(lambda p: holm(p.to_numpy()))
    verdicts = [verdict(row.seeds, row.difference, row.p_holm) for row in table.itertuples()]
    table["decision"] = [_SIDES[decision] for decision, _ in verdicts]
    table["reason"] = [reason for _, reason in verdicts]
    return typed([table], GAP_COMPARISON)


def _in_order(gaps: pd.DataFrame, params: Params) -> list[tuple[tuple, pd.DataFrame]]:
    """The rows of each data set, loss and pair of batch sizes, controls first, in the order of the settings."""
    datasets = {dataset: place for place, dataset in enumerate(params.datasets)}
    losses = {loss: place for place, loss in enumerate([FROZEN, RANDOM, *params.losses])}
    groups = list(gaps.groupby(_KEYS, sort=True))
    return sorted(groups, key=lambda pair: (datasets[pair[0][0]], losses[pair[0][1]], *pair[0][2:]))


def _standard_error(values: np.ndarray) -> float:
    """s / sqrt(n) of n values; NaN with fewer than two."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
