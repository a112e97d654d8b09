"""Gradients of every loss: against finite differences, and finite at the limits of float32."""

import pytest
import torch
from loss_catalogue import DIM, LOSSES, NAMES, batch, labels_of, make, value_and_gradients, where
from torch.func import functional_call

CASES = [(name, settings) for name in NAMES for settings in LOSSES[name].smooth]
WITH_GALLERY = [(name, settings) for name, settings in CASES if LOSSES[name].takes_references]
EXTREMES = [(name, settings) for name in NAMES for settings in LOSSES[name].extremes]
LABELS = torch.tensor([3, 1, 3, 0, 1, 1, 7, 3, 0])


def named(case):
    return "-".join([case] if isinstance(case, str) else [f"{key}={value}" for key, value in case.items()][:3])


def points(rows, seed):
    return batch(rows, seed=seed)[0].requires_grad_()


def test_only_blackbox_differentiation_has_no_derivative_to_check():
    assert [name for name in NAMES if not LOSSES[name].smooth] == ["blackbox_ap"]


@pytest.mark.parametrize(("name", "settings"), CASES, ids=named)
def test_gradcheck(name, settings):
    loss, labels = make(name, **settings), labels_of(name, LABELS)
    parameters = dict(loss.double().named_parameters())

    def value(embeddings, *weights):
        return functional_call(loss, dict(zip(parameters, weights, strict=True)), (embeddings, labels))

    leaves = [points(9, seed=5), *parameters.values()]
    assert torch.autograd.gradcheck(value, leaves, eps=1e-7, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(("name", "settings"), WITH_GALLERY, ids=named)
def test_gradcheck_with_a_gallery(name, settings):
    loss, labels, of_queries = make(name, **settings), labels_of(name, LABELS), torch.tensor([3, 1, 0, 1, 9])

    def value(queries, gallery):
        return loss(queries, labels_of(name, of_queries), ref_emb=gallery, ref_labels=labels)

    leaves = points(5, seed=5), points(9, seed=9)
    assert torch.autograd.gradcheck(value, leaves, eps=1e-7, atol=1e-4, rtol=1e-3)


def hard_batches():
    """Embeddings in float32 at which scores tie, or stand at their bounds."""
    any_points = batch(16, dtype=torch.float32)[0]
    unit = torch.eye(16, DIM)[:1]
    yield "any", any_points
    yield "duplicates", any_points[torch.arange(16) // 2]
    yield "duplicates across classes", any_points[torch.arange(16) % 5]
    yield "all equal", any_points[:1].expand(16, -1)
    # Cosines that are 1 and -1 to the last digit.
    yield "opposite", unit * torch.tensor([1.0, -1.0]).repeat(8)[:, None]
    yield "exactly equal", unit.expand(16, -1)


@pytest.mark.parametrize("kind", [kind for kind, _ in hard_batches()])
@pytest.mark.parametrize(("name", "settings"), EXTREMES, ids=named)
def test_value_and_gradient_are_finite_at_the_limits(name, settings, kind):
    embeddings, labels = dict(hard_batches())[kind], labels_of(name, torch.arange(16) // 4)
    calls = [{}]
    if LOSSES[name].takes_references:
        calls.append({"ref_emb": embeddings.clone(), "ref_labels": labels})
    for call in calls:
        value, gradients = value_and_gradients(make(name, **settings), embeddings, labels, **call)
        assert value.dtype == torch.float32
        assert bool(value.isfinite())
        assert all(bool(gradient.isfinite().all()) for gradient in gradients)


@pytest.mark.parametrize("name", where(has_centres=True))
def test_items_on_and_opposite_their_centres_have_finite_gradients(name):
    labels = torch.arange(16) // 4
    for settings in LOSSES[name].extremes:
        for sign in (1.0, -1.0):
            loss = make(name, **settings)
            embeddings = sign * loss.weight.detach()[labels]
            value, gradients = value_and_gradients(loss, embeddings, labels)
            assert bool(value.isfinite())
            assert all(bool(gradient.isfinite().all()) for gradient in gradients)
