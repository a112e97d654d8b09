"""Probability of improvement and effect size of few runs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from suite.statistics.improvement import effect_size, probability_of_improvement

SEEDS_OF_DRAWS = st.integers(0, 2**32 - 1)


@given(seed=SEEDS_OF_DRAWS, m=st.integers(2, 8), n=st.integers(2, 8))
def test_it_is_mann_and_whitney_s_u_and_turns_over(seed, m, n):
    generator = np.random.default_rng(seed)
    # Few values, so that there are ties.
    a, b = generator.integers(0, 4, (m, 3)).astype(float), generator.integers(0, 4, (n, 3)).astype(float)
    found, back = probability_of_improvement(a, b), probability_of_improvement(b, a)
    np.testing.assert_allclose(found.mean, stats.mannwhitneyu(a, b, axis=0, method="asymptotic").statistic / (m * n))
    np.testing.assert_allclose(found.mean, 1 - back.mean)
    np.testing.assert_allclose([found.low, found.high], [1 - back.high, 1 - back.low], atol=1e-12)
    assert ((found.low >= 0) & (found.low <= found.mean) & (found.mean <= found.high) & (found.high <= 1)).all()


@given(m=st.integers(2, 8), n=st.integers(2, 8))
def test_the_ends_solve_newcombe_s_equation(m, n):
    a, b = np.arange(m) + 0.5, np.arange(n) * 1.3
    found = probability_of_improvement(a, b)
    for end in (found.low, found.high):
        if 0 < end < 1:
            pairs = 1 + ((m + n) / 2 - 1) * ((1 - end) / (2 - end) + end / (1 + end))
            half = stats.norm.ppf(0.975) * np.sqrt(end * (1 - end) * pairs / (m * n))
            assert abs(found.mean - end) == pytest.approx(half, rel=1e-6)


def test_runs_that_never_overlap_leave_doubt():
    found = probability_of_improvement(np.array([3.0, 4, 5]), np.array([0.0, 1, 2]))
    assert (found.mean, found.high) == (1.0, 1.0)
    assert 0.3 < found.low < 0.8
    wider = probability_of_improvement(np.arange(10) + 20.0, np.arange(10.0))
    assert wider.low > found.low


def test_one_run_has_a_share_and_no_interval():
    found = probability_of_improvement(np.array([1.0]), np.array([0.0, 2.0]))
    assert found.mean == 0.5
    assert np.isnan([found.low, found.high]).all()
    assert np.isnan(probability_of_improvement(np.empty((0, 2)), np.ones((3, 2))).mean).all()


def test_arguments_are_checked():
    with pytest.raises(ValueError, match=r"^b: shape"):
        probability_of_improvement(np.zeros((3, 2)), np.zeros((3, 1)))
    with pytest.raises(ValueError, match=r"^confidence"):
        probability_of_improvement(np.zeros(3), np.zeros(3), confidence=95)
    with pytest.raises(ValueError, match=r"^a: holds a value that is not finite"):
        probability_of_improvement(np.array([0.0, np.nan]), np.zeros(3))
    with pytest.raises(ValueError, match=r"^b: holds a value that is not finite"):
        probability_of_improvement(np.zeros(3), np.array([0.0, np.inf]))


@given(seed=SEEDS_OF_DRAWS, shift=st.floats(-5, 5), scale=st.floats(0.01, 100))
def test_effect_size_has_no_unit_and_turns_over(seed, shift, scale):
    a, b = np.random.default_rng(seed).normal(size=(2, 5))
    plain = effect_size(a, b)
    assert effect_size(scale * a + shift, scale * b + shift) == pytest.approx(plain, rel=1e-6)
    assert effect_size(b, a) == pytest.approx(-plain)


def test_effect_size_by_hand():
    # Means 3 and 1, both variances 1, f = 4: d = 2, times 1 - 3 / 15.
    assert effect_size(np.array([2.0, 3, 4]), np.array([0.0, 1, 2])) == pytest.approx(1.6)
    assert np.isnan(effect_size(np.ones(3), np.zeros(3)))
    assert np.isnan(effect_size(np.ones((1, 2)), np.zeros((3, 2)))).all()
