"""The hierarchical bootstrap of seeds crossed with classes, and the usual one of seeds alone.

Seeds and classes are drawn with replacement, independently of each other, and a class brings all its queries under
every drawn seed (the pigeonhole bootstrap, Owen, 2007). Percentile intervals of few seeds are too short, so it stands
beside the interval of `suite.statistics.crossed` and decides nothing (docs/statistics.md says by how much it fails).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from suite.statistics.intervals import CONFIDENCE

RESAMPLES = 4000


class Ends(NamedTuple):
    """Ends of an interval, each of shape (...)."""

    low: np.ndarray
    high: np.ndarray


def crossed_bootstrap(
    means: np.ndarray,
    sizes: np.ndarray,
    generator: np.random.Generator,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Ends:
    """Percentile interval of the mean over queries, seeds and classes resampled.

    Args:
        means: (S, C, ...) mean of each class under each seed.
        sizes: (C,) queries a class.
        generator: of the resamples; all of (...) share them.
        resamples: how many.
        confidence: coverage, in (0, 1).

    Returns:
        Arrays of shape (...); NaN with fewer than two seeds or classes.
    """
    means = np.asarray(means, dtype=np.float64)
    seeds, classes = means.shape[:2]
    if seeds < 2 or classes < 2:
        return _none(means.shape[2:])
    by_class = _draws(classes, resamples, generator) * np.asarray(sizes, dtype=np.float64)
    by_class /= by_class.sum(axis=1, keepdims=True)
    by_seed = _draws(seeds, resamples, generator) / seeds
    columns = means.reshape(seeds, classes, -1)
    drawn = sum(by_seed[:, [seed]] * (by_class @ columns[seed]) for seed in range(seeds))
    return _percentiles(drawn, means.shape[2:], confidence)


def seed_bootstrap(
    values: np.ndarray, generator: np.random.Generator, resamples: int = RESAMPLES, confidence: float = CONFIDENCE
) -> Ends:
    """Percentile interval of the mean over the first axis, (S, ...), its entries resampled."""
    values = np.asarray(values, dtype=np.float64)
    if len(values) < 2:
        return _none(values.shape[1:])
    drawn = _draws(len(values), resamples, generator) / len(values) @ values.reshape(len(values), -1)
    return _percentiles(drawn, values.shape[1:], confidence)


def _draws(count: int, resamples: int, generator: np.random.Generator) -> np.ndarray:
    """(resamples, count) float64: how often each of `count` is drawn in `count` draws with replacement."""
    drawn = generator.integers(count, size=(resamples, count)) + count * np.arange(resamples)[:, None]
    return np.bincount(drawn.reshape(-1), minlength=resamples * count).reshape(resamples, count).astype(np.float64)


def _percentiles(drawn: np.ndarray, shape: tuple[int, ...], confidence: float) -> Ends:
    tail = (1 - confidence) / 2
    return Ends(*np.quantile(drawn, [tail, 1 - tail], axis=0).reshape(2, *shape))


def _none(shape: tuple[int, ...]) -> Ends:
    return Ends(np.full(shape, np.nan), np.full(shape, np.nan))
