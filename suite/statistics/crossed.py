"""Intervals and tests of a mean over seeds crossed with classes, queries nested in classes.

Every seed is evaluated on the same queries, so seeds and classes are crossed; queries of a class share what makes it
easy or hard, so it is classes, not queries, that are independent draws. A claim about new training runs and new classes
has both as random factors, as readers and cases are in studies of diagnostic imaging (Dorfman, Berbaum and Metz, 1992;
Obuchowski and Rockette, 1995). With S seeds, C classes of n_c queries, N in all, and y_sc the mean of class c under
seed s, the mean over queries is a ratio of sums over classes, so it is analysed by its influence values

    seeds    M_s - M,                          M_s = sum_c n_c y_sc / N,   M = mean over s of M_s
    classes  w_c (y_c - M),                    w_c = C n_c / N,            y_c = mean over s of y_sc
    rest     w_c (y_sc - M_s - y_c + M),

whose mean squares are those of the textbook's two-way table when classes are of one size. Else each class of the latter
two is divided by 1 - 2 h_c + sum h^2, h_c = n_c / N: its residual has that share of the variance of a class (as in Bell
and McCaffrey's CR2, 2002, for class effects of one variance); with one size this is the textbook's C - 1.
The variance is that of Hillis (2007): (MS_seed + max(MS_class - MS_rest, 0)) / (S C).

Its degrees of freedom were chosen by simulation (docs/statistics.md). With r the share of MS_seed in the sum,

    1 / df = r / (S - 1) + (1 - r) / (K - 1),   K = N^2 / sum n_c^2,

K being the effective number of classes (Kish, 1965). Satterthwaite's and Hillis' rules square the shares; with two or
three seeds the estimated share varies so much that their intervals are too short.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from suite.statistics.intervals import CONFIDENCE, ROUNDING


class Crossed(NamedTuple):
    """A mean with its interval and test; every field has shape (...).

    Attributes:
        mean: over seeds and queries.
        low, high: ends of the interval for new seeds and new classes; NaN without two seeds and two classes.
        p: two-sided, of a mean of zero; NaN as the ends, and where nothing varies.
        df: degrees of freedom of the t distribution; NaN where p is.
        se: standard error of the mean; NaN as the ends.
        sd_seed: standard deviation of the mean from seed to seed, beyond what the rest explains.
        sd_class: of a class's expected mean from class to class.
        sd_residual: of the mean of a class under a seed that neither explains.
        share: of seeds in the square of `se`.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray
    df: np.ndarray
    se: np.ndarray
    sd_seed: np.ndarray
    sd_class: np.ndarray
    sd_residual: np.ndarray
    share: np.ndarray


class MeanSquares(NamedTuple):
    """The two-way table of influence values: mean squares (...), and the sizes they hang on."""

    seed: np.ndarray
    cls: np.ndarray
    rest: np.ndarray
    seeds: int
    classes: int
    effective: float


def crossed_mean(values: np.ndarray, classes: np.ndarray, confidence: float = CONFIDENCE) -> Crossed:
    """Mean over queries and seeds, with an interval and a test of zero for new seeds and new classes.

    Args:
        values: (S, Q, ...) finite values, a row a seed, on the same Q queries; queries without a value are left out
            before. A contrast (a difference of two losses, a slope) is formed for each seed and query first.
        classes: (Q,) the class of each query.
        confidence: coverage, in (0, 1).

    Returns:
        Arrays of shape (...), float64.

    Raises:
        ValueError: naming the argument whose shape or values are at fault.
    """
    means, sizes = class_means(values, classes)
    return crossed_classes(means, sizes, confidence)


