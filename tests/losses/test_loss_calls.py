"""What a loss does with a call: bad tensors, no positives, levels, galleries, a miner's indices."""

import warnings

import pytest
import torch
from torch.nn.functional import normalize

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
RANK_NAMES = ["blackbox_ap", "recall_at_k", "smoothap", "smoothrecall", "supap", "suprecall"]
INDEXED = ["calibration", "contrastive", "multi_similarity", "supcon", "triplet"]


def batch(rows=16, per_class=4, dim=6, seed=0):
    points = torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return normalize(points, dim=1), torch.arange(rows) // per_class


def bad(**changes):
    points, labels = batch()
    return {"embeddings": points, "labels": labels} | changes


POINTS, LABELS = batch()
BAD_CALLS = {
    "embeddings of rank 1": (bad(embeddings=POINTS[0]), r"embeddings: .*\(6,\)"),
    "embeddings of rank 3": (bad(embeddings=POINTS[None]), r"embeddings: .*\(1, 16, 6\)"),
    "integer embeddings": (bad(embeddings=POINTS.long()), r"embeddings: .*int64 of shape \(16, 6\)"),
    "list": (bad(embeddings=POINTS.tolist()), "embeddings: expected a tensor, found list"),
    "empty": (bad(embeddings=POINTS[:0], labels=LABELS[:0]), r"embeddings: .*\(0, 6\)"),
    "NaN": (bad(embeddings=POINTS.clone().fill_(float("nan"))), r"embeddings: shape \(16, 6\) holds NaN"),
    "infinite": (bad(embeddings=POINTS / 0.0), r"embeddings: shape \(16, 6\) holds NaN or inf"),
    "overflow": (bad(embeddings=POINTS.float() * 1e25), r"embeddings: .*\(16, 6\).* overflow"),
    "short labels": (bad(labels=LABELS[:9]), r"labels: expected shape \(16,\).*found \(9,\)"),
    "labels of rank 3": (bad(labels=LABELS[:, None, None]), r"labels: .*found \(16, 1, 1\)"),
    "float labels": (bad(labels=LABELS.double()), r"labels: expected integers, found torch.float64"),
    "no ref_labels": (bad(ref_emb=POINTS.clone()), r"ref_labels: required with ref_emb of shape \(16, 6\)"),
    "no ref_emb": (bad(ref_labels=LABELS), r"ref_labels: given with shape \(16,\), but there is no ref_emb"),
    "ref dimension": (bad(ref_emb=POINTS[:, :3], ref_labels=LABELS), r"ref_emb: shape \(16, 3\)"),
    "ref length": (bad(ref_emb=POINTS[:5], ref_labels=LABELS), r"ref_labels: expected shape \(5,\)"),
    "empty gallery": (bad(ref_emb=POINTS[:0], ref_labels=LABELS[:0]), r"ref_emb: .*\(0, 6\)"),
}


@pytest.mark.parametrize("call", BAD_CALLS)
@pytest.mark.parametrize("name", NAMES)
def test_bad_tensors_are_named_with_their_shape(name, call):
    arguments, message = BAD_CALLS[call]
    with pytest.raises(ValueError, match=message):
        create_loss(name)(**arguments)


