"""The values of every test query, read back from recorded runs and from the controls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from suite.datasets.arrays import load_labels
from suite.errors import SuiteError
from suite.statistics.controls import FROZEN
from suite.statistics.records import read_table

COUNT = "num_positives"


class Family(NamedTuple):
    """Metrics that the same queries have a value of.

    Attributes:
        metrics: their names.
        values: (S, Q, M) a seed, query with positives, and metric.
        classes: (Q,) the class of each query.
    """

    metrics: list[str]
    values: np.ndarray
    classes: np.ndarray


@dataclass(frozen=True)
class QueryValues:
    """Values of every test query under every seed of one loss.

    Attributes:
        seeds: ascending.
        items: (Q,) rows of `items.parquet`.
        classes: (Q,) finest labels of the queries; each query without a label is a class of its own.
        values: (S, Q) by metric.
        counted: (Q,) bool by metric: the queries that enter its mean, those with positives.
    """

    seeds: tuple[int, ...]
    items: np.ndarray
    classes: np.ndarray
    values: dict[str, np.ndarray]
    counted: dict[str, np.ndarray]

    def at(self, seeds: list[int]) -> QueryValues:
        """The same of these seeds alone, in their order."""
        places = [self.seeds.index(seed) for seed in seeds]
        values = {name: rows[places] for name, rows in self.values.items()}
        return QueryValues(tuple(seeds), self.items, self.classes, values, self.counted)

    def families(self, metrics: list[str] | None = None) -> Iterator[Family]:
        """The metrics (all by default), those of the same queries together; one that no query has is left out."""
        together: dict[bytes, list[str]] = {}
        for name in self.values if metrics is None else metrics:
            together.setdefault(self.counted[name].tobytes(), []).append(name)
        for names in together.values():
            chosen = self.counted[names[0]]
            if chosen.any():
                values = np.stack([self.values[name][:, chosen] for name in names], axis=2)
                yield Family(names, values, self.classes[chosen])


class QueryReader:
    """Reads per-query tables of one data set; its labels are read once.

    Args:
        root: the artifacts folder.
        dataset: its name.

    Raises:
        SuiteError: naming the file that is missing and the stage that makes it.
    """

    def __init__(self, root: Path, dataset: str):
        self.root, self.dataset = Path(root), dataset
        self._labels = load_labels(root, dataset)[0]

    def runs(self, loss: str, fingerprints: Mapping[int, str]) -> QueryValues | None:
        """The finished runs of a loss, `fingerprints` by seed; None if there are none."""
        folder, stage = self.root / "runs" / self.dataset / loss, f"train@{self.dataset}-{loss}"
        read = partial(read_table, stage=stage, columns=("item",))
        tables = {seed: read(folder / fingerprints[seed] / "queries.parquet") for seed in sorted(fingerprints)}
        return self._joined(tables, str(folder)) if tables else None

    def frozen(self) -> QueryValues:
        """The frozen features: one seed, 0."""
        path = self.root / "controls" / self.dataset / "queries.parquet"
        table = read_table(path, f"controls@{self.dataset}", ("control", "seed", "item"))
        return self._joined({0: table[table["control"] == FROZEN].drop(columns=["control", "seed"])}, str(path))

    def _joined(self, tables: dict[int, pd.DataFrame], where: str) -> QueryValues:
        first = next(iter(tables.values()))
        items = first["item"].to_numpy()
        for table in tables.values():
            if list(table.columns) != list(first.columns) or not np.array_equal(table["item"], items):
                raise SuiteError(f"{where}: runs differ in their queries or metrics; run `dvc repro`")
        metrics = [name for name in first.columns if name != "item" and not name.endswith(COUNT)]
        values = {
            name: np.stack([table[name].to_numpy(dtype=np.float64) for table in tables.values()]) for name in metrics
        }
        counted = {name: _counted(first, name) for name in metrics}
        return QueryValues(tuple(tables), items, self._labels[items, 0], values, counted)


def _counted(table: pd.DataFrame, metric: str) -> np.ndarray:
    """Queries with a positive at the metric's level or, for a metric over all levels, at any."""
    level, slash, _ = metric.partition("/")
    counts = [
        name
        for name in table.columns
        if name.endswith(f"/{COUNT}") and name.startswith(f"{level}/" if slash else "level")
    ]
    if not counts:
        return np.ones(len(table), dtype=bool)
    return (table[counts] > 0).any(axis=1).to_numpy()
