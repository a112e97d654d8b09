"""Indexes: the flat one is exact, the others find what they should; builds repeat bit by bit; bad input is named."""

import faiss
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.evaluation import nearest_neighbours, search_index, search_recall

KINDS = ("flat", "ivf", "hnsw")


def unit_vectors(items, width, seed=0):
    points = np.random.default_rng(seed).normal(size=(items, width))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def brute_force(query, gallery, k):
    scores = query.astype(np.float64) @ gallery.T.astype(np.float64)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, 1), order


def written(index):
    return faiss.serialize_index(index._index).tobytes()


@given(
    seed=st.integers(0, 2**32 - 1),
    items=st.integers(1, 70),
    width=st.integers(1, 20),
    queries=st.integers(1, 30),
    copies=st.integers(1, 4),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_flat_equals_brute_force_with_copies_and_up_to_the_whole_gallery(seed, items, width, queries, copies, data):
    generator = np.random.default_rng(seed)
    # Small integers: scores are exact in every precision, so that ties are ties.
    gallery = np.repeat(generator.integers(-3, 4, (items, width)), copies, axis=0).astype(np.float32)
    gallery = gallery[generator.permutation(len(gallery))]
    query = generator.integers(-3, 4, (queries, width)).astype(np.float32)
    k = data.draw(st.one_of(st.just(len(gallery)), st.integers(1, len(gallery))))
    scores, rows = search_index(gallery, "flat").search(query, k)
    expected_scores, expected_rows = brute_force(query, gallery, k)
    np.testing.assert_array_equal(rows, expected_rows)
    np.testing.assert_array_equal(scores, expected_scores)


@pytest.mark.parametrize("length", [1.0, 1e-18, 1e12])
def test_flat_is_exact_where_scores_differ_less_than_single_precision_sees(length):
    generator = np.random.default_rng(3)
    centre = generator.normal(size=64)
    gallery = length * (centre + 1e-7 * generator.normal(size=(300, 64)))
    query = centre + generator.normal(size=(20, 64))
    scores, rows = search_index(gallery).search(query, 5)
    expected, _ = brute_force(query, gallery, 5)
    np.testing.assert_array_equal(scores, expected.astype(np.float32))
    own = np.einsum("qd,qkd->qk", query, gallery[rows]).astype(np.float32)
    np.testing.assert_array_equal(own, scores)


@given(seed=st.integers(0, 2**32 - 1), items=st.integers(2, 120), data=st.data())
@settings(max_examples=30, deadline=None)
def test_lists_that_are_all_looked_into_find_everything(seed, items, data):
    gallery, query = unit_vectors(items, 6, seed), unit_vectors(9, 6, seed + 1)
    nlist = data.draw(st.integers(1, items))
    k = data.draw(st.integers(1, items))
    _, rows = search_index(gallery, "ivf", nlist=nlist, nprobe=nlist).search(query, k)
    # The last bit of a single-precision score may swap neighbours at the k-th place.
    _, expected = brute_force(query, gallery, k)
    scores = np.einsum("qd,qkd->qk", query, gallery[rows])
    np.testing.assert_allclose(scores, np.einsum("qd,qkd->qk", query, gallery[expected]), atol=1e-5)
    assert all(len(set(row)) == k for row in rows.tolist())


def test_a_graph_walked_with_many_candidates_finds_everything():
    gallery, query = unit_vectors(400, 8), unit_vectors(50, 8, 1)
    _, rows = search_index(gallery, "hnsw", M=16, ef_construction=200).search(query, 10, ef_search=400)
    np.testing.assert_array_equal(search_recall(query, gallery, rows), np.ones(50))


@pytest.mark.parametrize(
    ("kind", "knob", "values"), [("ivf", "nprobe", (1, 4, 32)), ("hnsw", "ef_search", (1, 8, 200))]
)
def test_recall_grows_with_the_knob_and_the_search_leaves_the_setting_alone(kind, knob, values):
    gallery, query = unit_vectors(2000, 16), unit_vectors(100, 16, 1)
    index = search_index(gallery, kind, **({"nlist": 32} if kind == "ivf" else {"M": 4}))
    before = dict(index.settings)
    recalls = [search_recall(query, gallery, index.search(query, 10, **{knob: value})[1]).mean() for value in values]
    assert recalls == sorted(recalls)
    assert recalls[0] < 0.8 < 0.99 < recalls[-1]
    assert index.settings == before


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_builds_the_same_index_bit_by_bit(kind):
    gallery = unit_vectors(1500, 24)
    first, second = (search_index(gallery, kind, seed=5) for _ in range(2))
    assert written(first) == written(second)
    assert first.nbytes == len(written(first))


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_another_seed_builds_another_index(kind):
    gallery = unit_vectors(1500, 24)
    assert written(search_index(gallery, kind, seed=5)) != written(search_index(gallery, kind, seed=6))


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_and_tensors_of_any_precision_give_the_same_answer(kind):
    # Values that bfloat16 holds exactly.
    gallery = torch.from_numpy(np.random.default_rng(0).integers(-8, 9, (200, 6))).double()
    query = gallery[:7] + 1
    answers = [
        search_index(give(gallery), kind).search(give(query), 4)
        for give in (torch.Tensor.numpy, torch.Tensor.double, torch.Tensor.float, torch.Tensor.bfloat16)
    ]
    for scores, rows in answers[1:]:
        np.testing.assert_array_equal(scores, answers[0][0])
        np.testing.assert_array_equal(rows, answers[0][1])


def test_what_an_approximate_search_lacks_is_row_minus_one():
    gallery = np.eye(4, dtype=np.float32)
    scores, rows = search_index(gallery, "ivf", nlist=4, nprobe=1).search(gallery, 3)
    assert rows[:, 0].tolist() == [0, 1, 2, 3]
    assert (rows[:, 1:] == -1).all()
    assert np.isneginf(scores[:, 1:]).all()
    # What was not found counts as missed: one of three is found, and the other two are tied with all that is left.
    assert search_recall(gallery, gallery, rows).tolist() == [1 / 3] * 4


def test_settings_in_force_are_told():
    gallery = unit_vectors(780, 4)
    assert search_index(gallery, "ivf").settings == {"nlist": 20, "nprobe": 1}
    assert search_index(gallery, "hnsw", M=8).settings == {"M": 8, "ef_construction": 100, "ef_search": 64}
    index = search_index(gallery)
    assert (index.kind, index.device, index.size, index.width, index.settings) == ("flat", "cpu", 780, 4, {})


def test_threads_are_given_back_and_change_no_exact_answer():
    before = faiss.omp_get_max_threads()
    gallery = unit_vectors(3000, 32)
    one, two = (search_index(gallery, threads=threads).search(gallery[:100], 5) for threads in (1, 2))
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])
    assert faiss.omp_get_max_threads() == before


