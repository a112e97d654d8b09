"""Intervals, paired tests and Holm's rule against scipy and against simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from suite.statistics import holm, paired_comparison, ratio_interval, t_interval, verdict

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@given(seed=st.integers(0, 2**32 - 1), seeds=st.integers(2, 10))
def test_interval_is_scipy_s(seed, seeds):
    values = np.random.default_rng(seed).normal(size=(seeds, 3))
    found = t_interval(values)
    low, high = stats.t.interval(0.95, seeds - 1, values.mean(0), stats.sem(values, axis=0))
    np.testing.assert_allclose(found.low, low)
    np.testing.assert_allclose(found.high, high)


def test_one_seed_has_a_mean_and_no_interval():
    found = t_interval(np.array([[1.0, 2.0]]))
    assert found.mean.tolist() == [1.0, 2.0]
    assert np.isnan([found.low, found.high]).all()
    assert np.isnan(t_interval(np.empty((0, 2))).mean).all()


def test_intervals_cover_as_often_as_they_say():
    draws = np.random.default_rng(0).normal(3.0, 2.0, size=(5, 4000))
    found = t_interval(draws)
    covered = ((found.low <= 3.0) & (found.high >= 3.0)).mean()
    # Five standard deviations of a binomial at 4,000 draws.
    assert abs(covered - 0.95) < 5 * np.sqrt(0.95 * 0.05 / 4000)


def test_ratio_scales_by_the_floor():
    values = np.array([[0.3], [0.4], [0.5]])
    plain, lift = t_interval(values), ratio_interval(values, 0.2)
    np.testing.assert_allclose(np.array(lift) * 0.2, np.array(plain))
    assert np.isnan(ratio_interval(values, 0.0).mean).all()


def test_confidence_is_checked():
    with pytest.raises(ValueError, match="confidence"):
        t_interval(np.zeros(3), confidence=95)


@given(seed=st.integers(0, 2**32 - 1), seeds=st.integers(2, 8))
def test_paired_comparison_is_antisymmetric_and_agrees_with_its_interval(seed, seeds):
    a, b = np.random.default_rng(seed).normal(size=(2, seeds, 4))
    forth, back = paired_comparison(a, b), paired_comparison(b, a)
    np.testing.assert_allclose(forth.difference, -back.difference)
    np.testing.assert_allclose(forth.p, back.p)
    np.testing.assert_allclose(forth.p, stats.ttest_rel(a, b).pvalue)
    # p < 0.05 exactly where the 95 % interval leaves zero out.
    np.testing.assert_array_equal(forth.p < 0.05, (forth.low > 0) | (forth.high < 0))


def test_no_spread_means_no_p():
    a = np.array([[0.5, 0.5], [0.6, 0.6], [0.7, 0.7]])
    found = paired_comparison(a, a - np.array([0.0, 0.1]))
    assert np.isnan(found.p).all()
    np.testing.assert_allclose(found.difference, [0.0, 0.1])


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"^b: shape"):
        paired_comparison(np.zeros(3), np.zeros(2))


def test_holm_by_hand():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03])), [0.03, 0.06, 0.06])


@given(P_VALUES)
@settings(max_examples=200)
def test_holm_lies_between_raw_and_bonferroni_and_keeps_the_order(values):
    p = np.array(values)
    adjusted = holm(p)
    assert (adjusted >= p).all()
    assert (adjusted <= np.minimum(len(p) * p, 1) + 1e-15).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(adjusted[order]) >= 0).all()


@given(P_VALUES, st.integers(1, 4))
def test_holm_leaves_missing_p_out_of_the_family(values, missing):
    p = np.array(values)
    found = holm(np.concatenate([np.full(missing, np.nan), p]))
    assert np.isnan(found[:missing]).all()
    np.testing.assert_array_equal(found[missing:], holm(p))


def test_holm_treats_each_column_as_a_family():
    p = np.random.default_rng(0).random((6, 3))
    np.testing.assert_array_equal(holm(p), np.stack([holm(column) for column in p.T], axis=1))


def test_false_decisions_are_as_rare_as_holm_promises():
    generator = np.random.default_rng(0)
    wrong = 0
    for _ in range(500):
        losses = generator.normal(size=(4, 5))
        p = [paired_comparison(losses[i], losses[j]).p for i in range(4) for j in range(i)]
        wrong += holm(np.array(p)).min() <= 0.05
    assert wrong / 500 < 0.05 + 5 * np.sqrt(0.05 * 0.95 / 500)


@pytest.mark.parametrize(
    ("seeds", "difference", "p", "decision", "reason"),
    [
        (5, 0.1, 0.01, "a", "Holm-adjusted p = 0.01 <= 0.05"),
        (5, -0.1, 0.01, "b", "Holm-adjusted p = 0.01 <= 0.05"),
        (3, 0.1, 0.21, "undecided", "3 seeds cannot separate them: Holm-adjusted p = 0.21 > 0.05"),
        (5, 0.0, np.nan, "undecided", "identical values"),
        (5, 0.1, np.nan, "undecided", "the difference is the same at every seed: there is no spread to test"),
        (1, 0.1, np.nan, "undecided", "fewer than two equal seeds"),
        (3, np.nan, np.nan, "undecided", "a value is missing"),
    ],
)
def test_verdicts_say_why(seeds, difference, p, decision, reason):
    assert verdict(seeds, difference, p) == (decision, reason)


def test_what_cannot_be_significant_is_not_called_equal():
    decision, reason = verdict(3, 0.1, 0.25, attainable=0.25)
    assert decision == "undecided"
    assert reason == "cannot be decided: 3 seeds give no adjusted p below 0.25, whatever the values"
    assert verdict(6, 0.1, 0.04, attainable=2 / 2**6)[0] == "a"


def test_verdicts_over_classes_name_them():
    assert verdict(3, 0.1, np.nan, classes=1) == ("undecided", "queries of fewer than two classes")
    assert verdict(3, 0.1, 0.2, classes=9)[1] == (
        "3 seeds and 9 classes cannot separate them: Holm-adjusted p = 0.2 > 0.05"
    )
