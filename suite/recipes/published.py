"""Figures that papers published, from `baselines/published.csv`, the one place where they stand."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from pathlib import Path

from suite.errors import SuiteError

AVERAGE = "average mAP"


@dataclass(frozen=True)
class PublishedFigure:
    """One figure of a paper.

    Attributes:
        method: what the paper calls it.
        loss: registered name of its loss here; of a sum, those of its terms, joined by `+`.
        dataset: the builder of the data set.
        protocol: of the data set, where it has several that papers use; else empty.
        metric: `R`, of the finest level at the cut-off `k`, or `average mAP`, over all levels.
        k: cut-off; None where the metric has none.
        value: in percent.
        backbone: as the paper names it.
        source: key of the reference.
        recipe: the recipe that goes after it; empty where there is none.
        note: how it was got, where that makes it another quantity; else empty.
    """

    method: str
    loss: str
    dataset: str
    protocol: str
    metric: str
    k: int | None
    value: float
    backbone: str
    source: str
    recipe: str
    note: str

    @property
    def title(self) -> str:
        """The metric as a reader knows it."""
        return self.metric if self.k is None else f"{self.metric}@{self.k}"


_COLUMNS = [field.name for field in fields(PublishedFigure)]


@cache
def published_figures(path: Path | None = None) -> tuple[PublishedFigure, ...]:
    """All figures, in the order of the file.

    Args:
        path: of another file of the same columns; None: the project's own.

    Raises:
        SuiteError: the file has other columns, or a row with a value that is none; names the file and the line.
    """
    place = files("baselines") / "published.csv" if path is None else path
    reader = csv.DictReader(place.read_text(encoding="utf-8").splitlines())
    columns = reader.fieldnames
    if columns != _COLUMNS:
        raise SuiteError(f"{place}: expected the columns {', '.join(_COLUMNS)}, found {', '.join(columns or ['none'])}")
    return tuple(_figure(row, f"{place}, line {reader.line_num}") for row in reader)


def _figure(row: dict[str, str], where: str) -> PublishedFigure:
    lacking = [name for name in ("method", "loss", "dataset", "backbone", "source") if not row[name]]
    if lacking:
        raise SuiteError(f"{where}: has no {lacking[0]}")
    try:
        k, value = (int(row["k"]) if row["k"] else None), float(row["value"])
    except (TypeError, ValueError):
        raise SuiteError(f"{where}: k and value are numbers, found '{row['k']}' and '{row['value']}'") from None
    if not (math.isfinite(value) and 0 < value <= 100):
        raise SuiteError(f"{where}: value is in percent, found {value:g}")
    if row["metric"] not in ("R", AVERAGE) or (row["metric"] == "R") != (k is not None):
        raise SuiteError(f"{where}: metric is R with a cut-off k, or {AVERAGE} without; found '{row['metric']}'")
    return PublishedFigure(**row | {"k": k, "value": value})
