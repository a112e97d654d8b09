"""Looks into a store."""

from __future__ import annotations

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
    """The steps and values of a metric in the store."""
    return [(point.step, point.value) for point in points(root, run, key)]


def files(run: Run) -> dict[str, Path]:
    """The artifacts of a run by name."""
    folder = Path(download_artifacts(artifact_uri=run.info.artifact_uri))
    return {path.name: path for path in folder.iterdir()}
