"""Properties that hold for any batch."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from suite.kernels.reference import ranks
from suite.losses import create_loss

NAMES = [
    "blackbox_ap",
    "calibration",
    "contrastive",
    "fastap",
    "multi_similarity",
    "recall_at_k",
    "smoothap",
    "smoothrecall",
    "softbin_ap",
    "supap",
    "supcon",
    "suprecall",
    "triplet",
]
RANK_NAMES = ["blackbox_ap", "fastap", "recall_at_k", "smoothap", "smoothrecall", "softbin_ap", "supap", "suprecall"]


@st.composite
def batches(draw):
    labels = draw(st.lists(st.integers(0, 4), min_size=2, max_size=14).filter(lambda x: len(set(x)) < len(x)))
    seed, spread = draw(st.integers(0, 2**31)), draw(st.sampled_from([0.1, 1.0, 5.0]))
    generator = torch.Generator().manual_seed(seed)
    labels = torch.tensor(labels)
    centres = torch.randn(5, 5, generator=generator, dtype=torch.float64)
    noise = torch.randn(len(labels), 5, generator=generator, dtype=torch.float64)
    return normalize(centres[labels] + spread * noise, dim=1), labels, seed


def value_and_gradient(name, points, labels, **settings):
    points = points.clone().requires_grad_()
    value = create_loss(name, **settings)(points, labels)
    return value.detach(), torch.autograd.grad(value, points)[0]


def true_average_precision_loss(points, labels):
    return ranks.average_precision_loss(points, labels, ranks.hard_step, ranks.hard_step)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(batch=batches())
def test_order_of_the_batch_does_not_matter(name, batch):
    points, labels, seed = batch
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    value, gradient = value_and_gradient(name, points, labels)
    moved, of_moved = value_and_gradient(name, points[order], labels[order], block_bytes=200)
    torch.testing.assert_close(moved, value)
    torch.testing.assert_close(of_moved, gradient[order], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, deadline=None)
@given(batch=batches())
def test_names_of_classes_do_not_matter(name, batch):
    points, labels, _ = batch
    renamed = torch.tensor([40, -3, 7, 0, 2**40])[labels]
    value, gradient = value_and_gradient(name, points, labels)
    other, of_other = value_and_gradient(name, points, renamed)
    assert torch.equal(other, value)
    assert torch.equal(of_other, gradient)


@pytest.mark.parametrize("name", RANK_NAMES)
@settings(max_examples=15, deadline=None)
@given(batch=batches())
def test_a_query_without_positives_leaves_the_mean(name, batch):
    points, labels, seed = batch
    lonely = normalize(torch.randn(1, 5, generator=torch.Generator().manual_seed(seed + 1)).double(), dim=1)
    loss = create_loss(name)
    alone = loss(points, labels, ref_emb=points.clone(), ref_labels=labels)
    with_lonely = loss(
        torch.cat([points, lonely]),
        torch.cat([labels, torch.tensor([99])]),
        ref_emb=points.clone(),
        ref_labels=labels,
    )
    torch.testing.assert_close(with_lonely, alone)


@settings(max_examples=80, deadline=None)
@given(batch=batches())
def test_sup_ap_bounds_the_true_loss(batch):
    points, labels, _ = batch
    value, _ = value_and_gradient("supap", points, labels, start=0.5, offset=1.44)
    assert value >= true_average_precision_loss(points, labels) - 1e-9


def test_sup_ap_bounds_nothing_where_start_is_zero():
    # The negative is ahead by 0.005, less than delta: its step, sigma(0.5), counts less than one item.
    query, label = torch.tensor([[1.0, 0.0]], dtype=torch.float64), torch.tensor([0])
    gallery = {
        "ref_emb": torch.tensor([[0.6, 0.8], [0.605, 0.796]], dtype=torch.float64),
        "ref_labels": torch.tensor([0, 1]),
    }
    hard = ranks.hard_step
    true = ranks.average_precision_loss(query, label, hard, hard, **gallery)
    assert true == 0.5
    assert create_loss("supap", start=0.0, offset=1.0)(query, label, **gallery) < true
    assert create_loss("supap", start=0.5, offset=1.44)(query, label, **gallery) > true


@settings(max_examples=30, deadline=None)
@given(batch=batches())
def test_rank_losses_lie_between_zero_and_one(batch):
    points, labels, _ = batch
    for name in RANK_NAMES:
        value, _ = value_and_gradient(name, points, labels)
        assert -1e-9 <= value.item() <= 1 + 1e-9


@pytest.mark.parametrize("name", ["calibration", "contrastive", "triplet"])
@settings(max_examples=15, deadline=None)
@given(batch=batches(), copies=st.integers(2, 4))
def test_repeating_the_gallery_keeps_a_mean_over_pairs(name, batch, copies):
    points, labels, _ = batch
    loss = create_loss(name)
    once = loss(points, labels, ref_emb=points.clone(), ref_labels=labels)
    repeated = loss(points, labels, ref_emb=points.repeat(copies, 1), ref_labels=labels.repeat(copies))
    torch.testing.assert_close(repeated, once)
