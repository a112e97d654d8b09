"""No tensor of all (query, positive, gallery) triples is ever made, and the limit on buffers holds."""

import pytest
import torch
from torch.nn.functional import normalize
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from suite.losses import create_loss


class LargestTensor(TorchDispatchMode):
    """Records the most elements that any result of an operation has."""

    def __init__(self):
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self.elements = max(self.elements, leaf.numel())
        return result


NAMES = [
    "blackbox_ap",
    "calibration",
    "contrastive",
    "fastap",
    "multi_similarity",
    "recall_at_k",
    "smoothap",
    "smoothrecall",
    "softbin_ap",
    "supap",
    "supcon",
    "suprecall",
    "triplet",
]


def largest(name, per_class, block_bytes=None, batch=512, dim=32):
    generator = torch.Generator().manual_seed(0)
    points = normalize(torch.randn(batch, dim, generator=generator), dim=1).requires_grad_()
    labels = torch.arange(batch) // per_class
    loss = create_loss(name, block_bytes=block_bytes)
    with LargestTensor() as seen:
        loss(points, labels).backward()
    assert bool(points.grad.abs().sum() > 0)
    return seen.elements


@pytest.mark.parametrize("name", NAMES)
def test_no_tensor_of_all_triples(name):
    batch, per_class = 1024, 8
    assert largest(name, per_class, batch=batch) <= batch * batch < batch * (per_class - 1) * batch


@pytest.mark.parametrize("name", NAMES)
def test_the_limit_on_buffers_holds(name):
    limit = 64 << 10
    assert largest(name, per_class=8, block_bytes=limit) <= max(limit // 4, 512 * 32)


@pytest.mark.parametrize("name", NAMES)
def test_the_limit_holds_for_the_many_positives_of_one_query(name):
    limit, batch = 32 << 10, 256
    seen = largest(name, per_class=batch // 2, block_bytes=limit, batch=batch)
    assert seen <= limit // 4 < batch * (batch // 2 - 1)


@pytest.mark.parametrize("name", NAMES)
def test_the_least_limit_takes_one_positive_at_a_time(name):
    batch, dim = 64, 8
    assert largest(name, per_class=batch // 2, block_bytes=1, batch=batch, dim=dim) <= batch * dim
