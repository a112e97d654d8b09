"""Average precision from histograms of distances."""

from __future__ import annotations

import torch
from torch import Tensor

from suite.kernels.reference.members import mean_over_queries, normalised


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