def crossed_ratio(
    values: np.ndarray, floor: np.ndarray, classes: np.ndarray, confidence: float = CONFIDENCE
) -> Crossed:
    """Ratio of the mean of `values` to the mean of `floor` on the same queries.

    The interval is that of the logarithm, linearised (delta method): log(M / F) has the influence values
    u_sc / M - f_c / F, f_c those of the floor. `p` is of a ratio of one; `se` and the standard deviations are those of
    the logarithm.

    Args:
        values: (S, Q, ...) as in `crossed_mean`.
        floor: (Q, ...) of what has no seed, such as frozen features; where its mean or that of `values` is not
            positive, every field is NaN.
        classes, confidence: as in `crossed_mean`.
    """
    values, floor = np.asarray(values, dtype=np.float64), np.asarray(floor, dtype=np.float64)
    if values.ndim < 2 or floor.shape != values.shape[1:]:
        raise ValueError(f"floor: shape {floor.shape} is not that of one seed of values, {values.shape}")
    top, bottom = values.mean(axis=(0, 1)), floor.mean(axis=0)
    positive = (top > 0) & (bottom > 0)
    top, bottom = np.where(positive, top, 1.0), np.where(positive, bottom, 1.0)
    relative = values / top
    logarithm = crossed_classes(
        *class_means(relative - floor / bottom, classes), confidence, np.abs(relative).max(axis=(0, 1))
    )
    shift = np.log(top / bottom) - logarithm.mean
    changed = {name: np.exp(getattr(logarithm, name) + shift) for name in ("mean", "low", "high")}
    changed["p"] = 2 * stats.t.sf(np.abs(np.log(top / bottom)) / _divisor(logarithm.se), logarithm.df)
    return Crossed(*(np.where(positive, value, np.nan) for value in logarithm._replace(**changed)))


def class_interval(values: np.ndarray, classes: np.ndarray, confidence: float = CONFIDENCE) -> Crossed:
    """Mean of what has no seed, with an interval for new classes alone: MS_class / C on K - 1 degrees of freedom.

    Args:
        values: (Q, ...) finite values.
        classes, confidence: as in `crossed_mean`.

    Returns:
        As `crossed_mean`; `sd_seed` and `sd_residual` are NaN.
    """
    means, sizes = class_means(np.asarray(values, dtype=np.float64)[None], classes)
    mean, table = mean_squares(means, sizes)
    if table.classes < 2:
        return _without_interval(mean)
    freedom = np.full(mean.shape, class_freedom(table.effective))
    none = np.full(mean.shape, np.nan)
    sd_class = np.sqrt(table.cls * table.effective / table.classes)
    scale = np.abs(means).max(axis=(0, 1))
    return _student(mean, table.cls / table.classes, freedom, scale, confidence, (none, sd_class, none, none))


