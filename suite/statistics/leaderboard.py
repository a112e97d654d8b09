"""The `leaderboard` table: every compared loss at the main batch size, with the interval that a claim may rest on.

On test, where every query's value is on record, intervals are for new seeds and new classes
(`suite.statistics.crossed`); what t over seeds alone and the hierarchical bootstrap would say stands beside them.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from suite.config import Params
from suite.errors import SuiteError
from suite.statistics.bootstrap import crossed_bootstrap
from suite.statistics.controls import FROZEN
from suite.statistics.crossed import class_interval, class_means, crossed_classes, crossed_ratio
from suite.statistics.intervals import ratio_interval, t_interval
from suite.statistics.queries import QueryReader, QueryValues
from suite.statistics.records import fingerprints, label, metric_values, typed

LEADERBOARD = (
    {"dataset": "str", "loss": "str", "label": "str", "batch_size": "int64", "split": "str", "metric": "str"}
    | {"seeds": "int64", "classes": "Int64", "queries": "Int64"}
    | dict.fromkeys(("mean", "low", "high"), "float64")
    | {"method": "str", "reason": "str"}
    | dict.fromkeys(("seeds_low", "seeds_high", "bootstrap_low", "bootstrap_high"), "float64")
    | dict.fromkeys(("sd_seed", "sd_class", "lift", "lift_low", "lift_high"), "float64")
)
# Of the resamples, which all losses share.
BOOTSTRAP_SEED = 0


def leaderboard(runs: pd.DataFrame, readers: dict[str, QueryReader], params: Params) -> pd.DataFrame:
    """Mean, intervals and ratio to the frozen floor of each metric at the main batch size.

    Args:
        runs: the `runs` table.
        readers: of the per-query tables, by data set.
        params: the study; data sets and losses are taken from it, in its order.
    """
    parts = []
    for dataset in params.datasets:
        floor, frozen = metric_values(runs, dataset, FROZEN, 0), readers[dataset].frozen()
        for loss, size in [(FROZEN, 0), *((loss, params.main_batch_size) for loss in params.compared)]:
            values = metric_values(runs, dataset, loss, size)
            if not len(values):
                continue
            table = _over_seeds(values, floor)
            alone = loss == FROZEN
            queries = frozen if alone else readers[dataset].runs(loss, fingerprints(runs, dataset, loss, size))
            _check_floor(queries, frozen, dataset)
            found = _over_queries(queries, frozen, alone)
            judged = (table["split"] == "test") & table["metric"].isin(found.index)
            for column in found:
                table.loc[judged, column] = found.loc[table.loc[judged, "metric"], column].to_numpy()
            parts.append(table.assign(dataset=dataset, loss=loss, label=label(loss, params), batch_size=size))
    return typed(parts, LEADERBOARD)


def _over_seeds(values: pd.DataFrame, floor: pd.DataFrame) -> pd.DataFrame:
    """What the means of runs give: t intervals over seeds."""
    interval = t_interval(values.to_numpy())
    lift = ratio_interval(values.to_numpy(), floor.to_numpy()[0])
    split, metric = zip(*(name.split("/", 1) for name in values.columns), strict=True)
    return pd.DataFrame({"split": split, "metric": metric}).assign(
        seeds=len(values),
        classes=pd.NA,
        queries=pd.NA,
        **interval._asdict(),
        method="seeds",
        reason="" if len(values) > 1 else "one seed: no interval",
        seeds_low=interval.low,
        seeds_high=interval.high,
        **dict.fromkeys(("bootstrap_low", "bootstrap_high", "sd_seed", "sd_class"), np.nan),
        lift=lift.mean,
        lift_low=lift.low,
        lift_high=lift.high,
    )


def _over_queries(queries: QueryValues, frozen: QueryValues, alone: bool) -> pd.DataFrame:
    """What the values of queries give, a row a metric (the index); `alone` is what has no seeds, the floor itself."""
    tables = []
    for family in queries.families():
        means, sizes = class_means(family.values, family.classes)
        if alone:
            found = class_interval(family.values[0], family.classes)
            lift = None
        else:
            found = crossed_classes(means, sizes)
            chosen = queries.counted[family.metrics[0]]
            floor = np.stack([frozen.values[name][0][chosen] for name in family.metrics], axis=1)
            lift = crossed_ratio(family.values, floor, family.classes)
        resampled = crossed_bootstrap(means, sizes, np.random.default_rng(BOOTSTRAP_SEED))
        columns = {
            "classes": len(sizes),
            "queries": int(sizes.sum()),
            "mean": found.mean,
            "low": found.low,
            "high": found.high,
            "method": "classes" if alone else "crossed",
            "reason": _reason(len(queries.seeds), len(sizes), alone),
            "bootstrap_low": resampled.low,
            "bootstrap_high": resampled.high,
            "sd_seed": found.sd_seed,
            "sd_class": found.sd_class,
        }
        if lift is not None:
            columns |= {"lift": lift.mean, "lift_low": lift.low, "lift_high": lift.high}
        tables.append(pd.DataFrame(columns, index=family.metrics))
    return pd.concat(tables) if tables else pd.DataFrame()


def _check_floor(queries: QueryValues, frozen: QueryValues, dataset: str) -> None:
    lacking = [name for name in queries.values if name not in frozen.values]
    if lacking or not np.array_equal(queries.items, frozen.items):
        what = f"metric '{lacking[0]}'" if lacking else "the same queries"
        raise SuiteError(
            f"data set '{dataset}': its controls have not {what} as its runs; "
            f"run `dvc repro --force controls@{dataset}`"
        )


def _reason(seeds: int, classes: int, alone: bool) -> str:
    if classes < 2:
        return "queries of one class: no interval"
    if alone:
        return "not trained: the interval is for new classes alone"
    return "one seed: no interval" if seeds < 2 else ""
