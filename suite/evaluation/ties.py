"""What ties do to metrics: the same embeddings under each rule, and how many queries hang on it.

Scores tie where embeddings collapse, where images stand twice in the gallery, or where a search rounds scores to half
precision. A metric that moves with the rule says little about the embeddings and much about the order of the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from suite.evaluation.inputs import as_matrix
from suite.evaluation.metrics import mean_metrics, per_query_metrics


def ties_study(
    query: Any,
    query_labels: Any,
    gallery: Any = None,
    gallery_labels: Any = None,
    ks: Sequence[int] = (1, 2, 4, 8),
    *,
    score_dtype: torch.dtype | None = None,
) -> pd.DataFrame:
    """Mean metrics under each rule for ties, and the share of queries whose value depends on it.

    Args:
        query, query_labels, gallery, gallery_labels, ks, score_dtype: see `per_query_metrics`; `score_dtype`
            `torch.bfloat16` or `torch.float16` shows what half precision would do.

    Returns:
        A row a metric: `metric`, `queries` (that count), `worst`, `mean`, `best` (averages over these), `tied`, the
        share of these whose value is not the same at `worst` and at `best`; and the same in every row,
        `zero_queries` and `zero_items`, how many rows of query and gallery are all zeros and so tie with everything.

    Raises:
        ValueError: naming the argument that is at fault.
    """
    found = {
        ties: per_query_metrics(query, query_labels, gallery, gallery_labels, ks, ties=ties, score_dtype=score_dtype)
        for ties in ("worst", "mean", "best")
    }
    # NDCG tells which queries count for the graded metrics; it is positive for all of them.
    means, graded = {ties: mean_metrics(values) for ties, values in found.items()}, found["worst"]["NDCG"] > 0
    rows = []
    for name, worst in found["worst"].items():
        if name.endswith("/num_positives"):
            continue
        group = name.split("/")[0]
        counted = found["worst"][f"{group}/num_positives"] > 0 if "/" in name else graded
        rows.append(
            {"metric": name, "queries": int(counted.sum())}
            | {ties: means[ties][name] for ties in found}
            | {"tied": float((worst != found["best"][name])[counted].mean()) if counted.any() else np.nan}
        )
    zeros = [_zero_rows(query, "query"), _zero_rows(query if gallery is None else gallery, "gallery")]
    return pd.DataFrame(rows).assign(zero_queries=zeros[0], zero_items=zeros[1])


def _zero_rows(values: Any, name: str) -> int:
    return int((as_matrix(values, name) == 0).all(dim=1).sum())
