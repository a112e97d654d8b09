"""Similarities behind the pair and triplet losses, as functions of the scores of L2-normalised embeddings."""

from __future__ import annotations

import torch
from torch import Tensor

from suite.kernels.sweep import once

DISTANCES = ("euclidean", "cosine")

SHORTEST = 1e-12
"""Embeddings are divided by their length, or by this if they are shorter."""


def normalise(embeddings: Tensor) -> Tensor:
    """Embeddings (N, D) of length 1, with a graph: `torch.nn.functional.normalize` at a third of its backward."""
    return _Normalise.apply(embeddings)


class _Normalise(torch.autograd.Function):
    @staticmethod
    def forward(ctx, embeddings):
        lengths = torch.linalg.vector_norm(embeddings, dim=1, keepdim=True).clamp_min_(SHORTEST)
        directions = embeddings / lengths
        ctx.save_for_backward(embeddings, directions, lengths)
        return directions

    @staticmethod
    def backward(ctx, gradient):
        embeddings, directions, lengths = ctx.saved_tensors
        along = (gradient * directions).sum(1, keepdim=True).masked_fill(lengths <= SHORTEST, 0.0)
        return once(torch.addcmul(gradient, directions, along, value=-1.0) / lengths, embeddings)


def similarity(scores: Tensor, distance: str) -> Tensor:
    """The cosine itself, or minus the euclidean distance sqrt(2 - 2 s). Differentiable.

    A row's cosine with itself is 1 up to some units of the last place, which ones depends on how a matrix product
    is cut into blocks, and the root would make a thousand times as much of them. Squared distances below
    `same_within` are therefore 0: nothing is known of them, and their direction is noise.
    """
    if distance == "cosine":
        return scores
    squared = 2.0 - 2.0 * scores
    apart = squared > same_within(scores.dtype)
    return torch.where(apart, -torch.where(apart, squared, 1.0).sqrt(), 0.0)


def same_within(dtype: torch.dtype) -> float:
    """The squared distance up to which two unit vectors count as one.

    32 units of the last place of 1, or 16 of the cosine: at 8 to 4,096 dimensions a product of a row with itself
    is off by 8 at most. As a distance that is 0.002 in float32 and 8e-8 in float64.
    """
    return 32.0 * torch.finfo(dtype).eps


def hinge(excess: Tensor, in_place: bool = False) -> Tensor:
    """max(0, excess), and 0 for an excess that is no more than the rounding of a cosine. Differentiable.

    A mean over the violations counts them: between two equal embeddings, whose cosine is 1 up to rounding, and a
    bound of 1 there is none.
    """
    return torch.nn.functional.threshold(excess, same_within(excess.dtype) / 2.0, 0.0, inplace=in_place)


def similarity_and_slope(scores: Tensor, distance: str) -> tuple[Tensor, Tensor | None]:
    """`similarity` without a graph, and its derivative with respect to the scores (None: 1 everywhere).

    At distance 0 the direction of the gradient is undefined: it is taken as 0.
    """
    if distance == "cosine":
        return scores, None
    squared = 2.0 - 2.0 * scores
    apart = torch.nn.functional.threshold_(squared, same_within(scores.dtype), 0.0).sqrt_()
    slope = apart.reciprocal().masked_fill_(apart == 0, 0.0)
    return apart.neg_(), slope
