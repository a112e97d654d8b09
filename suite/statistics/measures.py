"""The rows of `gap.parquet`: the decomposability gap with the run it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from suite.statistics.gap import PARTS, decomposability_gap

RUN_COLUMNS = ("dataset", "loss", "train_batch_size", "seed", "fingerprint")
GAP_COLUMNS = (*RUN_COLUMNS, "measure_batch_size", "partition", "queries", *PARTS)
# Every run and every control is measured on the same partitions, so that differences between them are paired.
PARTITION_SEED = 0


def measure_gap(
    embeddings: Any,
    labels: Any,
    *,
    dataset: str,
    loss: str,
    train_batch_size: int,
    seed: int,
    fingerprint: str,
    batch_sizes: Sequence[int],
    partitions: int,
    samples_per_class: int,
    level: int = 0,
) -> pd.DataFrame:
    """Gap of one run, with the columns of docs/tables.md, `GAP_COLUMNS`.

    Args:
        embeddings: (N, D) of the test split alone.
        labels: (N,) or (N, L) of the test split, finest level first.
        dataset, loss, train_batch_size, seed, fingerprint: what the run is; written into every row.
        batch_sizes, partitions, samples_per_class, level: see `decomposability_gap`.

    Raises:
        SuiteError: if the classes cannot fill a batch.
        ValueError: naming any other argument that is at fault.
    """
    table = decomposability_gap(embeddings, labels, batch_sizes, partitions, samples_per_class, PARTITION_SEED, level)
    run = (dataset, loss, train_batch_size, seed, fingerprint)
    return table.assign(**dict(zip(RUN_COLUMNS, run, strict=True)))[list(GAP_COLUMNS)]
