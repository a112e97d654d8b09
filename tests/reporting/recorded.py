"""What is on record beside a report, and the rows of it that a table may take its numbers from."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from suite.config import Params
from suite.recipes import trials_path

METRICS = {
    "mAP": "level0/AP",
    "R@1": "level0/R_at_1",
    "mAP@R": "level0/mAP_at_R",
    "mAP@100": "stated/mAP_at_100",
    "NDCG": "NDCG",
    "H-AP": "H_AP",
}
AP = "level0/AP"
CONTROLS = ("frozen", "random")
IN_TEXT = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?!\w)")


def values(frame: pd.DataFrame) -> np.ndarray:
    """Every number of some rows: those of their numeric columns and those within their texts."""
    found = [frame.select_dtypes("number").to_numpy(dtype=float, na_value=np.nan).ravel()]
    for name in frame.select_dtypes(exclude="number"):
        found.append(np.array([float(one) for text in frame[name].map(str) for one in IN_TEXT.findall(text)]))
    pool = np.concatenate(found) if found else np.empty(0)
    return pool[~np.isnan(pool)]


@dataclass(frozen=True)
class Source:
    """Where a table's numbers come from.

    Attributes:
        frame: the recorded rows.
        keys: title of a column that says what a row is about, and the recorded column it names.
        by_title: of further titles, the recorded rows that a column under them is about.
        names: titles of columns of words.
        exact: titles of columns whose text, part by part where commas part it, is a recorded text.
        also: numbers that are no record but follow from what a row or study is (a floor's ratio to itself).
    """

    frame: pd.DataFrame
    keys: Mapping[str, str] = field(default_factory=dict)
    by_title: Callable[[pd.DataFrame, str], pd.DataFrame] = lambda rows, title: rows
    names: tuple[str, ...] = ()
    exact: tuple[str, ...] = ()
    also: tuple[float, ...] = ()

    def rows_of(self, row: Mapping[str, str]) -> pd.DataFrame:
        """The recorded rows that a row of the table is about."""
        mine = self.frame
        for title, column in self.keys.items():
            if title not in row or mine.empty:
                continue
            told = row[title].removesuffix(" (floor)")
            recorded = mine[column]
            if pd.api.types.is_numeric_dtype(recorded):
                mine = mine[recorded == (0 if told == "–" else float(told.replace(",", "").split()[0]))]
            elif column in ("fingerprint", "model"):
                mine = mine[[text.startswith(told) or told.startswith(text) for text in recorded.map(str)]]
            elif told != "–":
                mine = mine[recorded.map(_plain) == told]
        return mine

    def pool(self, rows: pd.DataFrame, title: str) -> np.ndarray:
        """The numbers that a cell of these rows may show."""
        return np.concatenate([values(self.by_title(rows, title)), np.array(self.also)])


@dataclass(frozen=True)
class Records:
    """Everything a report may be made from."""

    params: Params
    root: Path
    recipes: Path

    def table(self, name: str, dataset: str | None = None, **chosen: Any) -> pd.DataFrame:
        """Rows of a table of `compare`, of known losses."""
        frame = pd.read_parquet(self.root / "compare" / f"{name}.parquet")
        if dataset is not None and "dataset" in frame:
            frame = frame[frame["dataset"] == dataset]
        for column, value in chosen.items():
            frame = frame[frame[column] == value]
        if "loss_a" in frame:
            frame = frame.assign(label_a=frame["loss_a"].map(self.labels), label_b=frame["loss_b"].map(self.labels))
        return frame

    @cached_property
    def labels(self) -> dict[str, str]:
        named = {name: loss.label for name, loss in self.params.losses.items()}
        return named | {"frozen": "Frozen features", "random": "Random embeddings"}

    def names(self) -> set[str]:
        """Words that may hold digits and are no numbers: labels, titles of data sets."""
        cards = (self.card(dataset) for dataset in self.params.datasets)
        titles = {part for card in cards for part in (card["title"], card["title"].partition(":")[0])}
        return {*self.labels.values(), *titles, *(ablation.label for ablation in self.params.ablations.values())}

    def card(self, dataset: str) -> dict[str, Any]:
        return json.loads((self.root / "datasets" / dataset / "card.json").read_text(encoding="utf-8"))

    def provenance(self, dataset: str) -> dict[str, dict[str, Any]]:
        """By fingerprint, what the trained runs of the tables recorded."""
        runs = self.table("runs", dataset)
        runs = runs[runs["batch_size"] > 0]
        paths = {
            run.fingerprint: self.root / "provenance" / dataset / run.loss / f"{run.fingerprint}.json"
            for run in runs.itertuples()
        }
        return {key: json.loads(path.read_text(encoding="utf-8")) for key, path in paths.items() if path.exists()}

    def trials(self, dataset: str) -> pd.DataFrame:
        path = trials_path(self.params.study, dataset, self.recipes)
        return pd.read_csv(path) if path.exists() else pd.DataFrame()

    @cached_property
    def benchmark(self) -> pd.DataFrame:
        """A row a timed case: label, batch size, milliseconds and megabytes."""
        path = self.root / "benchmark" / "benchmark.json"
        rows = []
        for case in json.loads(path.read_text(encoding="utf-8"))["benchmarks"] if path.exists() else ():
            loss, extra = case["params"]["loss"], case["extra_info"]
            memory = extra.get("peak_memory_bytes")
            label = self.params.losses[loss].label if loss in self.params.losses else extra["label"]
            rows.append(
                {
                    "loss": loss,
                    "label": label,
                    "batch_size": case["params"]["batch_size"],
                    "ms": 1e3 * case["stats"]["median"],
                    "mb": np.nan if memory is None else memory / 1e6,
                }
            )
        return pd.DataFrame(rows)


def _plain(text: Any) -> str:
    return " ".join(str(text).replace("−", "-").split())
