"""The revisited Oxford and Paris protocol (Radenovic et al., CVPR 2018)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from suite.evaluation.inputs import as_array, check_ks

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
    ks = check_ks(ks)
    matrix = as_array(scores)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(f"scores: expected shape (queries, gallery), found {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError("scores: hold NaN or infinity")
    if len(ground_truth) != len(matrix):
        raise ValueError(f"ground_truth: {len(ground_truth)} entries for {len(matrix)} queries")
    lists = [_checked(entry, place, matrix.shape[1]) for place, entry in enumerate(ground_truth)]
    result: dict[str, float] = {}
    for setup, (wanted, ignored) in SETUPS.items():
        # A protocol of 70 queries: one row at a time is what reads best.
        rows = [
            _one_query(row, np.concatenate([entry[name] for name in wanted]), [entry[name] for name in ignored], ks)
            for row, entry in zip(matrix, lists, strict=True)
        ]
        kept = np.array([row for row in rows if row is not None])
        result[f"{setup}/queries"] = float(len(kept))
        means = kept.mean(0) if len(kept) else np.full(1 + len(ks), np.nan)
        result[f"{setup}/mAP"] = float(means[0])
        result |= {f"{setup}/mP_at_{k}": float(value) for k, value in zip(ks, means[1:], strict=True)}
    return result


def _one_query(
    scores: np.ndarray, positives: np.ndarray, ignored: list[np.ndarray], ks: Sequence[int]
) -> list[float] | None:
    """Average precision, then precision at each k; None without positives."""
    if not len(positives):
        return None
    negative = np.ones(len(scores), dtype=bool)
    negative[np.concatenate([positives, *ignored])] = False
    best_first = np.sort(-scores[positives])
    above = np.searchsorted(np.sort(-scores[negative]), best_first, side="right")
    place = np.arange(len(positives))
    ranks = above + place
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
