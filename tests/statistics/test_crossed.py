"""Seeds crossed with classes: invariances, the textbook's analysis of variance, and how often the truth is held."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from suite.statistics.crossed import (
    ROUNDING,
    Crossed,
    class_interval,
    class_means,
    crossed_classes,
    crossed_mean,
    crossed_ratio,
    degrees_of_freedom,
    mean_squares,
)

SEEDS_OF_DRAWS = st.integers(0, 2**32 - 1)


def draw(seed, seeds=4, classes=7, metrics=2):
    """Values of queries in classes of unequal sizes, with effects of seed and class."""
    generator = np.random.default_rng(seed)
    of = np.repeat(np.arange(classes), generator.integers(1, 6, classes))
    values = generator.normal(size=(seeds, 1, metrics)) + generator.normal(size=(1, classes, metrics))[:, of]
    return values + generator.normal(size=(seeds, len(of), metrics)), of


def same(one: Crossed, other: Crossed, **tolerance):
    for name, a, b in zip(Crossed._fields, one, other, strict=True):
        np.testing.assert_allclose(a, b, err_msg=name, **tolerance)


@given(seed=SEEDS_OF_DRAWS, seeds=st.integers(2, 6), classes=st.integers(2, 9))
def test_the_order_and_the_names_of_seeds_and_classes_do_not_matter(seed, seeds, classes):
    values, of = draw(seed, seeds, classes)
    generator = np.random.default_rng(seed)
    rows, queries = generator.permutation(seeds), generator.permutation(len(of))
    names = generator.permutation(classes) * 3 - 5
    same(crossed_mean(values, of), crossed_mean(values[rows][:, queries], names[of][queries]), rtol=1e-9, atol=1e-12)


@given(seed=SEEDS_OF_DRAWS, shift=st.floats(-10, 10), scale=st.floats(0.01, 100), flip=st.booleans())
def test_shift_and_scale_go_through(seed, shift, scale, flip):
    values, of = draw(seed)
    scale = -scale if flip else scale
    plain, moved = crossed_mean(values, of), crossed_mean(scale * values + shift, of)
    ends = np.sort([scale * plain.low + shift, scale * plain.high + shift], axis=0)
    np.testing.assert_allclose(moved.mean, scale * plain.mean + shift, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose([moved.low, moved.high], ends, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(moved.df, plain.df, rtol=1e-6)
    for name in ("se", "sd_seed", "sd_class", "sd_residual"):
        np.testing.assert_allclose(getattr(moved, name), abs(scale) * getattr(plain, name), rtol=1e-5, atol=1e-7)


@given(seed=SEEDS_OF_DRAWS, seeds=st.integers(2, 6), classes=st.integers(2, 9), size=st.integers(1, 4))
def test_equal_classes_give_the_textbook_s_two_way_table(seed, seeds, classes, size):
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(seeds, classes * size))
    of = np.repeat(np.arange(classes), size)
    cells = values.reshape(seeds, classes, size).mean(axis=2)
    grand, rows, columns = cells.mean(), cells.mean(axis=1), cells.mean(axis=0)
    by_seed = classes * ((rows - grand) ** 2).sum() / (seeds - 1)
    by_class = seeds * ((columns - grand) ** 2).sum() / (classes - 1)
    left = cells - rows[:, None] - columns[None] + grand
    rest = (left**2).sum() / ((seeds - 1) * (classes - 1))
    mean, table = mean_squares(*class_means(values, of))
    np.testing.assert_allclose([mean, *table[:3]], [grand, by_seed, by_class, rest], rtol=1e-9, atol=1e-12)
    assert table.effective == pytest.approx(classes)
    found = crossed_mean(values, of)
    between = max(by_class - rest, 0.0)
    assert found.se == pytest.approx(np.sqrt((by_seed + between) / (seeds * classes)))
    share = by_seed / (by_seed + between)
    assert found.df == pytest.approx(1 / (share / (seeds - 1) + (1 - share) / (classes - 1)))


@given(seed=SEEDS_OF_DRAWS, seeds=st.integers(2, 8))
def test_classes_alike_leave_student_s_t_over_seeds(seed, seeds):
    by_seed = np.random.default_rng(seed).normal(size=seeds)
    of = np.repeat(np.arange(4), [1, 2, 3, 4])
    found = crossed_mean(np.repeat(by_seed[:, None], len(of), axis=1), of)
    low, high = stats.t.interval(0.95, seeds - 1, by_seed.mean(), stats.sem(by_seed))
    np.testing.assert_allclose([found.low, found.high], [low, high])
    np.testing.assert_allclose([found.p, found.df], [stats.ttest_1samp(by_seed, 0).pvalue, seeds - 1])
    assert found.sd_seed == pytest.approx(by_seed.std(ddof=1))
    assert found.sd_class == pytest.approx(0, abs=1e-9)


@given(seed=SEEDS_OF_DRAWS, classes=st.integers(2, 12))
def test_seeds_alike_leave_student_s_t_over_classes(seed, classes):
    by_class = np.random.default_rng(seed).normal(size=classes)
    of = np.repeat(np.arange(classes), 3)
    found = crossed_mean(np.repeat(by_class[of][None], 4, axis=0), of)
    low, high = stats.t.interval(0.95, classes - 1, by_class.mean(), stats.sem(by_class))
    np.testing.assert_allclose([found.low, found.high], [low, high])
    assert found.df == pytest.approx(classes - 1)
    same_floor = class_interval(by_class[of], of)
    np.testing.assert_allclose([same_floor.low, same_floor.high], [low, high])


@given(seed=SEEDS_OF_DRAWS)
def test_p_and_interval_agree_and_p_is_of_either_side(seed):
    values, of = draw(seed, metrics=5)
    found, mirrored = crossed_mean(values, of), crossed_mean(-values, of)
    np.testing.assert_array_equal(found.p < 0.05, (found.low > 0) | (found.high < 0))
    np.testing.assert_allclose(found.p, mirrored.p)
    assert (crossed_mean(values, of, confidence=0.99).low <= found.low).all()


def test_trailing_axes_are_analysed_one_by_one():
    values, of = draw(3, metrics=3)
    whole = crossed_mean(values, of)
    for place in range(3):
        same(crossed_mean(values[..., place], of), Crossed(*(field[place] for field in whole)))


@pytest.mark.parametrize(("seeds", "classes"), [(1, 5), (4, 1), (1, 1)])
def test_one_seed_or_one_class_has_a_mean_and_nothing_else(seeds, classes):
    values, of = draw(0, seeds, classes)
    found = crossed_mean(values, of)
    np.testing.assert_allclose(found.mean, values.mean(axis=(0, 1)))
    assert all(np.isnan(field).all() for field in found[1:])
    assert np.isnan(class_interval(values[0], np.zeros(len(of))).low).all()


def test_values_all_equal_have_no_p():
    found = crossed_mean(np.full((3, 6), 0.7), np.repeat([0, 1, 2], 2))
    assert (found.mean, found.low, found.high) == (pytest.approx(0.7), pytest.approx(0.7), pytest.approx(0.7))
    assert np.isnan(found.p)
    assert np.isnan(found.df)
    assert found.se <= ROUNDING


def test_one_class_with_nearly_all_queries_counts_as_two():
    values, of = draw(1, 3, 4)
    lopsided = np.concatenate([np.zeros(400, int), of])
    values = np.concatenate([np.zeros((3, 400, 2)), values], axis=1)
    assert (crossed_mean(values, lopsided).df >= 1).all()
    assert degrees_of_freedom(np.array(0.0), 3, 1.001) == 1.0


@pytest.mark.parametrize(
    ("values", "classes", "message"),
    [
        (np.zeros(4), np.zeros(4), r"^values: expected \(seeds, queries, ...\)"),
        (np.zeros((2, 0)), np.zeros(0), r"^values: expected \(seeds, queries, ...\)"),
        (np.zeros((2, 4)), np.zeros(3), "^classes: expected one of each of 4 queries"),
        (np.full((2, 4), np.nan), np.zeros(4), "^values: holds a value that is not finite"),
    ],
)
def test_faulty_arguments_are_named(values, classes, message):
    with pytest.raises(ValueError, match=message):
        crossed_mean(values, classes)


def test_confidence_and_floor_are_checked():
    values, of = draw(0)
    with pytest.raises(ValueError, match=r"^confidence"):
        crossed_mean(values, of, confidence=95)
    with pytest.raises(ValueError, match=r"^floor: shape"):
        crossed_ratio(values, values, of)


@given(seed=SEEDS_OF_DRAWS, scale=st.floats(0.1, 10))
def test_a_ratio_is_the_ratio_of_means_whatever_the_unit(seed, scale):
    generator = np.random.default_rng(seed)
    of = np.repeat(np.arange(6), generator.integers(1, 5, 6))
    floor = generator.uniform(0.2, 0.6, len(of))
    values = floor * generator.uniform(1.0, 1.5, (4, len(of)))
    found = crossed_ratio(values, floor, of)
    assert found.mean == pytest.approx(values.mean() / floor.mean())
    assert found.low < found.mean < found.high
    assert (found.p < 0.05) == (found.low > 1 or found.high < 1)
    same(found, crossed_ratio(scale * values, scale * floor, of), rtol=1e-6)


def test_what_is_proportional_to_the_floor_has_a_certain_ratio():
    floor = np.random.default_rng(0).uniform(0.2, 0.6, 12)
    found = crossed_ratio(np.stack([2 * floor] * 3), floor, np.repeat(np.arange(4), 3))
    np.testing.assert_allclose([found.mean, found.low, found.high], 2.0)
    assert np.isnan(found.p)
    assert all(np.isnan(crossed_ratio(np.ones((3, 4)), np.zeros(4), np.arange(4))))


def test_intervals_cover_and_components_are_unbiased():
    generator = np.random.default_rng(0)
    seeds, classes, studies = 4, 30, 600
    sizes = generator.integers(2, 9, classes)
    of = np.repeat(np.arange(classes), sizes)
    values = 0.5 * generator.normal(size=(seeds, 1, studies)) + generator.normal(size=(1, classes, studies))[:, of]
    values = values + generator.normal(size=(seeds, len(of), studies))
    found = crossed_classes(*class_means(values, of))
    covered = ((found.low <= 0) & (found.high >= 0)).mean()
    # Four standard deviations of a binomial around what the rule gives at this design, 95 to 97 %.
    assert 0.915 < covered < 0.995
    assert (found.se**2).mean() == pytest.approx(found.mean.var(), rel=0.25)
    assert (found.sd_seed**2).mean() == pytest.approx(0.25, rel=0.25)
    assert (found.sd_class**2).mean() == pytest.approx(1.0, rel=0.1)
