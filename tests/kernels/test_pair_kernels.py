"""Pairs in float32: equal and nearly equal embeddings, the length of embeddings, log-sum-exps at their limits."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from suite.kernels.reference import contrast
from suite.kernels.similarity import normalise, same_within, similarity, similarity_and_slope
from suite.losses import create_loss

LABELS = torch.tensor([3, 1, 3, 0, 1, 1, 7, 3, 0, 1, 1, 5, 1, 3, 1, 5])


def embeddings(rows, seed=0, dim=6, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(rows, dim, generator=generator, dtype=torch.float64), dim=1).to(dtype)


def value_and_gradient(loss, points, labels, **call):
    points = points.clone().requires_grad_()
    value = loss(points, labels, **call)
    return value.detach(), torch.autograd.grad(value, points)[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), dim=st.sampled_from([3, 64, 512, 2048]), rows=st.integers(1, 40))
def test_a_row_is_at_distance_zero_from_itself_in_any_block(dtype, seed, dim, rows):
    points = normalise(embeddings(40, seed, dim, dtype))
    scores = points[:rows] @ points.t()
    assert torch.equal(similarity(scores, "euclidean").diagonal(), torch.zeros(rows, dtype=dtype))
    distances, slope = similarity_and_slope(scores, "euclidean")
    assert torch.equal(distances.diagonal(), torch.zeros(rows, dtype=dtype))
    assert torch.equal(slope.diagonal(), torch.zeros(rows, dtype=dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("factor", [1.5, 2.0, 100.0])
def test_small_distances_above_rounding_keep_value_and_slope(dtype, factor):
    squared = factor * same_within(dtype)
    scores = torch.tensor([1.0 - squared / 2.0], dtype=dtype)
    stored = 2.0 - 2.0 * scores.double()
    distances, slope = similarity_and_slope(scores, "euclidean")
    torch.testing.assert_close(distances.double(), -stored.sqrt(), rtol=1e-6, atol=0)
    torch.testing.assert_close(slope.double(), 1.0 / stored.sqrt(), rtol=1e-6, atol=0)
    leaf = scores.clone().requires_grad_()
    torch.testing.assert_close(torch.autograd.grad(similarity(leaf, "euclidean").sum(), leaf)[0], slope)


def test_equal_embeddings_are_no_violation_of_a_contrastive_bound():
    points = embeddings(4, dim=200, dtype=torch.float32).repeat_interleave(4, 0)
    labels = torch.arange(4).repeat_interleave(4)
    for distance in ("euclidean", "cosine"):
        loss = create_loss("contrastive", distance=distance, neg_margin=1.0 if distance == "cosine" else 0.0)
        value, gradient = value_and_gradient(loss, points, labels)
        assert value.item() == 0.0
        assert torch.equal(gradient, torch.zeros_like(points))


def test_normalise_is_that_of_torch():
    points = embeddings(6, seed=1) * torch.tensor([1e-3, 0.5, 1.0, 7.0, 0.0, 1e-14], dtype=torch.float64)[:, None]
    of_directions = embeddings(6, seed=2)
    results = []
    for function in (normalise, lambda e: normalize(e, dim=1)):
        leaf = points.clone().requires_grad_()
        directions = function(leaf)
        results.append((directions.detach(), torch.autograd.grad(directions, leaf, of_directions)[0]))
    torch.testing.assert_close(results[0], results[1])


@pytest.mark.parametrize("block_bytes", [1, 300, None])
@pytest.mark.parametrize("temperature", [1e-3, 1e-2, 10.0])
def test_supcon_is_exact_at_any_temperature(temperature, block_bytes):
    loss = create_loss("supcon", temperature=temperature, block_bytes=block_bytes)
    points = embeddings(16)
    leaf = points.clone().requires_grad_()
    printed = contrast.supervised_contrast_loss(leaf, LABELS, temperature)
    expected = printed.detach(), torch.autograd.grad(printed, leaf)[0]
    torch.testing.assert_close(value_and_gradient(loss, points, LABELS), expected, rtol=1e-9, atol=1e-9)
    value, gradient = value_and_gradient(loss, points.float(), LABELS)
    torch.testing.assert_close(value.double(), expected[0], rtol=1e-4, atol=1e-5)
    assert bool(gradient.isfinite().all())


@pytest.mark.parametrize("settings", [{"alpha": 1e4}, {"beta": 1e5}, {"alpha": 1e-3, "beta": 1e-3}, {"base": -40.0}])
def test_multi_similarity_does_not_overflow(settings):
    loss = create_loss("multi_similarity", **settings)
    exact, of_exact = value_and_gradient(loss, embeddings(16), LABELS)
    rounded, of_rounded = value_and_gradient(loss, embeddings(16, dtype=torch.float32), LABELS)
    assert bool(exact.isfinite())
    torch.testing.assert_close(rounded.double(), exact, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(of_rounded.double(), of_exact, rtol=1e-2, atol=1e-3)


def test_sharp_multi_similarity_is_a_hinge_on_the_hardest_pair():
    scores = embeddings(16) @ embeddings(16).t()
    same = LABELS[:, None] == LABELS
    positives = same & ~torch.eye(16, dtype=torch.bool)
    hardest = (0.5 - scores.masked_fill(~positives, 2.0).amin(1)).clamp_min(0)
    nearest = (scores.masked_fill(same, -2.0).amax(1) - 0.5).clamp_min(0)
    value = create_loss("multi_similarity", alpha=1e6, beta=1e6)(embeddings(16), LABELS)
    torch.testing.assert_close(value, (hardest + nearest).mean(), rtol=1e-4, atol=1e-4)
