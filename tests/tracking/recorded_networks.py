"""Networks as runs leave them: a head, and a small network trained end to end."""

from __future__ import annotations

import torch
from torch import Tensor

from suite.full_settings import Network
from suite.models.head import EmbeddingHead
from suite.models.network import create_network

WIDTH, DIM, SIZE = 6, 4, 32
NETWORK = Network(backbone="test_resnet", weights="none", embedding_dim=DIM)
# As `parameters` of `run.json` hold them.
FULL = {f"full.network.{key}": value for key, value in NETWORK.model_dump(mode="json").items()} | {
    "full.images.size": SIZE
}


def network_state(protocol: str, seed: int) -> dict[str, Tensor]:
    """The tensors of a network drawn by `seed`."""
    generator = torch.Generator().manual_seed(seed)
    if protocol == "head":
        return EmbeddingHead(torch.randn(20, WIDTH, generator=generator), DIM, generator).state_dict()
    return create_network(NETWORK, seed, SIZE).state_dict()
