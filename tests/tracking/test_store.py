"""A real SQLite store: what sync and live logging make of recorded runs."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from mlflow import MlflowClient
from store_contents import curve, files, points, stored, whole_store

from suite.errors import SuiteError
from suite.tracking import LiveTracker, SyncResult, prepare_store, sync
from suite.tracking.experiment import Experiment


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, describe, record_run) -> Path:
    """A root (with a space in its name) of three finished runs and a failed one."""
    root = tmp_path_factory.mktemp("a study")
    record_run(root, describe(seed=0))
    record_run(root, describe(seed=1))
    record_run(root, describe(seed=0, batch_size=32), **{"test/level0/AP": 0.9})
    record_run(root, describe("smoothap"), error="the loss is not finite at step 3")
    return root


@pytest.fixture(scope="module")
def synced(recorded: Path, params) -> tuple[Path, SyncResult]:
    """That root after its first sync."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return recorded, sync(params, recorded)


def test_sync_builds_one_run_a_study_and_the_others_below(synced) -> None:
    root, result = synced
    runs = stored(root)
    assert result == SyncResult(created=4, registered=1)
    parent = runs.pop("trial")
    assert set(runs) == {"emoji-supap-256-0", "emoji-supap-256-1", "emoji-supap-32-0", "emoji-smoothap-256-0"}
    assert {run.data.tags["mlflow.parentRunId"] for run in runs.values()} == {parent.info.run_id}
    assert (parent.data.tags["role"], parent.info.status, parent.data.params) == (
        "study",
        "FINISHED",
        {"study": "trial"},
    )


def test_sync_writes_parameters_tags_metrics_and_times(synced, describe, history_rows) -> None:
    root, _ = synced
    run = stored(root)["emoji-supap-256-1"]
    described = describe(seed=1)
    assert run.info.status == "FINISHED"
    # 10:00 to 10:01 UTC on 1 May 2024, from the provenance.
    assert (run.info.start_time, run.info.end_time) == (1714557600000, 1714557660000)
    assert run.data.tags["fingerprint"] == described["fingerprint"]
    assert run.data.tags["current"] == "true"
    assert run.data.tags["mlflow.source.git.commit"] == "a" * 40
    assert run.data.params["settings.tau"] == "0.01"
    assert run.data.params["seed"] == "1"
    assert run.data.metrics["val/level0/AP"] == 0.5
    assert run.data.metrics["test/level0/AP"] == 0.5
    assert run.data.metrics["best_epoch"] == 2
    rows = history_rows(described)
    assert curve(root, run, "history/loss") == [(row["step"], row["loss"]) for row in rows]
    validated = [(row["step"], row["val/level0/AP"]) for row in rows if row["val/level0/AP"] is not None]
    assert curve(root, run, "history/val/level0/AP") == validated


def test_sync_keeps_the_files_of_a_run(synced, describe) -> None:
    root, _ = synced
    run = stored(root)["emoji-supap-256-0"]
    directory = root / "runs" / "emoji" / "supap" / describe()["fingerprint"]
    kept = files(run)
    recorded = {"run.json", "metrics.json", "history.parquet", "queries.parquet", "head.safetensors"}
    assert set(kept) == {*recorded, "provenance.json"}
    provenance = root / "provenance" / "emoji" / "supap" / f"{describe()['fingerprint']}.json"
    assert kept.pop("provenance.json").read_bytes() == provenance.read_bytes()
    for name, path in kept.items():
        assert path.read_bytes() == (directory / name).read_bytes(), name
    assert (root / "mlflow" / "artifacts").resolve() in kept["run.json"].resolve().parents


def test_a_failed_run_is_failed_and_says_why(synced) -> None:
    root, _ = synced
    run = stored(root)["emoji-smoothap-256-0"]
    assert run.info.status == "FAILED"
    assert run.data.tags["error"] == "the loss is not finite at step 3"
    assert json.loads(files(run)["run.json"].read_text())["status"] == "failed"


def test_runs_at_several_batch_sizes_share_the_axis_of_images(synced, history_rows, describe) -> None:
    root, _ = synced
    runs = stored(root)
    for batch_size in (32, 256):
        run, rows = runs[f"emoji-supap-{batch_size}-0"], history_rows(describe(batch_size=batch_size))
        found = points(root, run, "history/loss")
        assert [(point.step, point.value) for point in found] == [(r["step"] * batch_size, r["loss"]) for r in rows]
        assert curve(root, run, "history/step") == [(row["step"], row["step"]) for row in rows]


def test_what_a_run_cost_is_among_the_system_metrics(synced, telemetry_rows, describe) -> None:
    root, _ = synced
    run = stored(root)["emoji-supap-256-0"]
    for key in ("examples_per_second", "memory_bytes"):
        expected = [(row["step"], row[key]) for row in telemetry_rows(describe())]
        assert curve(root, run, f"system/{key}") == expected
    assert (run.data.metrics["system/seconds"], run.data.metrics["system/step_bytes"]) == (60.0, 4096.0)


