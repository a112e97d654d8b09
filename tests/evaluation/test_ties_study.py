"""The study of ties on embeddings whose ties are known."""

import numpy as np
import pytest
import torch

from suite.evaluation import mean_metrics, per_query_metrics, ties_study


def test_collapsed_embeddings_hang_on_the_rule_altogether():
    table = ties_study(np.ones((6, 2)), [0, 0, 0, 1, 1, 2], ks=(1,)).set_index("metric")
    row = table.loc["level0/R_at_1"]
    assert (row["queries"], row["worst"], row["best"], row["tied"]) == (5, 0.0, 1.0, 1.0)
    assert row["mean"] == pytest.approx((3 * 2 / 5 + 2 * 1 / 5) / 5)


def test_distinct_scores_do_not():
    generator = np.random.default_rng(0)
    embeddings, labels = generator.normal(size=(50, 4)), generator.integers(0, 9, 50)
    table = ties_study(embeddings, labels).set_index("metric")
    assert (table["tied"] == 0).all()
    assert (table["worst"] == table["best"]).all()
    expected = mean_metrics(per_query_metrics(embeddings, labels))
    assert table["worst"].to_dict() == {name: value for name, value in expected.items() if "queries" not in name}
    assert table.loc["level0/AP", "queries"] == expected["level0/queries"]


def test_copies_in_another_class_tie_their_own_queries():
    gallery = np.array([[1.0, 0], [1.0, 0], [0, 1.0]])
    table = ties_study(np.eye(2), [0, 2], gallery, [0, 1, 2], ks=(1,)).set_index("metric")
    assert table.loc["level0/AP", "tied"] == 0.5
    assert table.loc["level0/AP", "worst"] == 0.75


def test_half_precision_ties_what_single_tells_apart():
    generator = np.random.default_rng(1)
    embeddings = torch.nn.functional.normalize(torch.from_numpy(generator.normal(size=(400, 8))), dim=1)
    labels = np.arange(400) // 4
    exact, rounded = (
        ties_study(embeddings, labels, score_dtype=dtype).set_index("metric") for dtype in (None, torch.bfloat16)
    )
    assert exact.loc["level0/AP", "tied"] == 0
    assert rounded.loc["level0/AP", "tied"] > 0.5
    between = rounded.loc["level0/AP"]
    assert between["worst"] < between["mean"] < between["best"]


def test_rows_of_zeros_are_counted():
    table = ties_study(np.array([[0.0, 0], [1, 0], [0, 1]]), [0, 0, 0], np.array([[-0.0, 0], [1, 0]]), [0, 0], ks=(1,))
    assert set(table["zero_queries"]) == {1}
    assert set(table["zero_items"]) == {1}


def test_nobody_with_a_positive():
    table = ties_study(np.eye(2), [0, 1], ks=(1,))
    assert (table["queries"] == 0).all()
    assert table[["worst", "mean", "best", "tied"]].isna().all(axis=None)
