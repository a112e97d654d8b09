"""The store in PostgreSQL, with a server of the test's own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from store_contents import curve, stored

from suite.tracking import LiveTracker, SyncResult, sync

pytestmark = pytest.mark.slow


def program(name: str) -> str | None:
    """A program of PostgreSQL; Debian keeps them out of the way of PATH."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return shutil.which(name, path=os.pathsep.join([*map(str, places), os.environ["PATH"]]))


def run(*command: object, **options: object) -> None:
    """Run a program of PostgreSQL, which refuses to run as root, as the user whom its package brings."""
    account = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    subprocess.run([str(part) for part in command], check=True, capture_output=True, **account, **options)


@pytest.fixture
def database(tmp_path, monkeypatch) -> Iterator[str]:
    """The URI of an empty database whose server listens on a socket of this test alone."""
    if program("initdb") is None or program("pg_ctl") is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    # A socket's path has about a hundred characters at most, fewer than a folder of pytest may take.
    folder = Path(subprocess.run(["mktemp", "-d"], check=True, capture_output=True, text=True).stdout.strip())
    if os.geteuid() == 0:
        os.chown(folder, pwd.getpwnam("postgres").pw_uid, pwd.getpwnam("postgres").pw_gid)
    data = folder / "data"
    run(program("initdb"), "-D", data, "-U", "suite", "--auth=trust", "--no-sync", cwd=folder)
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    run(program("pg_ctl"), "-D", data, "-w", "-l", folder / "log", "-o", options, "start", cwd=folder)
    try:
        yield f"postgresql+psycopg2://suite@/postgres?host={folder}"
    finally:
        run(program("pg_ctl"), "-D", data, "-m", "immediate", "stop", cwd=folder)
        shutil.rmtree(folder)


def test_one_setting_puts_the_store_into_postgresql(
    tmp_path, monkeypatch, database, params, describe, history_rows, record_run
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    live, recorded = describe(seed=0), describe(seed=1)
    with LiveTracker(tmp_path) as tracker:
        tracker.start(live)
        tracker.log(live["fingerprint"], history_rows(live)[:20])
        tracker.finish(live["fingerprint"], record_run(tmp_path, live))
    record_run(tmp_path, recorded)
    assert sync(params, tmp_path) == SyncResult(created=1, kept=1, registered=1)
    runs = stored(tmp_path)
    assert set(runs) == {"trial", "emoji-supap-256-0", "emoji-supap-256-1"}
    for run, name in ((live, "emoji-supap-256-0"), (recorded, "emoji-supap-256-1")):
        expected = [(row["step"], row["loss"]) for row in history_rows(run)]
        assert curve(tmp_path, runs[name], "history/loss") == expected
    assert MlflowClient(tracking_uri=database).get_model_version_by_alias("trial-emoji", "best").version
    assert sync(params, tmp_path) == SyncResult(kept=2)
    assert not (tmp_path / "mlflow" / "mlflow.db").exists()
