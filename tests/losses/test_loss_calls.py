"""What a loss does with a call: bad tensors, no positives, levels, galleries, a miner's indices."""

import inspect
import warnings

import pytest
import torch
from loss_catalogue import DIM, LOSSES, NAMES, batch, labels_of, make, value_and_gradients, where

from suite.losses import create_loss, loss_import_string
from suite.losses.registry import LOSSES as REGISTRY

POINTS, LABELS = batch()
WITH_GALLERY = where(takes_references=True)
WITH_KS = ["recall_at_k", "smoothrecall", "suprecall"]
BAD_BATCHES = {
    "embeddings of rank 1": ({"embeddings": POINTS[0]}, r"embeddings: .*\(6,\)"),
    "embeddings of rank 3": ({"embeddings": POINTS[None]}, r"embeddings: .*\(1, 16, 6\)"),
    "integer embeddings": ({"embeddings": POINTS.long()}, r"embeddings: .*int64 of shape \(16, 6\)"),
    "list": ({"embeddings": POINTS.tolist()}, "embeddings: expected a tensor, found list"),
    "empty": ({"embeddings": POINTS[:0], "labels": LABELS[:0]}, r"embeddings: .*\(0, 6\)"),
    "NaN": ({"embeddings": POINTS * float("nan")}, r"embeddings: shape \(16, 6\) holds NaN"),
    "infinite": ({"embeddings": POINTS / 0.0}, r"embeddings: shape \(16, 6\) holds NaN or inf"),
    "overflow": ({"embeddings": POINTS.float() * 1e25}, r"embeddings: .*\(16, 6\).* overflow"),
    "short labels": ({"labels": LABELS[:9]}, r"labels: expected shape \(16,\).*found \(9,\)"),
    "labels of rank 3": ({"labels": LABELS[:, None, None]}, r"labels: .*found \(16, 1, 1\)"),
    "labels without columns": ({"labels": LABELS[:, None][:, :0]}, r"level: 0 is out of range for labels .*\(16, 0\)"),
    "float labels": ({"labels": LABELS.double()}, r"labels: expected integers, found torch.float64"),
    "list of labels": ({"labels": LABELS.tolist()}, "labels: expected a tensor, found list"),
    "level": ({"level": 2}, r"level: 2 is out of range for labels of shape \(16, 2\), which has 2 level"),
}
BAD_GALLERIES = {
    "no ref_labels": ({"ref_emb": POINTS.clone()}, r"ref_labels: required with ref_emb of shape \(16, 6\)"),
    "no ref_emb": ({"ref_labels": LABELS}, r"ref_labels: given with shape \(16,\), but there is no ref_emb"),
    "dimension": ({"ref_emb": POINTS[:, :3], "ref_labels": LABELS}, r"ref_emb: shape \(16, 3\)"),
    "length": ({"ref_emb": POINTS[:5], "ref_labels": LABELS}, r"ref_labels: expected shape \(5,\)"),
    "empty": ({"ref_emb": POINTS[:0], "ref_labels": LABELS[:0]}, r"ref_emb: .*\(0, 6\)"),
    "NaN": ({"ref_emb": POINTS * float("nan"), "ref_labels": LABELS}, r"ref_emb: shape \(16, 6\) holds NaN"),
    "integers": ({"ref_emb": POINTS.long(), "ref_labels": LABELS}, r"ref_emb: .*int64 of shape \(16, 6\)"),
    "float labels": ({"ref_emb": POINTS[:], "ref_labels": LABELS.double()}, "ref_labels: expected integers"),
}


