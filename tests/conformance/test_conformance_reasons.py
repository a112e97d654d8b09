"""The reasons hold: the definition, changed as a reason says, gives the implementation's number."""

import numpy as np
import pytest
import torch

from suite.conformance.cases import cases
from suite.conformance.peers import PEERS
from suite.conformance.quantities import loss_outcome, rankings
from suite.losses import create_loss
from suite.torchvision_schemas import declare_torchvision_schemas

CASES = {case.name: case for case in cases()}
PML = "pytorch-metric-learning"
declare_torchvision_schemas()


def theirs(implementation, quantity, case):
    for name in PEERS.names():
        peer = PEERS.resolve(name)
        for each in peer.quantities:
            if (peer.name, each.name) == (implementation, quantity):
                return each.theirs(CASES[case])
    raise AssertionError(f"{implementation}: no {quantity}")


def precisions(relevant):
    return np.cumsum(relevant) / np.arange(1, len(relevant) + 1) * relevant


def in_row_order(case):
    """Relevance of every query with positives, best score first, equal scores in the order of their rows."""
    found = [ranking for ranking in rankings(CASES[case]) if ranking.positive.any()]
    return [each.positive[torch.argsort(-each.scores, stable=True)].double().numpy() for each in found]


def discounted(scores, gains, shared):
    """DCG over the ideal one; at equal score in row order, or, if `shared`, at the mean of the discounts."""
    order = torch.argsort(-scores, stable=True)
    discounts = 1 / torch.log2(torch.arange(2, len(scores) + 2, dtype=torch.float64))
    best = (gains.sort(descending=True).values * discounts).sum()
    if shared:
        equal = (scores[order][:, None] == scores[order]).double()
        discounts = equal @ discounts / equal.sum(1)
    return float((gains[order] * discounts).sum() / best)


@pytest.mark.parametrize(("case", "group"), [("equal", 5), ("order", 4)])
def test_smooth_ap_takes_consecutive_rows_for_a_class(case, group):
    loss = create_loss("smoothap", tau=0.1, self_match="positive")
    read = torch.arange(len(CASES[case].labels)) // group
    normalise = torch.nn.functional.normalize
    ours = loss_outcome(CASES[case], lambda e, y, r, z: loss(normalise(e, dim=1), read))
    found = theirs(PML, "SmoothAPLoss", case)
    np.testing.assert_allclose(found.values, ours.values, rtol=1e-6)
    np.testing.assert_allclose(found.gradients[0], ours.gradients[0], atol=1e-6 * abs(ours.gradients[0]).max())


def test_contrastive_leaves_out_pairs_at_distance_zero():
    units, labels = CASES["copies"].unit()[0], CASES["copies"].labels[:, 0]
    same = (labels[:, None] == labels) & ~torch.eye(len(labels), dtype=torch.bool)
    distances = torch.cdist(units, units)
    apart = distances[same & (distances > 0)]
    near = (1 - distances[labels[:, None] != labels]).clamp_min(0)
    expected = apart.mean() + near[near > 0].mean()
    np.testing.assert_allclose(theirs(PML, "ContrastiveLoss", "copies").values, expected.numpy(), rtol=1e-9)
    assert int(same.sum()) - len(apart) == 4


