"""The losses with class centres: their parameter, what a call may say, how they relate, and their peers."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_catalogue import where
from pytorch_metric_learning import losses as peers
from torch.nn.functional import normalize

from suite.losses import create_loss

NAMES = where(has_centres=True)
CLASSES, DIM = 10, 6


def make(name, **settings):
    return create_loss(name, **{"num_classes": CLASSES, "embedding_dim": DIM} | settings)


def batch(rows=16, seed=0):
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(rows, DIM, generator=generator, dtype=torch.float64)
    return points, torch.randint(CLASSES, (rows,), generator=generator)


def value_and_gradients(loss, points, labels):
    points = points.clone().requires_grad_()
    value = loss(points, labels)
    return value.detach(), *torch.autograd.grad(value, [points, loss.weight])


POINTS, LABELS = batch()
EVERY = torch.arange(16) % CLASSES


@pytest.mark.parametrize("name", NAMES)
def test_parameters_and_settings_are_shown(name):
    loss = make(name, seed=3)
    assert [(key, tuple(value.shape)) for key, value in loss.named_parameters()] == [("weight", (CLASSES, DIM))]
    assert "num_classes=10, embedding_dim=6" in repr(loss)
    assert "level=0, seed=3" in repr(loss)


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_draws_the_centres_and_nothing_else_does(name):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first, other = make(name), make(name, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    assert torch.equal(first.weight, make(name).weight)
    assert not torch.equal(first.weight, other.weight)
    wide = make(name, num_classes=400, embedding_dim=25).weight
    assert wide.abs().max() <= 0.2
    assert wide.std().item() == pytest.approx(0.2 / math.sqrt(3), rel=0.02)


@pytest.mark.parametrize("name", NAMES)
def test_state_goes_on(name):
    loss, resumed = make(name), make(name, seed=1)
    resumed.load_state_dict(loss.state_dict())
    assert torch.equal(loss(POINTS, LABELS), resumed(POINTS, LABELS))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"labels": EVERY + 1}, r"labels: shape \(16,\) holds 10 at level 0; \w+ has the classes 0..9"),
        ({"labels": EVERY - 1}, r"labels: shape \(16,\) holds -1 at level 0"),
        ({"embeddings": POINTS[:, :4]}, r"embeddings: shape \(16, 4\) does not fit embedding_dim 6"),
        ({"ref_emb": POINTS, "ref_labels": LABELS}, r"ref_emb: shape \(16, 6\) means nothing to \w+"),
        ({"ref_emb": [1.0]}, "ref_emb: list means nothing"),
        ({"ref_labels": LABELS}, r"ref_labels: given with shape \(16,\), but there is no ref_emb"),
        ({"indices_tuple": (torch.tensor([0]),) * 3}, r"indices_tuple: \w+ compares items with class centres"),
    ],
)
def test_bad_calls_are_named(name, call, message):
    with pytest.raises(ValueError, match=message):
        make(name)(**{"embeddings": POINTS, "labels": EVERY} | call)


@pytest.mark.parametrize("name", NAMES)
def test_centres_that_are_not_numbers_are_named(name):
    loss = make(name)
    with torch.no_grad():
        loss.weight[3, 2] = float("nan")
    with pytest.raises(ValueError, match=r"weight: shape \(10, 6\) holds NaN"):
        loss(POINTS, LABELS)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("proxy", {"num_classes": 0}, "proxy: num_classes: expected an integer of at least 1"),
        ("proxy", {"embedding_dim": 2.5}, "proxy: embedding_dim"),
        ("proxy", {"temperature": 0.0}, "proxy: temperature: expected a number above 0"),
        ("proxy", {"seed": -1}, "proxy: seed"),
        ("normalized_softmax", {"temperature": -1}, "normalized_softmax: temperature"),
        ("arcface", {"margin": -0.1}, "arcface: margin"),
        ("arcface", {"margin": 28.6}, "arcface: margin: expected radians, less than pi, found 28.6"),
        ("arcface", {"scale": 0}, "arcface: scale"),
        ("proxy_nca_pp", {"scale": 0}, "proxy_nca_pp: scale"),
        ("proxy_anchor", {"alpha": 0}, "proxy_anchor: alpha"),
        ("proxy_anchor", {"margin": float("nan")}, "proxy_anchor: margin"),
        ("csl", {"scale": 0}, "csl: scale"),
        ("csl", {"margins": []}, "csl: margins: expected a list of at least 1 numbers"),
        ("csl", {"margins": 0.3}, "csl: margins"),
        ("csl", {"hierarchy": [[0, 0], [1, 0]]}, r"csl: hierarchy: expected \(10, levels\) .* shape \(2, 2\)"),
        ("csl", {"hierarchy": [[0, 0], [1]]}, "csl: hierarchy: .* list that is no rectangle"),
        ("csl", {"hierarchy": torch.zeros(10, 2)}, "csl: hierarchy: .* torch.float32"),
        ("csl", {"hierarchy": torch.zeros(10, 2, dtype=int)}, "csl: hierarchy: .* row 1 .* starts with 0"),
    ],
)
def test_invalid_settings_are_named(name, settings, message):
    with pytest.raises(ValueError, match=message):
        make(name, **settings)


@pytest.mark.parametrize("name", NAMES)
def test_num_classes_is_required(name):
    with pytest.raises(ValueError, match=f"{name}: setting 'num_classes' is required"):
        create_loss(name)


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(NAMES), seed=st.integers(0, 2**31), rows=st.integers(1, 12), block=st.sampled_from([1, 300])
)
def test_the_numbers_of_classes_do_not_matter(name, seed, rows, block):
    points, labels = batch(rows, seed)
    renamed = torch.randperm(CLASSES, generator=torch.Generator().manual_seed(seed))
    loss, moved = make(name, seed=seed), make(name, block_bytes=block)
    with torch.no_grad():
        moved.weight[renamed] = loss.weight
    value, of_points, of_weight = value_and_gradients(loss, points, labels)
    value2, of_points2, of_weight2 = value_and_gradients(moved, points, renamed[labels])
    torch.testing.assert_close(value2, value)
    torch.testing.assert_close(of_points2, of_points, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(of_weight2[renamed], of_weight, rtol=1e-5, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), rows=st.integers(1, 12), temperature=st.sampled_from([0.01, 0.05, 1.0]))
def test_the_softmax_losses_are_one_family(seed, rows, temperature):
    points, labels = batch(rows, seed)
    unit = normalize(points, dim=1)
    softmax = make("normalized_softmax", temperature=temperature)(points, labels)
    scale = 1.0 / temperature
    torch.testing.assert_close(make("proxy", temperature=temperature)(unit, labels), softmax)
    torch.testing.assert_close(make("arcface", scale=scale, margin=0.0)(points, labels), softmax)
    torch.testing.assert_close(make("proxy_nca_pp", scale=math.sqrt(scale / 2))(points, labels), softmax)
    # A wider angle to the own centre can only cost more.
    assert make("arcface", scale=scale, margin=0.5)(points, labels) >= softmax


def test_proxy_takes_embeddings_as_they_are():
    loss = make("proxy")
    scaled = make("proxy", temperature=0.05 / 3.0)
    torch.testing.assert_close(loss(3.0 * POINTS, LABELS), scaled(POINTS, LABELS))


def test_csl_adds_the_levels_of_its_hierarchy():
    fine = torch.arange(CLASSES)
    hierarchy = torch.stack([fine, fine // 4], 1)
    both = make("csl", hierarchy=hierarchy)
    only_fine = make("csl")
    # The coarse level alone: a hierarchy whose margin at the finest level makes that one vanish.
    only_coarse = make("csl", hierarchy=hierarchy, margins=[-100.0, 0.35])
    torch.testing.assert_close(both(POINTS, LABELS), only_fine(POINTS, LABELS) + only_coarse(POINTS, LABELS))
    assert both(POINTS, hierarchy[LABELS]) == both(POINTS, LABELS)


def test_csl_refuses_labels_that_contradict_the_hierarchy():
    fine = torch.arange(CLASSES)
    loss = make("csl", hierarchy=torch.stack([fine, fine // 4, fine // 8], 1))
    labels = torch.stack([LABELS, LABELS // 4, LABELS // 7 + 1], 1)
    with pytest.raises(ValueError, match=r"labels: shape \(16, 3\) differs from hierarchy at level 2"):
        loss(POINTS, labels)


@pytest.mark.parametrize("name", NAMES)
def test_training_gathers_classes_around_their_centres(name):
    points, labels = batch(40)[0], torch.arange(40) % 4
    loss, embeddings = make(name, num_classes=4), points.clone().requires_grad_()
    optimizer = torch.optim.Adam([embeddings, *loss.parameters()], lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        loss(embeddings, labels).backward()
        optimizer.step()
    cosines = normalize(embeddings, dim=1) @ normalize(loss.weight, dim=1).double().t()
    assert torch.equal(cosines.argmax(1), labels)


def arcface_peer():
    return peers.ArcFaceLoss(CLASSES, DIM, margin=math.degrees(0.5), scale=30)


PEERS = {
    "arcface": (arcface_peer, lambda peer: peer.W, True),
    "normalized_softmax": (lambda: peers.NormalizedSoftmaxLoss(CLASSES, DIM), lambda peer: peer.W, True),
    "proxy_anchor": (lambda: peers.ProxyAnchorLoss(CLASSES, DIM), lambda peer: peer.proxies, False),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", PEERS)
def test_pytorch_metric_learning_agrees(name, seed):
    create, parameter, transposed = PEERS[name]
    loss, peer = make(name).double(), create().double()
    points, labels = batch(24, seed)
    parameter(peer).data = (loss.weight.t() if transposed else loss.weight).detach().clone()
    value, of_points, of_weight = value_and_gradients(loss, points, labels)
    theirs = points.clone().requires_grad_()
    expected = peer(theirs, labels)
    expected_points, expected_weight = torch.autograd.grad(expected, [theirs, parameter(peer)])
    torch.testing.assert_close(value, expected.detach(), rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(of_points, expected_points, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(of_weight, expected_weight.t() if transposed else expected_weight, rtol=1e-6, atol=1e-8)
