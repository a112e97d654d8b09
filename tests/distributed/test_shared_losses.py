"""N ranks have the value and the gradient of one process with the whole batch, for every loss."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from loss_catalogue import NAMES, batch, labels_of, make, value_and_gradients, where
from losses_of_a_rank import results
from meeting import Meeting
from spawning import run_ranks

from suite.kernels.sharing import QueryShare, shared_queries
from suite.losses import create_loss
from suite.training.distributed import Ranks


@pytest.mark.parametrize("size", [1, 2, pytest.param(4, marks=pytest.mark.slow)])
def test_ranks_have_the_value_and_gradient_of_one_process(tmp_path, size):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        alone = results(Ranks(0, 1, torch.device("cpu")))
    ranks = run_ranks("losses_of_a_rank.py", tmp_path, size)
    assert all(set(rank) == set(alone) for rank in ranks)
    for name, expected in alone.items():
        parts = [rank[name] for rank in ranks]
        gradient = np.concatenate([part["gradient"] for part in parts])
        largest = np.abs(expected["gradient"]).max()
        np.testing.assert_allclose(gradient, expected["gradient"], rtol=0, atol=1e-12 * largest, err_msg=name)
        for part in parts:
            assert part["value"] == pytest.approx(expected["value"], rel=1e-12), name
            assert part["value"] == parts[0]["value"]
            for found, wanted in zip(part["parameters"], expected["parameters"], strict=True):
                largest = np.abs(wanted).max()
                np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 * largest, err_msg=name)
            assert part["parameters"] == parts[0]["parameters"]


def assert_shares_give_the_whole(size, work):
    """Each of `size` threads has the value and gradients of one that is alone."""
    expected, gradients = work()
    for value, parts in Meeting(size).run(work):
        torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-14)
        for part, gradient in zip(parts, gradients, strict=True):
            torch.testing.assert_close(part, gradient, rtol=0.0, atol=1e-12 * float(gradient.abs().max()) + 1e-14)


sizes, seeds = st.integers(1, 7), st.integers(0, 100)
limits = st.sampled_from([None, 500, 3000])


@given(name=st.sampled_from(NAMES), size=sizes, rows=st.integers(5, 20), seed=seeds, block_bytes=limits)
def test_any_number_of_ranks_shares_any_batch(name, size, rows, seed, block_bytes):
    points, labels = batch(rows, seed=seed, per_class=3)
    labels = labels_of(name, labels)
    assert_shares_give_the_whole(
        size, lambda: value_and_gradients(make(name, block_bytes=block_bytes).double(), points, labels)
    )


@given(name=st.sampled_from(where(takes_references=True)), size=sizes, seed=seeds, block_bytes=limits)
def test_ranks_share_the_queries_to_another_gallery(name, size, seed, block_bytes):
    (points, labels), (items, their_labels) = batch(9, seed=seed), batch(16, seed=seed + 1)
    gallery = {"ref_emb": items, "ref_labels": labels_of(name, their_labels)}

    def work():
        loss = make(name, block_bytes=block_bytes).double()
        return value_and_gradients(loss, points, labels_of(name, labels), **gallery)

    assert_shares_give_the_whole(size, work)


@given(name=st.sampled_from(where(takes_indices=True)), size=sizes, seed=seeds, triplets=st.booleans())
def test_ranks_have_the_whole_of_chosen_pairs(name, size, seed, triplets):
    points, labels = batch(12, seed=seed)
    same, other = (labels[:, None] == labels).logical_xor(torch.eye(12, dtype=torch.bool)), labels[:, None] != labels
    pairs = (*same.nonzero(as_tuple=True), *other.nonzero(as_tuple=True))
    if triplets or name == "triplet":
        pairs = (pairs[0], pairs[1], (pairs[0] + 5) % 12)
    assert_shares_give_the_whole(size, lambda: value_and_gradients(make(name).double(), points, labels, pairs))


def test_the_gradient_of_a_gallery_without_one_is_not_exchanged():
    shapes = []
    points, labels = batch(8)
    items, their_labels = batch(20, seed=1)
    with shared_queries(QueryShare(0, 1, lambda tensor: shapes.append(tuple(tensor.shape)))):
        create_loss("supap")(points.requires_grad_(), labels, ref_emb=items, ref_labels=their_labels).backward()
    assert shapes == [(1,), (1,), (8, points.shape[1])]


def test_a_share_ends_with_its_context():
    def refuse(_):
        raise AssertionError("no other process is there")

    points, labels = batch()
    with shared_queries(QueryShare(0, 1, lambda tensor: None)):
        pass
    expected = value_and_gradients(make("supap"), points, labels)[0]
    with pytest.raises(AssertionError, match="no other process"), shared_queries(QueryShare(0, 2, refuse)):
        value_and_gradients(make("supap"), points, labels)
    assert value_and_gradients(make("supap"), points, labels)[0] == expected
