"""How precisely drawn partitions give a gap, and how many a stated precision needs.

Partitions are independent draws, the batches within one are not; so the unit that is resampled is the whole
partition. The interval is Student's t over the K values of the partitions, mean ± t_{K-1} s / sqrt(K), and not a
bootstrap: a value is a mean over hundreds of queries, hence close to normal, and with the four to sixteen partitions
of a study a percentile bootstrap, which resamples K values from K, is too short by about sqrt((K - 1) / K) and has
no wider quantiles for small K (docs/gap.md gives the coverage of both).

It speaks of other partitions of the same embeddings: Monte-Carlo error alone. A claim about a loss needs seeds
(`suite.statistics.gap_tables`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from suite.statistics.intervals import CONFIDENCE, t_interval

# Beyond so many partitions, the answer is that they are too many.
_MOST = 10**7
KEYS = ("sampler", "measure_batch_size", "metric")


def gap_interval(table: pd.DataFrame, precision: float = 0.002, value: str = "gap") -> pd.DataFrame:
    """Mean over partitions with its 95 % interval, and the partitions needed for a half width.

    Args:
        table: what `decomposability_gap` returns, of one embedding.
        precision: half width asked for, in units of the metric.
        value: the column that is averaged.

    Returns:
        A row a sampler, batch size and metric: `KEYS`, `partitions` (that have a value), `mean`, `low`, `high`,
        `partition_se`, `partitions_needed` (Int64). With fewer than two partitions all but the mean are null.

    Raises:
        ValueError: a column is missing, the precision is not positive, or a partition stands there twice.
    """
    lacking = [name for name in (*KEYS, "partition", value) if name not in table.columns]
    if lacking:
        raise ValueError(f"table: has no column '{lacking[0]}'")
    if table.duplicated([*KEYS, "partition"]).any():
        raise ValueError("table: a partition stands there twice; pass the rows of one embedding")
    rows = []
    for key, group in table.groupby(list(KEYS), sort=False):
        values = group[value].dropna().to_numpy()
        interval = t_interval(values)
        rows.append(
            dict(zip(KEYS, key, strict=True))
            | {"partitions": len(values), **{name: float(end) for name, end in interval._asdict().items()}}
            | {"partition_se": standard_error(values), "partitions_needed": partitions_needed(values, precision)}
        )
    columns = [*KEYS, "partitions", "mean", "low", "high", "partition_se", "partitions_needed"]
    return pd.DataFrame(rows, columns=columns).astype({"partitions_needed": "Int64"})


def partitions_needed(values: np.ndarray, precision: float, confidence: float = CONFIDENCE) -> int | None:
    """The least K with t_{K-1} s / sqrt(K) <= precision, s being the standard deviation of the given partitions.

    Args:
        values: (K,) one a partition.
        precision: half width asked for, positive.
        confidence: of the interval.

    Returns:
        At least 2; None with fewer than two values, which tell no spread, or beyond ten million.
    """
    if not precision > 0:
        raise ValueError(f"precision: expected a positive number, found {precision}")
    if len(values) < 2:
        return None
    deviation = float(np.std(values, ddof=1))

    def enough(count: int) -> bool:
        return stats.t.ppf((1 + confidence) / 2, count - 1) * deviation / np.sqrt(count) <= precision

    if not enough(_MOST):
        return None
    low, high = 2, _MOST
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low


def standard_error(values: np.ndarray) -> float:
    """s / sqrt(n) of n values; NaN with fewer than two."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
