"""Exact ranks with the gradient of two solves."""

from __future__ import annotations

import torch
from torch import Tensor

from suite.kernels.reference.members import Members, mean_over_queries, members


def _exact_ranks(scores: Tensor, who: Members) -> tuple[Tensor, Tensor]:
    """Places from 1 among all items, and among the positives; less relevant items first where scores tie."""
    places = torch.arange(scores.shape[1])
    higher = scores[:, None, :] > scores[:, :, None]
    tied = scores[:, None, :] == scores[:, :, None]
    worse = ~who.positives[:, None, :] & who.positives[:, :, None]
    alike = who.positives[:, None, :] == who.positives[:, :, None]
    before = higher | (tied & (worse | (alike & (places[None, :] < places[:, None]))))
    rank = 1 + (before & who.ranked[:, None, :]).sum(2)
    plus = 1 + (before & who.positives[:, None, :]).sum(2)
    return rank.double(), plus.double()


def _loss(rank: Tensor, plus: Tensor, who: Members, objective: str) -> Tensor:
    """(Q,): the loss of each query."""
    if objective == "ap":
        costs = 1 - plus / rank
    else:
        costs = torch.log(1 + rank - plus)
        costs = torch.log(1 + costs) if objective == "loglog_recall" else costs
    return torch.where(who.positives, costs, 0.0).sum(1) / who.positives.sum(1).clamp_min(1)


def blackbox_rank_loss(
    embeddings: Tensor,
    labels: Tensor,
    interpolation: float = 4.0,
    margin: float = 0.02,
    objective: str = "ap",
    ref_emb: Tensor | None = None,
    ref_labels: Tensor | None = None,
    self_match: str = "exclude",
) -> Tensor:
    """1 - mean_i AP_i or a recall loss, whose graph gives (rank(s + interpolation dL/drank) - rank(s)) / interpolation
    as derivative with respect to the scores s.
    """
    who = members(embeddings, labels, ref_emb, ref_labels, self_match)
    scores = (who.scores + torch.where(who.positives, -margin / 2, margin / 2)).detach()
    rank, plus = _exact_ranks(scores, who)
    rank.requires_grad_()
    losses = _loss(rank, plus, who, objective)
    (of_rank,) = torch.autograd.grad(losses.sum(), rank)
    moved, _ = _exact_ranks(scores + interpolation * of_rank, who)
    slope = torch.where(who.ranked, moved - rank.detach(), 0.0) / interpolation
    linear = (slope * who.scores).sum(1)
    return mean_over_queries(losses.detach() + linear - linear.detach(), who.positives)
