"""Metrics on stated pairs against the definitions, from a full ordering."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suite.evaluation import mean_metrics, per_query_metrics, stated_metrics

KS = (1, 3, 100)


def spelt_out(scores, relevant):
    """One query's metrics from the whole ordering: best score first, at a tie the irrelevant first."""
    hits = relevant[np.lexsort((relevant, -scores))]
    total = int(hits.sum())
    precision = [hits[: place + 1].mean() if hit else 0.0 for place, hit in enumerate(hits)]
    out = {
        "stated/num_positives": total,
        "stated/AP": sum(precision) / max(total, 1),
        "stated/mAP_at_R": sum(precision[:total]) / max(total, 1),
    }
    for k in KS:
        out[f"stated/R_at_{k}"] = float(hits[:k].any())
        out[f"stated/P_at_{k}"] = hits[:k].sum() / k
        out[f"stated/true_R_at_{k}"] = hits[:k].sum() / min(k, total) if total else np.nan
        out[f"stated/mAP_at_{k}"] = sum(precision[:k]) / min(k, total) if total else 0.0
    return out


@given(
    seed=st.integers(0, 2**32 - 1),
    queries=st.integers(1, 25),
    items=st.integers(1, 300),
    share=st.sampled_from([0.0, 0.02, 0.3, 1.0]),
    coarse=st.booleans(),
)
def test_matches_the_definitions(seed, queries, items, share, coarse):
    generator = np.random.default_rng(seed)
    # Small whole numbers give exact scores and many ties; normal draws give none.
    draw = (lambda *s: generator.integers(-1, 2, s).astype(float)) if coarse else (lambda *s: generator.normal(size=s))
    query, gallery = draw(queries, 3), draw(items, 3)
    relevant = generator.random((queries, items)) < share
    pairs = generator.permutation(np.argwhere(relevant))
    found = stated_metrics(query, gallery, np.concatenate([pairs, pairs[:3]]), KS)
    expected = [spelt_out(query[i] @ gallery.T, relevant[i]) for i in range(queries)]
    assert set(found) == set(expected[0])
    for name, values in found.items():
        np.testing.assert_allclose(values, [row[name] for row in expected], rtol=1e-9, atol=1e-12, err_msg=name)


def test_many_blocks_and_more_positives_than_the_cut_off_agree_with_shared_labels():
    generator = np.random.default_rng(7)
    query, gallery = generator.normal(size=(2100, 4)), generator.normal(size=(900, 4))
    query_labels, gallery_labels = generator.integers(0, 5, 2100), generator.integers(0, 5, 900)
    pairs = np.argwhere(query_labels[:, None] == gallery_labels[None])
    found = stated_metrics(query, gallery, pairs)
    assert found["stated/num_positives"].min() > 100
    labelled = per_query_metrics(query, query_labels, gallery, gallery_labels, (1, 2, 4, 8, 100), hierarchical=False)
    assert {name.replace("level0", "stated") for name in labelled} == set(found)
    for name, values in labelled.items():
        np.testing.assert_array_equal(found[name.replace("level0", "stated")], values)


def test_means_leave_out_queries_without_a_relevant_item():
    found = stated_metrics(np.eye(3), np.eye(3), np.array([[0, 0], [1, 2]]), ks=(1,))
    means = mean_metrics(found)
    assert (means["queries"], means["stated/queries"]) == (3, 2)
    # Query 0 finds its item first; the item of query 1 ties with one that is not relevant and stands last.
    assert means["stated/mAP_at_1"] == 0.5
    assert means["stated/AP"] == pytest.approx((1 + 1 / 3) / 2)


def test_no_relation_at_all():
    found = stated_metrics(np.eye(2), np.eye(2), np.empty((0, 2), dtype=int), ks=(1,))
    assert found["stated/AP"].tolist() == [0.0, 0.0]
    assert np.isnan(mean_metrics(found)["stated/AP"])


@pytest.mark.parametrize(
    ("query", "gallery", "relations", "named"),
    [
        (np.zeros(3), np.eye(3), [[0, 0]], "query: expected"),
        (np.eye(3), np.eye(2), [[0, 0]], "gallery: width 2"),
        (np.eye(3), np.full((1, 3), np.nan), [[0, 0]], "gallery: 1 of 1 rows"),
        (np.eye(3), np.eye(3), [0, 0], "relations: expected integers of shape"),
        (np.eye(3), np.eye(3), [[0.0, 0.0]], "relations: expected integers"),
        (np.eye(3), np.eye(3), [[3, 0]], "column 0 holds query rows outside 0..2"),
        (np.eye(3), np.eye(3), [[0, -1]], "column 1 holds gallery rows outside 0..2"),
    ],
)
def test_bad_input_is_named(query, gallery, relations, named):
    with pytest.raises(ValueError, match=named):
        stated_metrics(query, gallery, relations)
