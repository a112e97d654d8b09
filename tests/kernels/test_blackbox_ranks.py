"""Blackbox differentiation: exact ranks, and the gradient of the two solves."""

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from suite.kernels.reference import ranks
from suite.kernels.reference.blackbox import blackbox_rank_loss
from suite.losses import create_loss

LABELS = torch.tensor([3, 1, 3, 0, 1, 1, 7, 3, 0, 1, 1, 5, 1, 3, 1, 5])
SETTINGS = [
    {},
    {"interpolation": 2.0, "margin": 0.0},
    {"interpolation": 50.0, "objective": "log_recall"},
    {"margin": 0.3, "objective": "loglog_recall"},
]


def embeddings(rows, seed=0, dim=6):
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(rows, dim, generator=generator, dtype=torch.float64), dim=1)


def gradients(function, *tensors):
    leaves = [tensor.clone().requires_grad_() for tensor in tensors]
    value = function(*leaves)
    return value.detach(), torch.autograd.grad(value, leaves)


@pytest.mark.parametrize("block_bytes", [1, 300, 1000, None])
@pytest.mark.parametrize("self_match", ["exclude", "positive", "rank_only"])
@pytest.mark.parametrize("chosen", SETTINGS)
def test_any_block_size_gives_the_two_solves(chosen, self_match, block_bytes):
    loss = create_loss("blackbox_ap", **chosen, self_match=self_match, block_bytes=block_bytes)
    printed = partial(blackbox_rank_loss, labels=LABELS, self_match=self_match, **chosen)
    points = embeddings(16)
    ours, theirs = gradients(lambda e: loss(e, LABELS), points), gradients(printed, points)
    assert theirs[1][0].norm() > 0
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("block_bytes", [1, 300, None])
@pytest.mark.parametrize("chosen", SETTINGS)
def test_another_gallery(chosen, block_bytes):
    loss = create_loss("blackbox_ap", **chosen, block_bytes=block_bytes)
    queries, gallery, labels = embeddings(7, 2), embeddings(16, 3), torch.tensor([1, 3, 9, 7, 0, 1, 5])
    ours = gradients(lambda q, g: loss(q, labels, ref_emb=g, ref_labels=LABELS), queries, gallery)
    theirs = gradients(
        lambda q, g: blackbox_rank_loss(q, labels, ref_emb=g, ref_labels=LABELS, **chosen), queries, gallery
    )
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("chosen", SETTINGS)
def test_ties_stand_in_the_order_that_is_documented(chosen):
    # Coordinates are multiples of 1/2: scores are exact, so that ties are ties in both.
    points = torch.randint(-1, 2, (16, 4), generator=torch.Generator().manual_seed(4)).double() / 2
    points[5], points[9] = points[0], points[8]
    loss = create_loss("blackbox_ap", **chosen, block_bytes=400)
    ours = gradients(lambda e: loss(e, LABELS), points)
    torch.testing.assert_close(ours, gradients(lambda e: blackbox_rank_loss(e, LABELS, **chosen), points))


def test_a_worked_example():
    # Scores 0.9 (negative), 0.8 (positive), 0.1 (negative): the positive has rank 2, AP is 1/2, dL/drank is 1/4.
    # 0.8 + 0.25 passes 0.9, so that one rank is exchanged.
    scores = torch.tensor([0.9, 0.8, 0.1], dtype=torch.float64)
    gallery = torch.stack([scores, (1 - scores**2).sqrt()], 1)
    query = torch.tensor([[1.0, 0.0]], dtype=torch.float64, requires_grad=True)
    loss = create_loss("blackbox_ap", interpolation=1.0, margin=0.0)
    value = loss(query, torch.tensor([0]), ref_emb=gallery, ref_labels=torch.tensor([1, 0, 1]))
    value.backward()
    assert value.item() == 0.5
    torch.testing.assert_close(query.grad, (gallery[0] - gallery[1])[None])
    weak = create_loss("blackbox_ap", interpolation=0.3, margin=0.0)
    query.grad = None
    weak(query, torch.tensor([0]), ref_emb=gallery, ref_labels=torch.tensor([1, 0, 1])).backward()
    assert torch.equal(query.grad, torch.zeros_like(query))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), margin=st.sampled_from([0.0, 0.2]))
def test_the_value_is_the_true_average_precision(seed, margin):
    points = embeddings(16, seed)
    value = create_loss("blackbox_ap", margin=margin)(points, LABELS)
    true = ranks.average_precision_loss(points, LABELS, ranks.hard_step, ranks.hard_step)
    if margin:
        assert value >= true - 1e-12
    else:
        torch.testing.assert_close(value, true)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), interpolation=st.floats(0.01, 100.0))
def test_every_rank_that_a_positive_gains_another_item_loses(seed, interpolation):
    queries, gallery, labels = embeddings(5, seed), embeddings(16, seed + 1), torch.tensor([3, 1, 0, 5, 9])
    loss = create_loss("blackbox_ap", interpolation=interpolation)
    value, (of_queries,) = gradients(lambda q: loss(q, labels, ref_emb=gallery, ref_labels=LABELS), queries)
    # Queries ranked against unit vectors are their own scores.
    units = torch.eye(16, dtype=torch.float64)
    same, (of_scores,) = gradients(lambda s: loss(s, labels, ref_emb=units, ref_labels=LABELS), queries @ gallery.t())
    torch.testing.assert_close(same, value)
    torch.testing.assert_close(of_scores @ gallery, of_queries)
    torch.testing.assert_close(of_scores.sum(1), torch.zeros(5, dtype=torch.float64))
    # Whole ranks, over the four queries that have positives, and no negative ever moves up.
    steps = of_scores * interpolation * 4
    torch.testing.assert_close(steps, steps.round())
    assert bool((of_scores[labels[:, None] != LABELS] >= 0).all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("chosen", SETTINGS)
def test_duplicates_and_equal_embeddings_stay_finite(chosen, dtype):
    loss = create_loss("blackbox_ap", **chosen)
    points = embeddings(16).to(dtype)
    points[1::2] = points[::2]
    for batch in (points, points[:1].expand(16, -1)):
        value, (gradient,) = gradients(lambda e: loss(e, LABELS), batch)
        assert bool(value.isfinite())
        assert bool(gradient.isfinite().all())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("chosen", SETTINGS)
def test_float32_is_close_to_float64_and_to_any_block_size(chosen, seed):
    generator = torch.Generator().manual_seed(seed)
    points, labels = embeddings(64, seed, 100).float(), LABELS.repeat(4)
    points = points[torch.randint(0, 64, (64,), generator=generator)]
    exact, (of_exact,) = gradients(lambda e: create_loss("blackbox_ap", **chosen)(e, labels), points.double())
    for block_bytes in (1, 2000, None):
        loss = create_loss("blackbox_ap", **chosen, block_bytes=block_bytes)
        value, (gradient,) = gradients(lambda e, loss=loss: loss(e, labels), points)
        torch.testing.assert_close(value.double(), exact, rtol=1e-4, atol=1e-5)
        assert (gradient - of_exact).norm() <= 1e-2 * of_exact.norm()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_order_of_the_batch_does_not_matter(seed):
    points, order = embeddings(16, seed), torch.randperm(16, generator=torch.Generator().manual_seed(seed))
    value, (gradient,) = gradients(lambda e: create_loss("blackbox_ap")(e, LABELS), points)
    moved = create_loss("blackbox_ap", block_bytes=300)
    of_moved = gradients(lambda e: moved(e, LABELS[order]), points[order])
    torch.testing.assert_close(of_moved, (value, (gradient[order],)))
