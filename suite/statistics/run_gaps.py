"""The decomposability gap of each run as one number a metric and measuring size, for comparisons between runs.

Every run is measured on the same partitions, so the mean over them is compared run by run; which partitions were drawn
then cancels for the most part, and what remains is conditional on them.
"""

from __future__ import annotations

import pandas as pd

from suite.config import Params


def quantity(metric: str, measure_batch_size: int) -> str:
    """What the gap of a metric at a measuring size is called in the tables."""
    return f"gap_{metric}_at_{measure_batch_size}"


def run_gaps(gaps: pd.DataFrame, params: Params) -> pd.DataFrame:
    """Mean gap over partitions of the chosen head of every run, on the evaluation set, by the main sampler.

    Args:
        gaps: rows of `gap.parquet` (docs/tables.md).
        params: names the main sampler.

    Returns:
        `dataset`, `loss`, `budget`, `batch_size` (of training), `seed`, and a column a `gap_METRIC_at_SIZE`, metrics in
        the order of the settings and sizes ascending; NaN where a data set is not measured at a size.
    """
    keys = ["dataset", "loss", "budget", "batch_size", "seed"]
    chosen = gaps[
        gaps["epoch"].isna() & (gaps["split"] == "test") & (gaps["sampler"] == params.measure.main_sampler)
    ].rename(columns={"train_batch_size": "batch_size"})
    sizes = sorted(chosen["measure_batch_size"].unique())
    columns = [quantity(metric, size) for metric in params.measure.metrics for size in sizes]
    names = [quantity(*pair) for pair in zip(chosen["metric"], chosen["measure_batch_size"], strict=True)]
    table = chosen.assign(quantity=names).pivot_table(index=keys, columns="quantity", values="gap", aggfunc="mean")
    return table.reindex(columns=[name for name in columns if name in table.columns]).reset_index()
