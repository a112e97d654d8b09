"""No tensor of all (query, positive, gallery) triples is ever made, and the limit on buffers holds."""

import pytest
import torch
from largest_tensor import LargestTensor
from loss_catalogue import LOSSES, NAMES, make
from loss_catalogue import batch as a_batch


def largest(name, per_class, block_bytes=None, batch=512, dim=32):
    points, labels = a_batch(batch, dim, dtype=torch.float32, per_class=per_class)
    # A whole coarse level of a graded loss has as many positives as a class has elsewhere.
    labels = torch.stack([labels * 2 + torch.arange(batch) % 2, labels], 1) if LOSSES[name].graded else labels
    loss = make(name, dim, classes=batch // per_class, block_bytes=block_bytes)
    with LargestTensor() as seen:
        points.requires_grad_()
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
    batch, dim = 32, 8
    assert largest(name, per_class=batch // 2, block_bytes=1, batch=batch, dim=dim) <= batch * dim
