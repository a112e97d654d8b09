"""Ways to form the 95 % interval of a mean over seeds and queries: the suite's and the usual ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats

from suite.statistics.bootstrap import Ends, crossed_bootstrap, seed_bootstrap
from suite.statistics.crossed import MeanSquares, crossed_classes, mean_squares
from suite.statistics.intervals import CONFIDENCE, t_interval

RESAMPLES = 1000
TITLES = {
    "crossed": "Seeds crossed with classes (the suite's)",
    "satterthwaite": "The same, Satterthwaite's degrees of freedom",
    "hillis": "The same, Hillis' degrees of freedom",
    "cochran_cox": "The same, Cochran and Cox's weighted t quantile",
    "two_way_cluster": "Two-way cluster-robust",
    "bootstrap": "Hierarchical bootstrap of seeds and classes",
    "seeds": "t over seeds alone",
    "seed_bootstrap": "Percentile bootstrap of seed means",
    "classes": "t over class means, runs fixed",
    "queries": "t over queries as if independent",
}
_QUANTILE = (1 + CONFIDENCE) / 2


def intervals(means: np.ndarray, sizes: np.ndarray, generator: np.random.Generator) -> dict[str, Ends]:
    """The interval of every method that needs the means of classes alone, all but `queries`.

    Args:
        means: (S, C, K) mean of each class under each seed, of K studies.
        sizes: (C,) queries a class.
        generator: of the bootstraps.

    Returns:
        (K,) ends by method.
    """
    mean, table = mean_squares(means, sizes)
    weights = (sizes / sizes.sum())[:, None]
    seed_means = (weights * means).sum(axis=1)
    found = crossed_classes(means, sizes)
    return {
        "crossed": Ends(found.low, found.high),
        **{name: rule(mean, table) for name, rule in _RULES.items()},
        "bootstrap": crossed_bootstrap(means, sizes, generator, RESAMPLES),
        "seeds": Ends(*t_interval(seed_means)[1:]),
        "seed_bootstrap": seed_bootstrap(seed_means, generator, RESAMPLES),
    }


def query_interval(values: np.ndarray) -> Ends:
    """t interval over queries as if independent, of (S, Q, K) values averaged over seeds first."""
    return Ends(*t_interval(values.mean(axis=0))[1:])


def _satterthwaite(mean: np.ndarray, table: MeanSquares) -> Ends:
    """Satterthwaite (1946) on MS_seed + MS_class - MS_rest, unclipped; of no variance where that is not positive."""
    variance = np.maximum(table.seed + table.cls - table.rest, 0.0)
    squares = (
        table.seed**2 / (table.seeds - 1)
        + table.cls**2 / (table.classes - 1)
        + table.rest**2 / ((table.seeds - 1) * (table.classes - 1))
    )
    return _ends(mean, variance, table, stats.t.ppf(_QUANTILE, np.maximum(variance**2 / squares, 1e-3)))


def _hillis(mean: np.ndarray, table: MeanSquares) -> Ends:
    """Hillis (2007): the classes' share has no sampling error of its own."""
    variance = table.seed + np.maximum(table.cls - table.rest, 0.0)
    return _ends(mean, variance, table, stats.t.ppf(_QUANTILE, (table.seeds - 1) * (variance / table.seed) ** 2))


def _cochran_cox(mean: np.ndarray, table: MeanSquares) -> Ends:
    """Cochran and Cox (1957): quantiles of both t distributions, weighted by their shares of the variance."""
    between = np.maximum(table.cls - table.rest, 0.0)
    variance = table.seed + between
    of_seeds, of_classes = (stats.t.ppf(_QUANTILE, count - 1) for count in (table.seeds, table.classes))
    return _ends(mean, variance, table, (table.seed * of_seeds + between * of_classes) / variance)


def _two_way_cluster(mean: np.ndarray, table: MeanSquares) -> Ends:
    """Cameron, Gelbach and Miller (2011): variances by seed and by class less that by cell, on min(S, C) - 1."""
    seeds, classes = table.seeds, table.classes
    # The sum of squares over cells, back from the three mean squares, and its factor G / (G - 1).
    cells = table.seed * (seeds - 1) + table.cls * (classes - 1) + table.rest * (seeds - 1) * (classes - 1)
    variance = table.seed + table.cls - cells / (seeds * classes - 1)
    # Not positive now and then; the larger of the two is then taken, as is usual.
    variance = np.where(variance > 0, variance, np.maximum(table.seed, table.cls))
    return _ends(mean, variance, table, stats.t.ppf(_QUANTILE, min(seeds, classes) - 1))


def _classes(mean: np.ndarray, table: MeanSquares) -> Ends:
    return _ends(mean, table.cls, table, stats.t.ppf(_QUANTILE, table.classes - 1))


def _ends(mean: np.ndarray, variance: np.ndarray, table: MeanSquares, quantile: np.ndarray | float) -> Ends:
    half = quantile * np.sqrt(variance / (table.seeds * table.classes))
    return Ends(mean - half, mean + half)


_RULES: dict[str, Callable[[np.ndarray, MeanSquares], Ends]] = {
    "satterthwaite": _satterthwaite,
    "hillis": _hillis,
    "cochran_cox": _cochran_cox,
    "two_way_cluster": _two_way_cluster,
    "classes": _classes,
}
