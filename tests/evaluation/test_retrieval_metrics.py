"""The streaming metrics against definitions spelt out item by item."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.evaluation import mean_metrics, per_query_metrics

KS = (1, 3, 5)


def spelt_out(scores, query_labels, gallery_labels, itself=None):
    """Metrics of one query, from the full ordering: best score first, at a tie the less relevant first."""
    agree = (gallery_labels == query_labels).sum(1)
    keep = np.arange(len(scores)) != itself if itself is not None else np.ones(len(scores), dtype=bool)
    scores, agree, gallery_labels = scores[keep], agree[keep], gallery_labels[keep]
    order = np.lexsort((agree, -scores))
    agree, relevant = agree[order], (gallery_labels == query_labels)[order]
    depth, out = relevant.shape[1], {}
    for level in range(depth):
        hits = relevant[:, level]
        total = int(hits.sum())
        precision = [hits[: n + 1].mean() if hits[n] else 0.0 for n in range(len(hits))]
        out[f"level{level}/num_positives"] = total
        out[f"level{level}/AP"] = sum(precision) / max(total, 1)
        out[f"level{level}/mAP_at_R"] = sum(precision[:total]) / max(total, 1)
        for k in KS:
            out[f"level{level}/R_at_{k}"] = float(hits[:k].any())
            out[f"level{level}/P_at_{k}"] = hits[:k].sum() / k
            out[f"level{level}/true_R_at_{k}"] = hits[:k].sum() / min(k, total) if total else np.nan
            out[f"level{level}/mAP_at_{k}"] = sum(precision[:k]) / min(k, total) if total else 0.0
    ideal = np.sort(agree)[::-1]
    total = int((agree > 0).sum())
    if not total:
        return out | {"NDCG": 0.0, "ASI": 0.0, "H_AP": 0.0}
    discount = 1 / np.log2(2 + np.arange(len(agree)))
    out["NDCG"] = ((2.0**agree - 1) * discount).sum() / ((2.0**ideal - 1) * discount).sum()
    out["ASI"] = np.mean(
        [
            sum(min((agree[:n] == t).sum(), (ideal[:n] == t).sum()) for t in range(1, depth + 1)) / n
            for n in range(1, total + 1)
        ]
    )
    relevance = np.array([t / (agree == t).sum() if t else 0.0 for t in agree])
    ranks = [np.minimum(relevance[: n + 1], relevance[n]).sum() / (n + 1) for n in range(len(agree))]
    out["H_AP"] = sum(ranks) / relevance.sum()
    return out


def assert_same(found, expected):
    assert set(found) == set(expected[0])
    for name, values in found.items():
        np.testing.assert_allclose(values, [row[name] for row in expected], rtol=1e-9, atol=1e-12, err_msg=name)


def hierarchy(generator, items, classes, depth):
    labels = [generator.integers(0, classes, items)]
    for _ in range(depth - 1):
        labels.append(labels[-1] // 2)
    return np.stack(labels, axis=1)


@given(
    seed=st.integers(0, 2**32 - 1),
    items=st.integers(2, 40),
    classes=st.integers(1, 12),
    depth=st.integers(1, 4),
    coarse=st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_leave_one_out_matches_the_definitions(seed, items, classes, depth, coarse):
    generator = np.random.default_rng(seed)
    # Small whole numbers give exact scores and many ties; normal draws give none.
    embeddings = (
        generator.integers(-1, 2, (items, 3)).astype(np.float64) if coarse else generator.normal(size=(items, 8))
    )
    labels = hierarchy(generator, items, classes, depth)
    scores = embeddings @ embeddings.T
    expected = [spelt_out(scores[i], labels[i], labels, itself=i) for i in range(items)]
    assert_same(per_query_metrics(embeddings, labels, ks=KS), expected)


@given(
    seed=st.integers(0, 2**32 - 1),
    queries=st.integers(1, 20),
    items=st.integers(1, 60),
    depth=st.integers(1, 3),
)
@settings(max_examples=60, deadline=None)
def test_query_and_gallery_match_the_definitions(seed, queries, items, depth):
    generator = np.random.default_rng(seed)
    query, gallery = generator.normal(size=(queries, 6)), generator.normal(size=(items, 6))
    query_labels = hierarchy(generator, queries, 9, depth)
    gallery_labels = hierarchy(generator, items, 7, depth)
    scores = query @ gallery.T
    expected = [spelt_out(scores[i], query_labels[i], gallery_labels) for i in range(queries)]
    assert_same(per_query_metrics(query, query_labels, gallery, gallery_labels, ks=KS), expected)


def test_coarse_levels_with_many_positives_and_many_blocks():
    generator = np.random.default_rng(3)
    embeddings = generator.normal(size=(1500, 5)).astype(np.float32)
    labels = np.stack([generator.integers(0, 400, 1500), np.zeros(1500, dtype=int)], axis=1)
    labels[:, 1] = labels[:, 0] % 2
    found = per_query_metrics(embeddings, labels, ks=KS)
    scores = embeddings @ embeddings.T
    for i in range(0, 1500, 149):
        expected = spelt_out(scores[i], labels[i], labels, itself=i)
        for name, values in found.items():
            # Two orders of summation in single precision may swap a near tie, which moves a metric by parts
            # in 1e4.
            np.testing.assert_allclose(values[i], expected[name], rtol=1e-3, err_msg=name)


def test_a_selection_of_levels_gives_the_same_values():
    generator = np.random.default_rng(1)
    embeddings, labels = generator.normal(size=(80, 4)), hierarchy(generator, 80, 10, 3)
    everything = per_query_metrics(embeddings, labels)
    part = per_query_metrics(embeddings, labels, levels=(1,), hierarchical=False)
    assert {name.split("/")[0] for name in part} == {"level1"}
    for name, values in part.items():
        np.testing.assert_allclose(values, everything[name], rtol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("items", [7, 129, 515])
def test_collapsed_embeddings_get_the_worst_ranking(dtype, items):
    row = torch.randn(33, generator=torch.Generator().manual_seed(0), dtype=dtype)
    labels = np.arange(items) // 2
    found = per_query_metrics(row.expand(items, -1), labels)
    even = np.where(found["level0/num_positives"] > 0)[0]
    # One positive, behind all items - 2 others.
    np.testing.assert_allclose(found["level0/AP"][even], 1 / (items - 1))
    assert found["level0/R_at_1"].sum() == (items == 2)


def test_the_order_of_rows_does_not_matter():
    generator = np.random.default_rng(5)
    embeddings = generator.normal(size=(60, 4))
    embeddings[30:] = embeddings[:30]
    labels = hierarchy(generator, 60, 6, 2)
    shuffle = generator.permutation(60)
    straight = per_query_metrics(embeddings, labels)
    shuffled = per_query_metrics(embeddings[shuffle], labels[shuffle])
    for name, values in straight.items():
        np.testing.assert_allclose(shuffled[name], values[shuffle], rtol=1e-12, err_msg=name)


def test_same_inputs_give_the_same_bits():
    generator = np.random.default_rng(6)
    embeddings = generator.normal(size=(300, 16)).astype(np.float32)
    labels = hierarchy(generator, 300, 30, 2)
    first, second = (per_query_metrics(embeddings, labels) for _ in range(2))
    assert all(first[name].tobytes() == second[name].tobytes() for name in first)


def test_perfect_ranking_scores_one():
    labels = np.repeat(np.arange(6), 4)
    embeddings = np.eye(6)[labels]
    found = per_query_metrics(embeddings, labels)
    for name in ("level0/AP", "level0/mAP_at_R", "level0/true_R_at_4", "NDCG", "ASI", "H_AP"):
        np.testing.assert_allclose(found[name], 1.0, err_msg=name)


def test_text_labels_and_tensors_are_welcome():
    embeddings = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]], requires_grad=True)
    found = per_query_metrics(embeddings, np.array(["cat", "cat", "dog"]))
    assert found["level0/AP"].tolist() == [1.0, 1.0, 0.0]


def test_means_leave_out_queries_without_positives():
    labels = np.array([[0, 0], [0, 0], [1, 0], [2, 1]])
    embeddings = np.array([[1.0, 0], [0.9, 0.1], [0.8, 0.3], [0, 1.0]])
    per_query = per_query_metrics(embeddings, labels, ks=(1,))
    means = mean_metrics(per_query)
    assert (means["queries"], means["level0/queries"], means["level1/queries"]) == (4.0, 2.0, 3.0)
    assert means["level0/AP"] == per_query["level0/AP"][:2].mean()
    assert means["level0/true_R_at_1"] == per_query["level0/true_R_at_1"][:2].mean()
    assert means["H_AP"] == per_query["H_AP"][:3].mean()
    assert not any("num_positives" in name for name in means)


def test_a_mean_over_no_query_is_nan():
    means = mean_metrics(per_query_metrics(np.eye(3), np.arange(3)))
    assert means["level0/queries"] == 0
    assert np.isnan(means["level0/AP"])
    assert np.isnan(means["NDCG"])


E2 = np.eye(2)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((np.array([[1.0, np.nan]]), [0]), "query: 1 of 1 rows"),
        ((np.zeros((0, 2)), []), "query: expected"),
        ((np.zeros(3), [0, 1, 2]), "query: expected"),
        ((E2, [0]), "query_labels: expected"),
        ((E2, np.zeros((2, 9))), "query_labels: expected"),
        ((E2, [0, 1], np.zeros((0, 2)), []), "gallery: expected"),
        ((E2, [0, 1], E2), "gallery_labels: required"),
        ((E2, [0, 1], None, [0]), "gallery_labels: given without"),
        ((E2, [0, 1], np.eye(3), [0, 1, 2]), "gallery: width 3"),
        ((E2, [0, 1], E2, [[0, 1], [1, 1]]), "gallery_labels: 2 levels"),
        ((E2, [0.0, np.nan]), "query_labels: 1 of 2 rows hold NaN or None"),
        ((E2, ["a", None]), "query_labels: 1 of 2 rows hold NaN or None"),
        ((E2, [0, 1], None, None, (0, 1)), "ks: expected"),
        ((E2, [0, 1], None, None, ()), "ks: expected"),
    ],
)
def test_bad_input_is_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        per_query_metrics(*arguments)


@pytest.mark.parametrize("options", [{"levels": (1,)}, {"levels": (), "hierarchical": False}])
def test_bad_levels_are_named(options):
    with pytest.raises(ValueError, match="levels: "):
        per_query_metrics(E2, [0, 1], **options)


def test_ties_between_levels_that_do_not_nest_are_ordered_as_documented():
    """One query and three items of equal score: sharing level 1, level 0, and neither."""
    labels = np.array([[1, 0], [0, 1], [1, 1]])
    found = per_query_metrics(np.ones((1, 1)), np.array([[0, 0]]), np.ones((3, 1)), labels, ks=(1,))
    # Who shares nothing stands first; then, at one level each, the item of the finer level.
    assert found["level0/AP"] == pytest.approx(1 / 2)
    assert found["level1/AP"] == pytest.approx(1 / 3)
