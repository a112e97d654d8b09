"""Orders of tied items: worst, best, and the expectation over all of them."""

from itertools import pairwise, permutations

import numpy as np
import pytest
from hierarchies import nested_labels, tied_embeddings
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from suite.evaluation import per_query_metrics, stated_metrics
from suite.evaluation.compiled.expected import _lesser

KS = (1, 2, 4)


def rules(*inputs, **settings):
    return [per_query_metrics(*inputs, ks=KS, ties=ties, **settings) for ties in ("worst", "mean", "best")]


def every_order(scores):
    """All rankings of items in which a higher score stands before a lower one."""
    ranks = range(len(scores))
    return [order for order in permutations(ranks) if all(scores[a] >= scores[b] for a, b in pairwise(order))]


@given(
    seed=st.integers(0, 2**32 - 1),
    items=st.integers(1, 6),
    classes=st.integers(1, 6),
    depth=st.integers(1, 3),
    distinct=st.integers(1, 3),
)
@settings(max_examples=120)
def test_rules_are_the_least_mean_and_greatest_over_all_orders(seed, items, classes, depth, distinct):
    generator = np.random.default_rng(seed)
    labels, own = nested_labels(generator, items, classes, depth), nested_labels(generator, 1, classes, depth)
    scores = generator.integers(0, distinct, items).astype(np.float64)
    values = [
        # Distinct scores in this order: no tie is left.
        per_query_metrics(np.ones((1, 1)), own, np.argsort(order)[:, None] * -1.0, labels, ks=KS)
        for order in every_order(scores)
    ]
    worst, mean, best = rules(np.ones((1, 1)), own, scores[:, None], labels)
    for name in worst:
        over_orders = np.array([value[name][0] for value in values], dtype=np.float64)
        np.testing.assert_allclose(mean[name][0], over_orders.mean(), rtol=1e-9, atol=1e-12, err_msg=name)
        if name != "H_AP":
            ends = (over_orders.min(), over_orders.max())
            np.testing.assert_allclose((worst[name][0], best[name][0]), ends, rtol=1e-12, err_msg=name)


def test_the_relevance_of_h_ap_need_not_rise_with_the_levels_shared():
    """Each of three items of the query's class has relevance 2 / 3, the one that shares the coarse level alone 1 / 1:
    the order that is worst at every level is the best of H-AP."""
    own, labels = np.array([[0, 0]]), np.array([[0, 0], [0, 0], [0, 0], [1, 0]])
    worst, mean, best = rules(np.ones((1, 1)), own, np.ones((4, 1)), labels)
    assert worst["level0/AP"] < mean["level0/AP"] < best["level0/AP"]
    assert worst["H_AP"] > mean["H_AP"] > best["H_AP"]


@given(seed=st.integers(0, 2**32 - 1), items=st.integers(2, 60), depth=st.integers(1, 4))
@settings(max_examples=60)
def test_the_mean_lies_between_worst_and_best(seed, items, depth):
    generator = np.random.default_rng(seed)
    worst, mean, best = rules(tied_embeddings(generator, items), nested_labels(generator, items, 8, depth))
    for name in worst.keys() - {"H_AP"}:
        ordered = np.nan_to_num(np.stack([worst[name], mean[name], best[name]]).astype(np.float64))
        assert (np.diff(ordered, axis=0) >= -1e-12).all(), name


@given(seed=st.integers(0, 2**32 - 1), items=st.integers(2, 150), depth=st.integers(1, 3))
@settings(max_examples=40)
def test_without_ties_all_rules_agree(seed, items, depth):
    generator = np.random.default_rng(seed)
    worst, mean, best = rules(generator.normal(size=(items, 5)), nested_labels(generator, items, 6, depth))
    for name, values in worst.items():
        np.testing.assert_array_equal(best[name], values)
        np.testing.assert_allclose(mean[name], values, rtol=1e-12, atol=1e-15, err_msg=name)


def test_the_mean_is_what_random_orders_average_to():
    """More items than all orders can be listed of, ties of several grades, a level with many positives."""
    generator = np.random.default_rng(4)
    items, draws = 150, 4000
    labels, own = nested_labels(generator, items, 8, 3), np.array([[3, 1, 0]])
    scores = generator.integers(0, 3, items).astype(np.float64)
    shuffled = scores + 1e-3 * generator.random((draws, items))
    # Each draw is a query of its own, in its own dimension, so that it ranks by its own scores.
    orders = per_query_metrics(np.eye(draws), own.repeat(draws, 0), shuffled.T, labels, ks=KS)
    mean = per_query_metrics(np.ones((1, 1)), own, scores[:, None], labels, ks=KS, ties="mean")
    for name, values in orders.items():
        error = 4.5 * values.std() / np.sqrt(draws) + 1e-12
        assert abs(mean[name][0] - values.mean()) <= error, name


@given(
    size=st.integers(1, 3000),
    members=st.floats(0, 1),
    drawn=st.floats(0, 1),
    bound=st.floats(0, 1),
)
@settings(max_examples=200)
def test_expected_lesser_of_a_hypergeometric_number_and_a_bound(size, members, drawn, bound):
    members, drawn = round(members * size), round(drawn * size)
    bound = round(bound * min(members, drawn))
    support = np.arange(min(members, drawn) + 1)
    expected = (np.minimum(support, bound) * hypergeom(size, members, drawn).pmf(support)).sum()
    assert _lesser(size, members, drawn, bound) == pytest.approx(expected, rel=1e-8, abs=1e-8)


def test_collapsed_embeddings_have_the_precision_of_chance():
    labels = np.arange(400) % 20
    worst, mean, best = rules(np.full((400, 3), 0.1, dtype=np.float32), labels)
    np.testing.assert_allclose(mean["level0/P_at_1"], 19 / 399)
    np.testing.assert_allclose(mean["level0/R_at_1"], 19 / 399)
    assert (worst["level0/R_at_4"] == 0).all()
    np.testing.assert_allclose(best["H_AP"], 1.0)


def test_stated_pairs_follow_the_same_rules():
    query, gallery = np.ones((2, 1)), np.array([[1.0], [1.0], [0.0]])
    found = {
        ties: stated_metrics(query, gallery, np.array([[0, 0], [1, 2]]), ks=(1,), ties=ties)["stated/AP"]
        for ties in ("worst", "mean", "best")
    }
    np.testing.assert_allclose(found["worst"], [1 / 2, 1 / 3])
    np.testing.assert_allclose(found["mean"], [3 / 4, 1 / 3])
    np.testing.assert_allclose(found["best"], [1.0, 1 / 3])


def test_an_unknown_rule_is_named():
    with pytest.raises(ValueError, match="ties: expected one of worst, best, mean, found 'random'"):
        per_query_metrics(np.eye(2), [0, 0], ties="random")
    with pytest.raises(ValueError, match="ties: expected"):
        stated_metrics(np.eye(2), np.eye(2), [[0, 0]], ties="random")
