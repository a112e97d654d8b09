"""Log-sum-exps over the pairs of a query."""

from __future__ import annotations

import torch
from torch import Tensor

from suite.kernels.reference.members import mean_over_queries, normalised


def multi_similarity_loss(
    embeddings: Tensor,
    labels: Tensor,
    alpha: float = 2.0,
    beta: float = 50.0,
    base: float = 0.5,
    ref_emb: Tensor | None = None,
    ref_labels: Tensor | None = None,
) -> Tensor:
    """mean_i log(1 + sum_P exp(-alpha (s - base))) / alpha + log(1 + sum_N exp(beta (s - base))) / beta."""
    who = normalised(embeddings, labels, ref_emb, ref_labels)
    positive = (torch.exp(-alpha * (who.scores - base)) * who.positives).sum(1)
    negative = (torch.exp(beta * (who.scores - base)) * who.negatives).sum(1)
    return (torch.log1p(positive) / alpha + torch.log1p(negative) / beta).mean()


def supervised_contrast_loss(
    embeddings: Tensor,
    labels: Tensor,
    temperature: float = 0.1,
    ref_emb: Tensor | None = None,
    ref_labels: Tensor | None = None,
) -> Tensor:
    """mean_i -(1 / |P_i|) sum_j in P_i of log(exp(s_ij / t) / sum_k != i of exp(s_ik / t))."""
    who = normalised(embeddings, labels, ref_emb, ref_labels)
    exponents = who.scores / temperature
    total = torch.where(who.ranked, exponents, -torch.inf).logsumexp(1, keepdim=True)
    costs = ((total - exponents) * who.positives).sum(1)
    return mean_over_queries(costs / who.positives.sum(1).clamp_min(1), who.positives)
