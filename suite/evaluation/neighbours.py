"""Exact nearest neighbours by dot product, and how many of them another search finds."""

from __future__ import annotations

from typing import Any

import numpy as np

from suite.evaluation.inputs import as_array, as_embeddings
from suite.evaluation.search import exact_scores, search_index


def nearest_neighbours(query: Any, gallery: Any = None, k: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """The k gallery items of highest dot product of every query, best first.

    Args:
        query: (Q, D) embeddings.
        gallery: (G, D) embeddings; None searches the queries themselves and leaves each one out of its own
            answer.
        k: neighbours a query, at most G (G - 1 without a gallery).

    Returns:
        Scores, (Q, k) float32, and gallery rows, (Q, k) int64. At equal score the lower row stands first.

    Raises:
        ValueError: naming the argument that is at fault.
    """
    queries = as_embeddings(query, "query")
    if gallery is not None:
        return search_index(gallery).search(queries, k)
    most = len(queries) - 1
    if not 1 <= k <= most:
        raise ValueError(f"k: expected 1 to {most}, the items there are to find, found {k}")
    scores, rows = search_index(queries).search(queries, k + 1)
    # One more than asked for: without the query itself, or, where it is not among them, without the last.
    kept = rows != np.arange(len(rows))[:, None]
    kept[kept.all(axis=1), -1] = False
    return scores[kept].reshape(-1, k), rows[kept].reshape(-1, k)


def search_recall(query: Any, gallery: Any, found: Any, exact: Any = None) -> np.ndarray:
    """Share of the k nearest gallery items of every query that a search found.

    Ties count fairly: an item whose exact score equals that of the k-th nearest is as good as it.

    Args:
        query: (Q, D) embeddings.
        gallery: (G, D) embeddings.
        found: (Q, k) integers, gallery rows in any order, negative where the search found nothing; a row named
            twice counts once.
        exact: (Q, k) integers, the rows of `nearest_neighbours` for the same k, if they are known; they are
            searched for otherwise.

    Returns:
        (Q,) float64, from 0 to 1.

    Raises:
        ValueError: naming the argument that is at fault.
    """
    queries, items = as_embeddings(query, "query"), as_embeddings(gallery, "gallery")
    rows = _as_rows(found, "found", len(queries), len(items))
    k = rows.shape[1]
    nearest = nearest_neighbours(queries, items, k)[1] if exact is None else as_array(exact)
    nearest = _as_rows(nearest, "exact", len(queries), len(items))
    if nearest.shape[1] != k or (nearest < 0).any():
        raise ValueError(f"exact: expected {k} rows a query, as found has, all of them in the gallery")
    least = exact_scores(queries, items, nearest).min(axis=1)
    rows = np.sort(rows, axis=1)
    counted = rows >= 0
    counted[:, 1:] &= rows[:, 1:] != rows[:, :-1]
    good = exact_scores(queries, items, np.maximum(rows, 0)) >= least[:, None]
    return (good & counted).sum(axis=1) / k


def _as_rows(values: Any, name: str, queries: int, size: int) -> np.ndarray:
    rows = as_array(values)
    if rows.ndim != 2 or len(rows) != queries or not 1 <= rows.shape[1] <= size or rows.dtype.kind not in "iu":
        raise ValueError(
            f"{name}: expected integers of shape ({queries}, k) with 1 <= k <= {size},"
            f" found {rows.dtype} of shape {rows.shape}"
        )
    if rows.max() >= size:
        raise ValueError(f"{name}: row {rows.max()} is beyond the gallery's {size} items")
    return rows
