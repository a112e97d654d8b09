"""Memory grows with the number of embeddings and of pairs of a class, not with the number of scores."""

import pytest
import torch
from drawn_batches import DEVICE
from largest_tensor import LargestTensor
from loss_catalogue import batch as a_batch
from loss_catalogue import labels_of, make

from suite.kernels.dispatch import use_kernels

DIM = 2


def largest(name, queries, items=None):
    """The most elements of any tensor of a forward and a backward pass; 4 items a class."""
    points, labels = a_batch(queries, DIM, dtype=torch.float32)
    call = {}
    if items is not None:
        gallery, their_labels = a_batch(items, DIM, seed=1, dtype=torch.float32)
        call = {"ref_emb": gallery.to(DEVICE).requires_grad_(), "ref_labels": labels_of(name, their_labels).to(DEVICE)}
    points, labels = points.to(DEVICE).requires_grad_(), labels_of(name, labels).to(DEVICE)
    loss = make(name)
    with use_kernels("fused"):
        # The first time a tuner may allocate, too.
        loss(points, labels, **call).backward()
        with LargestTensor() as seen:
            loss(points, labels, **call).backward()
    assert bool(points.grad.abs().sum() > 0)
    return seen.elements


@pytest.mark.parametrize("name", ["calibration", "recall_at_k", "smoothhap", "supap", "supndcg"])
def test_the_largest_tensor_grows_with_the_batch(name):
    small, large = largest(name, 32), largest(name, 96)
    assert large <= 3 * small
    # The interpreter's copies count by the byte, and are still fewer than the scores.
    assert large < 96 * 96 // 2


def test_the_largest_tensor_grows_with_the_gallery():
    small, large = largest("supap", 32, 64), largest("supap", 32, 192)
    assert large <= 3 * small
    assert large < 32 * 192 // 2
