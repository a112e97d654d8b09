"""Looks into a store."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities import Metric, Run

from suite.tracking import prepare_store


def stored(root: Path) -> dict[str, Run]:
    """The runs of the study by name; fails where two share one."""
    client = MlflowClient(tracking_uri=prepare_store(root))
    experiment = client.get_experiment_by_name("trial")
    runs = client.search_runs([experiment.experiment_id])
    names = [run.info.run_name for run in runs]
    assert len(set(names)) == len(names), sorted(names)
    return dict(zip(names, runs, strict=True))


def points(root: Path, run: Run, key: str) -> list[Metric]:
    """The points of a metric in the store, by step."""
    client = MlflowClient(tracking_uri=prepare_store(root))
    return sorted(client.get_metric_history(run.info.run_id, key), key=lambda point: point.step)


def curve(root: Path, run: Run, key: str) -> list[tuple[int, float]]:
    """The updates and values of a metric in the store, whose steps count images."""
    batch_size = int(run.data.params["batch_size"])
    assert all(point.step % batch_size == 0 for point in points(root, run, key))
    return [(point.step // batch_size, point.value) for point in points(root, run, key)]


def whole_store(root: Path) -> dict[str, object]:
    """Everything that the store has: every row of its database, and every artifact's bytes and time of writing."""
    folder = root / "mlflow"
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        tables = [row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")]
        rows = {table: sorted(map(repr, connection.execute(f'select * from "{table}"'))) for table in tables}
    artifacts = {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in (folder / "artifacts").rglob("*")
        if path.is_file()
    }
    return {**rows, "artifacts": artifacts}


def files(run: Run) -> dict[str, Path]:
    """The artifacts of a run by their path below it."""
    folder = Path(download_artifacts(artifact_uri=run.info.artifact_uri))
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
