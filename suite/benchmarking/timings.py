"""The record of a benchmark as a table, and how time and memory grow with the batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

FLOOR = "matrix_products"
COLUMNS = (
    "loss",
    "label",
    "family",
    "twin",
    "batch_size",
    "median_ms",
    "q1_ms",
    "q3_ms",
    "rounds",
    "peak_memory_bytes",
)
SLOPES_FROM = 512


def timing_table(benchmark: dict[str, Any] | None) -> pd.DataFrame:
    """One row a case of pytest-benchmark's JSON, in the order recorded; cases without a loss and size are left out.

    Columns: `loss`, `label`, `family` (which losses it is shown with), `twin` (of a peer: the loss of ours that it
    implements, else empty), `batch_size`, `median_ms`, `q1_ms`, `q3_ms`, `rounds`, `peak_memory_bytes` (beyond the
    inputs; null where not measured).
    """
    rows = []
    for case in (benchmark or {}).get("benchmarks", []):
        params, stats, extra = case.get("params") or {}, case["stats"], case.get("extra_info") or {}
        if "loss" in params and "batch_size" in params:
            rows.append(
                {
                    "loss": str(params["loss"]),
                    "label": str(extra.get("label", params["loss"])),
                    "family": str(extra.get("family", "Losses")),
                    "twin": str(extra.get("twin", "")),
                    "batch_size": int(params["batch_size"]),
                    **{f"{name}_ms": 1000 * float(stats[name]) for name in ("median", "q1", "q3")},
                    "rounds": int(stats["rounds"]),
                    "peak_memory_bytes": extra.get("peak_memory_bytes"),
                }
            )
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype({"peak_memory_bytes": float})


def slope(sizes: Any, values: Any) -> float:
    """Exponent p of the least-squares fit values = c sizes^p in log-log; NaN with fewer than two positive values."""
    sizes, values = np.asarray(sizes, dtype=float), np.asarray(values, dtype=float)
    known = np.isfinite(values) & (values > 0)
    if len(np.unique(sizes[known])) < 2:
        return float("nan")
    x = np.log(sizes[known])
    x -= x.mean()
    return float(x @ np.log(values[known]) / (x @ x))


def slope_table(table: pd.DataFrame, least: int = SLOPES_FROM) -> pd.DataFrame:
    """How each loss grows over its batch sizes of at least `least`, in the order of `table`.

    Columns: `loss`, `label`, `smallest` and `largest` batch size, `sizes` (how many), `time_slope`, `memory_slope`.
    A loss with fewer than two such sizes has no row.
    """
    rows = []
    for loss, part in table[table["batch_size"] >= least].groupby("loss", sort=False):
        sizes = part["batch_size"]
        if sizes.nunique() > 1:
            rows.append(
                {
                    "loss": loss,
                    "label": part["label"].iloc[0],
                    "smallest": int(sizes.min()),
                    "largest": int(sizes.max()),
                    "sizes": int(sizes.nunique()),
                    "time_slope": slope(sizes, part["median_ms"]),
                    "memory_slope": slope(sizes, part["peak_memory_bytes"]),
                }
            )
    columns = ["loss", "label", "smallest", "largest", "sizes", "time_slope", "memory_slope"]
    return pd.DataFrame(rows, columns=columns)
