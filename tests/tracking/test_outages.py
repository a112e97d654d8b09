"""Live logging while the store is away: killed, silent, locked or held by another."""

from __future__ import annotations

import json
import logging
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from store_contents import curve, files, points, stored
from tracking_servers import Server, silent_server, spawn

from suite.tracking import LiveTracker, SyncResult, live, prepare_store, sync

# 1 May 2024, when the recorded runs of these tests ended: what was sent live is later.
RECORDED = 1714557660000


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A running server that the environment names."""
    server = Server(tmp_path / "server")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    server.start()
    yield server
    server.kill()


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the tracker has said so far."""
    return [record.getMessage() for record in caplog.records if record.name.startswith("suite.")]


def wait_until_told(caplog: pytest.LogCaptureFixture, text: str) -> None:
    """Until the tracker has said `text`."""
    deadline = time.monotonic() + 120
    while not any(text in message for message in told(caplog)):
        assert time.monotonic() < deadline, told(caplog)
        time.sleep(0.05)


@pytest.mark.slow
def test_a_server_killed_and_started_again_has_every_run_once_with_all_points(
    server, tmp_path, caplog, params, describe, history_rows, record_run
) -> None:
    caplog.set_level(logging.WARNING, "suite.tracking")
    root = tmp_path / "client"
    early, across, during = describe(seed=0), describe(seed=1), describe("smoothap")

    def log(run: dict[str, Any], *steps: int) -> None:
        tracker.log(run["fingerprint"], history_rows(run)[slice(*steps)])

    with LiveTracker(root) as tracker:
        for run in (early, across):
            tracker.start(run)
            log(run, 0, 10)
        assert tracker.settle(120)
        # Some of these are on their way when the server dies.
        for step in range(10, 20):
            log(early, step, step + 1)
            log(across, step, step + 1)
        server.kill()
        wait_until_told(caplog, "training goes on")
        log(early, 20, 30)
        tracker.finish(early["fingerprint"], record_run(root, early))
        tracker.start(during)
        log(during, 0, 10)
        back = round(time.time() * 1000)
        server.start()
        assert tracker.settle(120)
        assert stored(root)["emoji-smoothap-256-0"].info.status == "RUNNING"
        log(across, 20, 30)
        tracker.finish(across["fingerprint"], record_run(root, across))
        log(during, 10, 30)
        tracker.finish(during["fingerprint"], record_run(root, during))
    warnings = told(caplog)
    assert ["training goes on" in warnings[0], "answers again" in warnings[1], len(warnings)] == [True, True, 2]

    runs = stored(root)
    names = {"emoji-supap-256-0": early, "emoji-supap-256-1": across, "emoji-smoothap-256-0": during}
    assert set(runs) == {"trial", *names}
    for name, run in names.items():
        rows = history_rows(run)
        assert runs[name].info.status == "FINISHED"
        for key in ("loss", "learning_rate", "gradient_norm", "val/level0/AP"):
            expected = [(row["step"], row[key]) for row in rows if row[key] is not None]
            assert curve(root, runs[name], f"history/{key}") == expected, (name, key)
        assert "head.safetensors" in files(runs[name])
    # What happened while the server was away has the time at which it happened.
    missed = points(root, runs["emoji-supap-256-0"], "history/loss")[20:]
    assert all(RECORDED < point.timestamp <= back for point in missed)
    assert runs["emoji-smoothap-256-0"].info.start_time <= back
    assert sync(params, root) == SyncResult(kept=3, registered=1)


@pytest.mark.slow
def test_a_server_that_never_returns_is_given_up_and_sync_fills_in(
    server, tmp_path, caplog, params, describe, history_rows, telemetry_rows, record_run
) -> None:
    caplog.set_level(logging.WARNING, "suite.tracking")
    root = tmp_path / "client"
    run = describe()
    with LiveTracker(root) as tracker:
        tracker.start(run)
        tracker.log(run["fingerprint"], history_rows(run)[:10])
        assert tracker.settle(120)
        server.kill()
        tracker.log(run["fingerprint"], history_rows(run)[10:])
        tracker.finish(run["fingerprint"], record_run(root, run))
    warnings = told(caplog)
    assert ["training goes on" in warnings[0], "mlflow sync" in warnings[1], len(warnings)] == [True, True, 2]
    server.start()
    assert sync(params, root) == SyncResult(created=1, removed=1, registered=1)
    filled = stored(root)["emoji-supap-256-0"]
    assert filled.info.status == "FINISHED"
    assert curve(root, filled, "history/loss") == [(row["step"], row["loss"]) for row in history_rows(run)]
    for key in ("examples_per_second", "memory_bytes"):
        expected = [(row["step"], row[key]) for row in telemetry_rows(run)]
        assert curve(root, filled, f"system/{key}") == expected


