"""Losses on ranks with graded relevance: NDCG and hierarchical average precision, with any step.

Labels are (Q, L) and (G, L): relevance is the number of columns that agree.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from suite.kernels.reference.members import mean_over_queries, members
from suite.kernels.reference.ranks import Step


class Graded(NamedTuple):
    """Scores (Q, G), relevance 0..L (Q, G), positives and all items that take a place."""

    scores: Tensor
    relevance: Tensor
    positives: Tensor
    ranked: Tensor


def graded_members(
    embeddings: Tensor, labels: Tensor, ref_emb: Tensor | None, ref_labels: Tensor | None, self_match: str
) -> Graded:
    """As `members`, for labels of several levels."""
    columns = range(labels.shape[1])
    who = [
        members(embeddings, labels[:, c], ref_emb, None if ref_labels is None else ref_labels[:, c], self_match)
        for c in columns
    ]
    relevance = sum((~level.negatives).long() for level in who)
    positives = torch.stack([level.positives for level in who]).any(0)
    return Graded(who[0].scores, relevance, positives, who[0].ranked)


def graded_ranks(who: Graded, positive_step: Step, negative_step: Step) -> Tensor:
    """rank_j (Q, G): items less relevant than j take `negative_step`, the others `positive_step`."""
    differences = who.scores[:, None, :] - who.scores[:, :, None]
    less = who.relevance[:, None, :] < who.relevance[:, :, None]
    steps = torch.where(less, negative_step(differences), positive_step(differences))
    others = ~torch.eye(who.scores.shape[1], dtype=torch.bool)
    return 1 + (steps * (others & who.ranked[:, None, :])).sum(2)


def ndcg_loss(
    embeddings: Tensor,
    labels: Tensor,
    positive_step: Step,
    negative_step: Step,
    ref_emb: Tensor | None = None,
    ref_labels: Tensor | None = None,
    self_match: str = "exclude",
) -> Tensor:
    """1 - mean_i DCG_i / ideal DCG_i with gains 2^t - 1 and discounts 1 / log2(1 + rank)."""
    who = graded_members(embeddings, labels, ref_emb, ref_labels, self_match)
    rank = graded_ranks(who, positive_step, negative_step)
    gains = (2.0 ** who.relevance.to(rank) - 1) * who.positives
    places = torch.arange(1, gains.shape[1] + 1, dtype=rank.dtype)
    ideal = (gains.sort(1, descending=True).values / torch.log2(1 + places)).sum(1)
    value = (gains / torch.log2(1 + rank)).sum(1) / torch.where(ideal > 0, ideal, 1.0)
    return mean_over_queries(1 - value, who.positives)


def hierarchical_ap_loss(
    embeddings: Tensor,
    labels: Tensor,
    positive_step: Step,
    negative_step: Step,
    alpha: float = 1.0,
    ref_emb: Tensor | None = None,
    ref_labels: Tensor | None = None,
    self_match: str = "exclude",
) -> Tensor:
    """1 - mean_i H-AP_i, H-AP_i = sum_j (H-rank_j / rank_j) / sum_j rel_j; H-rank takes `positive_step`."""
    who = graded_members(embeddings, labels, ref_emb, ref_labels, self_match)
    rank = graded_ranks(who, positive_step, negative_step)
    levels = labels.shape[1]
    relevance = torch.zeros_like(rank)
    for grade in range(1, levels + 1):
        of_grade = who.positives & (who.relevance == grade)
        value = (grade / max(1, levels - 1)) ** alpha / of_grade.sum(1, keepdim=True).clamp_min(1).to(rank)
        relevance = relevance + of_grade * value
    lesser = torch.minimum(relevance[:, None, :], relevance[:, :, None])
    others = ~torch.eye(rank.shape[1], dtype=torch.bool)
    differences = who.scores[:, None, :] - who.scores[:, :, None]
    h_rank = relevance + (positive_step(differences) * lesser * others).sum(2)
    total = relevance.sum(1)
    value = (h_rank / rank * who.positives).sum(1) / torch.where(total > 0, total, 1.0)
    return mean_over_queries(1 - value, who.positives)