def test_a_second_sync_writes_nothing(synced, params) -> None:
    root, _ = synced
    before = whole_store(root)
    assert sync(params, root) == SyncResult(kept=4)
    after = whole_store(root)
    assert set(after) == set(before)
    assert [part for part in before if after[part] != before[part]] == []


def test_a_store_of_the_older_layout_is_brought_into_this_one(tmp_path, params, describe, record_run) -> None:
    record_run(tmp_path, describe())
    sync(params, tmp_path)
    client = MlflowClient(tracking_uri=prepare_store(tmp_path))
    run, above = stored(tmp_path)["emoji-supap-256-0"], stored(tmp_path)["trial"]
    client.delete_run(above.info.run_id)
    old = client.create_run(run.info.experiment_id, tags={"role": "parent", "group": "emoji-supap"}, run_name="old")
    client.delete_tag(run.info.run_id, "layout")
    client.set_tag(run.info.run_id, "mlflow.parentRunId", old.info.run_id)
    gone = client.create_run(run.info.experiment_id, tags={"role": "main", "fingerprint": "gone"}, run_name="gone")
    client.set_terminated(gone.info.run_id)
    assert sync(params, tmp_path) == SyncResult(created=1, removed=1, registered=1)
    runs = stored(tmp_path)
    parent = runs.pop("trial")
    assert set(runs) == {"emoji-supap-256-0", "gone"}
    assert {run.data.tags["mlflow.parentRunId"] for run in runs.values()} == {parent.info.run_id}
    assert {name: run.data.tags["current"] for name, run in runs.items()} == {
        "emoji-supap-256-0": "true",
        "gone": "false",
    }


def test_a_renamed_loss_is_shown_under_its_new_label(synced, params, describe) -> None:
    root, _ = synced
    path = root / "runs" / "emoji" / "supap" / describe(seed=1)["fingerprint"] / "run.json"
    written = path.read_text()
    path.write_text(json.dumps(json.loads(written) | {"label": "another name"}))
    sync(params, root)
    assert stored(root)["emoji-supap-256-1"].data.tags["label"] == "another name"
    path.write_text(written)
    sync(params, root)
    assert stored(root)["emoji-supap-256-1"].data.tags["label"] == json.loads(written)["label"]


def test_a_run_left_running_is_rebuilt_and_so_is_a_twin(synced, params, describe) -> None:
    root, _ = synced
    experiment = Experiment(root, "trial")
    described = describe(seed=1)
    whole = stored(root)["emoji-supap-256-1"]
    experiment.delete(whole.info.run_id)
    parent = experiment.parent()
    left = experiment.create(described, parent.info.run_id)
    orphan = experiment.create({**described, "fingerprint": "0" * 8, "seed": 7}, parent.info.run_id)
    assert sync(params, root) == SyncResult(created=1, kept=3, removed=2)
    run = stored(root)["emoji-supap-256-1"]
    assert run.info.status == "FINISHED"
    assert run.info.run_id not in {left, orphan, whole.info.run_id}
    assert run.data.metrics["test/level0/AP"] == 0.5


def test_sync_is_postponed_while_another_process_writes(synced, params) -> None:
    root, _ = synced
    with FileLock(root / "mlflow" / "writer.lock"):
        assert sync(params, root, wait=0.1) == SyncResult(postponed=True)


def test_a_failure_gives_way_to_its_success(tmp_path, params, describe, record_run) -> None:
    record_run(tmp_path, describe(), error="no memory left")
    assert sync(params, tmp_path) == SyncResult(created=1)
    record_run(tmp_path, describe())
    assert sync(params, tmp_path) == SyncResult(created=1, removed=1, registered=1)
    run = stored(tmp_path)["emoji-supap-256-0"]
    assert run.info.status == "FINISHED"
    assert "error" not in run.data.tags


def test_long_runs_are_thinned_alike_live_and_from_records(
    tmp_path, params, describe, history_rows, record_run
) -> None:
    run = {**describe(), "steps": 1000}
    with LiveTracker(tmp_path / "live") as tracker:
        tracker.start(run)
        for start in range(0, 1000, 90):
            tracker.log(run["fingerprint"], history_rows(run)[start : start + 90])
        tracker.finish(run["fingerprint"], record_run(tmp_path / "live", run))
    record_run(tmp_path / "record", run)
    sync(params, tmp_path / "record")
    curves = []
    for root in (tmp_path / "live", tmp_path / "record"):
        stored_run = stored(root)["emoji-supap-256-0"]
        curves.append([curve(root, stored_run, f"history/{key}") for key in ("loss", "val/level0/AP")])
    assert curves[0] == curves[1]
    # The first step, every fifth, and the three validations, which fall between.
    assert len(curves[0][0]) == 1 + 200 + 3
    assert [step for step, _ in curves[0][1]] == [333, 666, 999]


