"""Scores of a block of queries against the whole gallery: dot products of embeddings, or scores that are given."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from suite.evaluation.inputs import Embedded

_HASHED_ELEMENTS = 1 << 21


class Products:
    """Dot products with a gallery, in the precision of the embeddings.

    Equal gallery rows get equal scores bit by bit: a matrix product may round differently at the edge of a tile, which
    would break ties by position and by machine, so every row but the first of equals takes the score of the first.

    Attributes:
        shape: queries and items.
        dtype, device: of the scores.
        copies: (c,) int64, gallery rows that are equal to an earlier one.
        originals: (c,) int64, these earlier rows.
    """

    def __init__(self, embedded: Embedded, rounding: torch.dtype | None = None):
        """`rounding`: a coarser type that the scores are rounded to; their type stays."""
        self._queries, self._items, self._rounding = embedded.queries, embedded.items, rounding
        self.shape = (len(self._queries), len(self._items))
        self.dtype, self.device = self._items.dtype, self._items.device
        self.copies, self.originals = equal_rows(self._items)

    def fill(self, first: int, out: Tensor) -> None:
        """Write the scores of the queries from `first` on to (b, G) `out`, those of `copies` without their rule."""
        torch.mm(self._queries[first : first + len(out)], self._items.T, out=out)
        if self._rounding is not None:
            out.copy_(out.to(self._rounding))


class Given:
    """Scores that are there already; attributes and `fill` as those of `Products`."""

    def __init__(self, scores: Tensor):
        self._scores, self.shape = scores, tuple(scores.shape)
        self.dtype, self.device = scores.dtype, scores.device
        self.copies = self.originals = np.empty(0, dtype=np.int64)

    def fill(self, first: int, out: Tensor) -> None:
        """Write the scores of the queries from `first` on to (b, G) `out`."""
        out.copy_(self._scores[first : first + len(out)])


def equal_rows(rows: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The rows that are equal to an earlier one, and the first of their equals: two (c,) int64 arrays."""
    size = max(_HASHED_ELEMENTS // rows.shape[1], 1)
    generator = torch.Generator().manual_seed(0)
    weights = torch.randint(-(2**62), 2**62, (rows.shape[1],), generator=generator).to(rows.device) * 2 + 1
    hashes = torch.cat([_hash(part, weights) for part in rows.split(size)]).cpu().numpy()
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    original = first[inverse.ravel()]
    copies = np.flatnonzero(original != np.arange(len(rows)))
    # A collision of two rows that differ makes them no equals.
    parts = torch.from_numpy(copies).to(rows.device).split(size)
    firsts = torch.from_numpy(original[copies]).to(rows.device).split(size)
    same = [(rows[part] == rows[of]).all(1).cpu().numpy() for part, of in zip(parts, firsts, strict=True)]
    copies = copies[np.concatenate(same)] if len(copies) else copies
    return copies, original[copies]


def _hash(rows: Tensor, weights: Tensor) -> Tensor:
    # Adding zero turns -0.0 into 0.0, which it is equal to.
    bits = (rows + 0.0).view(torch.int64 if rows.dtype == torch.float64 else torch.int32).to(torch.int64)
    bits = bits * 0x5851F42D4C957F2D
    return ((bits ^ (bits >> 29)) * weights).sum(1)
