"""Ranks of positives by counting, as arrays over a block of queries.

Only the positives of a query are sorted; a negative is counted above every positive that it scores as high
as: ties count against the query. Throughout, `distances` are negated scores, so that ascending order is best first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

# Scores held at a time; a block of queries is as many as fit, within reason for the matrix product.
_BLOCK_ELEMENTS = 1 << 20
# Up to so many positives, one comparison a positive beats a binary search a negative.
_DIRECT_COUNTS = 32


@dataclass(frozen=True)
class Positives:
    """Positives of a block of queries, best first, padded at the end of each row.

    Attributes:
        distances: (b, P), ascending, +inf where padded.
        items: (b, P) int64, gallery rows, -1 where padded.
        counts: (b,) int64, positives of each query.
    """

    distances: np.ndarray
    items: np.ndarray
    counts: np.ndarray


def query_blocks(queries: int, gallery: int) -> Iterator[slice]:
    """Slices that cover the queries in order, each small enough for its scores to be held."""
    size = min(max(_BLOCK_ELEMENTS // gallery, 16), 1024)
    return (slice(start, min(start + size, queries)) for start in range(0, queries, size))


def sort_positives(distances: np.ndarray, positive: np.ndarray) -> Positives:
    """Gather and sort the positives of each query.

    Args:
        distances: (b, G) negated scores.
        positive: (b, G), non-zero at positives.
    """
    queries, gallery = distances.shape
    flat = np.flatnonzero(positive)
    rows = flat // gallery
    counts = np.bincount(rows, minlength=queries)
    place = np.arange(len(flat)) - np.repeat(np.cumsum(counts) - counts, counts)
    values = np.full((queries, counts.max(initial=0)), np.inf, dtype=distances.dtype)
    values[rows, place] = distances.ravel()[flat]
    items = np.full(values.shape, -1, dtype=np.int64)
    items[rows, place] = flat - rows * gallery
    order = np.argsort(values, axis=1)
    return Positives(np.take_along_axis(values, order, 1), np.take_along_axis(items, order, 1), counts)


def count_above(positives: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """How many of a row's items stand at or above each of its positives.

    Args:
        positives: (b, P) negated scores, ascending, padded with +inf.
        distances: (b, N) negated scores of the items to count, +inf at those to leave out.

    Returns:
        (b, P) int64; without meaning where padded.
    """
    queries, width = positives.shape
    if width <= _DIRECT_COUNTS:
        counts = np.zeros((queries, width), dtype=np.int64)
        for column in range(width):
            counts[:, column] = np.count_nonzero(distances <= positives[:, column, None], axis=1)
        return counts
    slots = torch.searchsorted(torch.from_numpy(positives), torch.from_numpy(distances), out_int32=True).numpy()
    slots = slots + np.arange(queries, dtype=np.int64)[:, None] * (width + 1)
    histogram = np.bincount(slots.ravel(), minlength=queries * (width + 1)).reshape(queries, width + 1)
    return np.cumsum(histogram[:, :-1], axis=1)
