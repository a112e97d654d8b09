"""Retrieval metrics where relevance is stated pair by pair rather than by shared labels (GLDv2's solution lists)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from suite.evaluation.inputs import as_array, as_embeddings, check_ks
from suite.evaluation.metrics import binary_metrics, rank_positives
from suite.evaluation.ranks import Scorer, query_blocks


def stated_metrics(
    query: Any, gallery: Any, relations: Any, ks: Sequence[int] = (1, 2, 4, 8, 100)
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
    ks = check_ks(ks)
    queries, items = as_embeddings(query, "query"), as_embeddings(gallery, "gallery")
    if items.shape[1] != queries.shape[1]:
        raise ValueError(f"gallery: width {items.shape[1]} differs from the query's {queries.shape[1]}")
    if items.dtype != queries.dtype:
        items, queries = items.astype(np.float64), queries.astype(np.float64)
    pairs = _as_pairs(relations, len(queries), len(items))
    scorer = Scorer(items)
    pieces: list[dict[str, np.ndarray]] = []
    for block in query_blocks(len(queries), len(items)):
        first, last = np.searchsorted(pairs[:, 0], [block.start, block.stop])
        relevant = np.zeros((block.stop - block.start, len(items)), dtype=np.uint8)
        relevant[pairs[first:last, 0] - block.start, pairs[first:last, 1]] = 1
        ranks, found = rank_positives(scorer.distances(queries[block]), relevant)
        pieces.append(binary_metrics(ranks, found.astype(bool), ks))
    return {f"stated/{name}": np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


def _as_pairs(relations: Any, queries: int, items: int) -> np.ndarray:
    """The pairs as (N, 2) int64 in order of the query."""
    pairs = as_array(relations)
    if pairs.size == 0:
        return np.empty((0, 2), dtype=np.int64)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not np.issubdtype(pairs.dtype, np.integer):
        raise ValueError(f"relations: expected integers of shape (N, 2), found {pairs.dtype} of shape {pairs.shape}")
    for column, (name, rows) in enumerate({"query": queries, "gallery": items}.items()):
        if not 0 <= pairs[:, column].min() <= pairs[:, column].max() < rows:
            raise ValueError(f"relations: column {column} holds {name} rows outside 0..{rows - 1}")
    return pairs[np.argsort(pairs[:, 0], kind="stable")].astype(np.int64, copy=False)
