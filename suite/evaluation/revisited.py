"""The revisited Oxford and Paris protocol (Radenovic et al., CVPR 2018)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from suite.evaluation.inputs import as_array, as_embedded, check_ks
from suite.evaluation.scoring import Given, Products

# Which lists of the ground truth are positives and which are taken out of the ranking, by setup.
SETUPS = {
    "easy": (("easy",), ("junk", "hard")),
    "medium": (("easy", "hard"), ("junk",)),
    "hard": (("hard",), ("junk", "easy")),
}


def revisited_metrics(
    scores: Any, ground_truth: Sequence[Mapping[str, Any]], ks: Sequence[int] = (1, 5, 10)
) -> dict[str, float]:
    """mAP and mean precision at k of the easy, medium and hard setups.

    Average precision is the area under the precision-recall curve by the trapezoidal rule: with q_j the 0-based
    rank of the j-th positive (j from 0), AP = (1/R) sum_j [j / q_j + (j + 1) / (q_j + 1)] / 2, the first term 1
    at q_j = 0. Junk is taken out of the ranking first. Precision at k stops at the last positive:
    k' = min(k, its 1-based rank). Queries without a positive in a setup leave its means. Ties count against the
    query, as everywhere here.

    Args:
        scores: (Q, G) similarities, float.
        ground_truth: one mapping a query with the gallery rows `easy`, `hard` and `junk`.
        ks: cut-offs.

    Returns:
        `easy/mAP`, `easy/mP_at_1`, ..., the same for medium and hard, and `easy/queries`, ... ; NaN without a
        query.

    Raises:
        ValueError: naming the argument that is at fault.
    """
    matrix = as_array(scores)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(f"scores: expected shape (queries, gallery), found {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError("scores: hold NaN or infinity")
    wanted = np.float64 if matrix.dtype == np.float64 else np.float32
    return _all_setups(Given(torch.from_numpy(np.require(matrix, wanted, ["C", "W"]))), ground_truth, check_ks(ks))


def revisited_retrieval(
    query: Any, gallery: Any, ground_truth: Sequence[Mapping[str, Any]], ks: Sequence[int] = (1, 5, 10)
) -> dict[str, float]:
    """`revisited_metrics` of embeddings, block by block: no (Q, G) scores are held.

    Args:
        query: (Q, D) embeddings, compared by dot product as they are; float64 is kept, else float32 is used.
        gallery: (G, D) embeddings.
        ground_truth, ks: see `revisited_metrics`.

    Returns:
        As `revisited_metrics`.

    Raises:
        ValueError: naming the argument that is at fault.
    """
    return _all_setups(Products(as_embedded(query, gallery)), ground_truth, check_ks(ks))


def _all_setups(
    source: Products | Given, ground_truth: Sequence[Mapping[str, Any]], ks: Sequence[int]
) -> dict[str, float]:
    from suite.evaluation.sweep import rank_pairs, stated_pairs

    queries, items = source.shape
    if len(ground_truth) != queries:
        raise ValueError(f"ground_truth: {len(ground_truth)} entries for {queries} queries")
    lists = [_checked(entry, place, items) for place, entry in enumerate(ground_truth)]
    result: dict[str, float] = {}
    for setup, (wanted, ignored) in SETUPS.items():
        pairs, junk = _pairs(lists, wanted), _pairs(lists, ignored)
        # An item of both lists is a positive.
        junk = junk[~np.isin(junk @ (items, 1), pairs @ (items, 1))]
        relevance = stated_pairs(pairs, queries, junk)
        ranks, bounds = rank_pairs(source, relevance), relevance.starts
        # A protocol of 70 queries: one at a time is what reads best.
        rows = [
            _one_query(ranks[bounds[i] : bounds[i + 1]] - 1, ks) for i in range(queries) if bounds[i] < bounds[i + 1]
        ]
        result[f"{setup}/queries"] = float(len(rows))
        means = np.mean(rows, axis=0) if rows else np.full(1 + len(ks), np.nan)
        result[f"{setup}/mAP"] = float(means[0])
        result |= {f"{setup}/mP_at_{k}": float(value) for k, value in zip(ks, means[1:], strict=True)}
    return result


def _pairs(lists: Sequence[Mapping[str, np.ndarray]], names: Sequence[str]) -> np.ndarray:
    """(N, 2) query and gallery row of the lists of these names."""
    found = [np.concatenate([entry[name] for name in names]) for entry in lists]
    owners = np.repeat(np.arange(len(found)), [len(rows) for rows in found])
    return np.stack([owners, np.concatenate(found)], axis=1)


def _one_query(ranks: np.ndarray, ks: Sequence[int]) -> list[float]:
    """Average precision, then precision at each k, from the 0-based ranks of the positives."""
    place = np.arange(len(ranks))
    before = np.divide(place, ranks, out=np.ones(len(ranks)), where=ranks > 0)
    average = ((before + (place + 1) / (ranks + 1)) / 2).mean()
    cutoffs = [min(ranks[-1] + 1, k) for k in ks]
    return [average, *((ranks < cutoff).sum() / cutoff for cutoff in cutoffs)]


def _checked(entry: Mapping[str, Any], place: int, gallery: int) -> dict[str, np.ndarray]:
    lists = {}
    for name in ("easy", "hard", "junk"):
        if name not in entry:
            raise ValueError(f"ground_truth: entry {place} has no '{name}'")
        rows = as_array(entry[name]).astype(np.int64).ravel()
        if len(rows) and not 0 <= rows.min() <= rows.max() < gallery:
            raise ValueError(f"ground_truth: entry {place}, '{name}': gallery rows outside 0..{gallery - 1}")
        lists[name] = rows
    return lists
