"""What an update costs: time and memory a step at each batch size, from the provenance of runs.

They vary from one execution to the next, so they are no part of the tables of `artifacts/compare`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from suite.statistics.records import typed

STEP_COSTS = (
    dict.fromkeys(("dataset", "loss", "label", "budget"), "str")
    | {"batch_size": "int64", "runs": "int64"}
    | dict.fromkeys(("seconds", "seconds_low", "seconds_high", "bytes"), "float64")
)
_KEYS = ["dataset", "loss", "label", "budget", "batch_size"]


def step_costs(runs: pd.DataFrame, provenance: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Time and memory of an update at every batch size of every loss and budget.

    Args:
        runs: the `runs` table; failed runs and controls enter nothing.
        provenance: by fingerprint, what `artifacts/provenance` says of a run; `step_seconds` (median time of an update
            of that run) and `step_bytes` (most memory that one update held) may be lacking or null, and a run may lack
            altogether.

    Returns:
        In the order of `runs`: `dataset`, `loss`, `label`, `budget`, `batch_size`, `runs` (with a time on record),
        `seconds` (median over runs), `seconds_low`, `seconds_high` (fastest and slowest run), `bytes` (most over runs;
        NaN where none is on record). A batch size without a time on record has no row.
    """
    trained = runs[(runs["status"] == "finished") & (runs["fingerprint"] != "")]
    records = [provenance.get(fingerprint, {}) for fingerprint in trained["fingerprint"]]
    costs = trained[_KEYS].assign(
        seconds=pd.Series([record.get("step_seconds") for record in records], index=trained.index, dtype="float64"),
        bytes=pd.Series([record.get("step_bytes") for record in records], index=trained.index, dtype="float64"),
    )
    groups = costs.dropna(subset="seconds").groupby(_KEYS, sort=False)
    table = groups.agg(
        runs=("seconds", "size"),
        seconds=("seconds", "median"),
        seconds_low=("seconds", "min"),
        seconds_high=("seconds", "max"),
        bytes=("bytes", "max"),
    )
    return typed([table.reset_index()] if len(table) else [], STEP_COSTS)
