"""Losses on class centres. `weight` (C, D) takes the place of a gallery: row c is the centre of class c."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid, normalize


def softmax_loss(
    embeddings: Tensor, labels: Tensor, weight: Tensor, temperature: float = 0.05, unit: bool = True
) -> Tensor:
    """mean_i -log softmax(e_i . c / temperature)[y_i]; without `unit` the embeddings are not normalised."""
    queries = normalize(embeddings.double(), dim=1) if unit else embeddings.double()
    return cross_entropy(queries @ normalize(weight.double(), dim=1).t() / temperature, labels)


def arcface_loss(
    embeddings: Tensor, labels: Tensor, weight: Tensor, scale: float = 30.0, margin: float = 0.5
) -> Tensor:
    """mean_i -log softmax(scale cos(t_ic), with t_iy + margin for the own class)[y_i]."""
    cosines = _cosines(embeddings, weight)
    angles = torch.arccos(cosines)
    beyond = angles + margin >= torch.pi
    turned = torch.where(beyond, cosines - margin * torch.sin(torch.tensor(margin).double()), (angles + margin).cos())
    return cross_entropy(scale * torch.where(_own(labels, weight), turned, cosines), labels)


def proxy_nca_pp_loss(embeddings: Tensor, labels: Tensor, weight: Tensor, scale: float = 3.0) -> Tensor:
    """mean_i -log softmax(-||scale e_i - scale c||^2)[y_i]."""
    queries, centres = (scale * normalize(rows.double(), dim=1) for rows in (embeddings, weight))
    return cross_entropy(-(queries[:, None] - centres).square().sum(2), labels)


def proxy_anchor_loss(
    embeddings: Tensor, labels: Tensor, weight: Tensor, margin: float = 0.1, alpha: float = 32.0
) -> Tensor:
    """mean over centres with positives of log(1 + sum_i+ exp(-alpha (s - margin))), plus mean over all of
    log(1 + sum_i- exp(alpha (s + margin))).
    """
    cosines, own = _cosines(embeddings, weight), _own(labels, weight)
    pulls = torch.where(own, torch.exp(-alpha * (cosines - margin)), 0.0).sum(0)
    pushes = torch.where(own, 0.0, torch.exp(alpha * (cosines + margin))).sum(0)
    return pulls[own.any(0)].log1p().mean() + pushes.log1p().mean()


def csl_loss(
    embeddings: Tensor,
    labels: Tensor,
    weight: Tensor,
    hierarchy: Tensor,
    margins: Sequence[float] = (0.25, 0.35, 0.45),
    scale: float = 32.0,
) -> Tensor:
    """sum_l mean_i softplus(log sum over c of another label at l of exp(scale s_ic) + scale (margin_l - s_iy))."""
    cosines = _cosines(embeddings, weight)
    own = cosines[torch.arange(len(labels)), labels]
    total = cosines.sum() * 0
    for classes, margin in zip(hierarchy.t(), margins, strict=False):
        others = classes != classes[labels, None]
        known = others.any(1)
        pushes = (scale * cosines).masked_fill(~others, -torch.inf)[known].logsumexp(1)
        total = total - logsigmoid(-(pushes + scale * (margin - own[known]))).sum() / len(labels)
    return total


def _cosines(embeddings: Tensor, weight: Tensor) -> Tensor:
    return normalize(embeddings.double(), dim=1) @ normalize(weight.double(), dim=1).t()


def _own(labels: Tensor, weight: Tensor) -> Tensor:
    """(Q, C) bool: the centre of the query's own class."""
    return labels[:, None] == torch.arange(len(weight))
