"""Every kernel equals the printed formula: value and gradients, whatever the block size."""

from functools import partial

import pytest
import torch
from torch.nn.functional import normalize

from suite.kernels.reference import contrast, histograms, pairs, ranks
from suite.losses import create_loss

SIGMOID, SUPRANK = ranks.sigmoid_step(0.01), ranks.suprank_step()
CONTINUOUS = ranks.suprank_step(offset=None, tau=0.03)


def average_precision(positive, negative):
    return lambda e, y, **k: ranks.average_precision_loss(e, y, positive, negative, **k)


def recall(positive, negative, **settings):
    return lambda e, y, **k: ranks.recall_loss(e, y, positive, negative, **settings, **k)


RANK_LOSSES = {
    "smoothap": ({}, average_precision(SIGMOID, SIGMOID)),
    "supap": ({}, average_precision(ranks.hard_step, SUPRANK)),
    "supap-continuous": ({"offset": None, "tau": 0.03}, average_precision(ranks.hard_step, CONTINUOUS)),
    "suprecall": ({"ks": [1, 3]}, recall(ranks.hard_step, SUPRANK, ks=(1, 3))),
    "smoothrecall": ({"k_temperature": 0.5}, recall(SIGMOID, SIGMOID, k_temperature=0.5)),
    "recall_at_k": ({"ks": [1, 2]}, recall(SIGMOID, SIGMOID, ks=(1, 2), clip=True)),
}
OTHER_LOSSES = {
    "calibration": ({}, lambda e, y, **k: pairs.pair_hinge_loss(e, y, 0.9, 0.6, **k)),
    "contrastive": ({}, lambda e, y, **k: pairs.pair_hinge_loss(e, y, 0.0, -1.0, "euclidean", **k)),
    "contrastive-cosine": (
        {"distance": "cosine", "neg_margin": 0.1},
        lambda e, y, **k: pairs.pair_hinge_loss(e, y, 1.0, 0.1, **k),
    ),
    "fastap": ({"num_bins": 7}, lambda e, y, **k: histograms.fast_ap_loss(e, y, 7, **k)),
    "multi_similarity": ({}, contrast.multi_similarity_loss),
    "softbin_ap": ({"num_bins": 9}, lambda e, y, **k: histograms.quantised_ap_loss(e, y, 9, **k)),
    "supcon": ({}, contrast.supervised_contrast_loss),
    "triplet": ({"margin": 0.3}, lambda e, y, **k: pairs.triplet_loss(e, y, 0.3, **k)),
    "triplet-cosine": (
        {"margin": 0.3, "distance": "cosine"},
        lambda e, y, **k: pairs.triplet_loss(e, y, 0.3, distance="cosine", **k),
    ),
    "triplet-semihard": (
        {"margin": 0.3, "mining": "semihard"},
        lambda e, y, **k: pairs.triplet_loss(e, y, 0.3, "semihard", **k),
    ),
    "triplet-batch_hard": (
        {"margin": 0.3, "mining": "batch_hard"},
        lambda e, y, **k: pairs.triplet_loss(e, y, 0.3, "batch_hard", **k),
    ),
}
LOSSES = RANK_LOSSES | OTHER_LOSSES
LABELS = torch.tensor([3, 1, 3, 0, 1, 1, 7, 3, 0, 1, 1, 5, 1, 3, 1, 5])


def embeddings(rows, seed=0, dim=6):
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(rows, dim, generator=generator, dtype=torch.float64), dim=1)


def gradients(function, *tensors):
    leaves = [tensor.clone().requires_grad_() for tensor in tensors]
    value = function(*leaves)
    return value.detach(), torch.autograd.grad(value, leaves)


def make(name, **settings):
    given, printed = LOSSES[name]
    return create_loss(name.partition("-")[0], **given, **settings), printed


def assert_same(ours, theirs):
    torch.testing.assert_close(ours[0], theirs[0], rtol=1e-9, atol=1e-12)
    for mine, printed in zip(ours[1], theirs[1], strict=True):
        torch.testing.assert_close(mine, printed, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("block_bytes", [1, 300, 1000, 5000, None])
@pytest.mark.parametrize("name", LOSSES)
def test_any_block_size_gives_the_printed_value_and_gradient(name, block_bytes):
    loss, printed = make(name, block_bytes=block_bytes)
    points = embeddings(len(LABELS))
    assert_same(gradients(lambda e: loss(e, LABELS), points), gradients(lambda e: printed(e, LABELS), points))


@pytest.mark.parametrize("block_bytes", [1, 700, None])
@pytest.mark.parametrize("self_match", ["exclude", "positive", "rank_only"])
@pytest.mark.parametrize("name", RANK_LOSSES)
def test_self_match(name, self_match, block_bytes):
    loss, printed = make(name, self_match=self_match, block_bytes=block_bytes)
    points = embeddings(len(LABELS), seed=1)
    assert_same(
        gradients(lambda e: loss(e, LABELS), points),
        gradients(lambda e: printed(e, LABELS, self_match=self_match), points),
    )


@pytest.mark.parametrize("block_bytes", [1, 300, None])
@pytest.mark.parametrize("name", LOSSES)
def test_another_gallery(name, block_bytes):
    loss, printed = make(name, block_bytes=block_bytes)
    queries, gallery = embeddings(7, seed=2), embeddings(len(LABELS), seed=3)
    labels = torch.tensor([1, 3, 9, 7, 0, 1, 5])
    assert_same(
        gradients(lambda q, g: loss(q, labels, ref_emb=g, ref_labels=LABELS), queries, gallery),
        gradients(lambda q, g: printed(q, labels, ref_emb=g, ref_labels=LABELS), queries, gallery),
    )


@pytest.mark.parametrize("name", RANK_LOSSES)
def test_ties_and_duplicates_give_the_printed_value_and_gradient(name):
    loss, printed = make(name, block_bytes=400)
    # Coordinates are multiples of 1/2: scores are exact, so that ties are ties in both.
    points = torch.randint(-1, 2, (16, 4), generator=torch.Generator().manual_seed(4)).double() / 2
    points[5] = points[0]
    points[9] = points[8]
    assert_same(gradients(lambda e: loss(e, LABELS), points), gradients(lambda e: printed(e, LABELS), points))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", LOSSES)
def test_repeated_rows_in_float32_do_not_depend_on_the_block_size(name, seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(101) // 4
    # Some images stand there again, under their own class or another.
    points = embeddings(101, seed=seed, dim=200).float()[torch.randint(0, 101, (101,), generator=generator)]
    # A product is often rounded differently in its last columns.
    points[-3:] = points[4:7]
    results = [
        gradients(partial(make(name, block_bytes=size)[0], labels=labels), points)
        for size in (1, 1500, 4000, 20000, None)
    ]
    for value, (gradient,) in results[1:]:
        torch.testing.assert_close(value, results[0][0], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(gradient, results[0][1][0], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", LOSSES)
def test_float32_is_close_to_float64(name, seed):
    loss, _ = make(name)
    rows = 16 if seed == 0 else 64
    points, labels = embeddings(rows, seed=seed, dim=16), LABELS.repeat(rows // 16)
    exact, (of_exact,) = gradients(lambda e: loss(e, labels), points.float().double())
    rounded, (of_rounded,) = gradients(lambda e: loss(e, labels), points.float())
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded.double(), exact, rtol=1e-4, atol=1e-5)
    # A step or hinge can jump between the two roundings of one score: the bound is on the gradient as a whole.
    assert (of_rounded - of_exact).norm() <= 1e-2 * of_exact.norm()
