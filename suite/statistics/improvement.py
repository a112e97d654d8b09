"""How often a run of one loss beats a run of another, and by how many run-to-run standard deviations."""

from __future__ import annotations

import numpy as np
from scipy import stats

from suite.statistics.intervals import CONFIDENCE, ROUNDING, Interval

_HALVINGS = 60


def probability_of_improvement(a: np.ndarray, b: np.ndarray, confidence: float = CONFIDENCE) -> Interval:
    """Probability that a run of a is better than a run of b, ties counting half (Agarwal et al., NeurIPS 2021).

    P = mean over all pairs of runs of [a_i > b_j] + [a_i = b_j] / 2. A percentile bootstrap of three or five runs that
    never overlap would give the interval [1, 1], so it is Newcombe's (2006, method 5) instead: all theta with

        |P - theta| <= z sqrt(theta (1 - theta) k / (m n)),
        k = 1 + (N - 1) ((1 - theta) / (2 - theta) + theta / (1 + theta)),   N = (m + n) / 2,

    for new runs on the same classes.

    Args:
        a: (m, ...) finite values of the runs of a, higher is better.
        b: (n, ...) values of the runs of b.
        confidence: coverage, in (0, 1).

    Returns:
        Arrays of shape (...); with fewer than two runs of either the ends are NaN, with none of either the mean too.

    Raises:
        ValueError: naming the argument that holds a value that is not finite, or whose shape after the first axis
            differs, or `confidence` if it is no share.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape[1:] != b.shape[1:]:
        raise ValueError(f"b: shape {b.shape} does not go with a's {a.shape}")
    for name, values in (("a", a), ("b", b)):
        if not np.isfinite(values).all():
            raise ValueError(f"{name}: holds a value that is not finite; leave out runs without a value")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: expected a number in (0, 1), found {confidence}")
    missing = np.full(a.shape[1:], np.nan)
    if not (len(a) and len(b)):
        return Interval(missing, missing, missing)
    better = (a[:, None] > b[None]) + (a[:, None] == b[None]) / 2
    share = better.mean(axis=(0, 1))
    if min(len(a), len(b)) < 2:
        return Interval(share, missing, missing)
    quantile = stats.norm.ppf((1 + confidence) / 2)
    low = _lower_end(share, len(a), len(b), quantile)
    return Interval(share, low, 1.0 - _lower_end(1.0 - share, len(a), len(b), quantile))


def effect_size(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Difference of means in run-to-run standard deviations, corrected for few runs (Hedges' g, 1981).

    g = (mean a - mean b) / s * (1 - 3 / (4 f - 1)), s^2 the pooled variance over runs, f = m + n - 2. It says how large
    a difference is beside the luck of a run, not how sure it is.

    Args:
        a, b: (m, ...) and (n, ...) values of the runs.

    Returns:
        (...) float64; NaN with fewer than two runs of either, or where runs do not vary.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if min(len(a), len(b)) < 2:
        return np.full(a.shape[1:], np.nan)
    freedom = len(a) + len(b) - 2
    squares = ((a - a.mean(axis=0)) ** 2).sum(axis=0) + ((b - b.mean(axis=0)) ** 2).sum(axis=0)
    deviation = np.sqrt(squares / freedom)
    difference = a.mean(axis=0) - b.mean(axis=0)
    scale = np.maximum(np.abs(a).max(axis=0), np.abs(b).max(axis=0))
    varies = deviation > ROUNDING * scale
    return np.where(varies, difference / np.where(varies, deviation, 1.0), np.nan) * (1 - 3 / (4 * freedom - 1))


def _lower_end(share: np.ndarray, m: int, n: int, quantile: float) -> np.ndarray:
    """The smallest theta that the share does not exclude, by bisection between 0 and the share."""
    low, high = np.zeros_like(share), np.array(share, dtype=np.float64)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        pairs = 1 + ((m + n) / 2 - 1) * ((1 - middle) / (2 - middle) + middle / (1 + middle))
        excluded = share - middle > quantile * np.sqrt(middle * (1 - middle) * pairs / (m * n))
        low, high = np.where(excluded, middle, low), np.where(excluded, high, middle)
    return high
