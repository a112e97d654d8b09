"""The graded ranks equal the printed formulas: values and gradients, for levels that nest and levels that do not."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from suite.kernels.reference import graded, ranks
from suite.losses import create_loss

SIGMOID, SUPRANK = ranks.sigmoid_step(0.01), ranks.suprank_step()


def ndcg(positive, negative):
    return lambda e, y, **k: graded.ndcg_loss(e, y, positive, negative, **k)


def hierarchical_ap(positive, negative, alpha):
    return lambda e, y, **k: graded.hierarchical_ap_loss(e, y, positive, negative, alpha, **k)


LOSSES = {
    "supndcg": ({}, ndcg(ranks.hard_step, SUPRANK)),
    "smoothndcg": ({}, ndcg(SIGMOID, SIGMOID)),
    "suphap": ({"alpha": 2.0}, hierarchical_ap(ranks.hard_step, SUPRANK, 2.0)),
    "smoothhap": ({"alpha": 0.5}, hierarchical_ap(SIGMOID, SIGMOID, 0.5)),
}
FINE = torch.tensor([3, 1, 3, 0, 1, 1, 7, 3, 0, 1, 1, 5, 1, 3, 1, 5])
NESTED = torch.stack([FINE, FINE // 2, FINE // 4], 1)
CROSSED = torch.stack([FINE, torch.arange(16) % 3], 1)
LEVELS = {"nested": NESTED, "crossed": CROSSED, "one": FINE[:, None]}


def embeddings(rows, seed=0, dim=6):
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(rows, dim, generator=generator, dtype=torch.float64), dim=1)


def gradients(function, *tensors):
    leaves = [tensor.clone().requires_grad_() for tensor in tensors]
    value = function(*leaves)
    return value.detach(), torch.autograd.grad(value, leaves)


def assert_same(ours, theirs):
    torch.testing.assert_close(ours[0], theirs[0], rtol=1e-9, atol=1e-12)
    for mine, printed in zip(ours[1], theirs[1], strict=True):
        torch.testing.assert_close(mine, printed, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("block_bytes", [1, 300, 2000, None])
@pytest.mark.parametrize("levels", LEVELS)
@pytest.mark.parametrize("name", LOSSES)
def test_any_block_size_gives_the_printed_value_and_gradient(name, levels, block_bytes):
    given, printed = LOSSES[name]
    loss, labels, points = create_loss(name, **given, block_bytes=block_bytes), LEVELS[levels], embeddings(16)
    assert_same(gradients(lambda e: loss(e, labels), points), gradients(lambda e: printed(e, labels), points))


@pytest.mark.parametrize("self_match", ["exclude", "positive", "rank_only"])
@pytest.mark.parametrize("name", LOSSES)
def test_self_match(name, self_match):
    given, printed = LOSSES[name]
    loss, points = create_loss(name, **given, self_match=self_match), embeddings(16, seed=1)
    assert_same(
        gradients(lambda e: loss(e, NESTED), points),
        gradients(lambda e: printed(e, NESTED, self_match=self_match), points),
    )


@pytest.mark.parametrize("levels", LEVELS)
@pytest.mark.parametrize("name", LOSSES)
def test_another_gallery(name, levels):
    given, printed = LOSSES[name]
    loss, ref_labels = create_loss(name, **given, block_bytes=500), LEVELS[levels]
    queries, gallery = embeddings(7, seed=2), embeddings(16, seed=3)
    labels = torch.cat([ref_labels[:6], torch.full_like(ref_labels[:1], 99)])
    assert_same(
        gradients(lambda q, g: loss(q, labels, ref_emb=g, ref_labels=ref_labels), queries, gallery),
        gradients(lambda q, g: printed(q, labels, ref_emb=g, ref_labels=ref_labels), queries, gallery),
    )


@pytest.mark.parametrize("name", LOSSES)
def test_ties_and_duplicates_give_the_printed_value_and_gradient(name):
    given, printed = LOSSES[name]
    loss = create_loss(name, **given, block_bytes=400)
    # Coordinates are multiples of 1/2: scores are exact, so that ties are ties in both.
    points = torch.randint(-1, 2, (16, 4), generator=torch.Generator().manual_seed(4)).double() / 2
    points[5], points[9] = points[0], points[8]
    assert_same(gradients(lambda e: loss(e, NESTED), points), gradients(lambda e: printed(e, NESTED), points))


@pytest.mark.parametrize(("graded_name", "binary"), [("suphap", "supap"), ("smoothhap", "smoothap")])
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(4, 20), classes=st.integers(1, 5), alpha=st.floats(0.0, 4.0))
def test_hierarchical_ap_of_one_level_is_average_precision(graded_name, binary, seed, rows, classes, alpha):
    labels = torch.randint(0, classes, (rows,), generator=torch.Generator().manual_seed(seed))
    labels[:3] = torch.tensor([0, 0, 5])
    points = embeddings(rows, seed=seed)
    one = gradients(lambda e: create_loss(graded_name, alpha=alpha)(e, labels), points)
    plain = gradients(lambda e: create_loss(binary)(e, labels), points)
    torch.testing.assert_close(one[0], plain[0])
    torch.testing.assert_close(one[1][0], plain[1][0])


@pytest.mark.parametrize("name", ["suphap", "smoothhap"])
def test_a_large_alpha_leaves_the_highest_grade_of_each_query(name):
    # Most queries have no positive of the highest grade; one of the lower ones counts alone then.
    labels, points = torch.stack([torch.arange(16), FINE, FINE // 4], 1), embeddings(16).float()
    limit = create_loss(name, alpha=1e3)(points, labels)
    assert bool(limit.isfinite())
    torch.testing.assert_close(create_loss(name, alpha=1e6)(points, labels), limit)


@pytest.mark.parametrize("name", LOSSES)
def test_a_level_leaves_the_finer_ones_out(name):
    points = embeddings(16)
    assert create_loss(name, level=1)(points, NESTED) == create_loss(name)(points, NESTED[:, 1:])
    assert create_loss(name, level=2)(points, NESTED) == create_loss(name)(points, NESTED[:, 2])


@pytest.mark.parametrize("name", ["supndcg", "suphap"])
def test_a_perfect_ranking_costs_nothing(name):
    # One axis a super-category, one a class: scores 1.25, 0.25 and 0 for the three grades.
    labels = torch.stack([torch.arange(16) // 4, torch.arange(16) // 8], 1)
    classes, groups = torch.eye(4)[labels[:, 0]], torch.eye(2)[labels[:, 1]] / 2
    # Without ties: equally relevant items at one score would share the last of their places.
    points = torch.cat([classes, groups], 1).double() + embeddings(16) / 100
    value = create_loss(name, tau=1e-3)(points, labels)
    assert value.item() == pytest.approx(0.0, abs=1e-9)


def test_levels_of_queries_and_gallery_must_agree():
    with pytest.raises(ValueError, match=r"ref_labels: shape \(16, 2\) and labels \(16, 3\) differ in levels"):
        create_loss("suphap")(embeddings(16), NESTED, ref_emb=embeddings(16, seed=1), ref_labels=CROSSED)
