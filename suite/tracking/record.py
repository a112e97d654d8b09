"""What the store shows of one recorded run: parameters, tags and metric points, within MLflow's limits."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from suite.config import NETWORK_FILES
from suite.errors import SuiteError

FILES = ("metrics.json", "history.parquet", "queries.parquet")
# A curve of this many points loses nothing on a screen, and thinning keeps a store of many long runs small.
POINTS = 200

_NAME_LENGTH, _VALUE_LENGTH, _TAG_LENGTH = 250, 6000, 8000
_FORBIDDEN = re.compile(r"[^\w/. \-]")
# What a run's provenance tells of each validation, and of the whole run.
_TELEMETRY = ("examples_per_second", "memory_bytes")
_COSTS = ("seconds", "step_seconds", "step_bytes")
# Of a run's own parameters: how it is shown, what is kept of it, and what is no setting.
_NOT_PARAMETERS = {"name", "label", "role", "study", "followed", "test", "data_digest", "code_digest"}


@dataclass(frozen=True)
class Point:
    """One value of a metric: its name in the store, its time in milliseconds since 1970 (UTC), its step."""

    key: str
    value: float
    timestamp: int
    step: int


@dataclass(frozen=True)
class Record:
    """A recorded run as docs/tables.md lays it down.

    Attributes:
        run: `run.json`.
        metrics: `metrics.json`; empty for a failed run.
        history: `history.parquet`; empty for a failed run.
        files: the files shown as artifacts beside `run.json` and `provenance.json`.
        provenance: the run's provenance; empty where none is kept.
    """

    run: dict[str, Any]
    metrics: dict[str, float] = field(default_factory=dict)
    history: pd.DataFrame = field(default_factory=pd.DataFrame)
    files: tuple[Path, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """The run's fingerprint."""
        return self.run["fingerprint"]

    @property
    def status(self) -> str:
        """MLflow's status of the run: FINISHED or FAILED."""
        return "FAILED" if self.run["status"] == "failed" else "FINISHED"

    def time(self, key: str) -> int | None:
        """`started` or `finished` in milliseconds since 1970 (UTC); None where provenance has none."""
        text = self.provenance.get(key)
        return round(datetime.fromisoformat(text).timestamp() * 1000) if text else None


def read_record(directory: Path, root: Path) -> Record:
    """Read the run recorded in `directory`. Raises SuiteError naming a file that is missing or broken."""
    directory = Path(directory)
    run = _read_json(directory / "run.json")
    provenance = Path(root) / "provenance" / run["dataset"] / run["loss"] / f"{run['fingerprint']}.json"
    known = _read_json(provenance) if provenance.exists() else {}
    if run["status"] == "failed":
        return Record(run=run, provenance=known)
    files = tuple(directory / name for name in (*FILES, NETWORK_FILES[run["protocol"]]))
    for path in files:
        if not path.exists():
            raise SuiteError(f"{path}: missing; delete the run's folder and train it again")
    metrics = _read_json(directory / "metrics.json")
    history = pd.read_parquet(directory / "history.parquet")
    return Record(run=run, metrics=metrics, history=history, files=files, provenance=known)


def read_records(root: Path, dataset: str, loss: str) -> list[Record]:
    """Every run recorded for a data set and a loss, by fingerprint; none if nothing is trained yet."""
    folder = Path(root) / "runs" / dataset / loss
    if not folder.is_dir():
        return []
    directories = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    return [read_record(directory, root) for directory in directories]


