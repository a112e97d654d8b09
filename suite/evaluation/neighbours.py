"""Exact nearest neighbours by dot product, through a flat faiss index."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import faiss
import numpy as np

from suite.evaluation.inputs import as_embeddings
from suite.evaluation.ranks import query_blocks


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
    items = queries if gallery is None else as_embeddings(gallery, "gallery")
    if items.shape[1] != queries.shape[1]:
        raise ValueError(f"gallery: width {items.shape[1]} differs from the query's {queries.shape[1]}")
    most = len(items) - (gallery is None)
    if not 1 <= k <= most:
        raise ValueError(f"k: expected 1 to {most}, the items there are to find, found {k}")
    finder = _Finder(queries, items, k, gallery is None)
    with _one_thread():
        pairs = [finder.find(np.arange(block.start, block.stop)) for block in query_blocks(len(queries), len(items))]
    return np.concatenate([scores for scores, _ in pairs]), np.concatenate([rows for _, rows in pairs])


class _Finder:
    """A flat index, and an exhaustive scan for the queries whose ties may run past the end of the index's
    answer.

    The index rounds by tile, so equal items may differ in their last bit: candidates are scored afresh in
    double precision and rounded, which gives equal items equal scores.
    """

    def __init__(self, queries: np.ndarray, items: np.ndarray, k: int, alone: bool):
        self.queries, self.items, self.k, self.alone = queries, items, k, alone
        self.depth = min(k + 8, len(items))
        self.index = faiss.IndexFlatIP(items.shape[1])
        self.index.add(items.astype(np.float32, copy=False))
        self.longest = float(np.linalg.norm(items, axis=1).max())

    def find(self, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(b, k) scores and gallery rows of the queries `block`."""
        query = self.queries[block]
        _, found = self.index.search(query.astype(np.float32, copy=False), self.depth)
        query = query.astype(np.float64)
        scores = np.empty(found.shape, dtype=np.float32)
        for column in range(self.depth):
            scores[:, column] = np.einsum("qd,qd->q", query, self.items[found[:, column]])
        # What the index left out scores at most the worst of what it found, give or take its rounding.
        ceiling = scores.min(axis=1) + 1e-5 * self.longest * np.linalg.norm(query, axis=1)
        best, rows = self._best(block, scores, found)
        open_ended = np.flatnonzero((best[:, -1] <= ceiling) & (self.depth < len(self.items)))
        if len(open_ended):
            scanned = (query[open_ended] @ self.items.T.astype(np.float64)).astype(np.float32)
            every = np.broadcast_to(np.arange(len(self.items)), scanned.shape)
            best[open_ended], rows[open_ended] = self._best(block[open_ended], scanned, every)
        return best, rows

    def _best(self, block: np.ndarray, scores: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.alone:
            scores = np.where(found == block[:, None], -np.inf, scores)
        order = np.lexsort((found, -scores), axis=1)[:, : self.k]
        return np.take_along_axis(scores, order, 1), np.take_along_axis(found, order, 1)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run faiss on one thread: callers parallelise over processes."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
