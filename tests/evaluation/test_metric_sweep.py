"""The sweep behind the metrics: scores, counting, and that nothing but the inputs decides a value."""

import numpy as np
import pytest
import torch
from hierarchies import nested_labels, tied_embeddings
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.evaluation import per_query_metrics, revisited_metrics, revisited_retrieval, stated_metrics, tensors
from suite.evaluation import sweep as sweeping
from suite.evaluation.compiled.counting import FEW, buckets_for, count_at_or_above, sort_relevant
from suite.evaluation.inputs import as_embedded, encode_labels
from suite.evaluation.scoring import Products, equal_rows
from suite.evaluation.sweep import Asked, judge_queries, rank_pairs, shared_labels, stated_pairs

KS = (1, 3, 50)

# Scores that crowd into few buckets: ties, an outlier, ranges at the end of what a float holds.
SHAPES = {
    "normal": lambda g, n: g.normal(size=n),
    "tied": lambda g, n: g.integers(0, 5, n) * 0.25,
    "equal": lambda g, n: np.full(n, 0.1),
    "outlier": lambda g, n: np.where(np.arange(n) == 0, 1e6, g.normal(size=n)),
    "geometric": lambda g, n: 2.0 ** -g.integers(0, 120, n),
    "tiny": lambda g, n: g.normal(size=n) * 1e-44,
    "huge": lambda g, n: g.normal(size=n) * 1e37,
}


