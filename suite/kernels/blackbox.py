"""Blackbox differentiation of ranks (Rolinek et al., CVPR 2020): exact ranks, and a gradient from a second solve.

The rank r_k of an item is its place in the sorted list of scores, so its derivative is 0 wherever it exists.
The ranker is taken for the minimiser of sum_k s_k r_k over permutations instead; its gradient for a loss L is
the slope of a piecewise linear interpolation of L, with ranks r' of the scores moved along the derivative:

    s' = s + interpolation * dL/dr,    dL/ds := (r' - r) / interpolation.

Only positives have a derivative here. They move up among negatives that stay where they are, so that a
negative's rank is known from how many positives stand before it, and nothing but the positives is ever sorted.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from suite.kernels.differences import lowest
from suite.kernels.gallery import Columns, Gallery, gather_positives
from suite.kernels.sweep import BLOCK_BYTES, BlockResult, Swept, sweep

OBJECTIVES = ("ap", "log_recall", "loglog_recall")


def blackbox_rank_loss(
    queries: Tensor,
    references: Tensor | None,
    gallery: Gallery,
    interpolation: float,
    margin: float,
    objective: str = "ap",
    block_bytes: int | None = None,
) -> Swept:
    """Mean over queries with positives of a function of exact ranks.

    With rank_j among all items and rank+_j among the positives, so that n_j = rank_j - rank+_j negatives stand
    before positive j, the loss of a query is
        ap:              1 - mean over j of rank+_j / rank_j
        log_recall:      mean over j of log(1 + n_j)
        loglog_recall:   mean over j of log(1 + log(1 + n_j)).

    Args:
        queries: (Q, D), float32 or float64.
        references: (G, D), or None when the queries are their own gallery.
        gallery: labels of both, and what the query itself is.
        interpolation: lambda of the paper, in units of a score per unit of the loss of one query over ranks.
        margin: scores of positives are lowered, those of negatives raised by half of it before they are ranked.
        objective: the function of the ranks.
        block_bytes: upper limit of one work buffer in bytes (never less than one row of scores).

    Returns:
        The loss, and the number of queries in its mean. At a tie a negative stands before a positive, and
        positives stand in the order of the gallery. The gradient is that of the second solve for the loss of
        each query, averaged like the loss: it does not depend on the batch size or on an upstream factor
        otherwise than in proportion.
    """
    limit = BLOCK_BYTES if block_bytes is None else block_bytes
    block = _BlackboxBlock(gallery, interpolation, margin, objective, limit)
    return sweep(queries, references, block, block_bytes=block_bytes, exact_ties=True)


@dataclass(frozen=True)
class _BlackboxBlock:
    gallery: Gallery
    interpolation: float
    margin: float
    objective: str
    limit: int

    def __call__(self, scores: Tensor, start: int, needs_gradient: bool) -> BlockResult:
        positives = self.gallery.positives(start, len(scores))
        # Sorted lists ascend: the best item has the smallest number.
        others = scores.masked_fill(positives, lowest(scores.dtype)).neg_()
        if self.gallery.self_match == "exclude":
            others.diagonal(start).fill_(-lowest(scores.dtype))
        gradient = torch.zeros_like(scores) if needs_gradient else None
        sums, count = scores.new_zeros((), dtype=torch.float64), 0
        for columns in gather_positives(positives, scores.element_size(), self.limit):
            sums += self._chunk(scores, others, columns, gradient)
            count += len(columns.count)
        return BlockResult(sums, sums.new_tensor(float(count)), () if gradient is None else (gradient,))

    def _chunk(self, scores: Tensor, others: Tensor, columns: Columns, gradient: Tensor | None) -> Tensor:
        block_rows, items, valid, count = columns
        # A margin between the two kinds is a shift of one of them.
        own = self.margin - scores[block_rows].gather(1, items)
        if valid is not None:
            own.masked_fill_(~valid, -lowest(own.dtype))
        own, order = own.sort(dim=1, stable=True)
        # Padding stands last: as before, a row is valid up to the number of its positives.
        others = others[block_rows]
        plus = torch.arange(1, own.shape[1] + 1, dtype=own.dtype, device=own.device)
        before, ahead = _before(own, others)
        losses, slopes = self._objective(plus, ahead, count.to(own.dtype)[:, None])
        if valid is not None:
            losses, slopes = losses * valid, slopes * valid
        sums = losses.sum(dtype=torch.float64)
        if gradient is None:
            return sums
        moved, places = (own - self.interpolation * slopes).sort(dim=1, stable=True)
        before_moved, ahead_moved = _before(moved, others)
        gradient[block_rows] = (before_moved - before).to(own.dtype).div_(self.interpolation)
        ranks = torch.empty_like(own).scatter_(1, places, plus + ahead_moved)
        of_items = (ranks - plus - ahead).div_(self.interpolation)
        columns._replace(items=items.gather(1, order)).add_to(gradient, of_items)
        return sums

    def _objective(self, plus: Tensor, ahead: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """What each positive adds to the loss of its query, and the derivative with respect to its rank."""
        if self.objective == "ap":
            rank = plus + ahead
            return ahead / (rank * count), plus / (rank * rank * count)
        inner = torch.log1p(ahead)
        if self.objective == "log_recall":
            return inner / count, 1.0 / ((1.0 + ahead) * count)
        return torch.log1p(inner) / count, 1.0 / ((1.0 + inner) * (1.0 + ahead) * count)


def _before(own: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """How many positives stand before each other item, and how many other items before each positive.

    Both lists hold negated scores, `own` (rows, P) sorted; at a tie the other item is before the positive.
    """
    rows, positives = own.shape
    before = torch.searchsorted(own, others, out_int32=True)
    # An item before which b positives stand is itself before all positives from place b on.
    starts = torch.arange(rows, dtype=before.dtype, device=own.device)[:, None] * (positives + 1)
    found = (before + starts).flatten().bincount(minlength=rows * (positives + 1)).view(rows, -1)
    return before, found.cumsum(1)[:, :positives].to(own.dtype)
