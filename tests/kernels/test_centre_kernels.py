"""The kernels on class centres equal the printed formulas: value, gradients of embeddings and of `weight`."""

import pytest
import torch
from test_kernel_memory import LargestTensor
from torch.func import functional_call

from suite.kernels.reference import centres
from suite.losses import create_loss

CLASSES, DIM = 8, 6
LABELS = torch.tensor([3, 1, 3, 0, 1, 1, 7, 3, 0, 1, 1, 5, 1, 3, 1, 5])
HIERARCHY = torch.stack([torch.arange(CLASSES), torch.arange(CLASSES) // 3, torch.arange(CLASSES) // 6], 1)
SAME_AT_THE_TOP = torch.stack([torch.arange(CLASSES), torch.zeros(CLASSES, dtype=int)], 1)
LOSSES = {
    "proxy": ({}, lambda e, y, w: centres.softmax_loss(e, y, w, unit=False)),
    "normalized_softmax": ({"temperature": 0.1}, lambda e, y, w: centres.softmax_loss(e, y, w, 0.1)),
    "arcface": ({}, centres.arcface_loss),
    "arcface-wide": ({"margin": 1.5, "scale": 8.0}, lambda e, y, w: centres.arcface_loss(e, y, w, 8.0, 1.5)),
    "proxy_nca_pp": ({}, centres.proxy_nca_pp_loss),
    "proxy_anchor": ({}, centres.proxy_anchor_loss),
    "proxy_anchor-soft": ({"alpha": 4, "margin": -0.2}, lambda e, y, w: centres.proxy_anchor_loss(e, y, w, -0.2, 4.0)),
    "csl": ({}, lambda e, y, w: centres.csl_loss(e, y, w, HIERARCHY[:, :1])),
    "csl-hierarchy": ({"hierarchy": HIERARCHY}, lambda e, y, w: centres.csl_loss(e, y, w, HIERARCHY)),
    "csl-one-root": (
        {"hierarchy": SAME_AT_THE_TOP.tolist(), "margins": [0.1, 0.2], "scale": 8},
        lambda e, y, w: centres.csl_loss(e, y, w, SAME_AT_THE_TOP, (0.1, 0.2), 8.0),
    ),
}
# Settings, and what a cosine that is rounded by 1e-6 does to a logit. On its centre an item's angle is known
# no better than the root of that.
SHARP = {
    "proxy": ({"temperature": 1e-3}, 1e-3),
    "normalized_softmax": ({"temperature": 1e-3}, 1e-3),
    "arcface": ({"scale": 1e3}, 1.0),
    "proxy_nca_pp": ({"scale": 1e3}, 2.0),
    "proxy_anchor": ({"alpha": 1e3}, 1e-3),
    "csl": ({"scale": 1e3, "hierarchy": HIERARCHY}, 1e-3),
}


def points(rows, seed=0, dim=DIM):
    return torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def make(name, **settings):
    given, printed = LOSSES[name]
    return create_loss(name.partition("-")[0], num_classes=CLASSES, embedding_dim=DIM, **given, **settings), printed


def gradients(function, *tensors):
    leaves = [tensor.clone().requires_grad_() for tensor in tensors]
    value = function(*leaves)
    return value.detach(), torch.autograd.grad(value, leaves)


def called(loss, labels):
    return lambda embeddings, weight: functional_call(loss, {"weight": weight}, (embeddings, labels))


def assert_same(ours, theirs):
    torch.testing.assert_close(ours[0], theirs[0], rtol=1e-9, atol=1e-12)
    for mine, printed in zip(ours[1], theirs[1], strict=True):
        torch.testing.assert_close(mine, printed, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("block_bytes", [1, 200, 300, 500, None])
@pytest.mark.parametrize("name", LOSSES)
def test_any_block_size_gives_the_printed_value_and_gradients(name, block_bytes):
    loss, printed = make(name, block_bytes=block_bytes)
    tensors = points(len(LABELS)), points(CLASSES, seed=1)
    assert_same(gradients(called(loss, LABELS), *tensors), gradients(lambda e, w: printed(e, LABELS, w), *tensors))


@pytest.mark.parametrize("name", LOSSES)
def test_one_item_and_one_class(name):
    loss, printed = make(name)
    one = torch.tensor([6])
    tensors = points(1, seed=2), points(CLASSES, seed=3)
    assert_same(gradients(called(loss, one), *tensors), gradients(lambda e, w: printed(e, one, w), *tensors))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", LOSSES)
def test_float32_is_close_to_float64(name, seed):
    loss, _ = make(name)
    rounded = [points(len(LABELS), seed=seed).float(), points(CLASSES, seed=seed + 10).float()]
    value, of_rounded = gradients(called(loss, LABELS), *rounded)
    exact, of_exact = gradients(called(loss, LABELS), *(tensor.double() for tensor in rounded))
    assert value.dtype == torch.float32
    torch.testing.assert_close(value.double(), exact, rtol=1e-5, atol=1e-5)
    for mine, theirs in zip(of_rounded, of_exact, strict=True):
        assert (mine - theirs).norm() <= 1e-4 * theirs.norm()


@pytest.mark.parametrize("spread", [0.0, 1e-3, 1.0])
@pytest.mark.parametrize("name", SHARP)
def test_sharp_scales_are_finite_and_right_in_float32(name, spread):
    # Items stand on, or nearly on, centres that the next class shares: the largest logits tie.
    weight = points(CLASSES, seed=7).float()
    weight[1::2] = weight[::2]
    embeddings = weight[LABELS] + spread * points(len(LABELS), seed=8).float()
    settings, rounding = SHARP[name]
    loss = create_loss(name, num_classes=CLASSES, embedding_dim=DIM, **settings)
    value, of = gradients(called(loss, LABELS), embeddings, weight)
    exact, _ = gradients(called(loss, LABELS), embeddings.double(), weight.double())
    assert all(bool(gradient.isfinite().all()) for gradient in of)
    torch.testing.assert_close(value.double(), exact, rtol=1e-6, atol=rounding)


def test_a_coarse_level_is_seen_past_close_relatives():
    # At scale 1,000 the siblings' powers exceed the strangers' by more than a float can tell apart.
    weight = torch.tensor([[1.0, 0.0], [0.95, 0.3122499], [0.7, 0.7141428]])
    hierarchy = torch.tensor([[0, 0], [1, 0], [2, 1]])
    loss = create_loss("csl", num_classes=3, embedding_dim=2, hierarchy=hierarchy, scale=1e3)
    value = functional_call(loss, {"weight": weight}, (weight[1:2], torch.tensor([0])))
    # The query is mislabelled: 0.95 from its own centre, 1 from its sibling, 0.888 from the stranger.
    stranger = 0.95 * 0.7 + 0.3122499 * 0.7141428
    expected = 1e3 * (1.0 - 0.95 + 0.25) + 1e3 * (stranger - 0.95 + 0.35)
    assert value.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_angle_has_no_gradient_on_its_centre(dtype):
    # Exact unit vectors: the own cosine is exactly 1 or -1, where d arccos / ds is infinite.
    weight = torch.eye(CLASSES, DIM, dtype=dtype)
    weight[-2:] = -weight[:2]
    loss = create_loss("arcface", num_classes=CLASSES, embedding_dim=DIM)
    for embeddings, labels in ((weight[:2], [0, 1]), (weight[:2], [6, 7])):
        value, of = gradients(called(loss, torch.tensor(labels)), embeddings.clone(), weight)
        printed = centres.arcface_loss(embeddings, torch.tensor(labels), weight)
        torch.testing.assert_close(value.double(), printed, rtol=1e-5, atol=1e-6)
        assert all(bool(gradient.isfinite().all()) for gradient in of)


@pytest.mark.parametrize("angle", [1e-6, 1e-4, 1e-3, 3.1405])
def test_the_margin_keeps_its_pull_close_to_the_poles(angle):
    # Close to its centre an item feels scale (p - 1) sin(margin), whatever the angle.
    weight = torch.eye(3, dtype=torch.float64)
    item = torch.tensor([[torch.tensor(angle).cos(), torch.tensor(angle).sin(), 0.0]], dtype=torch.float64)
    loss = create_loss("arcface", num_classes=3, embedding_dim=3)
    label = torch.tensor([0])
    assert_same(
        gradients(called(loss, label), item, weight),
        gradients(lambda e, w: centres.arcface_loss(e, label, w), item, weight),
    )
    _, (of_item, _) = gradients(called(loss, label), item.float(), weight.float())
    assert of_item.norm() <= 60.0


@pytest.mark.parametrize("name", ["proxy", "arcface", "proxy_anchor", "csl"])
def test_no_tensor_of_all_scores(name):
    batch, classes, dim, limit = 256, 2048, 8, 64 << 10
    loss = create_loss(name, num_classes=classes, embedding_dim=dim, block_bytes=limit)
    embeddings = points(batch, dim=dim).float().requires_grad_()
    labels = torch.arange(batch) * 7 % classes
    with LargestTensor() as seen:
        loss(embeddings, labels).backward()
    assert bool(loss.weight.grad.abs().sum() > 0)
    assert seen.elements <= max(limit // 4, classes * dim) < batch * classes
