"""Candidate curves: exact ones are found again, intervals are those of a t test over seeds, and gaps are named."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from suite.statistics.scaling_curves import fit_curves

SIZES = np.array([32, 128, 256, 512, 1024, 2048])
MODELS = ["constant", "logarithmic", "quadratic", "power", "saturating"]


def fitted(values, model, sizes=SIZES):
    fit = next(fit for fit in fit_curves(np.asarray(values), sizes) if fit.model == model)
    return fit, {one.name: one for one in fit.parameters}


def runs(expected, noise, seeds=3, seed=0, offset=0.0):
    generator = np.random.default_rng(seed)
    shape = (seeds, len(expected))
    return expected + noise * generator.normal(size=shape) + offset * generator.normal(size=(seeds, 1))


@given(a=st.floats(0.1, 0.9), b=st.floats(0.05, 0.5), c=st.floats(0.1, 3))
@settings(max_examples=30, deadline=None)
def test_a_power_law_is_found_again(a, b, c):
    fit, found = fitted(np.tile(a - b * (SIZES / 32) ** -c, (3, 1)), "power")
    assert fit.formula == "a - b (B / 32)^-c"
    np.testing.assert_allclose([found[name].estimate for name in "abc"], [a, b, c], rtol=1e-3)


@given(a=st.floats(0.1, 0.9), b=st.floats(0.05, 0.5), c=st.floats(20, 2000))
@settings(max_examples=30, deadline=None)
def test_a_saturating_curve_is_found_again(a, b, c):
    _, found = fitted(np.tile(a - b / (1 + SIZES / c), (3, 1)), "saturating")
    np.testing.assert_allclose([found[name].estimate for name in "abc"], [a, b, c], rtol=1e-3)


@given(optimum=st.floats(40, 1900), height=st.floats(-0.05, 0.05).filter(lambda value: abs(value) > 1e-3))
@settings(max_examples=30, deadline=None)
def test_a_parabola_in_the_logarithm_has_its_optimum(optimum, height):
    expected = 0.5 - height * (np.log2(SIZES) - np.log2(optimum)) ** 2
    _, found = fitted(np.tile(expected, (3, 1)), "quadratic")
    assert found["optimum"].estimate == pytest.approx(optimum, rel=1e-6)
    assert found["optimum"].reason == ("a highest point" if height > 0 else "a lowest point")


@given(seed=st.integers(0, 2**32 - 1), seeds=st.integers(2, 6))
@settings(max_examples=20, deadline=None)
def test_linear_curves_have_the_t_interval_of_the_fits_of_each_seed(seed, seeds):
    values = runs(0.3 + 0.01 * np.log2(SIZES), 0.02, seeds, seed)
    _, found = fitted(values, "logarithmic")
    by_seed = np.array([np.polyfit(np.log2(SIZES), row, 1)[::-1] for row in values])
    low, high = stats.t.interval(0.95, seeds - 1, by_seed.mean(0), stats.sem(by_seed))
    np.testing.assert_allclose([found[name].estimate for name in "ab"], by_seed.mean(0))
    np.testing.assert_allclose([found[name].low for name in "ab"], low)
    np.testing.assert_allclose([found[name].high for name in "ab"], high)
    _, constant = fitted(values, "constant")
    np.testing.assert_allclose(constant["a"].low, stats.t.interval(0.95, seeds - 1, *mean_and_error(values))[0])


def mean_and_error(values):
    by_seed = values.mean(axis=1)
    return by_seed.mean(), stats.sem(by_seed)


@pytest.mark.parametrize("model", ["power", "saturating"])
def test_curves_are_the_least_squares_ones(model):
    curve = {
        "power": lambda size, a, b, c: a - b * (size / 32) ** -c,
        "saturating": lambda size, a, b, c: a - b / (1 + size / c),
    }[model]
    truth = (0.4, 0.2, 0.6 if model == "power" else 150.0)
    values = runs(curve(SIZES, *truth), 0.003, seed=4)
    expected, _ = optimize.curve_fit(curve, np.tile(SIZES, 3).astype(float), values.ravel(), p0=truth)
    fit, found = fitted(values, model)
    np.testing.assert_allclose([found[name].estimate for name in "abc"], expected, rtol=1e-4)
    # A run's deviation about the curve, the offsets of the seeds taken off.
    residual = values - curve(SIZES, *expected)
    residual = residual - residual.mean(axis=1, keepdims=True)
    total = (residual**2).sum()
    assert fit.residual_sd == pytest.approx(np.sqrt(total / (18 - 3 - 2)), rel=1e-3)
    k = 3 + 2 + 1
    assert fit.aicc == pytest.approx(18 * np.log(total / 18) + 2 * k + 2 * k * (k + 1) / (18 - k - 1), rel=1e-3)


def test_at_the_ends_of_an_interval_the_t_test_over_seeds_is_at_its_level():
    values = runs(0.3 - 0.1 * (SIZES / 32) ** -0.5, 0.002, 4, seed=1)
    _, found = fitted(values, "power")
    for end in (found["c"].low, found["c"].high):
        basis = np.stack([np.ones(6), (SIZES / 32) ** -end], axis=1)
        direction = np.log(SIZES / 32) * (SIZES / 32) ** -end
        contrast = direction - basis @ np.linalg.lstsq(basis, direction, rcond=None)[0]
        assert stats.ttest_1samp(values @ contrast, 0).pvalue == pytest.approx(0.05, abs=2e-3)
    assert found["a"].low < 0.3 < found["a"].high
    assert found["b"].low < 0.1 < found["b"].high


def test_fieller_s_ends_are_where_the_slope_at_the_optimum_is_not_told_from_zero():
    values = runs(0.5 - 0.01 * (np.log2(SIZES) - 8) ** 2, 0.002, 4, seed=2)
    _, found = fitted(values, "quadratic")
    by_seed = np.array([np.polyfit(np.log2(SIZES), row, 2) for row in values])
    for end in (found["optimum"].low, found["optimum"].high):
        slopes = by_seed[:, 1] + 2 * by_seed[:, 0] * np.log2(end)
        assert stats.ttest_1samp(slopes, 0).pvalue == pytest.approx(0.05, abs=1e-6)


def test_a_flat_curve_has_no_asymptote_and_says_so():
    values = runs(np.full(6, 0.4), 0.01, seed=0)
    for model in ("power", "saturating"):
        fit, found = fitted(values, model)
        for one in found.values():
            assert one.reason
            assert np.isnan(one.estimate) or not np.isfinite([one.low, one.high]).all()
        assert np.isfinite(fit.residual_sd)
    _, found = fitted(np.full((3, 6), 0.4), "power")
    assert found["c"].reason == "the means are equal at all sizes"


@pytest.mark.parametrize("levels", [(0.4, 0.4, 0.4), (0.1, 0.3, 0.7), (1e-9, 3e-9, 7e-9)])
def test_runs_that_no_size_changes_have_no_optimum_whatever_rounding_leaves(levels):
    constant = np.repeat(np.array(levels)[:, None], 6, axis=1)
    _, found = fitted(constant, "quadratic")
    assert found["optimum"].reason == "no curvature, so no optimum"
    assert np.isnan([found["optimum"].estimate, found["optimum"].low, found["optimum"].high]).all()
    _, found = fitted(constant * (1 + 1e-16 * np.arange(6)), "saturating")
    assert found["c"].reason == "the means are equal at all sizes"


def test_a_straight_line_in_the_logarithm_is_the_limit_of_the_power_law():
    _, found = fitted(np.tile(0.2 + 0.02 * np.log2(SIZES), (3, 1)), "power")
    assert np.isnan([found[name].estimate for name in "abc"]).all()
    assert found["c"].reason == "best at the end of its range: slower than any power, as a logarithm"


def test_an_optimum_outside_the_sizes_is_said_to_be():
    values = runs(0.5 - 0.01 * (np.log2(SIZES) - 13) ** 2, 1e-4, seed=0)
    _, found = fitted(values, "quadratic")
    assert found["optimum"].reason == "a highest point, outside the sizes 32 to 2048"


def test_one_seed_has_estimates_and_no_interval():
    for fit in fit_curves(runs(0.3 - 0.1 * (SIZES / 32) ** -0.5, 0.001, 1), SIZES):
        for one in fit.parameters:
            assert np.isnan([one.low, one.high]).all()
            assert "one seed: no interval" in one.reason


@pytest.mark.parametrize("sizes", [[32], [32, 128], [32, 128, 512]])
def test_curves_with_as_many_parameters_as_sizes_are_not_fitted(sizes):
    fits = fit_curves(runs(np.linspace(0.1, 0.3, len(sizes)), 0.01), np.array(sizes))
    assert [fit.model for fit in fits] == MODELS
    for fit in fits:
        needed = {"constant": 1, "logarithmic": 2}.get(fit.model, 3)
        lacking = len(sizes) <= needed
        assert np.isnan(fit.parameters[0].estimate) == lacking
        assert (f"there are {len(sizes)}" in fit.parameters[0].reason) == lacking


def test_every_curve_is_given_and_the_same_values_give_the_same_bits():
    values = runs(0.3 - 0.1 * (SIZES / 32) ** -0.5, 0.005)
    assert [fit.model for fit in fit_curves(values, SIZES)] == MODELS
    assert repr(fit_curves(values, SIZES)) == repr(fit_curves(values, SIZES))


@pytest.mark.parametrize(("values", "named"), [(np.zeros((3, 5)), "values"), (np.full((3, 6), np.inf), "values")])
def test_bad_arguments_are_named(values, named):
    with pytest.raises(ValueError, match=f"^{named}: "):
        fit_curves(values, SIZES)
