"""Properties that hold for any batch."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_catalogue import LOSSES, NAMES, make, value_and_gradients, where
from torch.nn.functional import normalize

from suite.kernels.reference import graded, ranks
from suite.losses import create_loss

DIM, CLASSES = 5, 5
HARD = ranks.hard_step


@st.composite
def batches(draw):
    """Embeddings around their class centres, labels of unequal classes in three columns, and a seed.

    Some stand so close together that their scores differ by less than the steps are wide. There are positives and
    at least two classes at every level. A graded loss sees the first two columns, which nest, or the outer ones,
    which do not.
    """
    fine = torch.tensor([0, 0, 4, *draw(st.lists(st.integers(0, 4), max_size=11))])
    seed, spread = draw(st.integers(0, 2**31)), draw(st.sampled_from([0.1, 1.0, 5.0]))
    together = draw(st.sampled_from([0.0, 5.0, 20.0])) * torch.eye(DIM, dtype=torch.float64)[0]
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(fine), generator=generator)
    crossed = torch.arange(len(fine)) % 2
    labels = torch.stack([fine, fine // 2, crossed], 1)[order]
    centres = torch.randn(CLASSES, DIM, generator=generator, dtype=torch.float64)
    noise = torch.randn(len(labels), DIM, generator=generator, dtype=torch.float64)
    return normalize(centres[labels[:, 0]] + spread * noise + together, dim=1), labels, seed


def made(name, **settings):
    return make(name, dim=DIM, classes=CLASSES, **settings)


def seen(name, labels, seed=0):
    """The columns that a loss is given."""
    if not LOSSES[name].graded:
        return labels[:, 0]
    return labels[:, :2] if seed % 2 else labels[:, ::2]


def stranger(seed):
    return normalize(torch.randn(1, DIM, generator=torch.Generator().manual_seed(seed)).double(), dim=1)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20, deadline=None)
@given(batch=batches())
def test_order_of_the_batch_does_not_matter(name, batch):
    points, labels, seed = batch
    labels = seen(name, labels, seed)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    value, (gradient, *of_centres) = value_and_gradients(made(name), points, labels)
    moved = value_and_gradients(made(name, block_bytes=200), points[order], labels[order])
    torch.testing.assert_close(moved[0], value)
    torch.testing.assert_close(moved[1][0], gradient[order], rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(list(moved[1][1:]), of_centres, rtol=1e-5, atol=1e-6)


# The names of classes are known to centres, which move along in tests of their own, and to a memory.
@pytest.mark.parametrize("name", [name for name in where(has_centres=False) if name != "xbm"])
@settings(max_examples=12, deadline=None)
@given(batch=batches())
def test_names_of_classes_do_not_matter(name, batch):
    points, labels, seed = batch
    labels = seen(name, labels, seed)
    plain = value_and_gradients(made(name), points, labels)
    renamed = value_and_gradients(made(name), points, torch.tensor([40, -3, 7, 0, 2**40])[labels])
    torch.testing.assert_close(renamed, plain, rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=8, deadline=None)
@given(batch=batches())
def test_labels_of_one_level_may_be_a_column(name, batch):
    points, labels, _ = batch
    column = value_and_gradients(made(name, levels=1), points, labels[:, :1])
    torch.testing.assert_close(column, value_and_gradients(made(name), points, labels[:, 0]), rtol=0, atol=0)


@pytest.mark.parametrize("name", where(averages_queries=True))
@settings(max_examples=12, deadline=None)
@given(batch=batches())
def test_a_query_without_positives_changes_nothing(name, batch):
    points, labels, seed = batch
    labels, loss = seen(name, labels, seed), made(name)
    gallery = {"ref_emb": points.clone(), "ref_labels": labels}
    value, (of_queries, of_gallery) = value_and_gradients(loss, points, labels, **gallery)
    more = torch.cat([stranger(seed + 1), points]), torch.cat([torch.full_like(labels[:1], 99), labels])
    with_stranger, (of_more, of_gallery_too) = value_and_gradients(loss, *more, **gallery)
    torch.testing.assert_close(with_stranger, value)
    torch.testing.assert_close(of_more, torch.cat([torch.zeros(1, DIM).double(), of_queries]))
    torch.testing.assert_close(of_gallery_too, of_gallery)


BOUNDING = st.fixed_dictionaries(
    {
        "start": st.sampled_from([0.5, 1.0]),
        "offset": st.sampled_from([1.0, 1.44, 3.0]),
        "rho": st.sampled_from([0.0, 100.0]),
        "delta": st.sampled_from([0.0, 0.05, 1.0]),
    }
)


def each_query(points, labels):
    """Every item as the only query of the gallery: a bound of a mean may hide that it fails for one of them."""
    for place in range(len(labels)):
        here = slice(place, place + 1)
        yield points[here], labels[here], {"ref_emb": points, "ref_labels": labels}


@settings(max_examples=60, deadline=None)
@given(batch=batches(), bounding=BOUNDING)
def test_sup_ap_is_never_below_the_true_loss(batch, bounding):
    points, labels, _ = batch
    loss = create_loss("supap", **bounding)
    assert loss(points, labels[:, 0]) >= ranks.average_precision_loss(points, labels[:, 0], HARD, HARD) - 1e-9
    for query, label, gallery in each_query(points, labels[:, 0]):
        true = ranks.average_precision_loss(query, label, HARD, HARD, **gallery)
        assert loss(query, label, **gallery) >= true - 1e-9


@settings(max_examples=60, deadline=None)
@given(batch=batches(), bounding=BOUNDING, alpha=st.sampled_from([0.0, 1.0, 3.0]))
def test_sup_h_ap_is_never_below_the_true_loss(batch, bounding, alpha):
    points, labels, seed = batch
    labels, loss = seen("suphap", labels, seed), create_loss("suphap", alpha=alpha, **bounding)
    assert loss(points, labels) >= graded.hierarchical_ap_loss(points, labels, HARD, HARD, alpha) - 1e-9
    for query, label, gallery in each_query(points, labels):
        true = graded.hierarchical_ap_loss(query, label, HARD, HARD, alpha, **gallery)
        assert loss(query, label, **gallery) >= true - 1e-9


@pytest.mark.parametrize("name", ["supap", "suphap"])
def test_they_bound_nothing_where_start_is_zero(name):
    # The negative is ahead by 0.005, less than delta: its step, sigma(0.5), counts less than one item.
    query, label = torch.tensor([[1.0, 0.0]], dtype=torch.float64), torch.tensor([0])
    gallery = {
        "ref_emb": torch.tensor([[0.6, 0.8], [0.605, 0.796]], dtype=torch.float64),
        "ref_labels": torch.tensor([0, 1]),
    }
    true = ranks.average_precision_loss(query, label, HARD, HARD, **gallery)
    assert true == 0.5
    assert create_loss(name, start=0.0, offset=1.0)(query, label, **gallery) < true
    assert create_loss(name, start=0.5, offset=1.44)(query, label, **gallery) > true


@pytest.mark.parametrize("name", ["supap", "suphap"])
def test_they_bound_nothing_where_a_positive_ties_a_negative(name):
    query, label = torch.tensor([[1.0, 0.0]], dtype=torch.float64), torch.tensor([0])
    gallery = {"ref_emb": query.expand(2, -1).clone(), "ref_labels": torch.tensor([0, 1])}
    # At a tie the step is 1/2, H is 1.
    assert ranks.average_precision_loss(query, label, HARD, HARD, **gallery) == 0.5
    torch.testing.assert_close(create_loss(name)(query, label, **gallery).item(), 1 - 1 / 1.5)


@pytest.mark.parametrize("name", where(ranks=True))
@settings(max_examples=12, deadline=None)
@given(batch=batches())
def test_rank_losses_lie_between_zero_and_one(name, batch):
    points, labels, seed = batch
    value = made(name)(points, seen(name, labels, seed))
    assert -1e-9 <= value.item() <= 1 + 1e-9


@pytest.mark.parametrize("name", ["calibration", "contrastive", "triplet"])
@settings(max_examples=15, deadline=None)
@given(batch=batches(), copies=st.integers(2, 4))
def test_repeating_the_gallery_keeps_a_mean_over_pairs(name, batch, copies):
    points, labels, _ = batch
    loss, labels = made(name), labels[:, 0]
    once = loss(points, labels, ref_emb=points.clone(), ref_labels=labels)
    repeated = loss(points, labels, ref_emb=points.repeat(copies, 1), ref_labels=labels.repeat(copies))
    torch.testing.assert_close(repeated, once)
