"""What batch size does to a metric: the change per doubling, the change from end to end, a test of no effect at all.

The first two are linear contrasts between sizes, formed within each seed (and query), so what a seed shares over sizes
cancels; their intervals are those of any other difference (`suite.statistics.crossed`, or t over seeds where there
are no queries). The third asks for any difference between sizes, whatever its form.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import stats

from suite.statistics.intervals import ROUNDING
from suite.statistics.scaling_curves import checked

RESAMPLES = 9999


class AnyEffect(NamedTuple):
    """The omnibus test: the largest difference of size means, p, and the smallest p that it could have given."""

    spread: float
    p: float
    smallest_p: float


def slope(values: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Change per doubling of the batch: least-squares slope over x = log2 B, sum (x - mean x) y / sum (x - mean x)^2.

    Args:
        values: (S, B, ...) a metric, by seed and size.
        sizes: (B,) batch sizes, ascending, two or more.

    Returns:
        (S, ...) one slope a seed.

    Raises:
        ValueError: naming the argument whose shape or values are at fault.
    """
    values, sizes = _several(values, sizes)
    x = np.log2(sizes) - np.log2(sizes).mean()
    return np.tensordot(values, x / (x @ x), axes=(1, 0))


def ends(values: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Largest minus smallest size; arguments, result and errors as in `slope`."""
    values, _ = _several(values, sizes)
    return values[:, -1] - values[:, 0]


def any_effect(values: np.ndarray, sizes: np.ndarray, resamples: int = RESAMPLES, seed: int = 0) -> AnyEffect:
    """Permutation test of 'the batch size does nothing to a run's metric'.

    If it does nothing, the values of a seed are exchangeable between sizes, so the labels of sizes are permuted within
    each seed (Pitman, 1938). The statistic is the sum over sizes of the squared mean over seeds of the values less
    their seed's mean; under these permutations it orders as the F of a repeated-measures analysis of variance. All
    permutations are taken where there are at most `resamples`, else that many at random, themselves counted with the
    one observed: p = (1 + those as large) / (1 + resamples). Values all equal give p = 1.

    Args:
        values: (S, B) a metric of the run of each seed at each size.
        sizes: (B,) batch sizes, ascending, two or more.
        resamples: random permutations.
        seed: of the random permutations.

    Returns:
        The test; with one seed no permutation is smaller than another, and p is 1.

    Raises:
        ValueError: naming the argument whose shape or values are at fault.
    """
    values, sizes = _several(values, sizes)
    if values.ndim != 2:
        raise ValueError(f"values: expected (seeds, sizes), found shape {values.shape}")
    if resamples < 1:
        raise ValueError(f"resamples: expected 1 or more, found {resamples}")
    seeds = len(values)
    means = values.mean(axis=0)
    spread = float(means.max() - means.min())
    # A permutation common to all seeds leaves the statistic as it is.
    smallest = 1.0 / math.factorial(len(sizes)) ** (seeds - 1)
    if math.factorial(len(sizes)) ** seeds > resamples:
        smallest = max(smallest, 1.0 / (1 + resamples))
    centred = values - values.mean(axis=1, keepdims=True)
    if seeds < 2 or np.abs(centred).max() <= ROUNDING * np.abs(values).max():
        return AnyEffect(spread, 1.0, smallest)
    test = stats.permutation_test(
        tuple(centred.T),
        _between,
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        alternative="greater",
        random_state=seed,
    )
    return AnyEffect(spread, float(test.pvalue), smallest)


def _between(*by_size: np.ndarray, axis: int) -> np.ndarray:
    return sum(values.mean(axis=axis) ** 2 for values in by_size)


def _several(values: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values, sizes = checked(values, sizes)
    if len(sizes) < 2:
        raise ValueError(f"sizes: an effect of batch size needs two or more, found {sizes.tolist()}")
    return values, sizes
