"""How often intervals of the probability of improvement hold the truth, with few runs."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from suite.statistics.improvement import probability_of_improvement
from suite.validation.methods import RESAMPLES
from suite.validation.studies import SEEDS

PROBABILITIES = (0.5, 0.8, 0.95)
_BATCH = 250


def simulate_improvement(studies: int, seed: int) -> pd.DataFrame:
    """Normal runs of two losses whose probability of improvement is known.

    Returns:
        A row a number of runs, true probability and method (`newcombe`, the suite's, or `bootstrap`, percentile over
        runs of each loss): `runs`, `probability`, `method`, `studies`, `coverage` in percent, and its standard error.
    """
    rows = []
    for runs in SEEDS:
        for probability in PROBABILITIES:
            generator = np.random.default_rng([seed, runs, round(100 * probability)])
            shift = np.sqrt(2) * stats.norm.ppf(probability)
            hits: dict[str, list[np.ndarray]] = {"newcombe": [], "bootstrap": []}
            for start in range(0, studies, _BATCH):
                many = min(_BATCH, studies - start)
                a, b = generator.standard_normal((2, runs, many))
                found = probability_of_improvement(a + shift, b)
                hits["newcombe"].append((found.low <= probability) & (probability <= found.high))
                low, high = _bootstrap(a + shift, b, generator)
                hits["bootstrap"].append((low <= probability) & (probability <= high))
            for method, parts in hits.items():
                share = np.concatenate(parts).mean()
                error = np.sqrt(share * (1 - share) / studies)
                rows.append((runs, probability, method, studies, 100 * share, 100 * error))
    return pd.DataFrame(rows, columns=["runs", "probability", "method", "studies", "coverage", "coverage_se"])


def _bootstrap(a: np.ndarray, b: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    runs = len(a)
    better = np.moveaxis((a[:, None] > b[None]).astype(np.float64), 2, 0)
    drawn_a, drawn_b = generator.multinomial(runs, np.full(runs, 1 / runs), size=(2, RESAMPLES)) / runs
    shares = ((drawn_a @ better) * drawn_b).sum(axis=2)
    low, high = np.quantile(shares, [0.025, 0.975], axis=1)
    return low, high
