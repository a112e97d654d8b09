"""What the sweep promises beyond numbers: one derivative, dtypes, determinism, chunks."""

import subprocess
import sys

import pytest
import torch
from torch.nn.functional import normalize

from suite.kernels.gallery import gather_positives
from suite.losses import create_loss

NAMES = ["supap", "smoothap", "recall_at_k", "calibration", "triplet", "contrastive", "fastap"]
NAMES += ["blackbox_ap", "multi_similarity", "softbin_ap", "supcon"]


def batch(rows=24, per_class=4, dim=8, seed=0):
    points = torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed))
    return normalize(points, dim=1).requires_grad_(), torch.arange(rows) // per_class


@pytest.mark.parametrize("name", NAMES)
def test_double_backward_is_refused(name):
    points, labels = batch()
    value = create_loss(name)(points, labels)
    (gradient,) = torch.autograd.grad(value, points, create_graph=True)
    with pytest.raises(RuntimeError, match="no second derivative"):
        gradient.square().sum().backward()


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("name", NAMES)
def test_double_backward_is_refused_with_a_gallery(name, side):
    (queries, labels), (gallery, gallery_labels) = batch(), batch(40, seed=2)
    value = create_loss(name)(queries, labels, ref_emb=gallery, ref_labels=gallery_labels)
    gradients = torch.autograd.grad(value, (queries, gallery), create_graph=True)
    with pytest.raises(RuntimeError, match="no second derivative"):
        gradients[side].square().sum().backward()


@pytest.mark.parametrize("name", NAMES)
def test_upstream_factors_and_repeated_backward(name):
    points, labels = batch()
    value = create_loss(name)(points, labels)
    (once,) = torch.autograd.grad(value, points, retain_graph=True)
    (scaled,) = torch.autograd.grad(3 * value, points)
    torch.testing.assert_close(scaled, 3 * once)


@pytest.mark.parametrize("name", NAMES)
def test_without_gradients_the_value_is_the_same(name):
    points, labels = batch()
    with torch.no_grad():
        plain = create_loss(name)(points, labels)
    assert not plain.requires_grad
    assert plain.item() == create_loss(name)(points, labels).item()


@pytest.mark.parametrize("name", NAMES)
def test_a_gallery_alone_may_want_gradients(name):
    queries, labels = batch(seed=1)
    gallery, gallery_labels = batch(40, seed=2)
    loss = create_loss(name)
    loss(queries.detach(), labels, ref_emb=gallery, ref_labels=gallery_labels).backward()
    alone = gallery.grad.clone()
    gallery.grad = None
    loss(queries, labels, ref_emb=gallery, ref_labels=gallery_labels).backward()
    torch.testing.assert_close(alone, gallery.grad)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", NAMES)
def test_half_precision_is_computed_in_float32(name, dtype):
    points, labels = batch()
    half = points.detach().to(dtype).requires_grad_()
    loss = create_loss(name)
    value = loss(half, labels)
    value.backward()
    assert value.dtype == torch.float32
    assert half.grad.dtype == dtype
    assert value.item() == loss(half.detach().float(), labels).item()


@pytest.mark.parametrize("name", NAMES)
def test_autocast_changes_nothing(name):
    points, labels = batch()
    loss = create_loss(name)
    plain = loss(points, labels)
    (expected,) = torch.autograd.grad(plain, points)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(points, labels)
    (gradient,) = torch.autograd.grad(value, points)
    assert value.item() == plain.item()
    assert torch.equal(gradient, expected)


@pytest.mark.parametrize("name", NAMES)
def test_same_bits_under_deterministic_algorithms(name):
    points, labels = batch(64, per_class=3)
    loss = create_loss(name, block_bytes=2000)
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        results = [torch.autograd.grad(loss(points, labels), points)[0] for _ in range(2)]
    finally:
        torch.use_deterministic_algorithms(before)
    assert torch.equal(*results)


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


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("suite.kernels.ranks", ("suite.losses", "baselines", "numpy.testing", "pandas", "pydantic")),
        ("suite.losses", ("baselines", "pandas", "pydantic")),
        ("baselines.smooth_ap", ("suite.losses",)),
        ("baselines.triplet", ("suite.losses",)),
        ("baselines.supcon", ("suite.losses",)),
    ],
)
def test_imports_run_one_way(module, unwanted):
    program = f"import sys, {module}; print([name for name in {unwanted!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
