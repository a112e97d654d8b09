"""How the gap of every loss differs from the gap of what no loss has touched, on the same partitions."""

from __future__ import annotations

import pandas as pd

from suite.config import Params
from suite.statistics.comparisons import holm, paired_comparison, verdict
from suite.statistics.controls import FROZEN, RANDOM
from suite.statistics.gap_interval import standard_error
from suite.statistics.gap_tables import chosen_heads, in_order
from suite.statistics.records import label, typed

_KEYS = ["dataset", "loss", "budget", "train_batch_size", "sampler", "measure_batch_size", "metric"]
GAP_COMPARISON = (
    {"dataset": "str", "loss": "str", "label": "str", "budget": "str", "train_batch_size": "int64"}
    | {"sampler": "str", "measure_batch_size": "int64", "metric": "str"}
    | {"control": "str", "seeds": "int64", "partitions": "int64"}
    | dict.fromkeys(("difference", "low", "high", "partition_se", "p", "p_holm"), "float64")
    | {"decision": "str", "reason": "str"}
)
SIDES = {"a": "above", "b": "below", "undecided": "undecided"}


def gap_comparison(gaps: pd.DataFrame, params: Params) -> pd.DataFrame:
    """Gap of a loss minus gap of a control, for every compared loss, batch sizes, metric and control.

    On the test classes, by the main sampler. The difference is taken partition by partition (the draws of a control
    averaged), then averaged within each seed of the loss; the paired t test is over seeds. Holm's correction is over
    the losses of one metric at one budget, training size, measuring size and control.
    """
    chosen = chosen_heads(gaps)
    chosen = chosen[(chosen["split"] == "test") & (chosen["sampler"] == params.measure.main_sampler)]
    measured = ["dataset", "measure_batch_size", "metric", "partition"]
    draws = chosen[chosen["train_batch_size"] == 0].groupby(["loss", *measured])["gap"].mean()
    controls = {control: draws.loc[control] for control in (FROZEN, RANDOM) if control in draws.index}
    rows = []
    for key, group in in_order(chosen[chosen["loss"].isin(list(params.compared))], _KEYS, params):
        for control, base in controls.items():
            both = group.join(base.rename("control"), on=measured, how="inner")
            if both.empty:
                continue
            by_seed = both.groupby("seed", sort=True)[["gap", "control"]].mean()
            result = paired_comparison(by_seed["gap"].to_numpy(), by_seed["control"].to_numpy())
            by_partition = both.groupby("partition")[["gap", "control"]].mean()
            rows.append(
                dict(zip(_KEYS, key, strict=True))
                | {
                    "label": label(key[1], params),
                    "control": control,
                    "seeds": len(by_seed),
                    "partitions": len(by_partition),
                    "partition_se": standard_error((by_partition["gap"] - by_partition["control"]).to_numpy()),
                }
                | {name: float(value) for name, value in result._asdict().items()}
            )
    return decided(rows, ["dataset", "budget", "train_batch_size", "measure_batch_size", "metric", "control"])


def decided(rows: list[dict], family: list[str], schema: dict[str, str] = GAP_COMPARISON) -> pd.DataFrame:
    """The rows as a table, with Holm's p over each family and the side that it decides for.

    A row that has a `reason` already is undecided for that reason.
    """
    if not rows:
        return typed([], schema)
    table = pd.DataFrame(rows)
    table["p_holm"] = table.groupby(family)["p"].transform(lambda p: holm(p.to_numpy()))
    verdicts = [verdict(row.seeds, row.difference, row.p_holm) for row in table.itertuples()]
    given = table["reason"] if "reason" in table else pd.Series("", index=table.index)
    table["decision"] = [
        "undecided" if reason else SIDES[decision] for (decision, _), reason in zip(verdicts, given, strict=True)
    ]
    table["reason"] = [reason or words for (_, words), reason in zip(verdicts, given, strict=True)]
    return typed([table], schema)