def counted(row, relevant):
    """Sorted relevant scores and what `count_at_or_above` gives: at or above each, and strictly above."""
    count = len(relevant)
    values, codes = np.append(row[relevant], 0).astype(row.dtype), np.zeros(count, np.uint8)
    table, counts = np.empty(buckets_for(count), np.int32), np.empty((2, count + 1), np.int32)
    lowest, scale = sort_relevant(values, codes, count, table, values.copy(), codes.copy())
    count_at_or_above(row, values, count, lowest, scale, table, counts[0])
    bounds = np.append(np.nextafter(values[:-1], row.dtype.type(np.inf)), -np.inf).astype(row.dtype)
    count_at_or_above(row, bounds, count, lowest, scale, table, counts[1])
    return values[:-1], counts[:, :-1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
@given(seed=st.integers(0, 2**32 - 1), items=st.integers(1, 900), share=st.floats(0.01, 1))
@settings(max_examples=25)
def test_counts_are_those_of_comparisons(shape, dtype, seed, items, share):
    generator = np.random.default_rng(seed)
    row = SHAPES[shape](generator, items).astype(dtype)
    row[generator.random(items) < 0.05] = -np.inf
    kept = np.flatnonzero(row > -np.inf)
    relevant = kept[: round(share * len(kept))]
    if not len(relevant):
        return
    values, (at_or_above, above) = counted(row, relevant)
    np.testing.assert_array_equal(values, np.sort(row[relevant])[::-1])
    np.testing.assert_array_equal(at_or_above, (row >= values[:, None]).sum(1))
    np.testing.assert_array_equal(above, (row > values[:, None]).sum(1))


@pytest.mark.parametrize("count", [FEW, FEW + 1, 3000])
def test_few_and_many_relevant_items_are_counted_alike(count):
    row = np.random.default_rng(2).normal(size=5000).astype(np.float32)
    values, (at_or_above, _) = counted(row, np.arange(count))
    np.testing.assert_array_equal(at_or_above, np.searchsorted(np.sort(-row), -values, side="right"))


def judged_by_tensors(embedded, relevance, asked):
    source, out = Products(embedded), np.empty((len(embedded.queries), asked.columns))
    tensors.judge_queries(source, relevance, asked.rules(len(embedded.items)), out, 7)
    return out


@given(
    seed=st.integers(0, 2**32 - 1),
    items=st.integers(2, 200),
    depth=st.integers(1, 3),
    coarse=st.booleans(),
    ties=st.sampled_from(["worst", "best", "mean"]),
)
@settings(max_examples=60)
def test_tensor_operations_count_as_the_compiled_loops_do(seed, items, depth, coarse, ties):
    generator = np.random.default_rng(seed)
    rows = tied_embeddings(generator, items) if coarse else generator.normal(size=(items, 6))
    labels, embedded = nested_labels(generator, items, 9, depth), as_embedded(rows, None)
    relevance = shared_labels(*encode_labels(labels, labels), tuple(range(depth)), alone=True)
    asked = Asked(ties, tuple(range(depth)), KS, depth)
    found = judged_by_tensors(embedded, relevance, asked)
    np.testing.assert_array_equal(found, judge_queries(Products(embedded), relevance, asked))


@given(seed=st.integers(0, 2**32 - 1), items=st.integers(2, 60), coarse=st.booleans())
@settings(max_examples=40)
def test_tensor_operations_rank_listed_items_as_the_compiled_loops_do(seed, items, coarse):
    generator = np.random.default_rng(seed)
    rows = tied_embeddings(generator, items) if coarse else generator.normal(size=(items, 6))
    embedded = as_embedded(rows[:9], rows)
    drawn = generator.integers(0, 3, (len(embedded.queries), items))
    relevance = stated_pairs(np.argwhere(drawn == 1), len(drawn), np.argwhere(drawn == 2))
    expected = rank_pairs(Products(embedded), relevance)
    np.testing.assert_array_equal(tensors.rank_pairs(Products(embedded), relevance, 4), expected)
    asked = Asked("worst", (0,), KS, 0)
    expected = judge_queries(Products(embedded), relevance, asked)
    np.testing.assert_array_equal(judged_by_tensors(embedded, relevance, asked), expected)


def test_values_depend_neither_on_threads_nor_on_blocks(monkeypatch):
    generator = np.random.default_rng(8)
    embeddings = generator.normal(size=(700, 33)).astype(np.float32)
    labels = nested_labels(generator, 700, 60, 3)
    expected = per_query_metrics(embeddings, labels)
    before = torch.get_num_threads()
    try:
        for threads, elements in ((1, 1 << 15), (2, 1 << 15), (3, 1 << 16)):
            torch.set_num_threads(threads)
            monkeypatch.setattr(sweeping, "_BLOCK_ELEMENTS", elements)
            found = per_query_metrics(embeddings, labels)
            assert all(found[name].tobytes() == values.tobytes() for name, values in expected.items())
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_a_single_block_does_not_depend_on_threads_either():
    generator = torch.Generator().manual_seed(3)
    query, gallery = torch.randn(5, 2048, generator=generator), torch.randn(4000, 2048, generator=generator)
    scores, before = {}, torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            sweeping._sweep(
                Products(as_embedded(query, gallery)),
                lambda block, first, threads=threads: scores.setdefault(threads, block.tobytes()),
            )
    finally:
        torch.set_num_threads(before)
    assert scores[1] == scores[2]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("columns", [1, 5, 300])
def test_equal_rows_are_found(dtype, columns):
    rows = torch.randn(50, columns, dtype=dtype, generator=torch.Generator().manual_seed(1))
    rows[7], rows[30], rows[41] = rows[3], rows[3], rows[0]
    rows[10], rows[20] = 0.0, -0.0
    copies, originals = equal_rows(rows)
    assert dict(zip(copies.tolist(), originals.tolist(), strict=True)) == {7: 3, 20: 10, 30: 3, 41: 0}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounded_scores_tie(dtype):
    # 1 and 1 - 2^-9 are one number in bfloat16, which keeps eight bits.
    gallery = np.array([[1 - 2.0**-9], [1.0]], dtype=dtype)
    arguments = (np.ones((1, 1), dtype=dtype), [0], gallery, [1, 0])
    assert per_query_metrics(*arguments)["level0/AP"] == 1.0
    assert per_query_metrics(*arguments, score_dtype=torch.bfloat16)["level0/AP"] == 0.5


def test_half_precision_embeddings_are_taken_as_they_are():
    embeddings = torch.randn(40, 8, generator=torch.Generator().manual_seed(0))
    for dtype in (torch.float16, torch.bfloat16):
        rounded = embeddings.to(dtype)
        found, expected = (per_query_metrics(rows, np.arange(40) // 4) for rows in (rounded, rounded.float()))
        assert all(found[name].tobytes() == values.tobytes() for name, values in expected.items())


@given(seed=st.integers(0, 2**32 - 1), queries=st.integers(1, 8), items=st.integers(1, 40))
@settings(max_examples=30)
def test_revisited_from_embeddings_is_revisited_from_their_scores(seed, queries, items):
    generator = np.random.default_rng(seed)
    query, gallery = (generator.integers(-2, 3, (n, 3)).astype(np.float64) for n in (queries, items))
    kinds = generator.integers(0, 4, (queries, items))
    truth = [{name: np.flatnonzero(row == kind) for kind, name in enumerate(("easy", "hard", "junk"))} for row in kinds]
    expected = revisited_metrics(query @ gallery.T, truth, (1, 3))
    assert revisited_retrieval(query, gallery, truth, (1, 3)) == pytest.approx(expected, nan_ok=True)


def test_a_class_of_one_item_has_no_positive_and_is_told_apart():
    found = per_query_metrics(np.eye(3), ["a", "a", "b"], ks=(1,))
    assert found["level0/num_positives"].tolist() == [1, 1, 0]
    assert (found["level0/AP"][2], found["NDCG"][2], found["H_AP"][2]) == (0.0, 0.0, 0.0)
    assert np.isnan(found["level0/true_R_at_1"][2])


def test_a_row_of_zeros_is_judged_as_one_run_of_ties():
    embeddings = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    found = per_query_metrics(embeddings, [0, 0, 1, 1], ks=(1,))
    assert found["level0/AP"][0] == pytest.approx(1 / 3)


def test_cut_offs_beyond_the_gallery_take_all_of_it():
    found = per_query_metrics(np.eye(3), [0, 0, 1], ks=(2, 100))
    assert found["level0/R_at_100"][:2].tolist() == [1.0, 1.0]
    assert found["level0/P_at_100"][:2].tolist() == [0.01, 0.01]
    np.testing.assert_array_equal(found["level0/mAP_at_100"], found["level0/AP"])


def test_one_image_alone_has_nothing_to_find():
    found = per_query_metrics(np.ones((1, 4)), [3])
    assert found["level0/num_positives"].tolist() == [0]
    assert found["ASI"].tolist() == [0.0]


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: per_query_metrics(np.full((2, 3), 1e25, np.float32), [0, 0]), "query: entries as large as 1e"),
        (lambda: per_query_metrics(np.full((2, 3), 1e200), [0, 0]), "can overflow a dot product in float64"),
        (lambda: per_query_metrics([[1.0], [np.inf]], [0, 0]), "query: 1 of 2 rows hold NaN or infinity, first row 1"),
        (lambda: per_query_metrics(np.eye(2), [0, 0], np.empty((0, 2)), []), r"gallery: expected .* found \(0, 2\)"),
        (lambda: per_query_metrics(np.eye(2), [0, 0], np.eye(2), [[0, 0]] * 2), "gallery_labels: 2 levels"),
        (lambda: stated_metrics(np.full((1, 1), 1e30), np.full((1, 1), 1e30, np.float32), [[0, 0]]), None),
        (lambda: revisited_retrieval(np.eye(2), np.eye(3), []), "gallery: width 3"),
        (lambda: revisited_retrieval(np.eye(2), np.eye(2), []), "ground_truth: 0 entries for 2"),
    ],
)
def test_bad_input_is_named(call, named):
    if named is None:
        # Double precision holds what single would overflow.
        assert call()["stated/AP"] == 1.0
        return
    with pytest.raises(ValueError, match=named):
        call()