@pytest.mark.slow
def test_a_server_that_never_answers_holds_up_neither_training_nor_the_end_of_the_process(
    tmp_path, params, describe, history_rows, record_run
) -> None:
    run = describe()
    directory = record_run(tmp_path, run)
    code = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from suite.tracking import LiveTracker\n"
        "run, rows = json.loads(sys.argv[2]), json.loads(sys.argv[3])\n"
        "with LiveTracker(Path(sys.argv[1])) as tracker:\n"
        "    tracker.start(run)\n"
        "    for row in rows:\n"
        "        tracker.log(run['fingerprint'], [row])\n"
        "    tracker.finish(run['fingerprint'], Path(sys.argv[4]))\n"
        "    print('trained', tracker.settle(3), flush=True)\n"
        "print('left', flush=True)\n"
    )
    with silent_server() as address:
        # A user who waits long for his server: no request of this process ever returns.
        patient = {"MLFLOW_TRACKING_URI": address, "MLFLOW_HTTP_REQUEST_TIMEOUT": "3600"}
        driver = spawn(code, tmp_path, json.dumps(run), json.dumps(history_rows(run)), directory, **patient)
        try:
            output, errors = driver.communicate(timeout=240)
        except subprocess.TimeoutExpired:
            driver.kill()
            raise
    assert (driver.returncode, output.splitlines()) == (0, ["trained False", "left"]), errors
    assert errors.count("'ranksuite mlflow sync' fills in") == 1
    # The writer's lock went with the process.
    assert sync(params, tmp_path) == SyncResult(created=1, registered=1)


@pytest.mark.slow
def test_a_locked_database_gets_what_it_missed(tmp_path, caplog, describe, history_rows, record_run) -> None:
    caplog.set_level(logging.WARNING, "suite.tracking")
    run = describe()
    with LiveTracker(tmp_path) as tracker:
        tracker.start(run)
        tracker.log(run["fingerprint"], history_rows(run)[:10])
        assert tracker.settle(120)
        database = prepare_store(tmp_path).removeprefix("sqlite:///")
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            tracker.log(run["fingerprint"], history_rows(run)[10:])
            tracker.finish(run["fingerprint"], record_run(tmp_path, run))
            wait_until_told(caplog, "training goes on")
            other.execute("ROLLBACK")
        assert tracker.settle(120)
    assert len(told(caplog)) == 2
    whole = stored(tmp_path)["emoji-supap-256-0"]
    assert whole.info.status == "FINISHED"
    assert curve(tmp_path, whole, "history/loss") == [(row["step"], row["loss"]) for row in history_rows(run)]


@pytest.mark.slow
def test_what_waits_is_bounded_and_the_record_has_the_rest(
    tmp_path, monkeypatch, caplog, describe, history_rows, record_run
) -> None:
    caplog.set_level(logging.WARNING, "suite.tracking")
    monkeypatch.setattr(live, "_MOST_WAITING", 8)
    run = describe()
    (tmp_path / "mlflow").mkdir()
    with LiveTracker(tmp_path) as tracker:
        with FileLock(tmp_path / "mlflow" / "writer.lock"):
            tracker.start(run)
            wait_until_told(caplog, "another process writes")
            for row in history_rows(run):
                tracker.log(run["fingerprint"], [row])
            tracker.finish(run["fingerprint"], record_run(tmp_path, run))
        assert tracker.settle(120)
    whole = stored(tmp_path)["emoji-supap-256-0"]
    losses = points(tmp_path, whole, "history/loss")
    assert curve(tmp_path, whole, "history/loss") == [(row["step"], row["loss"]) for row in history_rows(run)]
    assert [point.step for point in losses if point.timestamp > RECORDED] == list(range(256, 9 * 256, 256))
