"""What the statistics of batch size are worth: how often tests reject, how often intervals hold the truth."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import optimize, stats

from suite.statistics.comparisons import LEVEL
from suite.statistics.crossed import crossed_classes
from suite.statistics.intervals import CONFIDENCE
from suite.statistics.scaling import any_effect, ends, slope
from suite.statistics.scaling_curves import fit_curves
from suite.workers import parallel_map

# Seeds and training sizes simulated: a small design, and one with more of both over the same range of sizes.
DESIGNS = {
    "3 seeds x 6 sizes": (3, (32, 128, 256, 512, 1024, 2048)),
    "5 seeds x 10 sizes": (5, (32, 64, 96, 128, 256, 384, 512, 768, 1024, 2048)),
}
CLASSES = 60
# Standard deviations of a metric: of a run about its expectation, of what a seed shares over its runs, of a seed's
# change per doubling, of a class, of a class's change per doubling, of a class under one run.
RUN, SEED, SEED_SLOPE, CLASS, CLASS_SLOPE, REST = 0.005, 0.005, 0.001, 0.15, 0.005, 0.03
NULL, NOISY, TREND, STEEP, INSIDE, SMALLEST = EFFECTS = (
    "none",
    "none, small batches three times as noisy",
    "trend",
    "trend, twice as steep",
    "optimum inside",
    "smallest size worse",
)
# From the lowest to the highest size mean, in standard deviations of a run.
EFFECT_SIZE = 4.0
TEST_COLUMNS = ("design", "effect", "test", "studies", "rejected", "rejected_se")

CURVES = {"power": (0.3, 0.1, 0.5), "saturating": (0.3, 0.1, 100.0), "quadratic": (-0.377, 0.165, -0.01, 304.4)}
NOISES = (0.003, 0.01, 0.03)
CURVE_COLUMNS = (
    "design",
    "run_sd",
    "model",
    "parameter",
    "method",
    "studies",
    "coverage",
    "coverage_se",
    "unbounded",
    "none",
)


def simulate_tests(studies: int, seed: int, processes: int) -> pd.DataFrame:
    """How often, in percent, each test of an effect of batch size rejects at 5 %.

    Classes are crossed with seeds and differ in what batch size does to them, with mean zero where there is no effect;
    `any` is asked of the test classes that there are, so for it they all change alike.

    Args:
        studies: simulated a design and effect.
        seed: of everything random.
        processes: side by side; the result does not depend on it.

    Returns:
        A row a design, effect and test (`slope`, `ends`, `any`) with the columns `TEST_COLUMNS`.
    """
    tasks = [(design, effect, (seed, at, of)) for at, design in enumerate(DESIGNS) for of, effect in enumerate(EFFECTS)]
    rows = parallel_map(partial(_rejections, studies), tasks, processes)
    return pd.DataFrame([row for part in rows for row in part], columns=list(TEST_COLUMNS))


def simulate_curves(studies: int, seed: int, processes: int) -> pd.DataFrame:
    """How often, in percent, the interval of each parameter of a true curve holds its value.

    Beside the suite's intervals (`seeds`), those of least squares on all runs as if independent (`runs`, the standard
    errors of `scipy.optimize.curve_fit`). Runs of a seed share an offset of twice the deviation of a run.

    Args:
        studies, seed, processes: as in `simulate_tests`.

    Returns:
        A row a design, deviation of a run, curve, parameter and method with the columns `CURVE_COLUMNS`; `unbounded`
        is the share, in percent, of intervals with an open end, `none` of studies without an interval, which enter
        nothing else.
    """
    tasks = [
        (design, noise, model, (seed, at, place, of))
        for at, design in enumerate(DESIGNS)
        for place, noise in enumerate(NOISES)
        for of, model in enumerate(CURVES)
    ]
    rows = parallel_map(partial(_coverage, studies), tasks, processes)
    return pd.DataFrame([row for part in rows for row in part], columns=list(CURVE_COLUMNS))


def _rejections(studies: int, task: tuple[str, str, tuple[int, ...]]) -> list[list]:
    design, effect, root = task
    seeds, sizes = DESIGNS[design]
    generator = np.random.default_rng(root)
    shift, noise = _effect(effect, np.log2(sizes))
    rejected: dict[str, list[bool]] = {"slope": [], "ends": [], "any": []}
    for _ in range(studies):
        runs, classes = _study(generator, seeds, np.log2(sizes), shift, noise)
        found = any_effect(runs, np.array(sizes), resamples=499, seed=int(generator.integers(2**32)))
        rejected["any"].append(found.p <= LEVEL)
        for name, contrast in (("slope", slope), ("ends", ends)):
            p = crossed_classes(contrast(classes, np.array(sizes)), np.full(CLASSES, 9)).p
            rejected[name].append(bool(p <= LEVEL))
    return [[design, effect, test, studies, *_percent(hits)] for test, hits in rejected.items()]


def _effect(name: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What each size adds to the metric, and the deviation of a run at each."""
    place = (x - x[0]) / (x[-1] - x[0])
    height = EFFECT_SIZE * RUN
    noise = np.full(len(x), RUN)
    if name == NOISY:
        noise = RUN * (3 - 2 * place)
    shape = {
        TREND: place,
        STEEP: 2 * place,
        INSIDE: 4 * place * (1 - place),
        SMALLEST: (place > 0).astype(float),
    }
    return height * shape.get(name, np.zeros(len(x))), noise