def parameters(run: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of a run as MLflow takes them: nested keys joined by dots, every value a text.

    What identifies a run in a comparison (data set, loss, batch size, seed, learning rate, epochs, steps) is always
    there, under the names of the tables: `loss` is the key in `params.yaml`, `registered_loss` what it stands for.
    What decides nothing or is no setting (labels, digests) is left to tags and to `run.json`: it would stand first
    among the axes of every plot.
    """
    always = ("dataset", "loss", "budget", "batch_size", "seed", "learning_rate", "epochs", "steps")
    values = dict(run.get("parameters", {}))
    values |= {"registered_loss": values.get("loss")} if "loss" in values else {}
    values |= {key: run[key] for key in always if run.get(key) is not None}
    return {name(key): _text(value)[:_VALUE_LENGTH] for key, value in _flatten(values) if key not in _NOT_PARAMETERS}


def tags(run: Mapping[str, Any]) -> dict[str, str]:
    """The tags by which a run is found and filtered."""
    keys = ("dataset", "loss", "label", "budget", "batch_size", "seed", "protocol", "role", "fingerprint")
    return {key: str(run[key])[:_TAG_LENGTH] for key in keys} | {"group": group(run)}


def group(run: Mapping[str, Any]) -> str:
    """What runs that differ in their seed alone have in common; grouping by it averages over seeds."""
    equal_steps = "-steps" if run["budget"] == "steps" else ""
    return f"{run['dataset']}-{run['loss']}-{run['batch_size']}{equal_steps}"


def run_name(run: Mapping[str, Any]) -> str:
    """The name of a run in the store."""
    equal_steps = "-steps" if run["budget"] == "steps" else ""
    return f"{run['dataset']}-{run['loss']}-{run['batch_size']}-{run['seed']}{equal_steps}"


def images_seen(step: int, batch_size: int) -> int:
    """MLflow's step of an update: the images that it and those before it took in.

    Curves of runs at several batch sizes so have one axis; `history/step` is the other, the updates.
    """
    return int(step) * int(batch_size)


def row_points(row: Mapping[str, Any], timestamp: int, batch_size: int) -> list[Point]:
    """The points of one history row; what is not evaluated at its step, or not finite, has none.

    Series are named `history/<column>`: `val/level0/AP` of a step is not that of the head chosen in the end,
    and the store could not tell them apart under one name. Telemetry is named `system/<column>`.
    """
    step = images_seen(row["step"], batch_size)
    history = {key: value for key, value in row.items() if key not in (*_TELEMETRY, "epoch")}
    system = {key: row[key] for key in _TELEMETRY if key in row}
    return _series("history", history, step, timestamp) + _series("system", system, step, timestamp)


def shown(row: Mapping[str, Any], steps: int) -> bool:
    """Whether a history row of a run of `steps` steps is kept when thinning to about `POINTS` rows.

    Rows with a validation always are. It depends on the row alone: live logging and sync keep the same ones.
    """
    stride = max(1, math.ceil(steps / POINTS))
    evaluated = any(str(key).startswith("val/") and _number(value) is not None for key, value in row.items())
    return evaluated or int(row["step"]) % stride == 0


def history_points(record: Record, skip: Iterable[tuple[str, int]], started: int, finished: int) -> list[Point]:
    """The points of the recorded history, thinned, and of the telemetry, without those in `skip` (series and step).

    A history holds no times (it would not be reproducible), so steps are spread evenly over the run's time.
    """
    rows = record.history.to_dict("records")
    skip, ends = set(skip), {0, len(rows) - 1}
    points: list[Point] = []
    for index, row in enumerate(rows):
        if index in ends or shown(row, record.run["steps"]):
            stamp = started + round((finished - started) * (index + 1) / len(rows))
            points += row_points(row, stamp, record.run["batch_size"])
    points += _telemetry_points(record, started, finished)
    return [point for point in points if (point.key, point.step) not in skip]


def _telemetry_points(record: Record, started: int, finished: int) -> list[Point]:
    """What the provenance tells of speed and memory at each validation, under the names of live logging."""
    columns = record.provenance.get("telemetry") or {}
    points: list[Point] = []
    for values in zip(*columns.values(), strict=True):
        row = dict(zip(columns, values, strict=True))
        update = row.pop("step")
        stamp = started + round((finished - started) * update / record.run["steps"])
        points += _series("system", row, images_seen(update, record.run["batch_size"]), stamp)
    return points


def final_points(record: Record, finished: int) -> list[Point]:
    """The points of `metrics.json`, the chosen epoch and what the run cost, at the run's last step."""
    step = images_seen(record.run.get("steps") or 0, record.run["batch_size"])
    costs = {f"system/{key}": record.provenance.get(key) for key in _COSTS}
    values = {**record.metrics, "best_epoch": record.run.get("best_epoch"), **costs}
    numbers = ((key, _number(value)) for key, value in values.items())
    return [Point(name(key), value, finished, step) for key, value in numbers if value is not None]


def main_runs(records: Iterable[Record]) -> list[Record]:
    """The finished runs of the main comparison, by seed."""
    main = (r for r in records if r.status == "FINISHED" and r.run["role"] == "main")
    return sorted(main, key=lambda record: record.run["seed"])


def name(key: str) -> str:
    """`key` as MLflow accepts it: a character it forbids becomes an underscore, at most 250 of them."""
    return _FORBIDDEN.sub("_", str(key))[:_NAME_LENGTH]


def _series(prefix: str, row: Mapping[str, Any], step: int, timestamp: int) -> list[Point]:
    numbers = ((key, _number(value)) for key, value in row.items())
    return [Point(name(f"{prefix}/{key}"), value, timestamp, step) for key, value in numbers if value is not None]


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _number(value: Any) -> float | None:
    if value is None or isinstance(value, str):
        return None
    return float(value) if math.isfinite(value) else None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SuiteError(f"{path}: missing; delete the run's folder and train it again") from None
    except ValueError as error:
        raise SuiteError(f"{path}: not valid JSON ({error}); delete the run and train it again") from None
