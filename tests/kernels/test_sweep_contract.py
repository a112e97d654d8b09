"""What the sweep promises beyond numbers: one derivative, dtypes, determinism, chunks."""

import subprocess
import sys

import pytest
import torch
from loss_catalogue import LOSSES, NAMES, batch, labels_of, make, value_and_gradients, where

from suite.kernels.gallery import gather_positives
from suite.losses import loss_import_string

WITH_GALLERY = where(takes_references=True)


def a_call(name, dtype=torch.float32, gallery=False):
    """Leaves and keyword arguments of a call of 24 queries, with a gallery of 40 if that is asked for."""
    points, labels = batch(24, dtype=dtype)
    leaves, call = [points.requires_grad_()], {"labels": labels_of(name, labels)}
    if gallery:
        items, labels = batch(40, seed=2, dtype=dtype)
        leaves.append(items.requires_grad_())
        call |= {"ref_emb": items, "ref_labels": labels_of(name, labels)}
    return leaves, call


@pytest.mark.parametrize("name", NAMES)
def test_double_backward_is_refused(name):
    loss, ((points,), call) = make(name), a_call(name)
    leaves = [points, *loss.parameters()]
    gradients = torch.autograd.grad(loss(points, **call), leaves, create_graph=True)
    for gradient in gradients:
        with pytest.raises(RuntimeError, match="no second derivative"):
            gradient.square().sum().backward(retain_graph=True)


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("name", WITH_GALLERY)
def test_double_backward_is_refused_with_a_gallery(name, side):
    leaves, call = a_call(name, gallery=True)
    gradients = torch.autograd.grad(make(name)(leaves[0], **call), leaves, create_graph=True)
    with pytest.raises(RuntimeError, match="no second derivative"):
        gradients[side].square().sum().backward()


@pytest.mark.parametrize("name", NAMES)
def test_upstream_factors_and_repeated_backward(name):
    (points,), call = a_call(name)
    value = make(name)(points, **call)
    (once,) = torch.autograd.grad(value, points, retain_graph=True)
    (scaled,) = torch.autograd.grad(3 * value, points)
    torch.testing.assert_close(scaled, 3 * once)


@pytest.mark.parametrize("name", NAMES)
def test_without_gradients_the_value_is_the_same(name):
    (points,), call = a_call(name)
    with torch.no_grad():
        plain = make(name)(points, **call)
    assert not plain.requires_grad
    assert plain.item() == make(name)(points, **call).item()


@pytest.mark.parametrize("name", WITH_GALLERY)
def test_a_gallery_alone_may_want_gradients(name):
    (queries, gallery), call = a_call(name, gallery=True)
    loss = make(name)
    (alone,) = torch.autograd.grad(loss(queries.detach(), **call), gallery)
    of_queries, of_gallery = torch.autograd.grad(loss(queries, **call), (queries, gallery))
    torch.testing.assert_close(alone, of_gallery)
    (other,) = torch.autograd.grad(loss(queries, **call | {"ref_emb": gallery.detach()}), queries)
    torch.testing.assert_close(other, of_queries)


HALVES = [torch.bfloat16, torch.float16]


@pytest.mark.parametrize("autocast", [None, *HALVES])
@pytest.mark.parametrize("dtype", [*HALVES, torch.float32])
@pytest.mark.parametrize("name", NAMES)
def test_scores_are_float32_whatever_the_embeddings_are(name, dtype, autocast):
    loss = make(name)
    for gallery in (False, True) if LOSSES[name].takes_references else (False,):
        given, call = a_call(name, dtype, gallery)
        cast = [leaf.detach().float().requires_grad_() for leaf in given]
        plain = loss(cast[0], **call | ({"ref_emb": cast[1]} if gallery else {}))
        expected = torch.autograd.grad(plain, [*cast, *loss.parameters()])
        with torch.autocast("cpu", dtype=autocast, enabled=autocast is not None):
            value = loss(given[0], **call)
        gradients = torch.autograd.grad(value, [*given, *loss.parameters()])
        assert value.dtype == torch.float32
        assert torch.equal(value, plain)
        for gradient, leaf, exact in zip(gradients, [*given, *loss.parameters()], expected, strict=True):
            assert gradient.dtype == leaf.dtype
            assert torch.equal(gradient, exact.to(leaf.dtype))


@pytest.mark.parametrize("name", NAMES)
def test_same_bits_under_deterministic_algorithms(name):
    points, labels = batch(63, dtype=torch.float32, per_class=3)
    loss, labels = make(name, classes=21, block_bytes=2000), labels_of(name, labels)
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        first, second = (value_and_gradients(loss, points, labels) for _ in range(2))
    finally:
        torch.use_deterministic_algorithms(before)
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_chunks_cover_every_query_with_positives_once():
    generator = torch.Generator().manual_seed(3)
    positives = torch.rand(50, 40, generator=generator) < torch.rand(50, 1, generator=generator) ** 3
    positives[7] = False
    for limit in (1, 100, 1000, 10**6):
        seen = torch.zeros_like(positives)
        for rows, items, valid, count in gather_positives(positives, pair_bytes=4, limit=limit):
            assert len(items) == 1 or items.numel() * 4 <= limit
            filled = torch.ones_like(items, dtype=torch.bool) if valid is None else valid
            assert torch.equal(filled.sum(1), count)
            places = torch.arange(50)[rows]
            row = places[:, None].expand_as(items)[filled]
            assert not bool(seen[row, items[filled]].any())
            seen[row, items[filled]] = True
        assert torch.equal(seen, positives)


BASELINES = sorted(
    module
    for name in NAMES
    for module in [loss_import_string(name).partition(":")[0]]
    # The memory makes the loss that it is told.
    if module.startswith("baselines.") and name != "xbm"
)


@pytest.mark.parametrize(
    ("modules", "unwanted"),
    [
        (["suite.kernels.ranks"], ("suite.losses", "baselines", "numpy.testing", "pandas", "pydantic")),
        (["suite.losses"], ("baselines", "pandas", "pydantic")),
        (BASELINES, ("suite.losses",)),
    ],
    ids=["kernels", "losses", "baselines"],
)
def test_imports_run_one_way(modules, unwanted):
    program = f"import sys, {', '.join(modules)}; print([name for name in {unwanted!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
