"""Losses on ranks: average precision and recall at k, with any step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from suite.kernels.reference.members import Members, mean_over_queries, members

Step = Callable[[Tensor], Tensor]


def sigmoid_step(tau: float) -> Step:
    """sigma_tau."""
    return lambda x: torch.sigmoid(x / tau)


def hard_step(x: Tensor) -> Tensor:
    """H."""
    return (x >= 0).to(x.dtype)


def suprank_step(
    tau: float = 0.01,
    rho: float = 100.0,
    delta: float = 0.05,
    start: float = 0.5,
    offset: float | None = 1.44,
) -> Step:
    """H^- of SupRank."""
    at_delta = float(torch.sigmoid(torch.tensor(delta / tau, dtype=torch.float64))) + start

    def step(x: Tensor) -> Tensor:
        sigmoid = torch.sigmoid(x / tau)
        linear = rho * (x - delta) + (at_delta if offset is None else offset)
        return torch.where(x <= 0, sigmoid, torch.where(x <= delta, sigmoid + start, linear))

    return step


def ranks(who: Members, positive_step: Step, negative_step: Step) -> tuple[Tensor, Tensor]:
    """rank and rank+ of every gallery item j of every query i, (Q, G) each."""
    differences = who.scores[:, None, :] - who.scores[:, :, None]
    others = ~torch.eye(who.scores.shape[1], dtype=torch.bool)
    steps = torch.where(who.negatives[:, None, :], negative_step(differences), positive_step(differences))
    rank = 1 + (steps * (others & who.ranked[:, None, :])).sum(2)
    plus = 1 + (positive_step(differences) * (others & who.positives[:, None, :])).sum(2)
    return rank, plus


def average_precision_loss(
    embeddings: Tensor,
    labels: Tensor,
    positive_step: Step,
    negative_step: Step,
    ref_emb: Tensor | None = None,
    ref_labels: Tensor | None = None,
    self_match: str = "exclude",
) -> Tensor:
    """1 - mean_i AP_i. Two sigmoids give Smooth-AP, H and H^- give Sup-AP, H twice the true AP."""
    who = members(embeddings, labels, ref_emb, ref_labels, self_match)
    rank, plus = ranks(who, positive_step, negative_step)
    precision = (plus / rank * who.positives).sum(1) / who.positives.sum(1).clamp_min(1)
    return mean_over_queries(1 - precision, who.positives)


def recall_loss(
    embeddings: Tensor,
    labels: Tensor,
    positive_step: Step,
    negative_step: Step,
    ks: tuple[int, ...] = (1, 2, 4, 8, 16),
    k_temperature: float = 1.0,
    clip: bool = False,
    ref_emb: Tensor | None = None,
    ref_labels: Tensor | None = None,
    self_match: str = "exclude",
) -> Tensor:
    """1 - mean over ks and queries of R@k_i; with `clip` the sum over positives is cut at k (RS@k)."""
    who = members(embeddings, labels, ref_emb, ref_labels, self_match)
    rank, _ = ranks(who, positive_step, negative_step)
    recalls = []
    for k in ks:
        found = (torch.sigmoid((k - rank) / k_temperature) * who.positives).sum(1)
        recalls.append((found.clamp_max(k) if clip else found) / who.positives.sum(1).clamp(1, k))
    return mean_over_queries(1 - torch.stack(recalls).mean(0), who.positives)
