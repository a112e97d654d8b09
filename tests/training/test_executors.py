"""Runs side by side on this machine: workers that die, runs that fail, faults that end the grid, memory, GPUs."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from toy import SETTINGS, toy_params, write_params, write_toy
from toy_images import toy_image_params, write_toy_images

from suite.config import Workers
from suite.training.checkpoints import checkpoints_directory
from suite.training.executors import Ended, Started
from suite.training.executors.local import LocalExecutor, devices, visible_device
from suite.training.specification import specify
from suite.training.stage import recorded_specifications, train_stage
from suite.training.store import RunStore

ENDING_SECONDS = 30.0
# Long enough to be killed in the middle.
LONG = SETTINGS["training"] | {"epochs": 40}


@pytest.fixture
def root(tmp_path):
    write_toy(tmp_path / "artifacts")
    return tmp_path / "artifacts"


def contents(directory):
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()
    }


def journal(root, loss="supap"):
    lines = (root / "journal" / "toy" / f"{loss}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def events_of(root, fingerprint):
    return [line["event"] for line in journal(root) if line["fingerprint"] == fingerprint]


def training_processes():
    """Spawned workers of this process."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if process.status() != psutil.STATUS_ZOMBIE and "spawn_main" in " ".join(process.cmdline()):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def none_left():
    _, alive = psutil.wait_procs(training_processes(), timeout=ENDING_SECONDS)
    return not alive


def deaf_to_ctrl_c(process):
    """Whether it ignores the signal, as a worker does once it is at work."""
    ignored = next(line for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if "SigIgn" in line)
    return "spawn_main" in " ".join(process.cmdline()) and bool(int(ignored.split()[1], 16) >> signal.SIGINT - 1 & 1)


class Killer:
    """A tracker that kills one worker with -9 at the first news of a run."""

    def __init__(self):
        self.killed = []

    def start(self, run):
        if not self.killed:
            self.killed = [training_processes()[0].pid]
            os.kill(self.killed[0], signal.SIGKILL)

    def log(self, fingerprint, rows): ...
    def finish(self, fingerprint, run_directory): ...
    def fail(self, fingerprint, error): ...


@pytest.mark.slow
def test_a_killed_worker_costs_its_own_run_one_more_try_and_nothing_else(root, tmp_path):
    params, killer = toy_params(training=LONG), Killer()
    outcome = train_stage(params, "toy", "supap", root, killer)
    assert killer.killed
    assert (outcome.trained, outcome.failed) == (3, 0)
    lines = journal(root)
    (lost,) = [line for line in lines if "error" in line]
    assert lost["event"] == "failed, to be tried again"
    assert "ended without an answer (signal 9): killed, or out of memory" in lost["error"]
    assert events_of(root, lost["fingerprint"]) == ["started", "failed, to be tried again", "started", "finished"]
    for other in {line["fingerprint"] for line in lines} - {lost["fingerprint"]}:
        assert events_of(root, other) == ["started", "finished"]
    assert none_left()

    untouched = tmp_path / "untouched"
    write_toy(untouched)
    train_stage(params, "toy", "supap", untouched, None)
    assert contents(root / "runs") == contents(untouched / "runs")


def test_a_run_that_fails_twice_is_recorded_and_the_others_go_on(root):
    batches = [{"batch_size": 16, "learning_rate": 0.01}, {"batch_size": 32, "learning_rate": 1e30}]
    entry = SETTINGS["losses"]["supap"] | {"batches": {"toy": batches}}
    params = toy_params(losses=SETTINGS["losses"] | {"supap": entry})
    outcome = train_stage(params, "toy", "supap", root, None)
    assert (outcome.trained, outcome.failed) == (3, 1)
    store = RunStore(root / "runs", "toy", "supap")
    for spec in specify(params, "toy", "supap", "toy-digest"):
        run = store.get(spec)
        assert run.finished == (spec.batch_size == 16)
        if run.finished:
            assert events_of(root, spec.fingerprint) == ["started", "finished"]
        else:
            assert events_of(root, spec.fingerprint) == ["started", "failed, to be tried again", "started", "failed"]
            (error,) = {line["error"] for line in journal(root) if "error" in line}
            assert run.record["error"] == error
            assert error.startswith("FloatingPointError: ")


