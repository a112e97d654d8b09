"""Simulated studies: two losses and an untrained floor, whose true means are known.

A study has seeds crossed with classes and queries nested in classes of unequal sizes. A value of loss l under seed s
for query q of class c is

    y = link(m + seed_ls + class_c + class_lc + cell_lsc + query_q + noise_lsq),

every term normal and independent, with the standard deviations of the cell; the two losses share class_c and query_q,
as they share the test set, and have one distribution, so their true difference is zero. The floor has no seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import expit

SEEDS = (3, 5, 10)
SMALLEST, LARGEST = 4, 12


@dataclass(frozen=True)
class Design:
    """How the studies of a cell are drawn.

    Attributes:
        title: what makes them what they are.
        seed, cls, own, cell, query, noise: standard deviations of seed, class, class by loss, seed by class, query and
            noise.
        classes: how many.
        sizes: queries a class: `even` (4 to 12, each as likely) or `heavy` (Pareto, index 1.2, from 2 to 200).
        bounded: values in (0, 1), skewed, as average precision is; else normal.
        informative: correlation of the number of queries of a class with its effect (`even` sizes alone).
        named: of the cells that the suite's interval was made for, not of those that stretch it.
    """

    title: str
    seed: float
    cls: float
    own: float
    cell: float
    query: float
    noise: float
    classes: int = 60
    sizes: str = "even"
    bounded: bool = False
    informative: float = 0.0
    named: bool = False


DESIGNS = {
    "seeds": Design("Seeds vary most", 0.03, 0.02, 0.005, 0.01, 0.08, 0.05, named=True),
    "classes": Design("Classes vary most", 0.005, 0.2, 0.08, 0.02, 0.15, 0.05, named=True),
    "mixed": Design("Both alike, and seeds by class", 0.03, 0.1, 0.1, 0.05, 0.15, 0.1),
    "runs": Design("Losses differ by run alone", 0.005, 0.2, 0.0, 0.03, 0.15, 0.1),
    "bounded": Design("Skewed values in (0, 1)", 0.1, 1.0, 0.3, 0.2, 1.2, 0.6, bounded=True),
    "few": Design("Eight classes", 0.02, 0.1, 0.05, 0.03, 0.15, 0.1, classes=8),
    "heavy": Design("Heavy-tailed class sizes", 0.02, 0.1, 0.05, 0.03, 0.15, 0.1, sizes="heavy"),
    "informative": Design("Large classes are easier", 0.01, 0.1, 0.05, 0.03, 0.15, 0.1, informative=0.7),
}
_LEVEL, _FLOOR_LEVEL = 0.45, 0.3
_BOUNDED_LEVEL, _BOUNDED_FLOOR_LEVEL = -0.5, -1.2
# The floor shares part of what makes a class or a query easy, and has the rest of its own.
_SHARED = 0.6


class Studies(NamedTuple):
    """Values of K studies with the same class sizes.

    Attributes:
        first, second: (S, Q, K) values of two losses.
        floor: (Q, K) values of what is not trained.
        classes: (Q,) ascending.
    """

    first: np.ndarray
    second: np.ndarray
    floor: np.ndarray
    classes: np.ndarray


def draw_studies(design: Design, seeds: int, batches: int, batch: int, root: tuple[int, ...]) -> Iterator[Studies]:
    """`batches` times `batch` studies; each batch has its own class sizes and its own random stream."""
    for stream in np.random.SeedSequence(root).spawn(batches):
        yield _draw(design, seeds, batch, np.random.default_rng(stream))


def true_means(design: Design) -> tuple[float, float]:
    """The mean over queries, expected over everything, of a loss and of the floor."""
    shared = (design.seed, design.cls, design.own, design.cell, design.query, design.noise)
    if not design.bounded:
        # A query is of a class in proportion to the class's size.
        shift = design.informative * design.cls * _size_shift()
        return _LEVEL + shift, _FLOOR_LEVEL + _SHARED * shift
    return (
        _expected(_BOUNDED_LEVEL, np.linalg.norm(shared)),
        _expected(_BOUNDED_FLOOR_LEVEL, np.hypot(design.cls, design.query)),
    )


def _draw(design: Design, seeds: int, batch: int, generator: np.random.Generator) -> Studies:
    sizes = _sizes(design, generator)
    classes = np.repeat(np.arange(design.classes), sizes)
    normal = generator.standard_normal
    easy = normal((design.classes, batch))
    if design.informative:
        standard = (sizes - (SMALLEST + LARGEST) / 2) / _size_deviation()
        easy = design.informative * standard[:, None] + np.sqrt(1 - design.informative**2) * easy
    easy, clear = design.cls * easy, design.query * normal((len(classes), batch))
    losses = []
    for _ in range(2):
        by_class = easy + design.own * normal((design.classes, batch)) + design.cell * normal((seeds, *easy.shape))
        by_class += design.seed * normal((seeds, 1, batch))
        noise = design.noise * normal((seeds, *clear.shape))
        losses.append(_linked(design, by_class[:, classes] + clear + noise, _LEVEL, _BOUNDED_LEVEL))
    rest = np.sqrt(1 - _SHARED**2)
    floor = _SHARED * easy + rest * design.cls * normal(easy.shape)
    floor = floor[classes] + _SHARED * clear + rest * design.query * normal(clear.shape)
    return Studies(*losses, _linked(design, floor, _FLOOR_LEVEL, _BOUNDED_FLOOR_LEVEL), classes)


def _linked(design: Design, values: np.ndarray, level: float, bounded_level: float) -> np.ndarray:
    return expit(bounded_level + values) if design.bounded else level + values


def _sizes(design: Design, generator: np.random.Generator) -> np.ndarray:
    if design.sizes == "heavy":
        return np.clip(2 * (1 + generator.pareto(1.2, design.classes)), 2, 200).astype(np.int64)
    return generator.integers(SMALLEST, LARGEST + 1, design.classes)


def _size_deviation() -> float:
    return float(np.arange(SMALLEST, LARGEST + 1).std())


def _size_shift() -> float:
    return _size_deviation() / np.arange(SMALLEST, LARGEST + 1).mean()


def _expected(level: float, deviation: float) -> float:
    nodes, weights = np.polynomial.hermite_e.hermegauss(101)
    return float((weights * expit(level + deviation * nodes)).sum() / weights.sum())
