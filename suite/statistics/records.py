"""What training, measuring and the controls recorded, read back for comparison.

Data sets and losses are those that `params.yaml` names; a folder that it does not name is not looked at.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from suite.config import Params
from suite.errors import SuiteError
from suite.statistics.controls import FROZEN, LABELS, METRIC_COLUMNS, RANDOM, SPLITS
from suite.statistics.measures import GAP_COLUMNS

# Columns of the `runs` table before its metrics, with their types; a control has no learning rate, epochs or
# steps.
RUN_COLUMNS = {
    "dataset": "str",
    "loss": "str",
    "label": "str",
    "budget": "str",
    "batch_size": "int64",
    "seed": "int64",
    "role": "str",
    "status": "str",
    "error": "str",
    "learning_rate": "float64",
    "epochs": "Int64",
    "steps": "Int64",
    "fingerprint": "str",
}


def read_runs(params: Params, root: Path) -> pd.DataFrame:
    """The `runs` table: controls and runs, failed ones included, in the order in which `params.yaml` names them.

    A recorded run at a budget, batch size or seed that `params.yaml` does not name is not looked at.

    Raises:
        SuiteError: naming the file or the run that is missing or unreadable and the stage that makes it.
    """
    rows: list[dict[str, Any]] = []
    for dataset in params.datasets:
        rows += _control_rows(dataset, root)
        for loss in params.losses:
            rows += _run_rows(params, dataset, loss, root)
    table = pd.DataFrame(rows)
    metrics = sorted(name for name in table.columns if name not in RUN_COLUMNS)
    return table.reindex(columns=[*RUN_COLUMNS, *metrics]).astype(RUN_COLUMNS | dict.fromkeys(metrics, "float64"))


def read_gaps(params: Params, root: Path, runs: pd.DataFrame) -> pd.DataFrame:
    """The recorded gap of the controls and of every finished run in `runs`.

    Raises:
        SuiteError: naming the file that is missing, or lacks a finished run, and the stage that makes it.
    """
    tables = []
    for dataset in params.datasets:
        path = root / "controls" / dataset / "gap.parquet"
        tables.append(read_table(path, f"controls@{dataset}", GAP_COLUMNS))
        for loss in params.losses:
            path, stage = root / "measures" / dataset / loss / "gap.parquet", f"measure@{dataset}-{loss}"
            table = read_table(path, stage, GAP_COLUMNS)
            chosen = (runs["dataset"] == dataset) & (runs["loss"] == loss) & (runs["status"] == "finished")
            wanted = runs.loc[chosen, "fingerprint"]
            absent = sorted(set(wanted) - set(table["fingerprint"]))
            if absent:
                raise SuiteError(f"{path}: run {absent[0]} is not measured; run `dvc repro {stage}`")
            tables.append(table[table["fingerprint"].isin(wanted)])
    return pd.concat([table[list(GAP_COLUMNS)] for table in tables if len(table)], ignore_index=True)


def read_whitened(params: Params, root: Path) -> pd.DataFrame:
    """The recorded gap of the whitened features of every data set.

    Raises:
        SuiteError: naming the file that is missing and the stage that makes it.
    """
    columns = ("strength", *GAP_COLUMNS)
    paths = {dataset: root / "controls" / dataset / "whitened.parquet" for dataset in params.datasets}
    tables = [read_table(path, f"controls@{dataset}", columns)[list(columns)] for dataset, path in paths.items()]
    return pd.concat(tables, ignore_index=True)


def metric_values(runs: pd.DataFrame, dataset: str, loss: str, batch_size: int, budget: str = "epochs") -> pd.DataFrame:
    """Metrics of the finished runs, a row a seed (the index), a column a `split/metric` (no counts)."""
    columns = [
        name
        for split in SPLITS
        for name in runs.columns
        if name.startswith(f"{split}/") and not name.endswith("queries")
    ]
    chosen = runs[_finished(runs, dataset, loss, batch_size, budget)]
    return chosen.set_index("seed")[columns].sort_index()


def fingerprints(
    runs: pd.DataFrame, dataset: str, loss: str, batch_size: int, budget: str = "epochs"
) -> dict[int, str]:
    """Of the finished runs, by seed."""
    chosen = runs[_finished(runs, dataset, loss, batch_size, budget)]
    return dict(zip(chosen["seed"].tolist(), chosen["fingerprint"], strict=True))


def label(loss: str, params: Params) -> str:
    """What a loss or a control is called."""
    return LABELS[loss] if loss in LABELS else params.losses[loss].label


def typed(parts: list[pd.DataFrame], schema: dict[str, str]) -> pd.DataFrame:
    """Join the parts with the columns and types of a schema, an empty table included."""
    if not parts:
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in schema.items()})
    return pd.concat(parts, ignore_index=True)[list(schema)].astype(schema)


def _finished(runs: pd.DataFrame, dataset: str, loss: str, batch_size: int, budget: str) -> pd.Series:
    return (
        (runs["dataset"] == dataset)
        & (runs["loss"] == loss)
        & (runs["batch_size"] == batch_size)
        & (runs["budget"] == budget)
        & (runs["status"] == "finished")
    )


def _run_rows(params: Params, dataset: str, loss: str, root: Path) -> list[dict[str, Any]]:
    folder, stage = root / "runs" / dataset / loss, f"train@{dataset}-{loss}"
    found: dict[tuple[str, int, int], tuple[Path, dict[str, Any]]] = {}
    named = [(run.budget, run.batch.batch_size, run.seed) for run in params.runs(dataset, loss)]
    for path in sorted(path for path in folder.glob("*") if path.is_dir() and not path.name.startswith(".")):
        run = _read_json(path / "run.json", stage)
        place = run.get("budget"), run.get("batch_size"), run.get("seed")
        if place in found:
            raise SuiteError(
                f"{folder}: two runs at {_in_words(place)}"
                f" ({found[place][0].name}, {path.name}); run `dvc repro {stage}` to prune one"
            )
        if place in named:
            found[place] = path, run
    rows = []
    for place in named:
        if place not in found:
            raise SuiteError(f"{folder}: loss '{loss}' has no run at {_in_words(place)}; run `dvc repro {stage}`")
        path, run = found[place]
        row = {name: run.get(name) for name in RUN_COLUMNS}
        row |= {
            "dataset": dataset,
            "loss": loss,
            "label": label(loss, params),
            "error": run.get("error") or "",
        }
        if row["status"] == "finished":
            row |= _read_json(path / "metrics.json", stage)
        rows.append(row)
    return rows


def _in_words(place: tuple[str, int, int]) -> str:
    return f"batch size {place[1]}, seed {place[2]}, equal {place[0]}"


def _control_rows(dataset: str, root: Path) -> list[dict[str, Any]]:
    path = root / "controls" / dataset / "metrics.parquet"
    table = read_table(path, f"controls@{dataset}", METRIC_COLUMNS)
    rows = []
    for control in (FROZEN, RANDOM):
        for seed, values in table[table["control"] == control].groupby("seed", sort=True):
            names = values["split"] + "/" + values["metric"]
            row = {
                "dataset": dataset,
                "loss": control,
                "label": LABELS[control],
                "budget": "epochs",
                "batch_size": 0,
                "seed": seed,
            }
            row |= {"role": "control", "status": "finished", "error": "", "fingerprint": ""}
            rows.append(row | dict(zip(names, values["value"], strict=True)))
    if not any(row["loss"] == FROZEN for row in rows):
        raise SuiteError(f"{path}: has no control '{FROZEN}'; run `dvc repro --force controls@{dataset}`")
    return rows


def _read_json(path: Path, stage: str) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SuiteError(f"{path}: not found; run `dvc repro {stage}`") from None
    except json.JSONDecodeError as error:
        raise SuiteError(f"{path}: not valid JSON ({error}); run `dvc repro --force {stage}`") from None


def read_table(path: Path, stage: str, columns: Sequence[str]) -> pd.DataFrame:
    """The table at `path`; SuiteError naming the stage that makes it if it or one of `columns` is missing."""
    if not path.is_file():
        raise SuiteError(f"{path}: not found; run `dvc repro {stage}`")
    table = pd.read_parquet(path)
    lacking = [name for name in columns if name not in table.columns]
    if lacking:
        raise SuiteError(f"{path}: has no column '{lacking[0]}'; run `dvc repro --force {stage}`")
    return table
