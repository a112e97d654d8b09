"""Triplet hinge: max(0, u_an - u_ap + margin) averaged over the triplets where it is not zero.

u is the similarity of a pair; with u minus the euclidean distance this is the triplet margin loss. All
triplets of a chunk of anchors are one (anchors, P, gallery) buffer, so no triplet is ever listed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from suite.kernels.differences import Workspace, column_parts, lowest
from suite.kernels.gallery import Columns, Gallery, gather_positives
from suite.kernels.similarity import similarity, similarity_and_slope
from suite.kernels.sweep import BLOCK_BYTES, BlockResult, Swept, sweep

MININGS = ("all", "semihard", "batch_hard")


def triplet_hinge(
    queries: Tensor,
    references: Tensor | None,
    gallery: Gallery,
    margin: float,
    mining: str = "all",
    distance: str = "euclidean",
    block_bytes: int | None = None,
) -> Swept:
    """Mean hinge over the triplets with a non-zero one.

    Args:
        queries: (Q, D), L2-normalised, float32 or float64.
        references: (G, D), L2-normalised, or None when the queries are their own gallery.
        gallery: labels of both; an anchor is never its own positive.
        margin: in units of the distance.
        mining: `all` triplets; `semihard`: the negative is farther than the positive, by the margin at most;
            `batch_hard`: each anchor's farthest positive and nearest negative.
        distance: `euclidean` or `cosine`.
        block_bytes: upper limit of one work buffer in bytes (never less than one row of scores).

    Returns:
        The loss, and the number of triplets in its mean.
    """
    limit = BLOCK_BYTES if block_bytes is None else block_bytes
    block = _TripletBlock(gallery, margin, mining, distance, limit)
    # A negative as far as the positive is not semihard, and without a margin it is no violation; the first of
    # equally near negatives is the hardest.
    return sweep(queries, references, block, block_bytes=block_bytes, exact_ties=True)


def indexed_triplet_hinge(
    queries: Tensor,
    references: Tensor,
    triplets: tuple[Tensor, Tensor, Tensor],
    margin: float,
    distance: str = "euclidean",
) -> Swept:
    """`triplet_hinge` over chosen (anchors, positives, negatives), indices of queries and gallery."""
    anchors, positives, negatives = triplets
    similar = similarity(queries @ references.t(), distance)
    hinge = (similar[anchors, negatives] - similar[anchors, positives] + margin).clamp_min(0.0)
    counts = (hinge > 0).sum().double()[None]
    return Swept(hinge.sum() / max(1.0, float(counts)), counts)


def triplets_of(indices: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """A miner's triplets, or all that its pairs form at a common anchor."""
    if len(indices) == 3:
        return indices[0], indices[1], indices[2]
    anchors, positives, others, negatives = indices
    left, right = (anchors[:, None] == others).nonzero(as_tuple=True)
    return anchors[left], positives[left], negatives[right]


@dataclass
class _TripletBlock:
    gallery: Gallery
    margin: float
    mining: str
    distance: str
    limit: int
    workspace: Workspace = field(default_factory=Workspace)

    def __call__(self, scores: Tensor, start: int, needs_gradient: bool) -> BlockResult:
        rows, size = scores.shape
        similar, slope = similarity_and_slope(scores, self.distance)
        same = self.gallery.same_label(start, rows)
        low = lowest(scores.dtype)
        negatives = similar.masked_fill(same, low)
        positives = same
        if self.gallery.self_match is not None:
            positives.diagonal(start).fill_(False)
        gradient = torch.zeros_like(scores) if needs_gradient else None
        if self.mining == "batch_hard":
            sums, count = self._hardest(similar, negatives, positives, gradient)
        else:
            sums = count = scores.new_zeros((), dtype=torch.float64)
            for columns in gather_positives(positives, size * scores.element_size(), self.limit):
                loss, triplets = self._chunk(similar, negatives, columns, gradient)
                sums, count = sums + loss, count + triplets
        if gradient is None:
            return BlockResult(sums, count, ())
        return BlockResult(sums, count, (gradient if slope is None else gradient.mul_(slope),))

    def _chunk(
        self, similar: Tensor, negatives: Tensor, columns: Columns, gradient: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        rows, items, valid, _ = columns
        own, others = similar[rows].gather(1, items), negatives[rows]
        if valid is not None:
            own = own.masked_fill(~valid, -lowest(own.dtype))
        loss = count = similar.new_zeros((), dtype=torch.float64)
        per_positive, of_similar = [], None
        for part in column_parts(others, items.shape[1], self.limit):
            hinge, spare = self.workspace.take(others, *own[:, part].shape, others.shape[1])
            torch.sub(others[:, None, :], own[:, part, None], out=hinge)
            if self.mining == "semihard":
                torch.lt(hinge, 0, out=spare)
                hinge.add_(self.margin).clamp_(min=0.0).mul_(spare)
            else:
                hinge.add_(self.margin).clamp_(min=0.0)
            loss = loss + hinge.sum(-1).sum(dtype=torch.float64)
            violating = hinge.sign_()
            per_positive.append(violating.sum(-1))
            count = count + per_positive[-1].sum(dtype=torch.float64)
            if gradient is not None:
                of_part = violating.sum(1)
                of_similar = of_part if of_similar is None else of_similar.add_(of_part)
        if gradient is not None:
            of_items = -torch.cat(per_positive, 1)
            place = torch.arange(len(items), device=items.device)[:, None].expand_as(items)
            if valid is None:
                of_similar[place, items] = of_items
            else:
                of_similar[place[valid], items[valid]] = of_items[valid]
            gradient[rows] = of_similar
        return loss, count

    def _hardest(
        self, similar: Tensor, negatives: Tensor, positives: Tensor, gradient: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        nearest, negative = negatives.max(1)
        farthest, positive = similar.masked_fill(~positives, -lowest(similar.dtype)).min(1)
        # An anchor without a negative or a positive meets a stand-in score, and its hinge is zero.
        hinge = (nearest - farthest + self.margin).clamp_(min=0.0)
        violating = hinge.sign()
        if gradient is not None:
            anchors = torch.arange(len(hinge), device=hinge.device)
            gradient[anchors, negative] += violating
            gradient[anchors, positive] -= violating
        return hinge.sum(dtype=torch.float64), violating.sum(dtype=torch.float64)