@pytest.mark.parametrize("case", ["strays", "ties"])
def test_equal_distances_come_in_row_order_in_pytorch_metric_learning(case):
    ranked = in_row_order(case)
    expected = {
        "mean_average_precision": [precisions(row).sum() / row.sum() for row in ranked],
        "mean_average_precision_at_r": [precisions(row)[: int(row.sum())].sum() / row.sum() for row in ranked],
        "precision_at_1": [row[0] for row in ranked],
        "r_precision": [row[: int(row.sum())].mean() for row in ranked],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(theirs(PML, name, case).values, np.mean(values), rtol=1e-5)


@pytest.mark.parametrize("case", ["copies", "ties"])
def test_average_precision_of_scikit_learn_shares_a_threshold(case):
    expected = [
        np.mean([float(ranking.positive[ranking.scores >= bar].double().mean()) for bar in own])
        for ranking in rankings(CASES[case])
        if len(own := ranking.scores[ranking.positive])
    ]
    found = theirs("scikit-learn", "average_precision_score", case)
    np.testing.assert_allclose(found.values, expected, rtol=1e-9)


@pytest.mark.parametrize("case", ["square", "strays", "ties"])
@pytest.mark.parametrize("gains", [False, True], ids=["relevance", "gains"])
def test_equal_scores_share_their_discounts_and_the_gain_is_what_is_given(case, gains):
    suffix = " of gains" if gains else ""
    expected = [
        discounted(each.scores, (2.0**each.relevance - 1) if gains else each.relevance.double(), shared=True)
        for each in rankings(CASES[case])
    ]
    np.testing.assert_allclose(theirs("scikit-learn", f"ndcg_score{suffix}", case).values, expected, rtol=1e-9)
    found = theirs("torchmetrics", f"RetrievalNormalizedDCG{suffix}", case)
    np.testing.assert_allclose(found.values, np.mean(expected), rtol=1e-5)


def test_torchmetrics_drops_positives_that_score_zero_or_less():
    expected = []
    for ranking in rankings(CASES["negative"]):
        kept = ranking.positive & (ranking.scores > 0)
        row = kept[torch.argsort(-ranking.scores)].double().numpy()
        expected.append(precisions(row).sum() / max(row.sum(), 1))
    np.testing.assert_allclose(theirs("torchmetrics", "RetrievalMAP", "negative").values, np.mean(expected), rtol=1e-5)


@pytest.mark.parametrize("case", ["square", "unequal", "negative", "gallery"])
def test_torchmetrics_divides_by_what_it_found_or_by_all_positives(case):
    top = [(row[:2], row.sum()) for row in in_row_order(case)]
    found_only = np.mean([precisions(row).sum() / max(row.sum(), 1) for row, _ in top])
    np.testing.assert_allclose(theirs("torchmetrics", "RetrievalMAP, top_k 2", case).values, found_only, rtol=1e-5)
    of_all = np.mean([row.sum() / total for row, total in top])
    np.testing.assert_allclose(theirs("torchmetrics", "RetrievalRecall, top_k 2", case).values, of_all, rtol=1e-5)


@pytest.mark.parametrize("name", ["RetrievalMAP", "RetrievalHitRate, top_k 2", "RetrievalRPrecision"])
def test_torchmetrics_follows_the_order_of_the_rows_at_equal_scores(name):
    """The same items in another order give another number; the definition gives the same."""
    case = CASES["ties"]
    order = torch.arange(len(case.labels) - 1, -1, -1)
    turned = type(case)(case.name, case.about, case.embeddings[order], case.labels[order])
    quantity = next(each for each in PEERS.resolve("torchmetrics").quantities if each.name == name)
    assert quantity.theirs(turned).values != pytest.approx(quantity.theirs(case).values, rel=1e-3)
    np.testing.assert_allclose(quantity.ours(turned).values, quantity.ours(case).values, rtol=1e-12)


def test_batch_hard_of_online_triplet_loss_averages_over_all_anchors():
    units, labels = CASES["singles"].unit()[0], CASES["singles"].labels[:, 0]
    distances, same = torch.cdist(units, units), labels[:, None] == labels
    # Without a positive the farthest one is the anchor itself, at distance 0.
    farthest, nearest = (distances * same).amax(1), distances.masked_fill(same, torch.inf).amin(1)
    expected = (farthest - nearest + 0.2).clamp_min(0).mean()
    found = theirs("online-triplet-loss", "batch_hard_triplet_loss", "singles")
    np.testing.assert_allclose(found.values, expected.numpy(), rtol=1e-9)


@pytest.mark.parametrize("case", ["strays", "ties"])
def test_ignite_ranks_equal_scores_in_row_order(case):
    expected = [discounted(each.scores, 2.0**each.relevance - 1, shared=False) for each in rankings(CASES[case])]
    np.testing.assert_allclose(theirs("pytorch-ignite", "NDCG", case).values, np.mean(expected), rtol=1e-5)


@pytest.mark.parametrize("case", ["unequal", "strays", "ties"])
def test_trec_eval_orders_equal_scores_by_name_and_divides_by_all_positives(case):
    found = [ranking for ranking in rankings(CASES[case]) if ranking.positive.any()]
    last_first = [(each.scores.flip(0), each.positive.flip(0), each.relevance.flip(0)) for each in found]
    ranked = [own[torch.argsort(-scores, stable=True)].double().numpy() for scores, own, _ in last_first]
    expected = {
        "map": [precisions(row).sum() / row.sum() for row in ranked],
        "map_cut_5": [precisions(row)[:5].sum() / row.sum() for row in ranked],
        "recall_5": [row[:5].sum() / row.sum() for row in ranked],
        "P_5": [row[:5].mean() for row in ranked],
        "Rprec": [row[: int(row.sum())].mean() for row in ranked],
        "ndcg": [discounted(scores, shared.double(), shared=False) for scores, _, shared in last_first],
        "ndcg of gains": [discounted(scores, 2.0**shared - 1, shared=False) for scores, _, shared in last_first],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(theirs("pytrec-eval-terrier", name, case).values, values, rtol=1e-9)


def test_cross_batch_memory_is_one_term_over_memory_and_batch():
    case = CASES["gallery"]
    labels = case.labels[:, 0]
    rows, known = torch.cat([case.ref_emb, case.embeddings]), torch.cat([case.ref_labels[:, 0], labels])
    anchors, positives = torch.where(labels[:, None] == known)
    others = positives != anchors + len(case.ref_emb)
    pairs = (anchors[others], positives[others], *torch.where(labels[:, None] != known))
    expected = create_loss("contrastive")(case.embeddings, labels, pairs, rows, known)
    np.testing.assert_allclose(theirs(PML, "CrossBatchMemory", "gallery").values, expected.numpy(), rtol=1e-6)
