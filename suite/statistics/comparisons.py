"""Paired comparison of losses at equal seeds, and what may be concluded from it.

Two losses at the same seed share the order of batches and the initial head, so a test is on differences within a
seed: that of `suite.statistics.crossed` where every query's value is on record, else Student's paired t (scipy). Over
a family of comparisons, p values are adjusted by Holm's step-down rule, which holds the chance of any wrong decision at
the level whatever the dependence between them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from suite.statistics.intervals import ROUNDING, t_interval

LEVEL = 0.05


class Paired(NamedTuple):
    """Mean of a minus b, the ends of its 95 % interval, and p, all of shape (...); NaN where undefined."""

    difference: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray


def paired_comparison(a: np.ndarray, b: np.ndarray, scale: np.ndarray | None = None) -> Paired:
    """Paired t test over the first axis.

    Args:
        a, b: (n, ...) values at the same n seeds, in the same order.
        scale: (...) the size of what a and b were formed from, beside which a spread may be rounding alone; by default
            their own greatest magnitude.

    Returns:
        The comparison; with n < 2, or differences all equal, `p` is NaN.

    Raises:
        ValueError: if the shapes differ.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"b: shape {b.shape} differs from a's {a.shape}")
    differences = a - b
    difference, low, high = t_interval(differences)
    p = np.full(difference.shape, np.nan)
    if len(a) >= 2:
        scale = np.maximum(np.abs(a).max(axis=0), np.abs(b).max(axis=0)) if scale is None else scale
        spread = np.ptp(differences, axis=0) > ROUNDING * scale
        p[spread] = stats.ttest_rel(a[:, spread], b[:, spread], axis=0).pvalue
    return Paired(difference, low, high, p)


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's adjusted p values along the first axis: running maximum of (m - i) p_(i), i from 0, at most 1.

    Args:
        p: (m, ...) p values of a family; NaN ones are no part of it and stay NaN.

    Returns:
        (m, ...) adjusted p values, comparable with the level directly (Holm, 1979).
    """
    p = np.asarray(p, dtype=np.float64)
    family = np.isfinite(p).sum(axis=0)
    order = np.argsort(p, axis=0, kind="stable")  # NaN last
    place = np.arange(len(p)).reshape(-1, *[1] * (p.ndim - 1))
    stepped = np.minimum(np.maximum.accumulate((family - place) * np.take_along_axis(p, order, 0), axis=0), 1.0)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, stepped, axis=0)
    return adjusted


def verdict(
    seeds: int, difference: float, p_holm: float, *, classes: int | None = None, attainable: float = 0.0
) -> tuple[str, str]:
    """Which of a and b is better, if the study can tell, and why. Higher values are better.

    Args:
        seeds: how many equal seeds there are.
        difference: mean of a minus b.
        p_holm: adjusted p, NaN where there is none.
        classes: how many classes the queries are of, where classes are random too.
        attainable: the smallest adjusted p that the test can give at this size. A sign flip of three seeds, for
            instance, cannot go below 2 / 2^3 = 0.25: what cannot be significant is not called equal.

    Returns:
        `a`, `b` or `undecided`, and the reason in words.
    """
    if seeds < 2:
        return "undecided", "fewer than two equal seeds"
    if classes is not None and classes < 2:
        return "undecided", "queries of fewer than two classes"
    if attainable > LEVEL:
        smallest = f"{seeds} seeds give no adjusted p below {attainable:.2g}, whatever the values"
        return "undecided", f"cannot be decided: {smallest}"
    if np.isnan(difference):
        return "undecided", "a value is missing"
    if np.isnan(p_holm):
        if difference == 0:
            return "undecided", "identical values"
        return "undecided", "the difference is the same at every seed: there is no spread to test"
    if p_holm > LEVEL:
        over = f"{seeds} seeds" if classes is None else f"{seeds} seeds and {classes} classes"
        return "undecided", f"{over} cannot separate them: Holm-adjusted p = {p_holm:.2g} > {LEVEL}"
    return ("a" if difference > 0 else "b"), f"Holm-adjusted p = {p_holm:.2g} <= {LEVEL}"
