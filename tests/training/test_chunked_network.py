"""With keys, two passes over chunks give the gradient of one pass over the whole batch, everything random included."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pictures import write_pictures

from suite.full_settings import Images, Network
from suite.losses import create_loss
from suite.models.keyed_dropout import sample_keys
from suite.models.network import create_network
from suite.training.image_data import ImageChunk, load_image_data
from suite.training.two_pass import one_pass_backward, two_pass_backward

BATCH = 24
NETWORKS = {
    "resnet": {"backbone": "test_resnet", "pooling": "gem", "dropout": 0.3, "drop_path": 0.3},
    "vit": {"backbone": "test_vit", "pooling": "token", "dropout": 0.3, "drop_path": 0.3},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory):
    root = tmp_path_factory.mktemp("artifacts")
    write_pictures(root)
    return load_image_data(root, "pictures", Images(size=32, crop={}))


def gradient(data, name: str, chunk_size: int, two_passes: bool) -> torch.Tensor:
    """The gradient of Sup-AP over one augmented batch, all parameters in one vector, in float64."""
    network = create_network(Network(weights="none", embedding_dim=16, **NETWORKS[name]), 0, 32).double()
    loss, keys = create_loss("supap"), sample_keys(1, 1, torch.arange(BATCH))

    def embed(chunk: ImageChunk) -> torch.Tensor:
        return network(chunk.images, chunk.keys)

    def objective(embeddings: torch.Tensor) -> torch.Tensor:
        return loss(embeddings, data.labels[:BATCH])

    given = data.chunks([(np.arange(BATCH), keys)], chunk_size, 2, 0)
    if two_passes:
        count = -(-BATCH // chunk_size)
        two_pass_backward(embed, lambda: (next(given) for _ in range(count)), objective)
    else:
        one_pass_backward(embed, next(given), objective)
    return torch.cat([parameter.grad.flatten() for parameter in network.parameters() if parameter.grad is not None])


@pytest.mark.parametrize("name", NETWORKS)
def test_two_passes_give_the_gradient_of_one_for_every_chunk_size(data, name: str):
    expected = gradient(data, name, BATCH, two_passes=False)
    assert expected.norm() > 0
    for chunk_size in (1, 7, BATCH):
        # The state of the global generator plays no part.
        torch.manual_seed(chunk_size)
        found = gradient(data, name, chunk_size, two_passes=True)
        assert (found - expected).norm() <= 1e-10 * expected.norm()
