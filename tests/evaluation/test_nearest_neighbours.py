"""Nearest neighbours: exact, leave one out, ties by row."""

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.evaluation import nearest_neighbours


def exhaustive(query, gallery, k, alone):
    scores = query @ gallery.T
    if alone:
        np.fill_diagonal(scores, -np.inf)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, 1), order


@given(seed=st.integers(0, 2**32 - 1), items=st.integers(4, 90), k=st.integers(1, 3), alone=st.booleans())
@settings(max_examples=60, deadline=None)
def test_matches_an_exhaustive_search_with_many_ties(seed, items, k, alone):
    generator = np.random.default_rng(seed)
    gallery = generator.integers(-1, 2, (items, 2)).astype(np.float32)
    query = gallery if alone else generator.integers(-1, 2, (5, 2)).astype(np.float32)
    scores, rows = nearest_neighbours(query, None if alone else gallery, k=k)
    expected_scores, expected_rows = exhaustive(query, gallery, k, alone)
    np.testing.assert_array_equal(rows, expected_rows)
    np.testing.assert_array_equal(scores, expected_scores)


def test_untied_search_over_several_blocks():
    embeddings = np.random.default_rng(0).normal(size=(1300, 8)).astype(np.float32)
    _, rows = nearest_neighbours(embeddings, k=10)
    _, expected = exhaustive(embeddings.astype(np.float64), embeddings.astype(np.float64), 10, True)
    np.testing.assert_array_equal(rows, expected)


def test_collapsed_embeddings_answer_by_row():
    _, rows = nearest_neighbours(np.full((50, 33), 0.1, dtype=np.float32), k=3)
    assert rows[0].tolist() == [1, 2, 3]
    assert rows[1].tolist() == [0, 2, 3]
    assert rows[40].tolist() == [0, 1, 2]


def test_threads_are_given_back():
    before = faiss.omp_get_max_threads()
    nearest_neighbours(np.eye(3), k=1)
    assert faiss.omp_get_max_threads() == before


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"query": np.eye(3), "k": 3}, "k: expected 1 to 2"),
        ({"query": np.eye(3), "k": 0}, "k: expected"),
        ({"query": np.eye(3), "gallery": np.eye(2), "k": 1}, "query: width 3 differs from the gallery's 2"),
        ({"query": np.full((2, 2), np.inf), "k": 1}, "query: 2 of 2 rows"),
    ],
)
def test_bad_input_is_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        nearest_neighbours(**arguments)
