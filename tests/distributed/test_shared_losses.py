"""N ranks have the value and the gradient of one process with the whole batch, for every loss."""

import threading
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from loss_catalogue import NAMES, batch, labels_of, make, value_and_gradients
from losses_of_a_rank import results
from spawning import run_ranks

from suite.kernels.sharing import QueryShare, shared_queries
from suite.training.distributed import Ranks


@pytest.mark.parametrize("size", [2, pytest.param(4, marks=pytest.mark.slow)])
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
        np.testing.assert_allclose(gradient, expected["gradient"], rtol=1e-10, atol=1e-12 * largest, err_msg=name)
        for part in parts:
            assert part["value"] == pytest.approx(expected["value"], rel=1e-12), name
            assert part["value"] == parts[0]["value"]
            for found, wanted in zip(part["parameters"], expected["parameters"], strict=True):
                np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-14, err_msg=name)


class Meeting:
    """Threads that add up tensors as ranks do."""

    def __init__(self, size):
        self.barrier, self.tensors = threading.Barrier(size), [None] * size

    def share(self, rank):
        def add_up(tensor):
            self.tensors[rank] = tensor.clone()
            self.barrier.wait(timeout=60)
            tensor.copy_(sum(self.tensors))
            self.barrier.wait(timeout=60)

        return QueryShare(rank, len(self.tensors), add_up)


@given(
    name=st.sampled_from(NAMES),
    size=st.integers(1, 7),
    rows=st.integers(5, 20),
    seed=st.integers(0, 100),
    block_bytes=st.sampled_from([None, 500, 3000]),
)
def test_any_number_of_ranks_shares_any_batch(name, size, rows, seed, block_bytes):
    points, labels = batch(rows, seed=seed, per_class=3)
    labels = labels_of(name, labels)
    settings = {} if name == "xbm" or block_bytes is None else {"block_bytes": block_bytes}
    expected, gradients = value_and_gradients(make(name, **settings).double(), points, labels)
    meeting, found = Meeting(size), [None] * size

    def take_part(rank):
        with shared_queries(meeting.share(rank)):
            found[rank] = value_and_gradients(make(name, **settings).double(), points, labels)

    threads = [threading.Thread(target=take_part, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for value, parts in found:
        torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-12)
        for part, gradient in zip(parts, gradients, strict=True):
            torch.testing.assert_close(part, gradient, rtol=1e-9, atol=1e-11)


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