@pytest.mark.skipif(hasattr(faiss, "StandardGpuResources"), reason="the GPU build of faiss is installed")
@pytest.mark.parametrize("kind", ["flat", "ivf"])
def test_a_gpu_without_the_gpu_build_is_one_clear_line(kind):
    with pytest.raises(ValueError, match=r"^device: 'gpu' needs the GPU build of faiss; installed is faiss \d"):
        search_index(np.eye(3), kind, device="gpu")


@pytest.mark.skipif(faiss.get_num_gpus() == 0, reason="needs the GPU build of faiss and a GPU")
@pytest.mark.parametrize("kind", ["flat", "ivf"])
def test_a_gpu_finds_what_the_processor_finds(kind):
    gallery, query = unit_vectors(5000, 32), unit_vectors(200, 32, 1)
    answers = [search_index(gallery, kind, device=device).search(query, 10) for device in ("cpu", "gpu")]
    np.testing.assert_allclose(answers[0][0], answers[1][0], atol=1e-5)


@pytest.mark.parametrize(
    ("gallery", "arguments", "named"),
    [
        (np.full((2, 2), np.nan), {}, "gallery: 2 of 2 rows hold NaN"),
        (np.empty((0, 8)), {}, r"gallery: expected embeddings of shape \(N, D\)"),
        (np.full((2, 2), 1e300), {}, r"gallery: values beyond the range of float32, the largest 1e\+300"),
        (np.eye(3), {"kind": "hnws"}, "kind: unknown index 'hnws': did you mean 'hnsw'?"),
        (np.eye(3), {"kind": "trees"}, "kind: unknown index 'trees': known: flat, ivf, hnsw"),
        (np.eye(3), {"kind": "ivf", "nlist": 4}, "nlist: expected 1 to 3, the gallery's size, found 4"),
        (np.eye(3), {"kind": "ivf", "nlist": 0}, "nlist: expected 1 to 3"),
        (np.eye(3), {"kind": "ivf", "nlist": 2.0}, "nlist: expected 1 to 3, the gallery's size, found 2.0"),
        (np.eye(3), {"kind": "ivf", "nlist": 2, "nprobe": 3}, "nprobe: expected 1 to 2, nlist, found 3"),
        (np.eye(3), {"kind": "ivf", "M": 8}, "M: a setting of an index of kind 'hnsw', not of 'ivf', found 8"),
        (np.eye(3), {"nprobe": 1}, "nprobe: a setting of an index of kind 'ivf', not of 'flat'"),
        (np.eye(3), {"kind": "hnsw", "M": 1}, "M: expected 2 to 1024"),
        (np.eye(3), {"kind": "hnsw", "ef_search": True}, "ef_search: expected 1 to"),
        (np.eye(3), {"kind": "hnsw", "device": "gpu"}, "device: an index of kind 'hnsw' runs on 'cpu' alone"),
        (np.eye(3), {"device": "tpu"}, "device: expected cpu or gpu, found 'tpu'"),
        (np.eye(3), {"seed": -1}, "seed: expected 0 to"),
        (np.eye(3), {"threads": 0}, "threads: expected 1 to"),
    ],
)
def test_a_bad_index_is_named(gallery, arguments, named):
    with pytest.raises(ValueError, match=named):
        search_index(gallery, **arguments)


