"""Similarities behind the pair and triplet losses, as functions of the scores of L2-normalised embeddings."""

from __future__ import annotations

import torch
from torch import Tensor

DISTANCES = ("euclidean", "cosine")


def similarity(scores: Tensor, distance: str) -> Tensor:
    """The cosine itself, or minus the euclidean distance sqrt(2 - 2 s). Differentiable; 0 at distance 0."""
    if distance == "cosine":
        return scores
    squared = (2.0 - 2.0 * scores).clamp_min(0.0)
    apart = squared > 0
    return torch.where(apart, -torch.where(apart, squared, 1.0).sqrt(), 0.0)


def similarity_and_slope(scores: Tensor, distance: str) -> tuple[Tensor, Tensor | None]:
    """`similarity` without a graph, and its derivative with respect to the scores (None: 1 everywhere).

    At distance 0 the direction of the gradient is undefined: it is taken as 0.
    """
    if distance == "cosine":
        return scores, None
    apart = (2.0 - 2.0 * scores).clamp_(min=0.0).sqrt_()
    slope = apart.reciprocal().masked_fill_(apart == 0, 0.0)
    return apart.neg_(), slope
