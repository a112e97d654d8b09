"""Test metrics of recorded runs as means of classes: all that intervals over seeds and classes need, and small."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from suite.statistics.crossed import class_means
from suite.statistics.queries import QueryReader
from suite.statistics.records import fingerprints


class ClassValues(NamedTuple):
    """Metrics whose means are over the same queries.

    Attributes:
        metrics: M names.
        means: (S, ..., C, M) mean over the queries of each class under each seed.
        sizes: (C,) queries a class.
    """

    metrics: list[str]
    means: np.ndarray
    sizes: np.ndarray

    def over_queries(self) -> np.ndarray:
        """(S, ..., M) mean over all queries: of a run, what its `metrics.json` holds."""
        return np.einsum("...cm,c->...m", self.means, self.sizes / self.sizes.sum())


class RunValues(NamedTuple):
    """The finished runs of a loss at one budget and batch size.

    Attributes:
        seeds: ascending.
        families: their metrics; one that no query has a value of is in none.
    """

    seeds: tuple[int, ...]
    families: list[ClassValues]

    def at(self, seeds: list[int], wanted: Callable[[str], object]) -> list[ClassValues]:
        """The values of these seeds, in their order, of the metrics whose name is wanted."""
        places = [self.seeds.index(seed) for seed in seeds]
        chosen = []
        for family in self.families:
            columns = [place for place, name in enumerate(family.metrics) if wanted(name)]
            if columns:
                names = [family.metrics[place] for place in columns]
                chosen.append(ClassValues(names, family.means[places][:, :, columns], family.sizes))
        return chosen


class ClassReader:
    """Reads the test metrics of one data set's finished runs, each run once.

    Args:
        reader: reads the data set's per-query tables.
        runs: the `runs` table.
    """

    def __init__(self, reader: QueryReader, runs: pd.DataFrame):
        self._reader = reader
        self._runs = runs
        self._read: dict[tuple[str, str, int], RunValues] = {}

    def of(self, loss: str, budget: str, batch_size: int) -> RunValues:
        """The runs of a loss at a budget and batch size; of no seed where none finished.

        Raises:
            SuiteError: naming the file that is missing and the stage that makes it.
        """
        key = loss, budget, batch_size
        if key not in self._read:
            named = fingerprints(self._runs, self._reader.dataset, loss, batch_size, budget)
            found = self._reader.runs(loss, named)
            families = [] if found is None else found.families()
            reduced = [ClassValues(one.metrics, *class_means(one.values, one.classes)) for one in families]
            self._read[key] = RunValues(() if found is None else found.seeds, reduced)
        return self._read[key]