@pytest.mark.parametrize(
    ("kind", "query", "arguments", "named"),
    [
        ("flat", np.array([[0, 0, np.inf]]), {"k": 1}, "query: 1 of 1 rows"),
        ("flat", np.eye(2), {"k": 1}, "query: width 2 differs from the gallery's 3"),
        ("flat", np.eye(3), {"k": 4}, "k: expected 1 to 3, the items there are to find, found 4"),
        ("hnsw", np.eye(3), {"k": 0}, "k: expected 1 to 3"),
        ("ivf", np.eye(3), {"k": 1.5}, "k: expected 1 to 3, the items there are to find, found 1.5"),
        ("ivf", np.eye(3), {"k": 1, "nprobe": 4}, "nprobe: expected 1 to 1, nlist, found 4"),
        ("ivf", np.eye(3), {"k": 1, "ef_search": 4}, "ef_search: a setting of an index of kind 'hnsw'"),
        ("ivf", np.full((1, 3), 1e39), {"k": 1}, "query: scores beyond the range of float32, up to 1.73e\\+39"),
    ],
)
def test_a_bad_search_is_named(kind, query, arguments, named):
    with pytest.raises(ValueError, match=named):
        search_index(np.eye(3), kind).search(query, **arguments)


def test_recall_counts_ties_fairly_and_a_repeated_row_once():
    gallery = np.array([[1, 0], [1, 0], [1, 0], [0.5, 0], [0, 1]], dtype=np.float32)
    query = np.array([[1, 0]], dtype=np.float32)
    assert nearest_neighbours(query, gallery, 2)[1].tolist() == [[0, 1]]
    found = {(0, 1): 1.0, (2, 1): 1.0, (2, 3): 0.5, (2, 2): 0.5, (3, 4): 0.0, (-1, 0): 0.5, (-1, -1): 0.0}
    assert {rows: search_recall(query, gallery, [rows])[0] for rows in found} == found


def test_recall_against_known_neighbours_is_the_same():
    gallery, query = unit_vectors(500, 8), unit_vectors(40, 8, 1)
    _, rows = search_index(gallery, "ivf", nlist=20, nprobe=2).search(query, 5)
    _, exact = nearest_neighbours(query, gallery, 5)
    recall = search_recall(query, gallery, rows)
    np.testing.assert_array_equal(search_recall(query, gallery, rows, exact), recall)
    shared = [len(set(mine) & set(true)) / 5 for mine, true in zip(rows.tolist(), exact.tolist(), strict=True)]
    np.testing.assert_allclose(recall, shared)


@pytest.mark.parametrize(
    ("found", "exact", "named"),
    [
        ([[0, 1]], None, r"found: expected integers of shape \(2, k\)"),
        ([[0.0], [1.0]], None, "found: expected integers"),
        ([[0], [3]], None, "found: row 3 is beyond the gallery's 3 items"),
        ([[0], [1]], [[0, 1], [1, 2]], "exact: expected 1 rows a query"),
        ([[0], [1]], [[0], [-1]], "exact: expected 1 rows a query"),
    ],
)
def test_bad_rows_are_named(found, exact, named):
    with pytest.raises(ValueError, match=named):
        search_recall(np.eye(3)[:2], np.eye(3), found, exact)
