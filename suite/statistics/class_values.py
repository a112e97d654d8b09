"""Test metrics of recorded runs as means of classes: all that intervals over seeds and classes need, and small."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from suite.statistics.crossed import class_means
from suite.statistics.queries import QueryReader


class ClassValues(NamedTuple):
    """Metrics whose means are over the same queries.

    Attributes:
        metrics: M names.
        means: (S, C, M) mean over the queries of each class under each seed.
        sizes: (C,) queries a class.
    """

    metrics: list[str]
    means: np.ndarray
    sizes: np.ndarray

    def over_queries(self) -> np.ndarray:
        """(S, M) mean over all queries: what a run's `metrics.json` holds."""
        return np.tensordot(self.means, self.sizes / self.sizes.sum(), axes=(1, 0))


class Tested(NamedTuple):
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


class TestValues:
    """Reads the test metrics of one data set's finished runs, each run once.

    Args:
        reader: reads the data set's per-query tables.
        runs: the `runs` table.
    """

    __test__ = False

    def __init__(self, reader: QueryReader, runs: pd.DataFrame):
        self._reader = reader
        self._runs = runs[(runs["dataset"] == reader.dataset) & (runs["status"] == "finished")]
        self._read: dict[tuple[str, str, int], Tested] = {}

    def of(self, loss: str, budget: str, batch_size: int) -> Tested:
        """The runs of a loss at a budget and batch size; of no seed where none finished.

        Raises:
            SuiteError: naming the file that is missing and the stage that makes it.
        """
        key = loss, budget, batch_size
        if key not in self._read:
            runs = self._runs
            chosen = runs[(runs["loss"] == loss) & (runs["budget"] == budget) & (runs["batch_size"] == batch_size)]
            found = self._reader.runs(loss, dict(zip(chosen["seed"], chosen["fingerprint"], strict=True)))
            self._read[key] = (
                Tested((), [])
                if found is None
                else Tested(
                    found.seeds,
                    [
                        ClassValues(family.metrics, *class_means(family.values, family.classes))
                        for family in found.families()
                    ],
                )
            )
        return self._read[key]
