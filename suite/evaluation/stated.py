"""Retrieval metrics where relevance is stated pair by pair rather than by shared labels (GLDv2's solution lists)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from suite.evaluation.inputs import as_array, as_embedded, check_ks
from suite.evaluation.metrics import Ties, check_ties, name_columns
from suite.evaluation.scoring import Products


def stated_metrics(
    query: Any, gallery: Any, relations: Any, ks: Sequence[int] = (1, 2, 4, 8, 100), *, ties: Ties = "worst"
) -> dict[str, np.ndarray]:
    """Metrics of every query against a gallery whose relevant items are listed.

    The metrics are those of a level of `per_query_metrics`, and so is the order at ties: at equal score an item that
    is not relevant stands first. `stated/mAP_at_100` is the retrieval metric of GLDv2 (Weyand et al., CVPR 2020,
    section 5.1): the sum of the precisions at the relevant items among the first 100, divided by min(R, 100).
    `mean_metrics` gives the means over the queries that have a relevant item.

    Args:
        query: (Q, D) embeddings, compared by dot product as they are; float64 is kept, else float32 is used.
        gallery: (G, D) embeddings.
        relations: (N, 2) integers: a row of `query`, and a row of `gallery` that is relevant to it. A pair that
            stands twice counts once.
        ks: cut-offs.

    Returns:
        (Q,) float64 arrays `stated/AP`, `stated/mAP_at_R` and, for each k, `stated/R_at_k`, `stated/P_at_k`,
        `stated/true_R_at_k`, `stated/mAP_at_k`, and (Q,) int64 `stated/num_positives`. A query without a relevant
        item has 0, and NaN in `true_R_at_k`.

    Raises:
        ValueError: naming the argument that is at fault.
    """
    from suite.evaluation.sweep import Asked, judge_queries, stated_pairs

    ks, ties, embedded = check_ks(ks), check_ties(ties), as_embedded(query, gallery)
    pairs = _as_pairs(relations, *map(len, embedded))
    relevance = stated_pairs(pairs, len(embedded.queries))
    found = judge_queries(Products(embedded), relevance, Asked(ties, (0,), ks, 0))
    return name_columns(found, ["stated"], ks, hierarchical=False)


def _as_pairs(relations: Any, queries: int, items: int) -> np.ndarray:
    """The pairs as (N, 2) integers."""
    pairs = as_array(relations)
    if pairs.size == 0:
        return np.empty((0, 2), dtype=np.int64)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not np.issubdtype(pairs.dtype, np.integer):
        raise ValueError(f"relations: expected integers of shape (N, 2), found {pairs.dtype} of shape {pairs.shape}")
    for column, (name, rows) in enumerate({"query": queries, "gallery": items}.items()):
        if not 0 <= pairs[:, column].min() <= pairs[:, column].max() < rows:
            raise ValueError(f"relations: column {column} holds {name} rows outside 0..{rows - 1}")
    return pairs
