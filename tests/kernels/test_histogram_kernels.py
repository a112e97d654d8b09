"""SoftBin-AP: what the query itself is, its relation to FastAP, and its limits."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from suite.kernels.reference import histograms, ranks
from suite.losses import create_loss

LABELS = torch.tensor([3, 1, 3, 0, 1, 1, 7, 3, 0, 1, 1, 5, 1, 3, 1, 5])


def embeddings(rows=16, seed=0, dim=6):
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(rows, dim, generator=generator, dtype=torch.float64), dim=1)


def value_and_gradient(function, points):
    points = points.clone().requires_grad_()
    value = function(points)
    return value.detach(), torch.autograd.grad(value, points)[0]


@pytest.mark.parametrize("block_bytes", [1, 300, 1000, None])
@pytest.mark.parametrize("num_bins", [2, 3, 20])
@pytest.mark.parametrize("self_match", ["exclude", "positive", "rank_only"])
def test_any_self_match_and_block_size_gives_the_printed_formula(self_match, num_bins, block_bytes):
    loss = create_loss("softbin_ap", num_bins=num_bins, self_match=self_match, block_bytes=block_bytes)
    printed = value_and_gradient(
        lambda e: histograms.quantised_ap_loss(e, LABELS, num_bins, self_match=self_match), embeddings()
    )
    torch.testing.assert_close(value_and_gradient(lambda e: loss(e, LABELS), embeddings()), printed)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), num_bins=st.integers(2, 40), spread=st.sampled_from([0.01, 0.3, 3.0]))
def test_it_is_fastap_of_one_bin_less(seed, num_bins, spread):
    points = normalize(embeddings(16, seed) + embeddings(8, seed + 1)[LABELS] / spread, dim=1)
    ours = value_and_gradient(lambda e: create_loss("softbin_ap", num_bins=num_bins)(e, LABELS), points)
    printed = value_and_gradient(lambda e: histograms.quantised_ap_loss(e, LABELS, num_bins), points)
    fast = value_and_gradient(lambda e: histograms.fast_ap_loss(e, LABELS, num_bins - 1), points)
    torch.testing.assert_close(ours, printed, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(ours, fast, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_items_at_the_centres_of_different_bins_have_the_true_average_precision(seed):
    generator = torch.Generator().manual_seed(seed)
    places = torch.randperm(33, generator=generator)[:16]
    cosines = 1 - places.double() / 16
    gallery = torch.stack([cosines, (1 - cosines**2).sqrt()], 1)
    query, labels = torch.tensor([[1.0, 0.0]], dtype=torch.float64), torch.randint(0, 3, (16,), generator=generator)
    call = {"ref_emb": gallery, "ref_labels": labels}
    value = create_loss("softbin_ap", num_bins=33)(query, labels[:1], **call)
    true = ranks.average_precision_loss(query, labels[:1], ranks.hard_step, ranks.hard_step, **call)
    torch.testing.assert_close(value, true)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), centre=st.floats(-0.9, 0.9), width=st.sampled_from([0.0, 1e-7, 1e-3, 0.2]))
def test_items_within_few_bins_are_counted_like_any(seed, centre, width):
    # All cosines of a query stand close together, beside and on the edges of bins.
    generator = torch.Generator().manual_seed(seed)
    cosines = (centre + width * (torch.rand(12, generator=generator, dtype=torch.float64) - 0.5)).round(decimals=8)
    gallery = torch.stack([cosines, (1 - cosines**2).clamp_min(0).sqrt()], 1)
    query, labels = torch.tensor([[1.0, 0.0]], dtype=torch.float64), torch.arange(12) % 3
    call = {"ref_emb": gallery, "ref_labels": labels}
    for bins in (5, 20):
        value = create_loss("softbin_ap", num_bins=bins)(query, labels[:1], **call)
        torch.testing.assert_close(value, histograms.quantised_ap_loss(query, labels[:1], bins, **call))


@pytest.mark.parametrize("name", ["fastap", "softbin_ap"])
def test_on_the_edge_of_a_bin_the_gradient_is_that_of_one_side(name):
    def of_second(score):
        points = torch.tensor([[1.0, 0.0, 0.0], [score, 1.0, 0.0], [0.3, 0.0, 0.91**0.5]], dtype=torch.float64)
        settings = {"num_bins": 10 if name == "fastap" else 11}
        labels = torch.tensor([0, 0, 1])
        return value_and_gradient(lambda e: create_loss(name, **settings)(e, labels), points)[1][1, 0].item()

    # With ten bins a cosine of 0 lies on an edge.
    below, above = of_second(-1e-9), of_second(1e-9)
    assert abs(below - above) > 0.1
    assert of_second(0.0) == pytest.approx(below, rel=1e-6) or of_second(0.0) == pytest.approx(above, rel=1e-6)
