"""What a loss promises beyond its formula holds on the fused kernels: dtypes, shares, determinism, sums, SiMix."""

import warnings

import pytest
import torch
from drawn_batches import CLOSE, DEVICE, WIDE
from loss_catalogue import batch as a_batch
from loss_catalogue import labels_of, make, value_and_gradients
from meeting import Meeting

from suite.kernels.dispatch import use_kernels
from suite.losses import create_loss

NAMES = ["calibration", "recall_at_k", "smoothhap", "supap", "supndcg"]


def a_call(name, rows=20, dtype=torch.float32, gallery=False, per_class=4):
    """Embeddings, labels and keyword arguments of a call."""
    points, labels = a_batch(rows, dtype=dtype, per_class=per_class)
    call = {}
    if gallery:
        items, their_labels = a_batch(37, seed=2, dtype=dtype)
        call = {"ref_emb": items.to(DEVICE), "ref_labels": labels_of(name, their_labels).to(DEVICE)}
    return points.to(DEVICE), labels_of(name, labels).to(DEVICE), call


def fused(loss, points, labels, **call):
    """Value and gradients on the fused kernels."""
    with use_kernels("fused"):
        return value_and_gradients(loss, points, labels, **call)


def blockwise(loss, points, labels, **call):
    """Value and gradients on the blockwise kernels."""
    with use_kernels("blockwise"):
        return value_and_gradients(loss, points, labels, **call)


def assert_close(found, expected, bound):
    for ours, theirs in zip((found[0], *found[1]), (expected[0], *expected[1]), strict=True):
        assert (ours - theirs).norm() <= bound * theirs.norm()


