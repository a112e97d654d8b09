"""Hinges on single pairs: calibration and contrastive losses.

With u the similarity of a pair, positives pay max(0, pos_bound - u) and negatives max(0, u - neg_bound); each
side is averaged over its own pairs with a non-zero loss, and the two means are added.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from suite.kernels.dispatch import runs_fused
from suite.kernels.gallery import Gallery
from suite.kernels.similarity import hinge, similarity, similarity_and_slope
from suite.kernels.sweep import BlockResult, Swept, sweep


def pair_hinge(
    queries: Tensor,
    references: Tensor | None,
    gallery: Gallery,
    pos_bound: float,
    neg_bound: float,
    distance: str = "cosine",
    block_bytes: int | None = None,
) -> Swept:
    """Mean hinge of the non-zero positive pairs plus mean hinge of the non-zero negative pairs.

    Args:
        queries: (Q, D), L2-normalised, float32 or float64.
        references: (G, D), L2-normalised, or None when the queries are their own gallery.
        gallery: labels of both; a query is never paired with itself.
        pos_bound: similarity above which a positive costs nothing (minus the distance for `euclidean`).
        neg_bound: similarity below which a negative costs nothing.
        distance: `cosine` or `euclidean`.
        block_bytes: upper limit of a block of scores in bytes.

    Returns:
        The loss, and the numbers of positive and of negative pairs in it.
    """
    if runs_fused(queries, references):
        from suite.kernels.fused.entry import hinged

        return hinged(queries, references, gallery, pos_bound, neg_bound, distance)
    return sweep(queries, references, _HingeBlock(gallery, pos_bound, neg_bound, distance), (1.0, 1.0), block_bytes)


def indexed_pair_hinge(
    queries: Tensor,
    references: Tensor,
    pairs: tuple[Tensor, Tensor, Tensor, Tensor],
    pos_bound: float,
    neg_bound: float,
    distance: str = "cosine",
) -> Swept:
    """`pair_hinge` over chosen (anchors, positives, anchors, negatives), indices of queries and gallery."""
    anchors, positives, others, negatives = pairs
    scores = queries @ references.t()
    hinges = (
        hinge(pos_bound - similarity(scores[anchors, positives], distance)),
        hinge(similarity(scores[others, negatives], distance) - neg_bound),
    )
    counts = torch.stack([(cost > 0).sum() for cost in hinges]).double()
    means = [cost.sum() / max(1.0, count) for cost, count in zip(hinges, counts.tolist(), strict=True)]
    return Swept(means[0] + means[1], counts)


def pairs_of(indices: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The pairs (anchors, positives, anchors, negatives) of a miner's pairs, or of its triplets."""
    if len(indices) == 3:
        anchors, positives, negatives = indices
        return anchors, positives, anchors, negatives
    return indices[0], indices[1], indices[2], indices[3]


@dataclass(frozen=True)
class _HingeBlock:
    gallery: Gallery
    pos_bound: float
    neg_bound: float
    distance: str

    def __call__(self, scores: Tensor, start: int, needs_gradient: bool) -> BlockResult:
        rows = len(scores)
        similar, slope = similarity_and_slope(scores, self.distance)
        same = self.gallery.same_label(start, rows)
        negative = hinge(similar - self.neg_bound, in_place=True).masked_fill_(same, 0.0)
        if self.gallery.self_match is not None:
            same.diagonal(start).fill_(False)
        row, column = same.nonzero(as_tuple=True)
        positive = hinge(self.pos_bound - similar[row, column], in_place=True)

        sums = torch.stack([positive.sum(dtype=torch.float64), negative.sum(1).sum(dtype=torch.float64)])
        violating, intruding = positive.sign(), negative.sign_()
        counts = torch.stack([violating.sum(dtype=torch.float64), intruding.sum(1).sum(dtype=torch.float64)])
        if not needs_gradient:
            return BlockResult(sums, counts, ())
        of_positive = torch.zeros_like(scores)
        of_positive[row, column] = violating.neg_() if slope is None else violating.neg_().mul_(slope[row, column])
        return BlockResult(sums, counts, (of_positive, intruding if slope is None else intruding.mul_(slope)))