@pytest.mark.parametrize("labels", [LABELS, LABELS[:, None], torch.stack([LABELS, LABELS // 2], 1)])
def test_level_out_of_range(labels):
    with pytest.raises(ValueError, match="level: 2 is out of range for labels of shape"):
        create_loss("supap", level=2)(POINTS, labels)


@pytest.mark.parametrize("name", NAMES)
def test_a_level_is_its_column(name):
    coarse = LABELS // 2
    both = torch.stack([LABELS, coarse], 1)
    assert create_loss(name, level=1)(POINTS, both) == create_loss(name)(POINTS, coarse)
    assert create_loss(name)(POINTS, both) == create_loss(name)(POINTS, LABELS)


@pytest.mark.parametrize(
    "name", [name for name in NAMES if name not in ("calibration", "contrastive", "multi_similarity")]
)
def test_no_positives_is_zero_with_a_graph_and_one_warning(name):
    loss, points = create_loss(name), POINTS.clone().requires_grad_()
    with pytest.warns(UserWarning, match="no query of the batch has a positive"):
        value = loss(points, torch.arange(16))
    value.backward()
    assert value.item() == 0
    assert torch.equal(points.grad, torch.zeros_like(points))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss(points, torch.arange(16))


@pytest.mark.parametrize("name", ["blackbox_ap", "supap", "smoothap", "softbin_ap", "fastap"])
def test_a_single_class_has_an_average_precision_of_one(name):
    points = POINTS.clone().requires_grad_()
    value = create_loss(name)(points, torch.zeros(16, dtype=int))
    value.backward()
    # No item is less relevant, so that rank+ is the rank, whatever the step, and H+ is H.
    assert value.item() == pytest.approx(0.0, abs=1e-12)
    torch.testing.assert_close(points.grad, torch.zeros_like(points), rtol=0, atol=1e-12)


@pytest.mark.parametrize("ks", [[1], [2, 4]])
@pytest.mark.parametrize(("name", "settings"), [("suprecall", {}), ("smoothrecall", {"tau": 1e-9})])
def test_a_single_class_has_the_recall_of_the_ranks_from_one_to_all(name, settings, ks):
    value = create_loss(name, ks=ks, **settings)(POINTS, torch.zeros(16, dtype=int))
    ranks = torch.arange(1, 16, dtype=torch.float64)
    recalls = [torch.sigmoid(k - ranks).sum() / k for k in ks]
    torch.testing.assert_close(value, 1 - torch.stack(recalls).mean())


def test_a_single_class_has_a_clipped_recall_at_most_one():
    value = create_loss("recall_at_k", ks=[1, 2], tau=1e-6, k_temperature=3.0)(POINTS, torch.zeros(16, dtype=int))
    # With so soft a comparison the sums exceed k at both cut-offs, and are cut.
    assert value.item() == 0.0


@pytest.mark.parametrize("name", ["triplet", "contrastive", "calibration", "supap"])
def test_a_batch_without_a_violation_is_zero_without_warning(name):
    points = torch.eye(4, dtype=torch.float64).repeat_interleave(4, 0).requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = create_loss(name)(points, LABELS)
        value.backward()
    # The sigmoid of Sup-AP's step leaves a trace; the hinges leave none.
    assert value.item() == pytest.approx(0.0, abs=1e-12)
    assert bool(points.grad.isfinite().all())


@pytest.mark.parametrize("name", NAMES)
def test_the_batch_as_its_own_gallery_is_the_batch(name):
    loss = create_loss(name)
    assert loss(POINTS, LABELS, ref_emb=POINTS, ref_labels=LABELS) == loss(POINTS, LABELS)
    assert loss(POINTS, LABELS, ref_emb=POINTS) == loss(POINTS, LABELS)


@pytest.mark.parametrize("self_match", ["exclude", "positive", "rank_only"])
@pytest.mark.parametrize("name", RANK_NAMES)
def test_a_copy_is_another_gallery_without_self(name, self_match):
    loss = create_loss(name, self_match=self_match)
    copied = loss(POINTS, LABELS, ref_emb=POINTS.clone(), ref_labels=LABELS)
    assert copied == create_loss(name, self_match="positive")(POINTS, LABELS)


@pytest.mark.parametrize("name", [*RANK_NAMES, "fastap", "softbin_ap"])
def test_rank_losses_refuse_a_miner(name):
    with pytest.raises(ValueError, match=r"indices_tuple: .* is defined on whole rankings"):
        create_loss(name)(POINTS, LABELS, (torch.tensor([0]), torch.tensor([1]), torch.tensor([5])))


def all_pairs(labels):
    same = labels[:, None] == labels
    positives = same & ~torch.eye(len(labels), dtype=torch.bool)
    return (*positives.nonzero(as_tuple=True), *(~same).nonzero(as_tuple=True))


@pytest.mark.parametrize("name", INDEXED)
def test_all_pairs_given_are_all_pairs(name):
    loss = create_loss(name)
    points = POINTS.clone().requires_grad_()
    given, plain = loss(points, LABELS, all_pairs(LABELS)), loss(points, LABELS)
    torch.testing.assert_close(given, plain)
    (of_given,), (of_plain,) = torch.autograd.grad(given, points), torch.autograd.grad(plain, points)
    torch.testing.assert_close(of_given, of_plain)


@pytest.mark.parametrize("mining", ["all", "semihard", "batch_hard"])
def test_given_triplets_replace_the_mining(mining):
    anchors, positives, negatives = torch.tensor([0, 4]), torch.tensor([1, 6]), torch.tensor([9, 2])
    distance = torch.cdist(POINTS, POINTS)
    hinge = (distance[anchors, positives] - distance[anchors, negatives] + 2.0).clamp_min(0)
    value = create_loss("triplet", margin=2.0, mining=mining)(POINTS, LABELS, (anchors, positives, negatives))
    torch.testing.assert_close(value, hinge[hinge > 0].mean())


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ((torch.tensor([0]), torch.tensor([1])), "indices_tuple: expected"),
        ((torch.tensor([0]), torch.tensor([1]), torch.tensor([16])), r"indices_tuple\[2\].* outside 0..15"),
        ((torch.tensor([0.0]), torch.tensor([1]), torch.tensor([2])), r"indices_tuple\[0\]: expected"),
        ((torch.tensor([0, 1]), torch.tensor([1]), torch.tensor([2])), "parts 0 and 1 differ in length"),
    ],
)
def test_bad_indices(indices, message):
    with pytest.raises(ValueError, match=message):
        create_loss("triplet")(POINTS, LABELS, indices)


def test_defaults_of_contrastive_follow_the_distance():
    assert create_loss("contrastive").neg_margin == 1.0
    assert create_loss("contrastive", distance="cosine").pos_margin == 1.0


@pytest.mark.parametrize(
    "name", ["calibration", "contrastive", "fastap", "multi_similarity", "softbin_ap", "supcon", "triplet"]
)
def test_losses_that_normalise_ignore_lengths(name):
    lengths = torch.linspace(0.5, 3.0, 16, dtype=torch.float64)[:, None]
    loss = create_loss(name)
    torch.testing.assert_close(loss(lengths * POINTS, LABELS), loss(POINTS, LABELS))
