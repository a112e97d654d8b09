"""What a study can see against scipy and simulation; resampled intervals against their enumeration."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from suite.statistics.bootstrap import crossed_bootstrap, seed_bootstrap
from suite.statistics.crossed import class_means, crossed_classes
from suite.statistics.power import detectable_difference


@pytest.mark.parametrize(("share", "freedom"), [(1.0, 4), (0.0, 29)])
def test_one_source_of_variance_gives_the_non_central_t(share, freedom):
    critical = stats.t.ppf(0.975, freedom)

    def excess(shift):
        return stats.nct.sf(critical, freedom, shift) + stats.nct.cdf(-critical, freedom, shift) - 0.8

    found = detectable_difference(2.0, share, 5, 30.0, 0.05)
    assert found == pytest.approx(2 * optimize.brentq(excess, 0, 8), rel=0.01)


@given(share=st.floats(0, 1), seeds=st.integers(2, 10), effective=st.floats(1.5, 200))
def test_more_seeds_a_laxer_level_and_less_power_see_smaller_differences(share, seeds, effective):
    plain = detectable_difference(1.0, share, seeds, effective, 0.05)
    assert plain > stats.norm.ppf(0.975)
    assert detectable_difference(1.0, share, seeds + 3, effective + 50, 0.05) <= plain + 1e-6
    assert detectable_difference(1.0, share, seeds, effective, 0.01) > plain
    assert detectable_difference(1.0, share, seeds, effective, 0.05, power=0.6) < plain
    assert detectable_difference(3.0, share, seeds, effective, 0.05) == pytest.approx(3 * plain)


def test_the_detectable_difference_is_detected_as_often_as_it_says():
    generator = np.random.default_rng(1)
    seeds, classes, studies = 3, 40, 2000
    means = generator.normal(scale=0.3, size=(seeds, 1, studies)) + generator.normal(size=(1, classes, studies))
    sizes = np.full(classes, 5)
    se, share = np.sqrt(0.09 / 3 + 1 / 40), (0.09 / 3) / (0.09 / 3 + 1 / 40)
    effect = detectable_difference(se, share, seeds, classes, 0.05)
    found = crossed_classes(means + effect, sizes)
    # Four standard deviations of a binomial.
    assert (found.p <= 0.05).mean() == pytest.approx(0.8, abs=4 * np.sqrt(0.8 * 0.2 / studies))


def test_nothing_to_test_is_nothing_to_detect():
    found = detectable_difference(np.array([1.0, np.nan]), np.array([np.nan, 0.5]), 3, 10.0, 0.05)
    assert np.isnan(found).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [({"level": 5.0}, "^level"), ({"power": 0.01}, "^power"), ({"seeds": 1}, "^seeds: expected at least 2")],
)
def test_faulty_arguments_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        detectable_difference(**{"se": 1.0, "share": 0.5, "seeds": 3, "effective": 9.0, "level": 0.05} | change)


def test_the_crossed_bootstrap_is_its_enumeration():
    generator = np.random.default_rng(0)
    means, sizes = generator.normal(size=(3, 3)), np.array([1, 4, 2])
    drawn = []
    for seeds, classes in product(product(range(3), repeat=3), repeat=2):
        cells = means[np.ix_(seeds, classes)].mean(axis=0)
        drawn.append(np.average(cells, weights=sizes[list(classes)]))
    low, high = np.quantile(drawn, [0.1, 0.9])
    found = crossed_bootstrap(means, sizes, np.random.default_rng(1), 40_000, confidence=0.8)
    np.testing.assert_allclose([found.low, found.high], [low, high], atol=0.03)


def test_the_seed_bootstrap_is_its_enumeration():
    values = np.array([[0.1, 5.0], [0.4, 1.0], [0.9, 2.0]])
    drawn = np.array([values[list(chosen)].mean(axis=0) for chosen in product(range(3), repeat=3)])
    low, high = np.quantile(drawn, [0.1, 0.9], axis=0)
    found = seed_bootstrap(values, np.random.default_rng(1), 40_000, confidence=0.8)
    np.testing.assert_allclose([found.low, found.high], [low, high], atol=0.02)


def test_resampling_is_repeatable_and_needs_two_of_each():
    values = np.random.default_rng(0).normal(size=(3, 12, 2))
    means, sizes = class_means(values, np.repeat(np.arange(4), 3))
    one, other = (crossed_bootstrap(means, sizes, np.random.default_rng(5), 200) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    assert np.isnan(crossed_bootstrap(means[:1], sizes, np.random.default_rng(5))).all()
    assert np.isnan(crossed_bootstrap(means[:, :1], sizes[:1], np.random.default_rng(5))).all()
    assert np.isnan(seed_bootstrap(values[:1, 0], np.random.default_rng(5))).all()
