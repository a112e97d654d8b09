"""Sums of SupRank steps from sorted scores are those over all pairs."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from suite.kernels.differences import StepSums, Workspace, lowest
from suite.kernels.reference import graded, ranks
from suite.kernels.sorted_steps import SORT_FROM, SortedStepSums, step_sums
from suite.kernels.steps import SigmoidStep, SupRankStep
from suite.losses import create_loss

STEP = SupRankStep(0.01, 100.0, 0.05, 0.5, 1.44)


def both(step, items, ranked, of_sums, limit=1 << 20):
    for kind in (StepSums, SortedStepSums):
        sums = kind(step, items, ranked, Workspace(), limit)
        yield sums.total(True), *sums.backward(of_sums)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    queries=st.integers(1, 3),
    size=st.integers(1, 40),
    places=st.integers(1, 12),
    spread=st.sampled_from([0.01, 0.1, 1.0]),
    start=st.sampled_from([0.0, 0.5]),
    delta=st.sampled_from([0.0, 0.05]),
    limit=st.sampled_from([1, 500, 1 << 20]),
)
def test_values_and_gradients_are_those_of_all_pairs(seed, queries, size, places, spread, start, delta, limit):
    generator = torch.Generator().manual_seed(seed)
    items, ranked, of_sums = (
        torch.randn(queries, n, generator=generator, dtype=torch.float64) for n in (size, places, places)
    )
    items[:, ::4], ranked[:, 1::5] = lowest(items.dtype), -lowest(items.dtype)
    step = SupRankStep(0.01, 100.0, delta, start, 1.44)
    for over_pairs, sorted_once in zip(*both(step, items * spread, ranked * spread, of_sums, limit), strict=True):
        torch.testing.assert_close(sorted_once, over_pairs, rtol=1e-8, atol=1e-9)


def test_equal_scores_count_as_in_all_pairs():
    # Multiples of 1/4: scores, bounds and differences are exact, so that ties are ties.
    items = torch.randint(-4, 5, (2, 50), generator=torch.Generator().manual_seed(0)).double() / 4
    ranked = items[:, ::3].clone()
    of_sums = torch.rand(2, ranked.shape[1], generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    step = SupRankStep(0.01, 100.0, 0.25, 0.5, 1.44)
    for over_pairs, sorted_once in zip(*both(step, items, ranked, of_sums), strict=True):
        torch.testing.assert_close(sorted_once, over_pairs)


def test_float32_keeps_the_excess_of_scores_close_to_the_bound():
    items = torch.full((1, 4000), 0.6) + torch.rand(1, 4000, generator=torch.Generator().manual_seed(0)) * 1e-3
    ranked = torch.full((1, 3), 0.55)
    (over_pairs, *_), (sorted_once, *_) = both(STEP, items, ranked, torch.ones(1, 3))
    torch.testing.assert_close(sorted_once, over_pairs, rtol=1e-5, atol=0.0)


def test_sorting_is_for_many_ranked_items_and_the_suprank_step_alone():
    items, few, many = torch.rand(1, 8), torch.rand(1, SORT_FROM - 1), torch.rand(1, SORT_FROM)
    assert isinstance(step_sums(STEP, items, few, Workspace(), 1), StepSums)
    assert isinstance(step_sums(STEP, items, many, Workspace(), 1), SortedStepSums)
    assert isinstance(step_sums(SigmoidStep(0.01), items, many, Workspace(), 1), StepSums)


@pytest.mark.parametrize("block_bytes", [1000, None])
@pytest.mark.parametrize("name", ["supap", "suphap"])
def test_large_classes_give_the_printed_value_and_gradient(name, block_bytes):
    generator = torch.Generator().manual_seed(0)
    points = normalize(torch.randn(2 * SORT_FROM + 30, 16, generator=generator, dtype=torch.float64), dim=1)
    coarse = torch.arange(len(points)) % 2
    labels = torch.stack([torch.arange(len(points)) // 4, coarse], 1) if name == "suphap" else coarse
    loss = create_loss(name, block_bytes=block_bytes)
    printed = {"supap": ranks.average_precision_loss, "suphap": graded.hierarchical_ap_loss}[name]
    results = []
    for function in (loss, lambda e, y: printed(e, y, ranks.hard_step, ranks.suprank_step())):
        leaf = points.clone().requires_grad_()
        value = function(leaf, labels)
        results.append((value.detach(), torch.autograd.grad(value, leaf)[0]))
    for ours, expected in zip(*results, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-8, atol=1e-11)
