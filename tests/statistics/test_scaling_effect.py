"""Contrasts over batch sizes against hand computation; the omnibus test against enumeration and simulation."""

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.statistics.scaling import any_effect, ends, slope

SIZES = np.array([32, 64, 128])


@given(seed=st.integers(0, 2**32 - 1), change=st.floats(-1, 1))
def test_a_slope_is_the_change_per_doubling(seed, change):
    generator = np.random.default_rng(seed)
    sizes = np.sort(generator.choice(np.arange(8, 4000), size=5, replace=False))
    offsets = generator.normal(size=(3, 1, 4))
    values = offsets + change * np.log2(sizes)[None, :, None]
    np.testing.assert_allclose(slope(values, sizes), np.full((3, 4), change), atol=1e-9)
    np.testing.assert_allclose(ends(values, sizes), np.full((3, 4), change * np.log2(sizes[-1] / sizes[0])), atol=1e-9)


def test_two_sizes_have_one_question():
    values = np.random.default_rng(0).normal(size=(3, 2))
    np.testing.assert_allclose(slope(values, [32, 64]), ends(values, [32, 64]))


@given(seed=st.integers(0, 2**32 - 1), seeds=st.integers(2, 3))
@settings(max_examples=20, deadline=None)
def test_all_permutations_are_taken_where_they_are_few(seed, seeds):
    values = np.random.default_rng(seed).normal(size=(seeds, 3))
    statistics = [
        (np.array([values[row, list(order)] for row, order in enumerate(orders)]).mean(axis=0) ** 2).sum()
        for orders in product(permutations(range(3)), repeat=seeds)
    ]
    observed = (values.mean(axis=0) ** 2).sum()
    expected = np.mean(np.array(statistics) >= observed * (1 - 1e-12))
    found = any_effect(values, SIZES)
    assert found.p == pytest.approx(expected)
    assert found.p >= found.smallest_p - 1e-12
    assert found.smallest_p == pytest.approx(1 / 6 ** (seeds - 1))
    assert found.spread == pytest.approx(np.ptp(values.mean(axis=0)))


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_what_a_seed_shares_and_the_order_of_sizes_change_nothing(seed):
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(3, 4))
    sizes = [32, 64, 128, 256]
    p = any_effect(values, sizes, resamples=20_000).p
    assert any_effect(values + generator.normal(size=(3, 1)), sizes, resamples=20_000).p == pytest.approx(p)
    assert any_effect(values[:, ::-1], sizes, resamples=20_000).p == pytest.approx(p)


def test_the_smallest_p_is_reached_and_counts_the_observed_one():
    # The same order of sizes in every seed, far apart.
    exact = any_effect(np.tile([1.0, 10.0, 100.0], (3, 1)), SIZES)
    assert exact.p == pytest.approx(exact.smallest_p) == pytest.approx(1 / 36)
    drawn = any_effect(np.tile([1.0, 10, 100, 1000, 1e4, 1e5], (3, 1)), [1, 2, 3, 4, 5, 6], resamples=199)
    assert drawn.smallest_p == 1 / 200
    assert drawn.p == 1 / 200


@pytest.mark.parametrize(("seeds", "sizes", "smallest"), [(3, 2, 0.25), (5, 2, 1 / 16), (2, 3, 1 / 6), (3, 6, 1e-4)])
def test_what_the_seeds_and_sizes_allow_is_known_beforehand(seeds, sizes, smallest):
    values = np.random.default_rng(0).normal(size=(seeds, sizes))
    assert any_effect(values, np.arange(1, sizes + 1)).smallest_p == pytest.approx(smallest)


def test_nothing_to_tell_apart_is_no_effect():
    equal = any_effect(np.array([[0.5] * 3, [0.6] * 3]), SIZES)
    assert (equal.p, equal.spread) == (1.0, 0.0)
    assert any_effect(np.array([[0.1, 0.2, 0.3]]), SIZES).p == 1.0


def test_the_same_values_give_the_same_bits():
    values = np.random.default_rng(3).normal(size=(3, 6))
    sizes = [32, 64, 128, 256, 512, 1024]
    assert any_effect(values, sizes) == any_effect(values, sizes)


@pytest.mark.parametrize(
    ("values", "sizes", "named"),
    [
        (np.zeros((3, 2)), [64, 32], "sizes"),
        (np.zeros((3, 2)), [32, 32], "sizes"),
        (np.zeros((3, 1)), [32], "sizes"),
        (np.zeros((3, 3)), [32, 64], "values"),
        (np.zeros((0, 2)), [32, 64], "values"),
        (np.full((3, 2), np.nan), [32, 64], "values"),
    ],
)
def test_bad_arguments_are_named(values, sizes, named):
    for function in (slope, ends, any_effect):
        with pytest.raises(ValueError, match=f"^{named}: "):
            function(values, sizes)


def test_the_omnibus_test_wants_runs():
    with pytest.raises(ValueError, match=r"^values: expected \(seeds, sizes\)"):
        any_effect(np.zeros((3, 3, 2)), SIZES)
    with pytest.raises(ValueError, match=r"^resamples: "):
        any_effect(np.zeros((3, 3)), SIZES, resamples=0)
