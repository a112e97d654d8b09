"""Losses made of log-sum-exps over the pairs of a query: Multi-Similarity and supervised contrastive.

Every sum of exponentials is taken relative to its largest exponent, so that no temperature overflows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from suite.kernels.gallery import Gallery, gather_positives
from suite.kernels.sweep import BLOCK_BYTES, BlockResult, Swept, sweep


@dataclass(frozen=True)
class ChosenPairs:
    """The pairs of a miner, as masks (Q, G) bool; a pair listed twice counts once."""

    positive: Tensor
    negative: Tensor

    @classmethod
    def of(cls, pairs: tuple[Tensor, Tensor, Tensor, Tensor], gallery: Gallery) -> ChosenPairs:
        """From (anchors, positives, anchors, negatives), indices of queries and gallery."""
        anchors, positives, others, negatives = pairs
        shape = len(gallery.query_labels), len(gallery.labels)
        masks = [torch.zeros(shape, dtype=torch.bool, device=gallery.labels.device) for _ in range(2)]
        masks[0][anchors, positives] = True
        masks[1][others, negatives] = True
        return cls(*masks)


def multi_similarity(
    queries: Tensor,
    references: Tensor | None,
    pairs: Gallery | ChosenPairs,
    alpha: float,
    beta: float,
    base: float,
    block_bytes: int | None = None,
) -> Swept:
    """Mean over all queries of the two soft hinges

        log(1 + sum over positives of exp(-alpha (s - base))) / alpha
        + log(1 + sum over negatives of exp(beta (s - base))) / beta.

    Args:
        queries: (Q, D), L2-normalised, float32 or float64.
        references: (G, D), L2-normalised, or None when the queries are their own gallery.
        pairs: the labels of both, and a query is never paired with itself; or chosen pairs.
        alpha: sharpness for positives.
        beta: sharpness for negatives.
        base: similarity at which a pair begins to cost.
        block_bytes: upper limit of one work buffer in bytes.

    Returns:
        The loss, and the number of queries. One without positives, or without negatives, stays in the mean
        with the half it has.
    """
    limit = BLOCK_BYTES if block_bytes is None else block_bytes
    block = _MultiSimilarityBlock(pairs, alpha, beta, base, limit)
    return sweep(queries, references, block, block_bytes=block_bytes)


def supervised_contrast(
    queries: Tensor,
    references: Tensor | None,
    pairs: Gallery | ChosenPairs,
    temperature: float,
    block_bytes: int | None = None,
) -> Swept:
    """Mean over queries with positives of the cross-entropy of their positives,

        -(1 / |P_i|) sum over j in P_i of log(exp(s_ij / t) / sum over k in P_i and N_i of exp(s_ik / t)).

    Args:
        queries: (Q, D), L2-normalised, float32 or float64.
        references: (G, D), L2-normalised, or None when the queries are their own gallery.
        pairs: the labels of both, and a query is never paired with itself; or chosen pairs.
        temperature: t.
        block_bytes: upper limit of one work buffer in bytes.

    Returns:
        The loss, and the number of queries in its mean.
    """
    limit = BLOCK_BYTES if block_bytes is None else block_bytes
    return sweep(queries, references, _ContrastBlock(pairs, temperature, limit), block_bytes=block_bytes)


def _members(pairs: Gallery | ChosenPairs, start: int, rows: int) -> tuple[Tensor, Tensor]:
    """Masks (rows, G) of the positives, and of the items that are no negatives."""
    if isinstance(pairs, ChosenPairs):
        return pairs.positive[start : start + rows], ~pairs.negative[start : start + rows]
    same = pairs.same_label(start, rows)
    positives = same
    if pairs.self_match is not None:
        positives = same.clone()
        positives.diagonal(start).fill_(False)
    return positives, same


def _soft_hinge(exponents: Tensor) -> tuple[Tensor, Tensor]:
    """log(1 + sum of exp) over each row, and its derivative, written over `exponents` (-inf: takes no part)."""
    largest = exponents.amax(1, keepdim=True).clamp_(min=0.0)
    shares = exponents.sub_(largest).exp_()
    total = shares.sum(1, keepdim=True).add_(largest.neg().exp_())
    shares.div_(total)
    return (total.log_() + largest)[:, 0], shares


@dataclass(frozen=True)
class _MultiSimilarityBlock:
    pairs: Gallery | ChosenPairs
    alpha: float
    beta: float
    base: float
    limit: int

    def __call__(self, scores: Tensor, start: int, needs_gradient: bool) -> BlockResult:
        rows = len(scores)
        positives, others = _members(self.pairs, start, rows)
        losses, gradient = _soft_hinge(((scores - self.base) * self.beta).masked_fill_(others, -torch.inf))
        sums = losses.sum(dtype=torch.float64) / self.beta
        for columns in gather_positives(positives, scores.element_size(), self.limit):
            exponents = (self.base - scores[columns.rows].gather(1, columns.items)).mul_(self.alpha)
            if columns.valid is not None:
                exponents.masked_fill_(~columns.valid, -torch.inf)
            losses, shares = _soft_hinge(exponents)
            sums += losses.sum(dtype=torch.float64) / self.alpha
            if needs_gradient:
                columns.add_to(gradient, shares.neg_())
        return BlockResult(sums, sums.new_tensor(float(rows)), (gradient,) if needs_gradient else ())


@dataclass(frozen=True)
class _ContrastBlock:
    pairs: Gallery | ChosenPairs
    temperature: float
    limit: int

    def __call__(self, scores: Tensor, start: int, needs_gradient: bool) -> BlockResult:
        positives, others = _members(self.pairs, start, len(scores))
        gaps = scores.masked_fill(others & ~positives, -torch.inf)
        known = positives.any(1)
        # A query that pairs with nothing has no largest score.
        gaps.masked_fill_(~known[:, None], 0.0)
        largest = gaps.amax(1, keepdim=True)
        # Differences are divided by the temperature, not scores: they are small where they matter.
        shares = gaps.sub_(largest).div_(self.temperature).exp_()
        total = shares.sum(1, keepdim=True)
        gradient = shares.mul_(known[:, None] / (total * self.temperature)) if needs_gradient else None
        sums, count = scores.new_zeros((), dtype=torch.float64), 0
        for columns in gather_positives(positives, scores.element_size(), self.limit):
            block_rows, items, valid, positive_count = columns
            share = positive_count.to(scores.dtype).reciprocal()[:, None]
            costs = (largest[block_rows] - scores[block_rows].gather(1, items)).div_(self.temperature)
            costs.add_(total[block_rows].log()).mul_(share)
            if valid is not None:
                costs.masked_fill_(~valid, 0.0)
            sums += costs.sum(dtype=torch.float64)
            count += len(items)
            if gradient is not None:
                columns.add_to(gradient, (share / -self.temperature).expand_as(items))
        return BlockResult(sums, sums.new_tensor(float(count)), () if gradient is None else (gradient,))