@pytest.mark.slow
def test_a_fault_of_the_machine_ends_the_grid_and_keeps_what_was_finished(tmp_path):
    root = tmp_path / "artifacts"
    write_toy_images(root)
    params = toy_image_params().model_copy(update={"seeds": toy_params().seeds})
    first, second = recorded_specifications(params, "toy", "supap", root)
    # No directory can be made where a file stands.
    blocked = checkpoints_directory(root, "toy", "supap", second.fingerprint)
    blocked.parent.mkdir(parents=True)
    blocked.write_text("")
    with pytest.raises(OSError, match=second.fingerprint):
        train_stage(params, "toy", "supap", root, None)
    assert none_left()
    assert [path.name for path in (root / "runs" / "toy" / "supap").iterdir()] == [first.fingerprint]
    assert events_of(root, first.fingerprint) == ["started", "finished"]

    blocked.unlink()
    outcome = train_stage(params, "toy", "supap", root, None)
    assert (outcome.trained, outcome.present) == (1, 1)


@pytest.mark.slow
def test_ctrl_c_ends_all_with_one_line(root, tmp_path):
    write_params(tmp_path / "params.yaml", training=LONG | {"epochs": 20_000, "evaluations": 10_000})
    driver = subprocess.Popen(
        [sys.executable, "-m", "suite.cli", "train", "toy", "supap", "--no-mlflow"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + ENDING_SECONDS
    workers = []
    while sum(map(deaf_to_ctrl_c, workers)) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
        workers = psutil.Process(driver.pid).children(recursive=True)
    os.killpg(driver.pid, signal.SIGINT)
    _, errors = driver.communicate(timeout=ENDING_SECONDS)
    _, alive = psutil.wait_procs(workers, timeout=ENDING_SECONDS)
    assert alive == []
    assert driver.returncode == 1
    assert errors.strip() == "Aborted!"


def test_runs_wait_for_memory_unless_nothing_else_runs(root):
    specs = specify(toy_params(training=LONG | {"epochs": 3000}), "toy", "supap", "toy-digest")
    with LocalExecutor(root, Workers(processes=3), len(specs)) as executor:
        # A run larger than the machine is tried: what is on record may be of another machine.
        assert executor.has_room(1 << 60)
        executor.submit(specs[0], 0)
        assert not executor.has_room(1 << 60)
        assert executor.has_room(1 << 20)
        executor.submit(specs[1], 1 << 60)
        # What a run has yet to take is not there for others.
        assert not executor.has_room(1)
    assert none_left()


def test_no_more_runs_side_by_side_than_processes(root):
    specs = specify(toy_params(training=LONG | {"epochs": 3000}), "toy", "supap", "toy-digest")
    with LocalExecutor(root, Workers(processes=2), len(specs)) as executor:
        for spec in specs[:2]:
            assert executor.has_room(0)
            executor.submit(spec, 0)
        assert not executor.has_room(0)
    assert none_left()


def test_a_worker_that_died_idle_is_replaced(root):
    first, second, _ = specify(toy_params(), "toy", "supap", "toy-digest")
    with LocalExecutor(root, Workers(processes=1), 2) as executor:
        for spec in (first, second):
            assert executor.has_room(0)
            executor.submit(spec, 0)
            heard = []
            deadline = time.monotonic() + 60
            while not (heard and isinstance(heard[-1], Ended)) and time.monotonic() < deadline:
                heard += executor.events(0.2)
            assert isinstance(heard[0], Started)
            assert heard[-1].error is None
            assert {event.fingerprint for event in heard} == {spec.fingerprint}
            (worker,) = training_processes()
            worker.kill()
            # Until it has ended, and left for its parent to see.
            os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)


@pytest.mark.parametrize(
    ("processes", "gpus", "share", "expected"),
    [
        (3, 0, 1.0, [None, None, None]),
        (1, 4, 1.0, [0]),
        (8, 2, 1.0, [0, 1]),
        (8, 2, 0.5, [0, 1, 0, 1]),
        (3, 2, 0.5, [0, 1, 0]),
        (8, 1, 0.4, [0, 0]),
    ],
)
def test_gpus_are_dealt_to_runs_in_turn(processes, gpus, share, expected):
    assert devices(Workers(processes=processes, gpus_per_run=share), gpus) == expected


@pytest.mark.parametrize(
    ("device", "visible", "name"),
    [(1, None, "1"), (0, "2,3", "2"), (1, "2, 3", "3"), (1, "GPU-a,GPU-b", "GPU-b")],
)
def test_a_worker_sees_one_of_the_gpus_that_the_driver_may_use(device, visible, name):
    assert visible_device(device, visible) == name