@pytest.mark.parametrize("call", BAD_BATCHES)
@pytest.mark.parametrize("name", NAMES)
def test_bad_tensors_are_named_with_their_shape(name, call):
    changes, message = BAD_BATCHES[call]
    arguments = {"embeddings": POINTS, "labels": LABELS} | changes
    loss = make(name)
    if level := arguments.pop("level", None):
        loss, arguments["labels"] = make(name, levels=3, level=level), torch.stack([LABELS, LABELS // 2], 1)
    with pytest.raises(ValueError, match=message):
        loss(**arguments)


@pytest.mark.parametrize("call", BAD_GALLERIES)
@pytest.mark.parametrize("name", WITH_GALLERY)
def test_bad_galleries_are_named_with_their_shape(name, call):
    changes, message = BAD_GALLERIES[call]
    with pytest.raises(ValueError, match=message):
        make(name)(POINTS, LABELS, **changes)


@pytest.mark.parametrize("name", where(takes_references=False))
def test_a_loss_without_a_gallery_names_what_it_refuses(name):
    for gallery in ({"ref_emb": POINTS.clone(), "ref_labels": LABELS}, {"ref_labels": LABELS}):
        with pytest.raises(ValueError, match=f"{next(iter(gallery))}: "):
            make(name)(POINTS, LABELS, **gallery)


@pytest.mark.parametrize("name", WITH_GALLERY)
def test_levels_of_queries_and_gallery_must_agree(name):
    both, gallery = torch.stack([LABELS, LABELS // 2], 1), POINTS.clone()
    if LOSSES[name].graded:
        loss, message = make(name), r"ref_labels: shape \(16,\) and labels \(16, 2\) differ in levels"
    else:
        loss, message = make(name, level=1), r"level: 1 is out of range for ref_labels of shape \(16,\)"
    with pytest.raises(ValueError, match=message):
        loss(POINTS, both, ref_emb=gallery, ref_labels=LABELS)


def above_zero(name):
    """The temperatures and scales among the settings of a loss, or of the rank loss inside it."""
    inside = {"combine": "supap", "xbm": "smoothap"}.get(name, name)
    takes = inspect.signature(REGISTRY.resolve(inside)).parameters
    return [key for key in ("tau", "k_temperature", "temperature", "scale", "interpolation") if key in takes]


@pytest.mark.parametrize(("name", "setting"), [(name, key) for name in NAMES for key in above_zero(name)])
def test_temperatures_and_scales_are_above_zero(name, setting):
    for value in (-0.01, 0.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=f"{setting}: expected a number above 0, found {value}"):
            make(name, **{setting: value})


@pytest.mark.parametrize("name", where(has_centres=False))
def test_items_of_one_class_are_refused(name):
    loss, one = make(name), torch.full((16,), 3)
    message = r"labels: shape \(16,\) holds one class only at level 0"
    with pytest.raises(ValueError, match=message):
        loss(POINTS, one)
    if LOSSES[name].takes_references:
        with pytest.raises(ValueError, match=message):
            loss(POINTS, one, ref_emb=POINTS[:5], ref_labels=one[:5])
        # Another class among the queries or in the gallery is enough.
        assert loss(POINTS, one, ref_emb=POINTS.clone(), ref_labels=LABELS).isfinite()
        assert loss(POINTS, LABELS, ref_emb=POINTS.clone(), ref_labels=one).isfinite()
    both = torch.stack([LABELS, one], 1)
    with pytest.raises(ValueError, match=r"labels: shape \(16, 2\) holds one class only at level 1"):
        make(name, levels=2, level=1)(POINTS, both)


@pytest.mark.parametrize("name", where(has_centres=True))
def test_items_of_one_class_are_no_mistake_beside_centres(name):
    value, gradients = value_and_gradients(make(name), POINTS, torch.full((16,), 3))
    assert value > 0
    assert all(bool(gradient.norm() > 0) for gradient in gradients)


@pytest.mark.parametrize("name", WITH_KS)
def test_cut_offs_beyond_the_gallery_are_refused(name):
    gallery = {"ref_emb": POINTS[:5].clone(), "ref_labels": LABELS[:5]}
    for items, call in ((16, {}), (5, gallery)):
        assert make(name, ks=(1, items))(POINTS, LABELS, **call).isfinite()
        message = rf"ks: {items + 1} is beyond the gallery, of {items} items; found \({items + 1}, 1\)"
        with pytest.raises(ValueError, match=message):
            make(name, ks=(items + 1, 1))(POINTS, LABELS, **call)


def test_virtual_items_are_in_the_gallery():
    # Four classes of four items: 16 items, and 6 pairs a class.
    assert make("recall_at_k", ks=[40], simix=True)(POINTS, LABELS).isfinite()
    with pytest.raises(ValueError, match="ks: 41 is beyond the gallery, of 40 items"):
        make("recall_at_k", ks=[41], simix=True)(POINTS, LABELS)


def test_cut_offs_inside_other_losses_are_refused():
    inner = {"ks": [17]}
    memory = create_loss("xbm", loss="suprecall", size=4, settings=inner)
    for loss in (create_loss("combine", terms=[{"loss": "suprecall", "weight": 1.0} | inner]), memory):
        with pytest.raises(ValueError, match="ks: 17 is beyond the gallery, of 16 items"):
            loss(POINTS, LABELS)
    assert len(memory.memory) == 0


@pytest.mark.parametrize("name", where(graded=False))
def test_a_level_is_its_column(name):
    coarse = LABELS // 2
    both = torch.stack([LABELS, coarse], 1)
    assert make(name, levels=2, level=1)(POINTS, both) == make(name)(POINTS, coarse)
    assert make(name, levels=2)(POINTS, both) == make(name)(POINTS, LABELS)


@pytest.mark.parametrize("name", NAMES)
def test_labels_of_any_integer_type_are_the_same_labels(name):
    plain = value_and_gradients(make(name), POINTS, labels_of(name, LABELS))
    for dtype in (torch.int32, torch.int8, torch.uint8, torch.uint16, torch.uint64):
        same = value_and_gradients(make(name), POINTS, labels_of(name, LABELS).to(dtype))
        torch.testing.assert_close(same, plain, rtol=0, atol=0)
    assert make(name)(POINTS, labels_of(name, LABELS > 1)) == make(name)(POINTS, labels_of(name, LABELS // 2))


@pytest.mark.parametrize("dtypes", [(torch.int32, torch.int64), (torch.int64, torch.uint8)])
@pytest.mark.parametrize("name", WITH_GALLERY)
def test_labels_of_queries_and_gallery_may_differ_in_type(name, dtypes):
    gallery, labels = batch(20, seed=1)
    ours, theirs = labels_of(name, LABELS), labels_of(name, labels)
    plain = make(name)(POINTS, ours, ref_emb=gallery, ref_labels=theirs)
    assert make(name)(POINTS, ours.to(dtypes[0]), ref_emb=gallery, ref_labels=theirs.to(dtypes[1])) == plain


@pytest.mark.parametrize("name", NAMES)
def test_embeddings_need_not_be_contiguous(name):
    labels, loss = labels_of(name, LABELS), make(name)
    plain = value_and_gradients(loss, POINTS, labels)
    wide = torch.zeros(16, 2 * DIM, dtype=torch.float64)
    wide[:, ::2] = POINTS
    for leaf, view in ((POINTS.t().contiguous(), torch.t), (wide, lambda of: of[:, ::2])):
        leaf = leaf.clone().requires_grad_()
        value = loss(view(leaf), labels)
        torch.testing.assert_close(value.detach(), plain[0])
        (gradient,) = torch.autograd.grad(value, leaf)
        torch.testing.assert_close(view(gradient), plain[1][0])


@pytest.fixture
def _every_warning():
    """torch gives most of its warnings once a process: give them each time."""
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(before)


@pytest.mark.usefixtures("_every_warning")
@pytest.mark.parametrize("name", NAMES)
def test_labels_need_not_be_contiguous(name):
    strided = torch.stack([LABELS, LABELS // 2], 1)[:, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert make(name)(POINTS, strided) == make(name)(POINTS, LABELS)


@pytest.mark.parametrize("rows", [5, 40])
@pytest.mark.parametrize("name", WITH_GALLERY)
def test_a_gallery_may_be_smaller_or_larger_than_the_batch(name, rows):
    gallery, labels = batch(rows, seed=1, per_class=3)
    strided = torch.stack([gallery, gallery], 2)[..., 0]
    call = {"ref_emb": gallery, "ref_labels": labels_of(name, labels)}
    value, (of_queries, of_gallery) = value_and_gradients(make(name), POINTS, labels_of(name, LABELS), **call)
    assert bool(of_queries.norm() > 0)
    assert bool(of_gallery.norm() > 0)
    assert of_gallery.shape == gallery.shape
    blockwise = make(name, block_bytes=100)(POINTS, labels_of(name, LABELS), **call | {"ref_emb": strided})
    torch.testing.assert_close(blockwise, value)


@pytest.mark.usefixtures("_every_warning")
@pytest.mark.parametrize("name", [*where(averages_queries=True), "xbm"])
def test_no_positives_is_zero_with_a_graph_and_one_warning(name):
    loss, points, labels = make(name), POINTS.clone().requires_grad_(), torch.arange(16) + 100
    labels = torch.stack([labels, labels], 1) if LOSSES[name].graded else labels
    with pytest.warns(UserWarning, match="no query of the batch has a positive") as caught:
        value = loss(points, labels)
    assert len(caught) == 1
    value.backward()
    assert value.item() == 0
    assert torch.equal(points.grad, torch.zeros_like(points))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss(points, labels)


@pytest.mark.parametrize("name", ["calibration", "combine", "contrastive", "multi_similarity"])
def test_no_positives_leaves_the_negatives_of_a_mean_over_pairs(name):
    loss, points = make(name), torch.cat([POINTS[:8], POINTS[:8]]).requires_grad_()
    with warnings.catch_warnings():
        # The rank loss in the sum has nothing to rank, and says so.
        warnings.simplefilter("ignore" if name == "combine" else "error")
        value = loss(points, torch.arange(16))
    value.backward()
    assert value.item() > 0
    assert bool(points.grad.norm() > 0)


ONE_CLASS = {"ref_emb": POINTS, "ref_labels": torch.zeros(16, dtype=int)}
WITH_A_STRANGER = torch.cat([batch(seed=1)[0], POINTS[:1]]), torch.tensor([0] * 16 + [99])


@pytest.mark.parametrize("name", ["blackbox_ap", "supap", "smoothap", "softbin_ap", "fastap", "suphap", "smoothhap"])
def test_a_gallery_without_less_relevant_items_has_an_average_precision_of_one(name):
    value, (of_queries, of_gallery) = value_and_gradients(make(name), *WITH_A_STRANGER, **ONE_CLASS)
    # No item is less relevant, so that rank+ is the rank, whatever the step, and H+ is H.
    assert value.item() == pytest.approx(0.0, abs=1e-12)
    for gradient in (of_queries, of_gallery):
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-12)


@pytest.mark.parametrize("ks", [[1], [2, 4]])
@pytest.mark.parametrize(("name", "settings"), [("suprecall", {}), ("smoothrecall", {"tau": 1e-9})])
def test_a_gallery_of_positives_has_the_recall_of_the_ranks_from_one_to_all(name, settings, ks):
    value = create_loss(name, ks=ks, **settings)(*WITH_A_STRANGER, **ONE_CLASS)
    ranks = torch.arange(1, 17, dtype=torch.float64)
    recalls = [torch.sigmoid(k - ranks).sum() / k for k in ks]
    torch.testing.assert_close(value, 1 - torch.stack(recalls).mean())


def test_a_gallery_of_positives_has_a_clipped_recall_at_most_one():
    loss = create_loss("recall_at_k", ks=[1, 2], tau=1e-6, k_temperature=3.0)
    # With so soft a comparison the sums exceed k at both cut-offs, and are cut.
    assert loss(*WITH_A_STRANGER, **ONE_CLASS).item() == 0.0


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


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("name", WITH_GALLERY)
def test_the_batch_as_its_own_gallery_is_the_batch(name, dtype):
    loss, points, labels = make(name), POINTS.to(dtype), labels_of(name, LABELS)
    assert loss(points, labels, ref_emb=points, ref_labels=labels) == loss(points, labels)
    assert loss(points, labels, ref_emb=points) == loss(points, labels)


@pytest.mark.parametrize("self_match", ["exclude", "positive", "rank_only"])
@pytest.mark.parametrize("name", where(self_match=True))
def test_a_copy_is_another_gallery_without_self(name, self_match):
    loss, labels = make(name, self_match=self_match), labels_of(name, LABELS)
    copied = loss(POINTS, labels, ref_emb=POINTS.clone(), ref_labels=labels)
    assert copied == make(name, self_match="positive")(POINTS, labels)


TRIPLETS = torch.tensor([0]), torch.tensor([1]), torch.tensor([5])


@pytest.mark.parametrize("name", where(takes_indices=False))
def test_losses_of_no_pairs_refuse_a_miner(name):
    whole = LOSSES[name].ranks or name == "combine"
    message = "is defined on whole rankings" if whole else "compares (items with class centres|all pairs)"
    with pytest.raises(ValueError, match=rf"indices_tuple: \w+ {message}"):
        make(name)(POINTS, LABELS, TRIPLETS)


def all_pairs(labels):
    same = labels[:, None] == labels
    positives = same & ~torch.eye(len(labels), dtype=torch.bool)
    return (*positives.nonzero(as_tuple=True), *(~same).nonzero(as_tuple=True))


@pytest.mark.parametrize("name", where(takes_indices=True))
def test_all_pairs_given_are_all_pairs(name):
    loss = make(name)
    given = value_and_gradients(loss, POINTS, LABELS, all_pairs(LABELS))
    torch.testing.assert_close(given, value_and_gradients(loss, POINTS, LABELS))


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
@pytest.mark.parametrize("name", where(takes_indices=True))
def test_bad_indices(name, indices, message):
    with pytest.raises(ValueError, match=message):
        make(name)(POINTS, LABELS, indices)


def test_defaults_of_contrastive_follow_the_distance():
    assert create_loss("contrastive").neg_margin == 1.0
    assert create_loss("contrastive", distance="cosine").pos_margin == 1.0


@pytest.mark.parametrize("name", NAMES)
def test_only_losses_that_normalise_ignore_lengths(name):
    lengths = torch.linspace(0.5, 3.0, 16, dtype=torch.float64)[:, None]
    loss, labels = make(name), labels_of(name, LABELS)
    scaled, plain = loss(lengths * POINTS, labels), loss(POINTS, labels)
    assert torch.allclose(scaled, plain) == LOSSES[name].normalises


@pytest.mark.parametrize("name", NAMES)
def test_every_loss_keeps_the_calling_convention(name):
    loss = make(name)
    assert isinstance(loss, torch.nn.Module)
    called = list(inspect.signature(loss.forward).parameters)
    assert called == ["embeddings", "labels", "indices_tuple", "ref_emb", "ref_labels"]
    assert loss_import_string(name).endswith(":" + type(loss).__name__)
    assert "level=0" in repr(loss)


def test_the_batch_as_its_own_gallery_cannot_have_two_labels():
    with pytest.raises(ValueError, match=r"ref_labels: shape \(16,\) holds other values than labels"):
        create_loss("supap")(POINTS, LABELS, ref_emb=POINTS, ref_labels=LABELS.flip(0))


def test_no_gradient_is_made_where_none_is_asked_for():
    points = POINTS.clone().requires_grad_()
    with torch.no_grad():
        value = create_loss("supap")(points, LABELS)
    assert not value.requires_grad
    assert value == create_loss("supap")(points, LABELS).detach()


@pytest.mark.parametrize("name", ["calibration", "contrastive", "triplet"])
def test_chosen_pairs_refuse_a_second_derivative(name):
    points = POINTS.clone().requires_grad_()
    items = torch.arange(16)
    triplets = (items, items // 4 * 4 + (items + 1) % 4, (items + 4) % 16)
    (gradient,) = torch.autograd.grad(create_loss(name)(points, LABELS, triplets), points, create_graph=True)
    with pytest.raises(RuntimeError, match="no second derivative"):
        gradient.sum().backward()


def test_a_memory_refuses_a_loss_that_mixes_items():
    with pytest.raises(ValueError, match="xbm: loss: recall_at_k takes no other gallery"):
        create_loss("xbm", loss="recall_at_k", size=8, settings={"simix": True})
