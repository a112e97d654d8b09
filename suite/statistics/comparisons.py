"""Paired comparison of losses at equal seeds.

Two losses at the same seed share the order of batches and the initial head, so the test is on differences
within a seed: Student's paired t (scipy). Over all pairs of losses, p values are adjusted by Holm's step-down
rule, which holds the chance of any wrong decision at the level whatever the dependence between pairs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from suite.statistics.intervals import t_interval

LEVEL = 0.05
# Differences that vary by less than rounding have no spread that a test could use.
_ROUNDING = 1e-12


class Paired(NamedTuple):
    """Mean of a minus b, the ends of its 95 % interval, and p, all of shape (...); NaN where undefined."""

    difference: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray


def paired_comparison(a: np.ndarray, b: np.ndarray) -> Paired:
    """Paired t test over the first axis.

    Args:
        a, b: (n, ...) values at the same n seeds, in the same order.

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
        scale = np.maximum(np.abs(a).max(axis=0), np.abs(b).max(axis=0))
        spread = np.ptp(differences, axis=0) > _ROUNDING * scale
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


def verdict(seeds: int, difference: float, p_holm: float) -> tuple[str, str]:
    """Which of a and b is better, if the seeds can tell, and why. Higher values are better.

    Args:
        seeds: how many equal seeds there are.
        difference: mean of a minus b.
        p_holm: adjusted p, NaN where there is none.

    Returns:
        `a`, `b` or `undecided`, and the reason in words.
    """
    if seeds < 2:
        return "undecided", "fewer than two equal seeds"
    if np.isnan(difference):
        return "undecided", "a value is missing"
    if np.isnan(p_holm):
        if difference == 0:
            return "undecided", "identical values"
        return "undecided", "the difference is the same at every seed: there is no spread to test"
    if p_holm > LEVEL:
        return "undecided", f"{seeds} seeds cannot separate them: Holm-adjusted p = {p_holm:.2g} > {LEVEL}"
    return ("a" if difference > 0 else "b"), f"Holm-adjusted p = {p_holm:.2g} <= {LEVEL}"
