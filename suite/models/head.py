"""The trained part of the `head` protocol: a linear embedding of standardised backbone features."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from suite.models.saving import save_state


class EmbeddingHead(nn.Module):
    """Standardise, project, L2-normalise: e = W z / ||W z||, z = (x - mean) / deviation.

    W starts semi-orthogonal, so an untrained head nearly keeps the geometry of the frozen features.

    Args:
        features: (N, D) float tensor, the training features that mean and deviation are taken from.
        embedding_dim: width of the embedding.
        generator: source of the initial weights.
    """

    def __init__(self, features: Tensor, embedding_dim: int, generator: torch.Generator | None = None):
        super().__init__()
        mean, deviation = feature_statistics(features)
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)
        self.projection = nn.Linear(features.shape[1], embedding_dim, bias=False, dtype=features.dtype)
        nn.init.orthogonal_(self.projection.weight, generator=generator)

    def forward(self, features: Tensor) -> Tensor:
        """(B, D) features to (B, embedding_dim) unit vectors."""
        return nn.functional.normalize(self.projection((features - self.mean) / self.deviation), dim=-1)


def load_head(path: Path) -> EmbeddingHead:
    """The head, in evaluation mode, whose tensors `save_state` wrote; it gives the embeddings it gave when saved."""
    return head_of(load_file(path))


def head_of(state: Mapping[str, Tensor]) -> EmbeddingHead:
    """The head, in evaluation mode, whose tensors are `state`."""
    weight = state["projection.weight"]
    head = EmbeddingHead(torch.zeros(2, weight.shape[1], dtype=weight.dtype), weight.shape[0])
    head.load_state_dict(dict(state))
    return head.eval()


def save_snapshots(path: Path, snapshots: Mapping[int, Mapping[str, Tensor]]) -> None:
    """Write the projections of one head's states at several epochs; mean and deviation are the same in all."""
    save_state(path, {f"epoch_{epoch}": state["projection.weight"] for epoch, state in snapshots.items()})


def load_snapshots(path: Path, head: EmbeddingHead) -> dict[int, EmbeddingHead]:
    """The heads that `save_snapshots` wrote, by epoch; `head` is the one kept of the same run."""
    states = {
        int(name.removeprefix("epoch_")): head.state_dict() | {"projection.weight": weight}
        for name, weight in load_file(path).items()
    }
    return {epoch: head_of(states[epoch]) for epoch in sorted(states)}


def feature_statistics(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each feature, computed in float64; constant features get deviation 1."""
    wide = features.double()
    deviation = wide.std(dim=0, correction=0)
    deviation = torch.where(deviation > 1e-12, deviation, torch.ones_like(deviation))
    return wide.mean(dim=0).to(features.dtype), deviation.to(features.dtype)
