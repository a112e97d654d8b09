"""Ranks add up over the parts of a gallery, for every step and both kernels of ranks."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from suite.kernels.gallery import Gallery
from suite.kernels.graded import GradedGallery, graded_rank_loss
from suite.kernels.graded_heads import GradedResult
from suite.kernels.heads import HeadResult
from suite.kernels.ranks import rank_loss
from suite.kernels.steps import HardStep, SigmoidStep, SupRankStep

SUPRANK = SupRankStep(0.01, 100.0, 0.05, 0.5, 1.44)
STEPS = {
    "sigmoid": (SigmoidStep(0.05), SigmoidStep(0.05)),
    "suprank": (HardStep(), SUPRANK),
    "suprank-both": (SUPRANK, SUPRANK),
    "hard": (HardStep(), HardStep()),
}


class Ranks:
    """A head that makes nothing of the ranks but keeps them, in the order in which they come."""

    def __init__(self):
        self.seen = []

    def __call__(self, plus, minus, count, valid):
        assert valid is None
        self.seen.append(torch.stack([plus, minus]))
        return HeadResult(plus.new_zeros(len(plus)), torch.zeros_like(plus), torch.zeros_like(minus))


class GradedRanks:
    """The same of graded ranks, one grade after the other."""

    def __init__(self):
        self.seen = []

    def ideal(self, counts, most):
        return torch.ones(len(counts), dtype=torch.float64)

    def relevances(self, counts):
        return None

    def __call__(self, rank, h_rank, grade, ideal):
        self.seen.append(rank)
        return GradedResult(torch.zeros_like(rank), torch.zeros_like(rank), None)


@st.composite
def splits(draw):
    """Queries of one class, its items, other items, and which of these are in the first part."""
    queries, positives, others = draw(st.integers(1, 4)), draw(st.integers(1, 6)), draw(st.integers(0, 12))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    points = normalize(torch.randn(queries + positives + others, 4, generator=generator).double(), dim=1)
    first = torch.rand(others, generator=generator) < draw(st.sampled_from([0.0, 0.3, 0.5, 1.0]))
    labels = torch.cat([torch.zeros(positives, dtype=int), torch.randint(1, 4, (others,), generator=generator)])
    relevant, all_items = labels == 0, torch.ones(positives + others, dtype=torch.bool)
    in_first = torch.cat([torch.ones(positives, dtype=torch.bool), first])
    # Positives stay in both parts, and in the order of the gallery.
    order = torch.randperm(len(labels), generator=generator)
    parts = [mask[order] for mask in (all_items, in_first, in_first.logical_not() | relevant)]
    return points[:queries], points[queries:][order], labels[order], parts


@pytest.mark.parametrize("steps", STEPS)
@settings(max_examples=40, deadline=None)
@given(split=splits(), block_bytes=st.sampled_from([1, None]))
def test_a_rank_is_one_plus_what_is_counted_in_both_parts(steps, split, block_bytes):
    queries, gallery, labels, parts = split
    plus, minus = [], []
    for part in parts:
        head = Ranks()
        places = Gallery(torch.zeros(len(queries), dtype=int), labels[part], None)
        rank_loss(queries, gallery[part], places, *STEPS[steps], head, block_bytes)
        of_plus, of_minus = torch.cat(head.seen, 1)
        plus.append(of_plus)
        minus.append(of_minus)
    for of_part in plus[1:]:
        torch.testing.assert_close(of_part, plus[0])
    # With the positives, which are in both, counted once: rank+ is 1 and those that stand before.
    torch.testing.assert_close(minus[0], minus[1] + minus[2])
    assert plus[0].shape == (len(queries), int((labels == 0).sum()))
    assert bool((plus[0] >= 1.0).all())


@pytest.mark.parametrize("steps", STEPS)
@settings(max_examples=40, deadline=None)
@given(split=splits(), block_bytes=st.sampled_from([1, None]))
def test_so_is_a_graded_rank(steps, split, block_bytes):
    queries, gallery, labels, parts = split
    # The positives are of both grades in turn; items of no class in common are in one of the parts.
    fine = torch.where(labels == 0, torch.arange(len(labels)) % 2, labels + 5)
    columns, of_queries = torch.stack([fine, labels], 1), torch.zeros(len(queries), 2, dtype=int)
    positives = labels == 0
    counted = []
    for part in (*parts, positives):
        head = GradedRanks()
        places = GradedGallery(of_queries, columns[part], None)
        graded_rank_loss(queries, gallery[part], places, *STEPS[steps], head, block_bytes)
        counted.append(torch.cat([rank.flatten() for rank in head.seen]) - 1.0)
    whole, first, second, shared = counted
    assert len(whole) == len(queries) * int(positives.sum())
    torch.testing.assert_close(whole, first + second - shared)