def test_a_moved_store_is_refused_with_its_remedy(tmp_path, params, describe, record_run) -> None:
    record_run(tmp_path / "before", describe())
    sync(params, tmp_path / "before")
    (tmp_path / "before").rename(tmp_path / "after")
    with pytest.raises(SuiteError, match="delete its mlflow folder"):
        sync(params, tmp_path / "after")


def live(tracker: LiveTracker, run: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Start a run and log its first two thirds in two goes."""
    tracker.start(run)
    for part in (rows[:10], rows[10:20]):
        tracker.log(run["fingerprint"], part)


def test_live_runs_are_what_sync_would_write(tmp_path, params, describe, history_rows, record_run) -> None:
    good, bad, cut = describe(seed=0), describe("smoothap"), describe(seed=1)
    with LiveTracker(tmp_path) as tracker:
        for run in (good, bad, cut):
            live(tracker, run, history_rows(run))
        assert tracker.settle(60)
        assert stored(tmp_path)["emoji-supap-256-0"].info.status == "RUNNING"
        tracker.finish(good["fingerprint"], record_run(tmp_path, good))
        record_run(tmp_path, bad, error="diverged")
        tracker.fail(bad["fingerprint"], "diverged")
    runs = stored(tmp_path)
    states = {name: run.info.status for name, run in runs.items()}
    assert states == {
        "trial": "FINISHED",
        "emoji-supap-256-0": "FINISHED",
        "emoji-smoothap-256-0": "FAILED",
        "emoji-supap-256-1": "KILLED",
    }
    finished = runs["emoji-supap-256-0"]
    expected = [(row["step"], row["loss"]) for row in history_rows(good)]
    assert curve(tmp_path, finished, "history/loss") == expected
    assert "head.safetensors" in files(finished)
    assert runs["emoji-smoothap-256-0"].data.tags["error"] == "diverged"
    assert curve(tmp_path, runs["emoji-supap-256-1"], "history/loss") == [
        (row["step"], row["loss"]) for row in history_rows(cut)[:20]
    ]

    assert sync(params, tmp_path) == SyncResult(kept=2, removed=1, registered=1)
    again = stored(tmp_path)
    assert set(again) == set(runs) - {"emoji-supap-256-1"}
    assert again["trial"].info.run_id == runs["trial"].info.run_id
    filled = tmp_path / "filled"
    for kind in ("runs", "provenance"):
        shutil.copytree(tmp_path / kind, filled / kind)
    sync(params, filled)
    built = stored(filled)["emoji-supap-256-0"]
    assert built.data.metrics == finished.data.metrics
    assert built.data.params == finished.data.params
    assert built.inputs.to_dictionary() == finished.inputs.to_dictionary()
    assert set(files(built)) == set(files(finished))

    # A retried run takes the place of its failure; one that is no longer recorded stays, as history.
    with LiveTracker(tmp_path) as tracker:
        tracker.start(bad)
        tracker.finish(bad["fingerprint"], record_run(tmp_path, bad))
    assert stored(tmp_path)["emoji-smoothap-256-0"].info.status == "FINISHED"
    shutil.rmtree(tmp_path / "runs" / "emoji" / "supap" / good["fingerprint"])
    assert sync(params, tmp_path) == SyncResult(kept=1, registered=1)
    assert stored(tmp_path)["emoji-supap-256-0"].data.tags["current"] == "false"


def test_a_stage_without_runs_makes_no_store(tmp_path) -> None:
    with LiveTracker(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("uri", ["sqlite:////proc/nowhere/mlflow.db", "http://127.0.0.1:9"])
def test_a_store_out_of_reach_never_stops_training(
    tmp_path, monkeypatch, caplog, describe, history_rows, record_run, uri: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    run = describe()
    with caplog.at_level(logging.WARNING, "suite.tracking"), LiveTracker(tmp_path) as tracker:
        live(tracker, run, history_rows(run))
        tracker.finish(run["fingerprint"], record_run(tmp_path, run))
        tracker.fail("unknown", "error")
        assert not tracker.settle(0.5)
    warnings = [record.getMessage() for record in caplog.records if record.name.startswith("suite.")]
    assert len(warnings) == 2
    assert "training goes on" in warnings[0]
    assert "'ranksuite mlflow sync'" in warnings[1]


def test_a_store_that_breaks_under_way_never_stops_training(
    tmp_path, caplog, params, describe, history_rows, record_run
) -> None:
    run = describe()
    with LiveTracker(tmp_path) as tracker:
        tracker.start(run)
        assert tracker.settle(60)
        (tmp_path / "mlflow" / "mlflow.db").write_bytes(b"no database any more" * 1000)
        tracker.log(run["fingerprint"], history_rows(run))
        tracker.finish(run["fingerprint"], record_run(tmp_path, run))
    assert "'ranksuite mlflow sync' fills in" in caplog.text
    with pytest.raises(SuiteError, match=r"mlflow\.db: cannot be opened as the MLflow store"):
        sync(params, tmp_path)