def class_means(values: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of each class under each seed, and how many queries it has.

    Args:
        values, classes: as in `crossed_mean`.

    Returns:
        (S, C, ...) means, float64, and (C,) sizes; classes in ascending order.
    """
    values, classes = np.asarray(values, dtype=np.float64), np.asarray(classes)
    if values.ndim < 2 or not values.shape[0] or not values.shape[1]:
        raise ValueError(f"values: expected (seeds, queries, ...), none of them empty, found shape {values.shape}")
    if classes.shape != values.shape[1:2]:
        raise ValueError(f"classes: expected one of each of {values.shape[1]} queries, found shape {classes.shape}")
    if not np.isfinite(values).all():
        raise ValueError("values: holds a value that is not finite; leave out queries without a value")
    order = np.argsort(classes, kind="stable")
    _, starts, sizes = np.unique(classes[order], return_index=True, return_counts=True)
    totals = np.add.reduceat(values[:, order], starts, axis=1)
    return totals / _along_classes(sizes, totals.ndim), sizes


def crossed_classes(
    means: np.ndarray, sizes: np.ndarray, confidence: float = CONFIDENCE, scale: np.ndarray | None = None
) -> Crossed:
    """`crossed_mean` from the (S, C, ...) means of classes and their (C,) numbers of queries.

    `scale` (...) is the size of what the values were formed from, beside which a spread may be rounding alone; by
    default their own greatest magnitude.
    """
    scale = np.abs(means).max(axis=(0, 1)) if scale is None else scale
    mean, table = mean_squares(means, sizes)
    if table.seeds < 2 or table.classes < 2:
        return _without_interval(mean)
    between = np.maximum(table.cls - table.rest, 0.0)
    variance = (table.seed + between) / (table.seeds * table.classes)
    share = table.seed / _divisor(table.seed + between)
    freedom = degrees_of_freedom(share, table.seeds, table.effective)
    # The mean of squared weights is C / K: mean squares are of weighted class means.
    weight = table.classes / table.effective
    spread = (
        np.sqrt(np.maximum(table.seed - table.rest, 0.0) / table.classes),
        np.sqrt(between / (table.seeds * weight)),
        np.sqrt(table.rest / weight),
        share,
    )
    return _student(mean, variance, freedom, scale, confidence, spread)


def mean_squares(means: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, MeanSquares]:
    """The mean (...) and the two-way table of its influence values; a mean square without freedom is NaN.

    Args:
        means: (S, C, ...) mean of each class under each seed.
        sizes: (C,) queries a class.
    """
    means, sizes = np.asarray(means, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    seeds, classes = means.shape[:2]
    shares = sizes / sizes.sum()
    effective = effective_number(sizes)
    weights = _along_classes(shares * classes, means.ndim)
    mean = (weights * means).mean(axis=(0, 1))
    of_seed, of_class = (weights * means).mean(axis=1), means.mean(axis=0)
    none = np.full(mean.shape, np.nan)
    seed = cls = rest = none
    if seeds > 1:
        seed = classes * ((of_seed - mean) ** 2).sum(axis=0) / (seeds - 1)
    if classes > 1:
        scale = weights**2 / _along_classes(1.0 - 2.0 * shares + 1.0 / effective, means.ndim)
        cls = seeds * (scale[0] * (of_class - mean) ** 2).mean(axis=0)
        if seeds > 1:
            left = means - of_seed[:, None] - of_class[None] + mean
            rest = (scale * left**2).sum(axis=0).mean(axis=0) / (seeds - 1)
    return mean, MeanSquares(seed, cls, rest, seeds, classes, effective)


def effective_number(sizes: np.ndarray) -> float:
    """Number of classes of one size that a mean over queries of (C,) `sizes` is worth: N^2 / sum n_c^2 (Kish, 1965)."""
    sizes = np.asarray(sizes, dtype=np.float64)
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def degrees_of_freedom(share: np.ndarray, seeds: int, effective: float) -> np.ndarray:
    """Of an interval in whose squared standard error seeds have `share`, with K the effective number of classes."""
    return 1.0 / (share / (seeds - 1) + (1.0 - share) / class_freedom(effective))


def class_freedom(effective: float) -> float:
    """K - 1; where one class holds nearly all queries, the one degree of freedom that two equal classes have."""
    return max(effective - 1.0, 1.0)


def _student(
    mean: np.ndarray,
    variance: np.ndarray,
    freedom: np.ndarray,
    scale: np.ndarray,
    confidence: float,
    spread: tuple[np.ndarray, ...],
) -> Crossed:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: expected a number in (0, 1), found {confidence}")
    se = np.sqrt(variance)
    varies = se > ROUNDING * scale
    freedom = np.where(varies, freedom, np.nan)
    half = np.where(varies, stats.t.ppf((1 + confidence) / 2, freedom) * se, 0.0)
    p = np.where(varies, 2 * stats.t.sf(np.abs(mean) / _divisor(se), freedom), np.nan)
    return Crossed(mean, mean - half, mean + half, p, freedom, se, *spread)


def _without_interval(mean: np.ndarray) -> Crossed:
    none = np.full(mean.shape, np.nan)
    return Crossed(mean, *[none] * (len(Crossed._fields) - 1))


def _along_classes(sizes: np.ndarray, dimensions: int) -> np.ndarray:
    return np.asarray(sizes, dtype=np.float64).reshape(1, -1, *[1] * (dimensions - 2))


def _divisor(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, 1.0)
