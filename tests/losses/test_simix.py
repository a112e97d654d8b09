"""SiMix: which virtual items there are, in what order, and how RS@k draws them."""

import copy
from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.losses import create_loss, mix_positive_pairs


def points(rows, dim=4, seed=0):
    return torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@settings(max_examples=60, deadline=None)
@given(labels=st.lists(st.integers(-2, 3), min_size=1, max_size=14), levels=st.booleans())
def test_pairs_come_by_class_then_by_position(labels, levels):
    finest = torch.tensor(labels)
    given_labels = torch.stack([finest, finest % 2, finest * 0], 1) if levels else finest
    pairs = [
        (i, j)
        for label in sorted(set(labels))
        for i, j in combinations([place for place, other in enumerate(labels) if other == label], 2)
    ]
    embeddings, alphas = points(len(labels)), torch.linspace(0, 1, len(pairs), dtype=torch.float64)
    mixed, mixed_labels = mix_positive_pairs(embeddings, given_labels, alphas)
    assert torch.equal(mixed[: len(labels)], embeddings)
    assert torch.equal(mixed_labels[: len(labels)], given_labels)
    for row, ((i, j), alpha) in enumerate(zip(pairs, alphas, strict=True), start=len(labels)):
        torch.testing.assert_close(mixed[row], alpha * embeddings[i] + (1 - alpha) * embeddings[j])
        assert torch.equal(mixed_labels[row], given_labels[i])
    assert len(mixed) == len(mixed_labels) == len(labels) + len(pairs)


def test_gradients_flow_to_the_originals():
    embeddings = points(6).requires_grad_()
    labels = torch.tensor([0, 1, 0, 1, 0, 2])
    alphas = torch.tensor([0.2, 0.5, 0.9, 0.4], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda e: mix_positive_pairs(e, labels, alphas)[0], embeddings)


def test_the_generator_decides_the_weights():
    labels = torch.arange(12) // 4
    first, second, other = (
        mix_positive_pairs(points(12), labels, generator=torch.Generator().manual_seed(seed))[0] for seed in (1, 1, 2)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"embeddings": points(4)[0]}, r"embeddings: .*\(4,\)"),
        ({"embeddings": points(4).long()}, "embeddings"),
        ({"labels": torch.zeros(3, dtype=int)}, r"labels: .*found \(3,\)"),
        ({"alphas": [0.5] * 6}, r"alphas: expected a tensor of shape \(6,\), found list"),
        ({"alphas": torch.rand(2)}, r"alphas: expected one a pair, shape \(6,\), found \(2,\)"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        mix_positive_pairs(**{"embeddings": points(4), "labels": torch.zeros(4, dtype=int)} | arguments)


@pytest.mark.parametrize("block_bytes", [1, 3000, None])
@pytest.mark.parametrize("self_match", ["exclude", "positive", "rank_only"])
@pytest.mark.parametrize("sizes", [[4, 4, 4, 4], [1, 5, 2, 3, 1, 4]])
def test_mixed_similarities_are_those_of_mixed_embeddings(sizes, self_match, block_bytes):
    order = torch.randperm(sum(sizes), generator=torch.Generator().manual_seed(0))
    labels = torch.repeat_interleave(torch.tensor([7, -2, 0, 5, 9, 3][: len(sizes)]), torch.tensor(sizes))[order]
    embeddings = torch.nn.functional.normalize(points(len(labels)), dim=1).requires_grad_()
    settings = {"self_match": self_match, "block_bytes": block_bytes}
    loss = create_loss("recall_at_k", simix=True, seed=5, **settings)
    generator = torch.Generator().manual_seed(5)
    for _ in range(2):
        mixed, mixed_labels = mix_positive_pairs(embeddings, labels, generator=generator)
        expected = create_loss("recall_at_k", **settings)(mixed, mixed_labels)
        value = loss(embeddings, labels)
        torch.testing.assert_close(value, expected)
        (of_value,), (of_expected,) = torch.autograd.grad(value, embeddings), torch.autograd.grad(expected, embeddings)
        torch.testing.assert_close(of_value, of_expected)


def test_simix_goes_on_from_a_saved_state():
    embeddings, labels = points(16), torch.arange(16) // 4
    loss, resumed = create_loss("recall_at_k", simix=True), create_loss("recall_at_k", simix=True, seed=3)
    loss(embeddings, labels)
    state = copy.deepcopy(loss.state_dict())
    expected = loss(embeddings, labels)
    resumed.load_state_dict(state)
    assert resumed(embeddings, labels) == expected


@pytest.mark.parametrize("level", [0, 1, 2])
def test_the_positives_mixed_are_those_of_the_level(level):
    fine = torch.arange(16) // 2
    labels = torch.stack([fine, fine // 2, fine // 4], 1)
    embeddings = torch.nn.functional.normalize(points(16), dim=1)
    alone = create_loss("recall_at_k", simix=True)(embeddings, labels[:, level])
    assert create_loss("recall_at_k", simix=True, level=level)(embeddings, labels) == alone


def test_simix_refuses_a_gallery_in_any_form():
    loss, batch, labels = create_loss("recall_at_k", simix=True), points(4), torch.zeros(4, dtype=int)
    for gallery in (
        {"ref_emb": points(8), "ref_labels": torch.zeros(8, dtype=int)},
        {"ref_emb": batch},
        {"ref_emb": batch, "ref_labels": labels},
        {"ref_emb": batch, "ref_labels": torch.arange(4)},
    ):
        shape = tuple(gallery["ref_emb"].shape)
        with pytest.raises(ValueError, match=rf"ref_emb: shape \({shape[0]}, 4\) cannot be ranked with simix"):
            loss(batch, labels, **gallery)
    with pytest.raises(ValueError, match="ref_emb: list cannot be ranked with simix"):
        loss(batch, labels, ref_emb=batch.tolist())
    with pytest.raises(ValueError, match=r"ref_labels: .* there is no ref_emb"):
        loss(batch, labels, ref_labels=labels)


def test_simix_reports_bad_input_like_any_loss():
    loss = create_loss("recall_at_k", simix=True)
    with pytest.raises(ValueError, match=r"embeddings: shape \(4, 4\) holds NaN"):
        loss(points(4) * float("nan"), torch.zeros(4, dtype=int))
