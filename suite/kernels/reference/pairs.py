"""Hinges on pairs and triplets."""

from __future__ import annotations

import torch
from torch import Tensor

from suite.kernels.reference.members import mean_of_non_zero, normalised


def _similarity(scores: Tensor, distance: str) -> Tensor:
    if distance == "cosine":
        return scores
    squared = (2 - 2 * scores).clamp_min(0)
    return -torch.where(squared > 0, squared, torch.nan).sqrt().nan_to_num(0.0)


def pair_hinge_loss(
    embeddings: Tensor,
    labels: Tensor,
    pos_bound: float,
    neg_bound: float,
    distance: str = "cosine",
    ref_emb: Tensor | None = None,
    ref_labels: Tensor | None = None,
) -> Tensor:
    """Mean non-zero hinge of positive pairs plus mean non-zero hinge of negative pairs, on similarities."""
    who = normalised(embeddings, labels, ref_emb, ref_labels)
    similar = _similarity(who.scores, distance)
    positive = (pos_bound - similar[who.positives]).clamp_min(0)
    negative = (similar[who.negatives] - neg_bound).clamp_min(0)
    return mean_of_non_zero(positive) + mean_of_non_zero(negative)


def triplet_loss(
    embeddings: Tensor,
    labels: Tensor,
    margin: float,
    mining: str = "all",
    distance: str = "euclidean",
    ref_emb: Tensor | None = None,
    ref_labels: Tensor | None = None,
) -> Tensor:
    """Mean non-zero max(0, u_an - u_ap + margin) over all, semi-hard or batch-hard triplets."""
    who = normalised(embeddings, labels, ref_emb, ref_labels)
    similar = _similarity(who.scores, distance)
    if mining == "batch_hard":
        whole = who.positives.any(1) & who.negatives.any(1)
        farthest = similar.masked_fill(~who.positives, torch.inf).amin(1)[whole]
        nearest = similar.masked_fill(~who.negatives, -torch.inf).amax(1)[whole]
        return mean_of_non_zero((nearest - farthest + margin).clamp_min(0))
    differences = similar[:, None, :] - similar[:, :, None]
    chosen = who.positives[:, :, None] & who.negatives[:, None, :]
    if mining == "semihard":
        chosen = chosen & (differences < 0)
    return mean_of_non_zero((differences[chosen] + margin).clamp_min(0))
