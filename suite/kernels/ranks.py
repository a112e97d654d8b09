"""The rank engine: one kernel for every loss that is a function of the ranks of a query's positives.

For query i and positive j, with differences x_k = s_ik - s_ij,
    rank+_ij = 1 + sum over positives k != j of positive_step(x_k)
    rank-_ij = sum over all other gallery items k of negative_step(x_k)
and a head turns (rank+, rank-) of all positives into the loss of the query. The steps of a block are a
(queries, P, gallery) buffer of at most `block_bytes`, or of one positive.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from suite.kernels.gallery import Columns, Gallery, gather_positives
from suite.kernels.heads import Head
from suite.kernels.steps import Step
from suite.kernels.sweep import BLOCK_BYTES, BlockResult, Swept, row_blocks, rows_within, sweep


def rank_loss(
    queries: Tensor,
    references: Tensor | None,
    gallery: Gallery,
    positive_step: Step,
    negative_step: Step,
    head: Head,
    block_bytes: int | None = None,
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

    Returns:
        The loss, and the number of queries in its mean.
    """
    block = _RankBlock(gallery, positive_step, negative_step, head, BLOCK_BYTES if block_bytes is None else block_bytes)
    exact_ties = not (positive_step.continuous and negative_step.continuous)
    return sweep(queries, references, block, block_bytes=block_bytes, exact_ties=exact_ties)


class Workspace:
    """Two flat buffers that all chunks of a sweep share: fresh memory would cost more than the arithmetic."""

    def __init__(self) -> None:
        self._buffers: tuple[Tensor, Tensor] | None = None

    def take(self, like: Tensor, *shape: int) -> tuple[Tensor, Tensor]:
        """Two uninitialised buffers of `shape`, with the dtype and device of `like`."""
        size = 1
        for length in shape:
            size *= length
        if self._buffers is None or self._buffers[0].numel() < size:
            self._buffers = (like.new_empty(size), like.new_empty(size))
        first, second = self._buffers
        return first[:size].view(shape), second[:size].view(shape)


def column_parts(scores: Tensor, positives: int, limit: int) -> Iterator[slice]:
    """Slices of a chunk's columns of `positives`, such that a (queries, part, gallery) buffer keeps to `limit` bytes.

    Only a chunk of a single query can need more than one; a part holds at least one positive.

    Args:
        scores: (queries, gallery), the chunk's.
        positives: columns of the chunk.
        limit: bytes of a buffer.
    """
    for start, stop in row_blocks(positives, rows_within(limit, scores.numel() * scores.element_size(), positives)):
        yield slice(start, stop)


def lowest(dtype: torch.dtype) -> float:
    """A finite score below any other, with finite differences: it stands for items that do not count."""
    return torch.finfo(dtype).min * 1e-6


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
        positives = self.gallery.positives(start, block)
        low = lowest(scores.dtype)
        negatives = scores.masked_fill(positives, low)
        itself = None
        if self.gallery.self_match == "exclude":
            negatives.diagonal(start).fill_(low)
        elif self.gallery.self_match == "rank_only" and not self.positive_step.differentiable:
            negatives.diagonal(start).fill_(low)
            itself = scores.diagonal(start)
        gradient = torch.zeros_like(scores) if needs_gradient else None
        sums, count = scores.new_zeros((), dtype=torch.float64), 0
        for columns in gather_positives(positives, size * scores.element_size(), self.limit):
            sums += self._chunk(scores, negatives, itself, columns, gradient)
            count += len(columns.count)
        return BlockResult(sums, sums.new_tensor(float(count)), () if gradient is None else (gradient,))

    def _chunk(
        self,
        scores: Tensor,
        negatives: Tensor,
        itself: Tensor | None,
        columns: Columns,
        gradient: Tensor | None,
    ) -> Tensor:
        rows, items, valid, count = columns
        needs_gradient = gradient is not None
        own, others = scores[rows].gather(1, items), negatives[rows]
        # As an item to be ranked a padded place is above all others, as one that is counted below: no step
        # is taken.
        high = own if valid is None else own.masked_fill(~valid, -lowest(own.dtype))
        lows = own if valid is None else own.masked_fill(~valid, lowest(own.dtype))

        # The positives of a single query can exceed the limit. They are ranked part by part then, and once
        # more for the gradient, since the head takes the ranks of all.
        parts = list(column_parts(others, items.shape[1], self.limit))
        whole = len(parts) == 1
        ranks = []
        for part in parts:
            *of_part, pairs, steps = self._count(others, lows, high[:, part], needs_gradient and whole)
            ranks.append(of_part)
        plus, minus = ranks[0] if whole else (torch.cat(of_parts, 1) for of_parts in zip(*ranks, strict=True))
        if valid is not None:
            plus.masked_fill_(~valid, 1.0)
        if itself is not None:
            minus += itself[rows][:, None] >= high

        losses, of_plus, of_minus = self.head(plus, minus, count, valid)
        if gradient is not None:
            of_plus, of_minus = of_plus * self.positive_step.slope, of_minus * self.negative_step.slope
            of_items, of_scores = torch.zeros_like(own), None
            for part in parts:
                if not whole:
                    _, _, pairs, steps = self._count(others, lows, high[:, part], True)
                of_items[:, part] -= steps.sum(-1).mul_(of_minus[:, part])
                if self.positive_step.differentiable:
                    pairs.mul_(of_plus[:, part, None])
                    of_pairs = pairs.sum(1)
                    of_pairs[:, part] -= pairs.sum(2)
                    of_items += of_pairs
                of_part = torch.bmm(of_minus[:, None, part], steps)[:, 0]
                of_scores = of_part if of_scores is None else of_scores.add_(of_part)
            place = torch.arange(len(items), device=items.device)[:, None].expand_as(items)
            if valid is None:
                # No negative stands in a positive's column, so nothing is overwritten.
                of_scores[place, items] = of_items
            else:
                of_scores[place[valid], items[valid]] = of_items[valid]
            gradient[rows] = of_scores
        return losses.sum(dtype=torch.float64)

    def _count(
        self, others: Tensor, lows: Tensor, high: Tensor, needs_gradient: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """rank+ and rank- of the positives with scores `high`, and the derivatives of both kinds of steps.

        The last, those of rank-, stand in the workspace until the next count.
        """
        pairs = lows[:, None, :] - high[:, :, None]
        plus = self.positive_step.accumulate(pairs, torch.empty_like(pairs), needs_gradient)
        # The sum over k != j is the sum over all positives less the step at 0.
        plus += 1.0 - self.positive_step.at_zero
        steps, spare = self.workspace.take(others, *high.shape, others.shape[1])
        torch.sub(others[:, None, :], high[:, :, None], out=steps)
        return plus, self.negative_step.accumulate(steps, spare, needs_gradient), pairs, steps
