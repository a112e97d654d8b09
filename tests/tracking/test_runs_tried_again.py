"""Runs that start twice, tell their history twice, or that the store refuses."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from store_contents import curve, files, stored

from suite.tracking import LiveTracker, SyncResult, prepare_store, sync
from suite.tracking.experiment import Experiment

NAME = "emoji-supap-256-0"


def delete(root: Path, name: str) -> None:
    """Delete a run, as a user of the web interface may."""
    Experiment(root, "trial").delete(stored(root)[name].info.run_id)


def reported(rows: list[dict[str, Any]], telemetry: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows as a run under way tells them: those of validations with their telemetry."""
    by_step = {row["step"]: row for row in telemetry}
    return [row | by_step.get(row["step"], {}) for row in rows]


def check_whole(root: Path, rows: list[dict[str, Any]], telemetry: list[dict[str, Any]]) -> None:
    """The run is finished and has every point of its history and its telemetry once."""
    run = stored(root)[NAME]
    assert run.info.status == "FINISHED"
    for kind, table in (("history", rows), ("system", telemetry)):
        for key in set(table[0]) - {"step", "epoch"}:
            expected = [(row["step"], row[key]) for row in table if row[key] is not None]
            assert curve(root, run, f"{kind}/{key}") == expected, key


@pytest.mark.parametrize("started_again", [True, False], ids=["started again", "told again"])
def test_a_run_taken_up_again_has_every_point_once(
    tmp_path, describe, history_rows, telemetry_rows, record_run, started_again: bool
) -> None:
    run = describe()
    rows, telemetry = history_rows(run), telemetry_rows(run)
    with LiveTracker(tmp_path) as tracker:
        tracker.start(run)
        tracker.log(run["fingerprint"], reported(rows, telemetry)[:15])
        assert tracker.settle(60)
        if started_again:
            tracker.start(run)
        # The history up to the checkpoint comes again, without telemetry.
        tracker.log(run["fingerprint"], rows[:12])
        tracker.log(run["fingerprint"], reported(rows, telemetry)[12:])
        tracker.finish(run["fingerprint"], record_run(tmp_path, run))
    assert set(stored(tmp_path)) == {"trial", NAME}
    check_whole(tmp_path, rows, telemetry)


@pytest.mark.slow
def test_a_run_that_the_store_refuses_is_written_when_it_ends(
    tmp_path, caplog, params, describe, history_rows, telemetry_rows, record_run
) -> None:
    caplog.set_level(logging.WARNING, "suite.tracking")
    good, bad = describe(), describe("smoothap")
    with LiveTracker(tmp_path) as tracker:
        for run in (good, bad):
            tracker.start(run)
        assert tracker.settle(60)
        for run, name in ((good, NAME), (bad, "emoji-smoothap-256-0")):
            delete(tmp_path, name)
            tracker.log(run["fingerprint"], history_rows(run)[:20])
            # Only what has waited is written, and a refusal needs no second row to show.
            tracker.settle(60)
            assert f"refuses run {run['fingerprint']}" in caplog.text
        tracker.finish(good["fingerprint"], record_run(tmp_path, good))
        record_run(tmp_path, bad, error="diverged")
        tracker.fail(bad["fingerprint"], "diverged")
    runs = stored(tmp_path)
    assert runs["emoji-smoothap-256-0"].info.status == "FAILED"
    check_whole(tmp_path, history_rows(good), telemetry_rows(good))
    assert sync(params, tmp_path) == SyncResult(kept=2, registered=1)


@pytest.mark.slow
def test_a_refused_run_that_starts_again_is_shown_again(tmp_path, describe, history_rows) -> None:
    run = describe()
    with LiveTracker(tmp_path) as tracker:
        tracker.start(run)
        assert tracker.settle(60)
        delete(tmp_path, NAME)
        tracker.log(run["fingerprint"], history_rows(run)[:5])
        assert tracker.settle(60)
        tracker.start(run)
        tracker.log(run["fingerprint"], history_rows(run)[:5])
        assert tracker.settle(60)
        shown = stored(tmp_path)[NAME]
        assert (shown.info.status, len(curve(tmp_path, shown, "history/loss"))) == ("RUNNING", 5)


@pytest.mark.slow
def test_a_run_whose_end_is_refused_is_left_to_sync(
    tmp_path, caplog, params, describe, history_rows, telemetry_rows, record_run
) -> None:
    run = describe()
    with LiveTracker(tmp_path) as tracker:
        tracker.start(run)
        directory = record_run(tmp_path, run)
        written = (directory / "metrics.json").read_text()
        (directory / "metrics.json").unlink()
        tracker.finish(run["fingerprint"], directory)
        assert tracker.settle(60)
        (directory / "metrics.json").write_text(written)
    assert "metrics.json: missing" in caplog.text
    assert stored(tmp_path)[NAME].info.status == "KILLED"
    assert sync(params, tmp_path) == SyncResult(created=1, removed=1, registered=1)
    check_whole(tmp_path, history_rows(run), telemetry_rows(run))


def test_a_parent_made_twice_is_one_again(tmp_path, params, describe, record_run) -> None:
    for seed in (0, 1):
        record_run(tmp_path, describe(seed=seed))
    sync(params, tmp_path)
    first = stored(tmp_path)["trial"]
    client = MlflowClient(tracking_uri=prepare_store(tmp_path))
    again = client.create_run(first.info.experiment_id, tags=first.data.tags, run_name="trial")
    assert sync(params, tmp_path) == SyncResult(kept=2)
    runs = stored(tmp_path)
    parent = runs.pop("trial")
    assert parent.info.run_id in {first.info.run_id, again.info.run_id}
    assert {run.data.tags["mlflow.parentRunId"] for run in runs.values()} == {parent.info.run_id}


def test_a_whole_network_is_kept_by_live_logging_and_by_sync(tmp_path, params, describe, record_run) -> None:
    run, other = describe() | {"protocol": "full"}, describe(seed=1) | {"protocol": "full"}
    with LiveTracker(tmp_path) as tracker:
        tracker.start(run)
        tracker.finish(run["fingerprint"], record_run(tmp_path, run))
    record_run(tmp_path, other)
    assert sync(params, tmp_path) == SyncResult(created=1, kept=1, registered=1)
    runs = stored(tmp_path)
    for name in (NAME, "emoji-supap-256-1"):
        assert {path for path in files(runs[name]) if path.endswith(".safetensors")} == {"network.safetensors"}