def _study(
    generator: np.random.Generator, seeds: int, x: np.ndarray, shift: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(S, B) values of runs on classes that all change alike, and (S, B, C) means of classes that do not."""
    centred = x - x.mean()
    runs = (
        0.3 + shift + noise * generator.standard_normal((seeds, len(x))) + SEED * generator.standard_normal((seeds, 1))
    )
    own = SEED_SLOPE * generator.standard_normal((seeds, 1)) * centred
    classes = CLASS * generator.standard_normal(CLASSES)
    change = CLASS_SLOPE * generator.standard_normal(CLASSES) * centred[:, None]
    rest = REST * generator.standard_normal((seeds, len(x), CLASSES))
    return runs, (runs + own)[..., None] + classes + change + rest


class _Truth(NamedTuple):
    curve: Callable[..., np.ndarray]
    bounds: tuple[list[float], list[float]]


def _truth(model: str, sizes: np.ndarray) -> _Truth:
    if model == "power":
        return _Truth(lambda size, a, b, c: a - b * (size / sizes[0]) ** -c, ([-10, -10, 0.02], [10, 10, 8]))
    if model == "saturating":
        return _Truth(
            lambda size, a, b, c: a - b / (1 + size / c), ([-10, -10, sizes[0] / 16], [10, 10, sizes[-1] * 16])
        )
    return _Truth(lambda size, a, b, c: a + b * np.log2(size) + c * np.log2(size) ** 2, ([-10] * 3, [10] * 3))


def _coverage(studies: int, task: tuple[str, float, str, tuple[int, ...]]) -> list[list]:
    design, noise, model, root = task
    seeds, sizes = DESIGNS[design][0], np.array(DESIGNS[design][1], dtype=float)
    generator, values = np.random.default_rng(root), CURVES[model]
    truth = _truth(model, sizes)
    expected = truth.curve(sizes, *values[:3])
    found: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for _ in range(studies):
        runs = expected + noise * generator.standard_normal((seeds, len(sizes)))
        runs += 2 * noise * generator.standard_normal((seeds, 1))
        fit = next(fit for fit in fit_curves(runs, sizes) if fit.model == model)
        for parameter, value in zip(fit.parameters, values, strict=True):
            found.setdefault((parameter.name, "seeds"), []).append((parameter.low, parameter.high, value))
        estimate, half = _usual(runs, sizes, truth, values[:3])
        for place, name in enumerate("abc"):
            usual = estimate[place] - half[place], estimate[place] + half[place], values[place]
            found.setdefault((name, "runs"), []).append(usual)
    rows = []
    for (name, method), intervals in found.items():
        low, high, value = np.array(intervals).T
        there = ~np.isnan(low)
        held = (low <= value) & (value <= high)
        unbounded = (
            100.0 * (~np.isfinite(high) | ~np.isfinite(low) | (low == 0.0))[there].mean() if there.any() else np.nan
        )
        rows.append(
            [design, noise, model, name, method, studies, *_percent(held[there]), unbounded, 100.0 * (~there).mean()]
        )
    return rows


def _usual(
    runs: np.ndarray, sizes: np.ndarray, truth: _Truth, start: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Least squares on all runs as if independent: estimates and half widths of their 95 % intervals."""
    x, y = np.tile(sizes, len(runs)), runs.ravel()
    estimate, covariance = optimize.curve_fit(truth.curve, x, y, p0=start, bounds=truth.bounds)
    return estimate, stats.t.ppf((1 + CONFIDENCE) / 2, y.size - len(start)) * np.sqrt(np.diag(covariance))


def _percent(hits: list[bool] | np.ndarray) -> tuple[float, float]:
    """Share of hits in percent and its binomial standard error."""
    share = float(np.mean(hits)) if len(hits) else float("nan")
    return 100.0 * share, 100.0 * float(np.sqrt(share * (1 - share) / max(len(hits), 1)))
