"""The memory: what it holds when, what it adds to a loss, and that a saved one goes on as if never cut off."""

import copy
import io
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from suite.errors import SuiteError
from suite.losses import create_loss

DIM = 5


def batch(seed, rows=8, dtype=torch.float64):
    points = torch.randn(rows, DIM, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return normalize(points, dim=1).to(dtype), torch.arange(rows) // 2


def make(loss="contrastive", size=20, **settings):
    return create_loss("xbm", loss=loss, size=size, **settings)


@settings(max_examples=40, deadline=None)
@given(
    size=st.integers(1, 12),
    rows=st.lists(st.integers(3, 9), min_size=1, max_size=6),
    warm_up=st.integers(0, 3),
    weight=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_every_call_sees_the_last_rows_of_the_calls_before(size, rows, warm_up, weight):
    loss, plain = make(size=size, warm_up=warm_up, weight=weight), create_loss("contrastive")
    past, past_labels = torch.empty(0, DIM).double(), torch.empty(0, dtype=int)
    for call, count in enumerate(rows):
        points, labels = batch(call, count)
        expected = plain(points, labels)
        if len(past) and call >= warm_up:
            expected = expected + weight * plain(points, labels, ref_emb=past[-size:], ref_labels=past_labels[-size:])
        torch.testing.assert_close(loss(points, labels), expected)
        past, past_labels = torch.cat([past, points]), torch.cat([past_labels, labels])
        assert torch.equal(loss.memory, past[-size:])
        assert torch.equal(loss.memory_labels, past_labels[-size:])
    assert loss.calls == len(rows)


@pytest.mark.parametrize("name", ["triplet", "supap", "recall_at_k", "fastap", "combine"])
def test_any_loss_with_a_gallery_can_be_wrapped(name):
    given_settings = {"combine": {"preset": "roadmap"}, "recall_at_k": {"ks": [1, 2, 8]}}.get(name, {})
    loss, plain = make(name, settings=given_settings), create_loss(name, **given_settings)
    first, second = batch(0), batch(1)
    points = second[0].clone().requires_grad_()
    loss(*first)
    value = loss(points, second[1])
    expected = plain(points, second[1]) + plain(points, second[1], ref_emb=first[0], ref_labels=first[1])
    torch.testing.assert_close(value, expected)
    # The batch has entered the memory by now; the graph of the call still holds the memory as it was.
    (ours,), (theirs,) = torch.autograd.grad(value, points), torch.autograd.grad(expected, points)
    torch.testing.assert_close(ours, theirs)


def test_the_memory_has_no_graph():
    loss = make()
    first = batch(0)[0].requires_grad_()
    loss(first, batch(0)[1])
    second = batch(1)[0].requires_grad_()
    loss(second, batch(1)[1]).backward()
    assert first.grad is None
    assert not loss.memory.requires_grad
    assert bool(second.grad.abs().sum() > 0)


def test_the_memory_keeps_what_the_caller_later_overwrites():
    loss, (points, labels) = make(), batch(0)
    loss(points, labels)
    points.zero_()
    labels.zero_()
    assert torch.equal(loss.memory, batch(0)[0])
    assert torch.equal(loss.memory_labels, batch(0)[1])


def test_evaluation_reads_the_memory_and_enters_nothing():
    loss = make()
    loss(*batch(0))
    state, expected = copy.deepcopy(loss.state_dict()), copy.deepcopy(loss)(*batch(1))
    loss.eval()
    assert loss(*batch(1)) == expected
    assert all(torch.equal(value, state[name]) for name, value in loss.state_dict().items())


@pytest.mark.parametrize(
    ("given_dtype", "held"),
    [(torch.float64, torch.float64), (torch.float32, torch.float32), (torch.bfloat16, torch.float32)],
)
def test_the_memory_has_the_dtype_of_the_arithmetic(given_dtype, held):
    loss = make("supap")
    for seed in (0, 1):
        value = loss(*batch(seed, dtype=given_dtype))
        assert value.dtype == loss.memory.dtype == held
    loss(*batch(2, dtype=torch.float32))
    assert loss.memory.dtype == torch.float32


@pytest.mark.parametrize("before", [0, 1, 2, 5])
@pytest.mark.parametrize("levels", [None, 1, 3])
def test_a_saved_memory_goes_on_as_if_never_cut_off(before, levels):
    def given_batch(seed):
        points, labels = batch(seed, dtype=torch.float32)
        return points, labels if levels is None else torch.stack([labels // (1 << level) for level in range(levels)], 1)

    loss = make("supap", warm_up=2)
    for seed in range(before):
        loss(*given_batch(seed))
    stream = io.BytesIO()
    torch.save(loss.state_dict(), stream)
    stream.seek(0)
    fresh, used = make("supap", warm_up=2), make("supap", warm_up=2)
    for seed in range(3):
        used(*batch(seed + 50))
    state = torch.load(stream, weights_only=True)
    for resumed in (fresh, used):
        assert str(resumed.load_state_dict(state)) == "<All keys matched successfully>"
        assert resumed.calls == before
        original = copy.deepcopy(loss)
        for seed in range(before, before + 4):
            assert torch.equal(resumed(*given_batch(seed)), original(*given_batch(seed)))
            assert torch.equal(resumed.memory, original.memory)
            assert torch.equal(resumed.memory_labels, original.memory_labels)


def test_the_state_of_the_wrapped_loss_goes_along():
    loss, resumed = make("combine", settings={"preset": "roadmap"}), make("combine", settings={"preset": "roadmap"})
    loss(*batch(0))
    outer, other = torch.nn.ModuleDict({"loss": loss}), torch.nn.ModuleDict({"loss": resumed})
    other.load_state_dict(outer.state_dict())
    assert resumed(*batch(1)) == loss(*batch(1))


def test_a_larger_memory_is_refused_at_loading():
    loss = make(size=16)
    loss(*batch(0, rows=16))
    with pytest.raises(RuntimeError, match="memory: 16 rows were saved, but size is 4"):
        make(size=4).load_state_dict(loss.state_dict())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            {"embeddings": batch(1)[0][:, :3]},
            r"embeddings: shape \(8, 3\) does not fit the memory's, of shape \(8, 5\)",
        ),
        ({"labels": batch(1)[1][:, None]}, r"labels: shape \(8, 1\) does not fit the memory's, of shape \(8,\)"),
        ({"labels": batch(1)[1].double()}, "labels: expected integers"),
        ({"embeddings": batch(1)[0] * float("nan")}, "embeddings: shape .* holds NaN"),
        ({"indices_tuple": (torch.tensor([0]),) * 3}, "indices_tuple: XBMLoss compares all pairs"),
        ({"ref_emb": batch(1)[0], "ref_labels": batch(1)[1]}, "ref_emb: XBMLoss"),
        ({"ref_labels": batch(1)[1]}, "ref_labels: XBMLoss"),
    ],
)
def test_bad_calls_are_named_and_enter_nothing(call, message):
    loss = make()
    loss(*batch(0))
    points, labels = batch(1)
    with pytest.raises(ValueError, match=message):
        loss(**{"embeddings": points, "labels": labels} | call)
    assert torch.equal(loss.memory, batch(0)[0])
    assert loss.calls == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 0}, "xbm: size: expected an integer of at least 1"),
        ({"weight": -1}, "xbm: weight"),
        ({"warm_up": 1.5}, "xbm: warm_up"),
        ({"settings": [1]}, "xbm: settings: expected a mapping"),
        ({"settings": {"margin": -1}, "loss": "triplet"}, "xbm: triplet: margin"),
        (
            {"loss": "proxy", "settings": {"num_classes": 3, "embedding_dim": 2}},
            "xbm: loss: proxy takes no other gallery",
        ),
        ({"loss": "xbm", "settings": {"loss": "supap", "size": 4}}, "xbm: loss: xbm takes no other gallery"),
        (
            {
                "loss": "combine",
                "settings": {"preset": "roadmap_star", "num_classes": 3, "embedding_dim": 2},
            },
            "xbm: loss: combine takes no other gallery",
        ),
    ],
)
def test_invalid_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        make(**settings)


def test_unknown_loss():
    with pytest.raises(SuiteError, match="unknown loss 'contrastiv'"):
        make("contrastiv")


def test_a_memory_without_the_classes_of_the_batch_is_no_mistake():
    loss = make("supap")
    loss(*batch(0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = loss(batch(1)[0], batch(1)[1] + 100)
    assert value == create_loss("supap")(batch(1)[0], batch(1)[1] + 100)
    assert "size=20, weight=1.0, warm_up=0" in repr(loss)