@pytest.mark.parametrize("gallery", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_both_kernels_have_one_value_and_gradient(name, gallery):
    points, labels, call = a_call(name, dtype=WIDE, gallery=gallery)
    loss = make(name)
    assert_close(fused(loss, points, labels, **call), blockwise(loss, points, labels, **call), CLOSE)


@pytest.mark.parametrize("self_match", ["exclude", "positive", "rank_only"])
@pytest.mark.parametrize("gallery", [False, True])
def test_a_batch_of_the_same_shape_may_have_other_classes(gallery, self_match):
    points, labels, call = a_call("supap", rows=12, dtype=WIDE, gallery=gallery)
    loss = make("supap", **({} if gallery else {"self_match": self_match}))
    for others in (labels, labels + 7, labels.flip(0), labels.roll(1), labels // 2, labels):
        assert_close(fused(loss, points, others, **call), blockwise(loss, points, others, **call), CLOSE)


def test_repeated_rows_have_no_distance_and_no_direction():
    points, labels, _ = a_call("contrastive")
    points[7], points[12] = points[6], points[0]
    loss = create_loss("contrastive")
    assert_close(fused(loss, points, labels), blockwise(loss, points, labels), 1e-5)


@pytest.mark.parametrize("self_match", ["exclude", "positive", "rank_only"])
def test_simix_mixes_the_same_items(self_match):
    points, labels, _ = a_call("recall_at_k", rows=12, dtype=WIDE)
    one, other = (create_loss("recall_at_k", ks=[1, 2], simix=True, seed=5, self_match=self_match) for _ in range(2))
    for _ in range(2):
        assert_close(fused(one, points, labels), blockwise(other, points, labels), CLOSE)
    assert torch.equal(one.generator.get_state(), other.generator.get_state())


@pytest.mark.parametrize("preset", ["roadmap", "happier"])
def test_a_sum_of_losses_has_the_sum_of_their_gradients(preset):
    centres = {"num_classes": 5, "embedding_dim": 6} if preset == "happier" else {}
    points, labels, _ = a_call("suphap")
    loss = create_loss("combine", preset=preset, **centres).to(DEVICE)
    assert_close(fused(loss, points, labels), blockwise(loss, points, labels), 1e-5)


@pytest.mark.parametrize("gallery", [False, True])
@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("name", ["calibration", "smoothhap", "supap"])
def test_ranks_that_share_the_queries_have_the_whole(name, size, gallery):
    points, labels, call = a_call(name, rows=14, dtype=WIDE, gallery=gallery, per_class=3)

    def work():
        return fused(make(name), points, labels, **call)

    whole = work()
    for part in Meeting(size).run(work):
        assert_close(part, whole, CLOSE)


def test_a_rank_may_have_no_query():
    points, labels, _ = a_call("supap", rows=4, dtype=WIDE, per_class=2)

    def work():
        return fused(make("supap"), points, labels)

    whole = work()
    for part in Meeting(5).run(work):
        assert_close(part, whole, CLOSE)


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("name", ["calibration", "supap"])
def test_double_backward_is_refused(name, side):
    points, labels, call = a_call(name, gallery=True)
    leaves = [points.requires_grad_(), call["ref_emb"].requires_grad_()]
    with use_kernels("fused"):
        gradients = torch.autograd.grad(make(name)(points, labels, **call), leaves, create_graph=True)
    with pytest.raises(RuntimeError, match="no second derivative"):
        gradients[side].square().sum().backward()


@pytest.mark.parametrize("name", NAMES)
def test_upstream_factors_and_no_gradient(name):
    points, labels, _ = a_call(name)
    points.requires_grad_()
    with use_kernels("fused"):
        value = make(name)(points, labels)
        (once,) = torch.autograd.grad(value, points, retain_graph=True)
        (scaled,) = torch.autograd.grad(3 * value, points)
        with torch.no_grad():
            plain = make(name)(points, labels)
    torch.testing.assert_close(scaled, 3 * once)
    assert not plain.requires_grad
    assert plain.item() == value.item()


@pytest.mark.parametrize("name", ["calibration", "supap"])
def test_one_side_alone_may_want_a_gradient(name):
    points, labels, call = a_call(name, gallery=True)
    gallery = call.pop("ref_emb")
    with use_kernels("fused"):
        _, (of_points, of_gallery) = value_and_gradients(make(name), points, labels, ref_emb=gallery, **call)
        leaf = points.clone().requires_grad_()
        (first,) = torch.autograd.grad(make(name)(leaf, labels, ref_emb=gallery, **call), leaf)
        leaf = gallery.clone().requires_grad_()
        (second,) = torch.autograd.grad(make(name)(points, labels, ref_emb=leaf, **call), leaf)
    assert torch.equal(first, of_points)
    assert torch.equal(second, of_gallery)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["calibration", "smoothhap", "supap"])
def test_narrow_embeddings_are_computed_on_in_float32(name, dtype):
    points, labels, call = a_call(name, dtype=dtype, gallery=True)
    wide = call | {"ref_emb": call["ref_emb"].float()}
    expected, gradients = fused(make(name), points.float(), labels, **wide)
    with torch.autocast(DEVICE, dtype=dtype):
        value, found = fused(make(name), points, labels, **call)
    assert value.dtype == torch.float32
    assert torch.equal(value, expected)
    for ours, exact in zip(found, gradients, strict=True):
        assert ours.dtype == dtype
        assert bool(ours.isfinite().all())
        assert torch.equal(ours, exact.to(dtype))


@pytest.mark.parametrize("name", ["calibration", "supap"])
def test_a_compiled_loss_has_the_same_value_and_gradient(name):
    points, labels, _ = a_call(name)
    loss = make(name)
    expected = fused(loss, points, labels)
    found = fused(torch.compile(loss, backend="eager"), points, labels)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_same_bits_each_time(name):
    points, labels, call = a_call(name, rows=35, gallery=True)
    first, second = (fused(make(name), points, labels, **call) for _ in range(2))
    torch.testing.assert_close(first, second, rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_without_positives_or_hinges_is_a_zero_with_a_graph(name):
    points, _, _ = a_call(name, rows=6)
    loss = make(name, **({"neg_margin": 1.0} if name == "calibration" else {}))
    with pytest.warns(UserWarning, match="no query of the batch has a positive"):
        value, (gradient,) = fused(loss, points, torch.arange(6, device=DEVICE))
    assert value == 0
    assert not bool(gradient.any())


@pytest.mark.parametrize(("rows", "items"), [(1, 1), (1, 2), (2, 1), (1, 33), (33, 1)])
@pytest.mark.parametrize("name", ["calibration", "supap", "suphap"])
def test_the_smallest_batches(name, rows, items):
    points, labels = torch.eye(34)[:rows, :3] + 0.5, torch.arange(rows) // 2
    gallery, their_labels = torch.eye(34)[:items, 1:4] + 0.25, torch.arange(items) + (1 if items == 1 else 0)
    call = {"ref_emb": gallery.to(DEVICE, WIDE), "ref_labels": their_labels.to(DEVICE)}
    with warnings.catch_warnings():
        # Where one class meets another there are no positives.
        warnings.simplefilter("ignore")
        found, expected = (
            compute(create_loss(name), points.to(DEVICE, WIDE), labels.to(DEVICE), **call)
            for compute in (fused, blockwise)
        )
    for ours, theirs in zip((found[0], *found[1]), (expected[0], *expected[1]), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=CLOSE, atol=CLOSE)
