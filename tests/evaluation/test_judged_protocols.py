"""One call from embeddings and a protocol to its metrics."""

import numpy as np
import pandas as pd
import pytest

from suite.datasets.protocols import Protocol
from suite.evaluation import (
    judge_draws,
    judge_protocol,
    mean_metrics,
    per_query_metrics,
    revisited_metrics,
    stated_metrics,
)

GENERATOR = np.random.default_rng(0)
EMBEDDINGS = GENERATOR.normal(size=(60, 5))
LABELS = np.stack([np.arange(60) % 12, np.arange(60) % 3], axis=1)


def related(*rows):
    return pd.DataFrame(rows, columns=["query", "item", "relation"])


def test_vehicles_leave_one_out():
    rows = np.arange(10, 50)
    found = judge_protocol(EMBEDDINGS, LABELS, Protocol("small", rows, None, (1, 5)))
    assert found == mean_metrics(per_query_metrics(EMBEDDINGS[rows], LABELS[rows], ks=(1, 5)))


def test_vehicles_with_one_random_gallery_image_each():
    draws = []
    for draw in range(3):
        order = np.random.default_rng(draw).permutation(60)
        gallery = np.sort(order[np.unique(LABELS[order, 0], return_index=True)[1]])
        draws.append(Protocol(f"small_one_gallery_{draw:02}", np.setdiff1d(np.arange(60), gallery), gallery, (1, 5)))
    table = judge_draws(EMBEDDINGS, LABELS, draws).set_index("metric")
    values = [judge_protocol(EMBEDDINGS, LABELS, protocol)["level0/R_at_5"] for protocol in draws]
    assert table.loc["level0/R_at_5", "mean"] == pytest.approx(np.mean(values))
    assert table.loc["level0/R_at_5", "sd"] == pytest.approx(np.std(values, ddof=1))
    assert table.loc["level0/queries", "mean"] == 48
    assert (table["draws"] == 3).all()
    with pytest.raises(ValueError, match="protocols: expected at least one"):
        judge_draws(EMBEDDINGS, LABELS, [])


def test_shop_queries_against_their_gallery():
    query, gallery = np.arange(20), np.arange(20, 60)
    found = judge_protocol(EMBEDDINGS, LABELS, Protocol("query_gallery", query, gallery, (1, 10)))
    expected = per_query_metrics(EMBEDDINGS[query], LABELS[query], EMBEDDINGS[gallery], LABELS[gallery], (1, 10))
    assert found == mean_metrics(expected)


@pytest.mark.parametrize("labels", [None, np.empty((60, 0), dtype=int)])
def test_landmarks_with_listed_images(labels):
    query, gallery = np.array([3, 1, 7]), np.arange(20, 60)
    relations = related((1, 25, "positive"), (3, 59, "positive"), (3, 20, "positive"))
    protocol = Protocol("all", query, gallery, (1, 100), relations=relations)
    pairs = np.array([[1, 5], [0, 39], [0, 0]])
    expected = mean_metrics(stated_metrics(EMBEDDINGS[query], EMBEDDINGS[gallery], pairs, (1, 100)))
    assert judge_protocol(EMBEDDINGS, labels, protocol) == expected
    assert 0 < expected["stated/mAP_at_100"] < 1
    assert expected["stated/queries"] == 2
    both = judge_protocol(EMBEDDINGS, LABELS, protocol)
    assert both["stated/mAP_at_100"] == expected["stated/mAP_at_100"]
    assert "level1/AP" in both


def test_landmarks_of_the_revisited_setups():
    query, gallery = np.array([5, 2]), np.arange(30, 60)
    relations = related((2, 31, "easy"), (5, 40, "hard"), (2, 33, "junk"), (2, 59, "easy"))
    protocol = Protocol("revisited", query, gallery, (1, 5), relations=relations)
    nothing = np.empty(0, dtype=int)
    truth = [
        {"easy": nothing, "hard": np.array([10]), "junk": nothing},
        {"easy": np.array([1, 29]), "hard": nothing, "junk": np.array([3])},
    ]
    expected = revisited_metrics(EMBEDDINGS[query] @ EMBEDDINGS[gallery].T, truth, (1, 5))
    assert judge_protocol(EMBEDDINGS, None, protocol) == pytest.approx(expected)
    with pytest.raises(ValueError, match="ties: the revisited setups"):
        judge_protocol(EMBEDDINGS, None, protocol, ties="best")


@pytest.mark.parametrize(
    ("protocol", "labels", "named"),
    [
        (Protocol("p", np.arange(3), np.arange(3), relations=related((0, 1, "near"))), LABELS, "states relations"),
        (Protocol("p", np.arange(3), None, relations=related((0, 1, "easy"))), LABELS, "has no gallery"),
        (Protocol("p", np.arange(3)), None, "labels: protocol 'p' judges by shared labels"),
    ],
)
def test_what_cannot_be_judged_is_named(protocol, labels, named):
    with pytest.raises(ValueError, match=named):
        judge_protocol(EMBEDDINGS, labels, protocol)
