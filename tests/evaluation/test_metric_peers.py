"""The metrics beside torchmetrics and pytorch-metric-learning, on batches where both mean the same thing.

What they define otherwise, and why, stands in `suite.conformance`; no score is tied or negative but
where it says so.
"""

import numpy as np
import pytest
import torch
from hierarchies import nested_labels, tied_embeddings
from sklearn.metrics import ndcg_score

from suite.conformance.cases import DIMENSIONS, Case
from suite.conformance.peers import pml_accuracy, torchmetrics_retrieval
from suite.conformance.quantities import TOLERANCES
from suite.evaluation import per_query_metrics
from suite.torchvision_schemas import declare_torchvision_schemas

# torchmetrics imports torchvision.
declare_torchvision_schemas()
DIFFERENT = {"RetrievalMAP, top_k 2", "RetrievalRecall, top_k 2", "RetrievalNormalizedDCG"}
AGREEING = [
    (peer.PEER.name, quantity)
    for peer in (torchmetrics_retrieval, pml_accuracy)
    for quantity in peer.PEER.quantities
    if quantity.name not in DIFFERENT
]


def drawn(items, seed):
    """Items of positive coordinates around the centre of their class, two classes to a super-class."""
    generator = torch.Generator().manual_seed(seed)
    classes = torch.randint(0, 24, (items,), generator=generator)
    centres = torch.rand((24, DIMENSIONS), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    spread = torch.rand((items, DIMENSIONS), generator=generator, dtype=torch.float64)
    return centres[classes] + 0.7 * spread, torch.stack([classes, classes // 2], 1)


@pytest.mark.parametrize(("peer", "quantity"), AGREEING, ids=[f"{peer}-{q.name}" for peer, q in AGREEING])
@pytest.mark.parametrize("gallery", [False, True])
def test_equal_where_they_define_the_same(peer, quantity, gallery):
    others = drawn(300, seed=2) if gallery else (None, None)
    case = Case("drawn", "many classes of several sizes", *drawn(240, seed=1), *others)
    np.testing.assert_allclose(
        quantity.ours(case).values, quantity.theirs(case).values, rtol=TOLERANCES[quantity.dtype]
    )


@pytest.mark.parametrize("seed", range(3))
def test_expected_gain_at_ties_is_that_of_scikit_learn(seed):
    generator = np.random.default_rng(seed)
    embeddings, labels = tied_embeddings(generator, 40), nested_labels(generator, 40, 12, 3)
    found = per_query_metrics(embeddings, labels, ties="mean")["NDCG"]
    for query in range(40):
        others = np.arange(40) != query
        gains = 2.0 ** (labels == labels[query]).sum(1)[others] - 1
        expected = ndcg_score(gains[None], (embeddings @ embeddings[query])[None, others]) if gains.any() else 0.0
        assert found[query] == pytest.approx(expected, rel=1e-12)
