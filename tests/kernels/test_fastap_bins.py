"""FastAP in float32 where squared distances fall next to the edges of bins."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.losses import create_loss

# With 10 bins a cosine of 0.8 is an edge, and rounded it lies just below, in float32 as in float64.
ON_AN_EDGE = [[1.0, 0.0], [0.8, 0.6]]


def value_and_gradient(points, labels, **settings):
    points = points.clone().requires_grad_()
    value = create_loss("fastap", **settings)(points, labels)
    return value.detach().double(), torch.autograd.grad(value, points)[0].double()


@pytest.mark.parametrize("block_bytes", [1, None])
@pytest.mark.parametrize("others", [[[-0.96, 0.28], [-0.352, -0.936]], [[-0.28, -0.96], [0.0, -1.0]]])
def test_the_nearest_item_on_an_edge(others, block_bytes):
    rows, labels = ON_AN_EDGE + others, torch.tensor([0, 0, 1, 1])
    rounded = value_and_gradient(torch.tensor(rows), labels, block_bytes=block_bytes)
    exact = value_and_gradient(torch.tensor(rows, dtype=torch.float64), labels)
    torch.testing.assert_close(rounded, exact, rtol=1e-5, atol=1e-5)


def test_all_items_on_edges_keep_the_value():
    rows, labels = [*ON_AN_EDGE, [-1.0, 0.0], [-0.6, -0.8]], torch.tensor([0, 0, 1, 1])
    value, gradient = value_and_gradient(torch.tensor(rows), labels)
    exact, _ = value_and_gradient(torch.tensor(rows, dtype=torch.float64), labels)
    torch.testing.assert_close(value, exact, rtol=1e-5, atol=1e-6)
    assert bool(gradient.isfinite().all())


@settings(max_examples=100, deadline=None)
@given(
    nearest=st.integers(1, 9),
    ulps=st.integers(-4, 4),
    seed=st.integers(0, 2**31),
    others=st.integers(0, 6),
)
def test_values_and_gradients_stay_bounded_beside_any_edge(nearest, ulps, seed, others):
    cosine = torch.tensor(1.0 - nearest / 5.0)
    cosine = cosine + ulps * 2.0**-24
    pair = torch.stack([torch.tensor([1.0, 0.0]), torch.stack([cosine, (1 - cosine * cosine).sqrt()])])
    rest = torch.randn(2 + others, 2, generator=torch.Generator().manual_seed(seed))
    points = torch.cat([pair, rest])
    labels = torch.tensor([0, 0] + [1 + place % 2 for place in range(2 + others)])
    value, gradient = value_and_gradient(points, labels)
    exact, _ = value_and_gradient(points.double(), labels)
    torch.testing.assert_close(value, exact, rtol=1e-4, atol=1e-4)
    assert bool(gradient.isfinite().all())
    # Four terms of at most 1 a bin, each of slope num_bins / 2 in a score.
    of_unit = gradient * points.norm(dim=1, keepdim=True)
    assert of_unit.abs().max() <= 11 * 4 * 5
