"""Intervals of a mean over seeds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
# Values that vary by less than this share of their size have no spread that a test could use: it is rounding.
ROUNDING = 1e-12


class Interval(NamedTuple):
    """A mean and the ends of its interval; the ends are NaN where no spread can be estimated."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def t_interval(values: np.ndarray, confidence: float = CONFIDENCE) -> Interval:
    """Student's t interval of the mean over the first axis: mean ± t_{n-1} s / sqrt(n).

    Args:
        values: (n, ...) one value a seed.
        confidence: coverage, in (0, 1).

    Returns:
        Arrays of shape (...); with n < 2 the ends are NaN, with n = 0 the mean too.
    """
    values = np.asarray(values, dtype=np.float64)
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: expected a number in (0, 1), found {confidence}")
    seeds = len(values)
    missing = np.full(values.shape[1:], np.nan)
    if seeds < 2:
        return Interval(values[0] if seeds else missing, missing, missing)
    mean = values.mean(axis=0)
    half = stats.t.ppf((1 + confidence) / 2, seeds - 1) * values.std(axis=0, ddof=1) / np.sqrt(seeds)
    return Interval(mean, mean - half, mean + half)


def ratio_interval(values: np.ndarray, floor: np.ndarray | float, confidence: float = CONFIDENCE) -> Interval:
    """Interval of mean / floor. The floor is a constant (untrained features have no seed), so it only scales.

    Args:
        values: (n, ...) one value a seed.
        floor: (...) or a number; where it is not positive the ratio is NaN.
        confidence: coverage, in (0, 1).
    """
    floor = np.asarray(floor, dtype=np.float64)
    safe = np.where(floor > 0, floor, np.nan)
    return Interval(*(np.asarray(part / safe) for part in t_interval(values, confidence)))
