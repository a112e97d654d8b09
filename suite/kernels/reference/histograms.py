"""Average precision from histograms of distances and of similarities."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from suite.kernels.reference.members import mean_over_queries, members, normalised


def fast_ap_loss(
    embeddings: Tensor,
    labels: Tensor,
    num_bins: int = 10,
    ref_emb: Tensor | None = None,
    ref_labels: Tensor | None = None,
) -> Tensor:
    """1 - mean_i (1 / |P_i|) sum over bins of h+ H+ / H, triangular bins over squared distances [0, 4]."""
    who = normalised(embeddings, labels, ref_emb, ref_labels)
    places = (2 - 2 * who.scores) * num_bins / 4
    edges = torch.arange(num_bins + 1, dtype=places.dtype)
    triangles = (1 - (places[..., None] - edges).abs()).clamp_min(0)
    positive = (triangles * who.positives[..., None]).sum(1)
    everyone = (triangles * who.ranked[..., None]).sum(1).cumsum(1)
    filled = positive > 0
    precision = torch.where(filled, positive * positive.cumsum(1) / torch.where(filled, everyone, 1.0), 0.0)
    return mean_over_queries(1 - precision.sum(1) / who.positives.sum(1).clamp_min(1), who.positives)


def quantised_ap_loss(
    embeddings: Tensor,
    labels: Tensor,
    num_bins: int = 20,
    ref_emb: Tensor | None = None,
    ref_labels: Tensor | None = None,
    self_match: str = "exclude",
) -> Tensor:
    """1 - mean_i of the sum over bins of precision times the gain in recall, bins of cosines from 1 down to -1."""
    queries, gallery = (None if e is None else normalize(e.double(), dim=1) for e in (embeddings, ref_emb))
    who = members(queries, labels, gallery, ref_labels, self_match)
    width = 2 / (num_bins - 1)
    centres = 1 - width * torch.arange(num_bins, dtype=torch.float64)
    weights = (1 - (who.scores.clamp(-1, 1)[..., None] - centres).abs() / width).clamp_min(0)
    found = (weights * who.positives[..., None]).sum(1)
    seen = (weights * who.ranked[..., None]).sum(1).cumsum(1)
    precision = torch.where(found > 0, found.cumsum(1) / torch.where(found > 0, seen, 1.0), 0.0)
    recall = found / who.positives.sum(1, keepdim=True).clamp_min(1)
    return mean_over_queries(1 - (precision * recall).sum(1), who.positives)
