"""Multi-Similarity and SupCon beside pytorch-metric-learning; what a miner's pairs do; what is not in a mean."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning import losses as peers

from suite.losses import create_loss

PEERS = {
    "multi_similarity": lambda: peers.MultiSimilarityLoss(alpha=2, beta=50, base=0.5),
    "supcon": lambda: peers.SupConLoss(temperature=0.1),
}


@st.composite
def batches(draw):
    """Unequal classes, some of one item, never all alike."""
    labels = draw(st.lists(st.integers(0, 4), min_size=4, max_size=14))
    labels = torch.tensor([0, 0, 1, *labels])
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    return torch.randn(len(labels), 5, generator=generator, dtype=torch.float64), labels, generator


def value_and_gradient(loss, points, *call, **gallery):
    points = points.clone().requires_grad_()
    value = loss(points, *call, **gallery)
    return value.detach(), torch.autograd.grad(value, points)[0]


@pytest.mark.parametrize("name", PEERS)
@settings(max_examples=30, deadline=None)
@given(batch=batches())
def test_value_and_gradient_are_those_of_pytorch_metric_learning(name, batch):
    points, labels, _ = batch
    ours = value_and_gradient(create_loss(name, block_bytes=300), points, labels)
    torch.testing.assert_close(ours, value_and_gradient(PEERS[name](), points, labels))


@pytest.mark.parametrize("name", PEERS)
@settings(max_examples=20, deadline=None)
@given(batch=batches())
def test_another_gallery_is_that_of_pytorch_metric_learning(name, batch):
    points, labels, generator = batch
    queries, query_labels = torch.randn(6, 5, generator=generator, dtype=torch.float64), torch.arange(6)
    call = {"ref_emb": points, "ref_labels": labels}
    ours = value_and_gradient(create_loss(name), queries, query_labels, **call)
    torch.testing.assert_close(ours, value_and_gradient(PEERS[name](), queries, query_labels, **call))


@pytest.mark.parametrize("count", [3, 4])
@pytest.mark.parametrize("name", PEERS)
@settings(max_examples=20, deadline=None)
@given(batch=batches())
def test_chosen_pairs_are_those_of_pytorch_metric_learning(name, count, batch):
    points, labels, generator = batch
    same = labels[:, None] == labels
    chosen = torch.rand(same.shape, generator=generator) < 0.5
    if count == 4:
        positives = same & ~torch.eye(len(labels), dtype=torch.bool) & chosen
        indices = (*positives.nonzero(as_tuple=True), *(~same & chosen).nonzero(as_tuple=True))
    else:
        indices = (torch.tensor([0, 1, 0]), torch.tensor([1, 0, 1]), torch.tensor([2, 2, 2]))
    if count == 4 and (len(indices[0]) < 2 or len(indices[2]) < 2):
        return
    ours = value_and_gradient(create_loss(name, block_bytes=300), points, labels, indices)
    torch.testing.assert_close(ours, value_and_gradient(PEERS[name](), points, labels, indices))


@pytest.mark.parametrize("name", PEERS)
def test_a_pair_listed_twice_counts_once(name):
    points = torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    once = tuple(torch.tensor(part) for part in ([0, 2], [1, 3], [0, 2], [4, 5]))
    loss = create_loss(name)
    assert loss(points, labels, tuple(part.repeat(3) for part in once)) == loss(points, labels, once)


def test_supcon_leaves_queries_without_positives_out_and_multi_similarity_keeps_them():
    points = torch.randn(5, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    labels = torch.tensor([0, 0, 1, 1, 9])
    call = {"ref_emb": points[:4].clone(), "ref_labels": labels[:4]}
    supcon, multi = create_loss("supcon"), create_loss("multi_similarity")
    torch.testing.assert_close(supcon(points, labels, **call), supcon(points[:4], labels[:4], **call))
    mean = multi(points[:4], labels[:4], **call) * 0.8 + multi(points[4:], labels[4:], **call) * 0.2
    torch.testing.assert_close(multi(points, labels, **call), mean)


def test_supcon_averages_over_losses_that_round_to_zero():
    queries, labels = torch.tensor([[1.0, 0.0], [1.0, 0.1]], dtype=torch.float64), torch.tensor([0, 1])
    call = {"ref_emb": torch.tensor([[0.9, 0.1], [-1.0, 0.2]], dtype=torch.float64), "ref_labels": labels}
    loss = create_loss("supcon", temperature=1e-3)
    found, lost = (loss(queries[i : i + 1], labels[i : i + 1], **call) for i in range(2))
    # At so low a temperature the query that sees its positive first has lost nothing: it is in the mean all the same.
    assert found == 0
    torch.testing.assert_close(loss(queries, labels, **call), lost / 2)


def test_supcon_spreads_positives_that_compete_with_each_other_alone():
    points = torch.nn.functional.normalize(
        torch.randn(5, 3, generator=torch.Generator().manual_seed(2)).double(), dim=1
    )
    # The last query has no positive and leaves the mean; no item of the gallery is less relevant to the others.
    call = {"ref_emb": points[:4].clone(), "ref_labels": torch.zeros(4, dtype=int)}
    value, gradient = value_and_gradient(create_loss("supcon"), points, torch.tensor([0, 0, 0, 0, 9]), **call)
    exponents = points[:4] @ points[:4].t() / 0.1
    torch.testing.assert_close(value, (exponents.logsumexp(1, keepdim=True) - exponents).mean())
    assert gradient.norm() > 0.1
