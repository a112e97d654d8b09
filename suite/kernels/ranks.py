"""The rank engine: one kernel for every loss that is a function of the ranks of a query's positives.

For query i and positive j, with differences x_k = s_ik - s_ij,
    rank+_ij = 1 + sum over positives k != j of positive_step(x_k)
    rank-_ij = sum over all other gallery items k of negative_step(x_k)
and a head turns (rank+, rank-) of all positives into the loss of the query. The steps of a block are a
(queries, P, gallery) buffer of at most `block_bytes`, or of one positive.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from suite.kernels.differences import StepSums, Workspace, lowest
from suite.kernels.dispatch import runs_fused
from suite.kernels.gallery import Columns, Gallery
from suite.kernels.heads import Head
from suite.kernels.sorted_steps import step_sums
from suite.kernels.steps import Step
from suite.kernels.sweep import BLOCK_BYTES, BlockResult, Mixing, Swept, sweep


def rank_loss(
    queries: Tensor,
    references: Tensor | None,
    gallery: Gallery,
    positive_step: Step,
    negative_step: Step,
    head: Head,
    block_bytes: int | None = None,
    mixing: Mixing | None = None,
) -> Swept:
    """Mean of `head` over the queries that have positives.

    Args:
        queries: (Q, D), float32 or float64.
        references: (G, D), or None when the queries are their own gallery.
        gallery: labels of both, and what the query itself is. A `rank_only` query takes `positive_step`.
        positive_step: step for items as relevant as the one ranked.
        negative_step: step for less relevant items.
        head: from ranks to losses.
        block_bytes: upper limit of one work buffer in bytes (never less than one row of scores); None: tuned to
            the cache.
        mixing: items made from the queries that take their place; `gallery` is of these then.

    Returns:
        The loss, and the number of queries in its mean.
    """
    if runs_fused(queries, references):
        from suite.kernels.fused.entry import ranked

        return ranked(queries, references, gallery, positive_step, negative_step, head, mixing)
    block = _RankBlock(gallery, positive_step, negative_step, head, BLOCK_BYTES if block_bytes is None else block_bytes)
    exact_ties = not (positive_step.continuous and negative_step.continuous)
    return sweep(queries, references, block, block_bytes=block_bytes, exact_ties=exact_ties, mixing=mixing)


@dataclass
class _RankBlock:
    gallery: Gallery
    positive_step: Step
    negative_step: Step
    head: Head
    limit: int
    workspace: Workspace = field(default_factory=Workspace)

    def __call__(self, scores: Tensor, start: int, needs_gradient: bool) -> BlockResult:
        block, size = scores.shape
        sums, count = scores.new_zeros((), dtype=torch.float64), 0
        unranked = torch.ones(block, dtype=torch.bool, device=scores.device)
        for columns in self.gallery.columns(start, block, size * scores.element_size(), self.limit):
            sums += self._chunk(scores, start, columns, needs_gradient)
            count += len(columns.count)
            unranked[columns.rows] = False
        if needs_gradient and bool(unranked.any()):
            scores[unranked] = 0.0
        return BlockResult(sums, sums.new_tensor(float(count)), (scores,) if needs_gradient else ())

    def _chunk(self, scores: Tensor, start: int, columns: Columns, needs_gradient: bool) -> Tensor:
        """The sum of the losses of a chunk, whose scores give way to their gradient."""
        rows, items, valid, count = columns
        others = scores[rows].clone() if isinstance(rows, slice) else scores[rows]
        own = others.gather(1, items)
        low = lowest(scores.dtype)
        # As an item to be ranked a padded place is above all others, as one that is counted below: no step
        # is taken.
        high = own if valid is None else own.masked_fill(~valid, -low)
        lows = own if valid is None else own.masked_fill(~valid, low)
        itself = self._set_aside_query(others, start, rows, low)
        others.scatter_(1, items, low)

        among_positives = StepSums(self.positive_step, lows, high, Workspace(), self.limit)
        among_others = step_sums(self.negative_step, others, high, self.workspace, self.limit)
        # The sum over k != j is the sum over all positives less the step at 0.
        plus = among_positives.total(needs_gradient).add_(1.0 - self.positive_step.at_zero)
        minus = among_others.total(needs_gradient)
        if valid is not None:
            plus.masked_fill_(~valid, 1.0)
        if itself is not None:
            minus += itself >= high

        losses, of_plus, of_minus = self.head(plus, minus, count, valid)
        if needs_gradient:
            of_others, of_items = among_others.backward(of_minus)
            if self.positive_step.differentiable:
                of_lows, of_high = among_positives.backward(of_plus)
                of_items += of_lows + of_high
            # A padded place has no gradient, and no positive any as one of the others.
            scores[rows] = of_others.scatter_add_(1, items, of_items)
        return losses.sum(dtype=torch.float64)

    def _set_aside_query(self, others: Tensor, start: int, rows: slice | Tensor, low: float) -> Tensor | None:
        """Take the queries out of their own galleries; their scores (queries, 1) if they still take a hard step."""
        if not self.gallery.without_self:
            return None
        if self.gallery.self_match == "rank_only" and self.positive_step.differentiable:
            # Both steps are the same here: the query counts among the others.
            return None
        places = _places(start, rows, others)
        itself = others.gather(1, places)
        others.scatter_(1, places, low)
        return itself if self.gallery.self_match == "rank_only" else None


def _places(start: int, rows: slice | Tensor, chunk: Tensor) -> Tensor:
    """(queries, 1): where the queries of a chunk stand in the gallery that they are themselves."""
    nth = torch.arange(rows.start, rows.stop, device=chunk.device) if isinstance(rows, slice) else rows
    return (nth + start)[:, None]
