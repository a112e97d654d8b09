"""The store and its server as processes of their own."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import urllib.error
import urllib.request
from contextlib import closing

import pytest
from tracking_servers import SERVE, free_port, spawn, wait_for

from suite.errors import SuiteError
from suite.tracking import prepare_store, serve, sync
from suite.tracking.store import one_line


@pytest.mark.slow
def test_two_first_writers_make_one_quiet_store(tmp_path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from suite.tracking import prepare_store\n"
        "assert 'mlflow' not in sys.modules\n"
        "print(prepare_store(Path(sys.argv[1])))\n"
        "from mlflow.telemetry.utils import is_telemetry_disabled\n"
        "assert is_telemetry_disabled()\n"
    )
    writers = [spawn(code, tmp_path) for _ in range(2)]
    outputs = [writer.communicate(timeout=120) for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0], outputs
    expected = f"sqlite:///{tmp_path.resolve()}/mlflow/mlflow.db\n"
    assert outputs == [(expected, ""), (expected, "")]


@pytest.mark.slow
def test_a_deleted_store_comes_back(tmp_path, params, describe, record_run) -> None:
    for seed in (0, 1):
        record_run(tmp_path, describe(seed=seed))
    # A process of its own each time, as a user has: MLflow keeps a database open for as long as it runs.
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from suite.config import Params\n"
        "from suite.tracking import prepare_store, sync\n"
        "root = Path(sys.argv[1])\n"
        "print(sync(Params.model_validate_json(sys.argv[2]), root).created)\n"
        "from mlflow import MlflowClient\n"
        "client = MlflowClient(prepare_store(root))\n"
        "study = client.get_experiment_by_name('trial').experiment_id\n"
        "for run in sorted(client.search_runs([study]), key=lambda run: run.info.run_name):\n"
        "    print(run.info.run_name, run.info.status, run.data.params, run.data.metrics)\n"
    )
    shown = []
    for _ in range(2):
        process = spawn(code, tmp_path, params.model_dump_json())
        shown.append(process.communicate(timeout=120)[0].splitlines())
        shutil.rmtree(tmp_path / "mlflow")
    assert shown[0] == shown[1]
    assert [line.partition(" {")[0] for line in shown[0]] == [
        "2",
        "emoji-supap-256-0 FINISHED",
        "emoji-supap-256-1 FINISHED",
        "trial FINISHED",
    ]


def test_the_environment_may_name_another_store(tmp_path, monkeypatch) -> None:
    uri = f"sqlite:///{tmp_path}/elsewhere/other.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert prepare_store(tmp_path / "artifacts") == uri
    assert (tmp_path / "elsewhere" / "other.db").stat().st_size > 0
    assert not (tmp_path / "artifacts" / "mlflow" / "mlflow.db").exists()


def test_a_database_without_its_driver_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "mysql://name:secret@127.0.0.1/runs")
    with pytest.raises(SuiteError, match=r"mysql.*//\*\*\*@127\.0\.0\.1/runs needs a driver") as caught:
        prepare_store(tmp_path)
    assert "secret" not in str(caught.value)


def test_a_taken_port_is_named(tmp_path) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SuiteError, match=rf"127\.0\.0\.1:{port}: cannot listen here .* another port"):
            serve(tmp_path, port=port)
    assert list(tmp_path.iterdir()) == []


def test_a_server_is_not_served_again(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://name:secret@127.0.0.1:9")
    with pytest.raises(SuiteError, match=r"//\*\*\*@127\.0\.0\.1:9 is a server already") as caught:
        serve(tmp_path, port=0)
    assert "secret" not in str(caught.value)
    assert one_line(OSError("no\n reply:\thttp://name:secret@host/x")) == "no reply: http://***@host/x"


@pytest.mark.slow
def test_the_server_answers_lists_the_study_and_ends(tmp_path, params, describe, record_run) -> None:
    record_run(tmp_path, describe())
    sync(params, tmp_path)
    port = free_port()
    server = spawn(SERVE, tmp_path, port)
    address = f"http://127.0.0.1:{port}"
    try:
        assert wait_for(f"{address}/health", server) == b"OK"
        listed = post(f"{address}/api/2.0/mlflow/experiments/search", {"max_results": 10})["experiments"]
        study = next(experiment for experiment in listed if experiment["name"] == "trial")
        query = {"experiment_ids": [study["experiment_id"]], "filter": "tags.role = 'main'"}
        runs = post(f"{address}/api/2.0/mlflow/runs/search", query)["runs"]
        assert [run["info"]["run_name"] for run in runs] == ["emoji-supap-256-0"]
        artifact = f"{address}/get-artifact?path=run.json&run_id={runs[0]['info']['run_id']}"
        assert json.loads(wait_for(artifact, server))["fingerprint"] == describe()["fingerprint"]
    finally:
        server.send_signal(signal.SIGTERM)
        output, _ = server.communicate(timeout=30)
    assert f"MLflow: {address}" in output
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{address}/health", timeout=5)


def post(address: str, body: dict[str, object]) -> dict[str, list[dict]]:
    """The JSON reply to a JSON question."""
    request = urllib.request.Request(
        address, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)
