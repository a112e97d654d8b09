"""Runs on the nodes of a Ray cluster that share the artifacts folder."""

from __future__ import annotations

import logging
import os
import queue
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suite.config import Workers
from suite.errors import SuiteError
from suite.training.executors.base import Ended, Event, Executor, train_one
from suite.training.protocols import RunTrainer
from suite.training.specification import RunSpecification, run_code_digest
from suite.workers import compute_deterministically, single_thread_environment

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
try:
    import ray
except ImportError:
    raise SuiteError("workers.executor: ray: install it with the extra, `pip install ranksuite[cluster]`") from None

_CONNECT_SECONDS = 10.0


@dataclass(frozen=True)
class _Task:
    spec: RunSpecification
    begun: float
    stream: Any


class RayExecutor(Executor):
    """One task of one CPU a run (and of `gpus_per_run` GPUs where the cluster has any), which Ray never retries.

    A task tells of its run as it goes; the driver alone writes results. Tasks end with the driver.

    Args:
        root: the artifacts folder; every node must have it at the same path.
        workers: with the cluster's address, else the environment variable RAY_ADDRESS has it.

    Raises:
        SuiteError: there is no address, or no cluster answers.
    """

    def __init__(self, root: Path, workers: Workers):
        address = workers.address or os.environ.get("RAY_ADDRESS")
        if not address:
            raise SuiteError("workers.executor: ray: name the cluster in workers.address or in RAY_ADDRESS")
        self.root, self.workers = Path(root).resolve(), workers
        # One connection a process is all that Ray allows; one that is there already is the user's.
        self._own = not ray.is_initialized()
        if self._own:
            _check_reachable(address)
            try:
                ray.init(
                    address=address,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    runtime_env={"env_vars": single_thread_environment()},
                )
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise SuiteError(
                    f"workers.address: no Ray cluster at {address}: {' '.join(str(error).split())}"
                ) from None
        self._tasks: dict[str, _Task] = {}

    def has_room(self, needed: int) -> bool:
        found = ray.cluster_resources()
        most = found.get("CPU", 0)
        if found.get("GPU"):
            most = min(most, found["GPU"] / self.workers.gpus_per_run)
        return len(self._tasks) < max(1, int(most))

    def submit(self, spec: RunSpecification, needed: int) -> None:
        gpus = self.workers.gpus_per_run if ray.cluster_resources().get("GPU") else 0
        task = ray.remote(_train).options(num_cpus=1, num_gpus=gpus, max_retries=0, num_returns="streaming")
        stream = task.remote(spec, self.root, self.workers)
        self._tasks[spec.fingerprint] = _Task(spec, time.time(), stream)

    def events(self, timeout: float) -> list[Event]:
        streams = {task.stream: task for task in self._tasks.values()}
        ready, _ = ray.wait(list(streams), timeout=timeout, num_returns=1, fetch_local=False)
        found: list[Event] = []
        for stream in ready:
            task = streams[stream]
            try:
                event = ray.get(next(stream))
            except (ray.exceptions.RayError, StopIteration) as fault:
                event = self._lost(task, fault)
            found.append(event)
            if isinstance(event, Ended):
                del self._tasks[task.spec.fingerprint]
        return found

    def close(self) -> None:
        for task in self._tasks.values():
            ray.cancel(task.stream, force=True)
        if self._own:
            ray.shutdown()

    def _lost(self, task: _Task, fault: Exception) -> Ended:
        if isinstance(fault, ray.exceptions.RayTaskError):
            # A worker catches what a run raises: what gets here kept it from beginning.
            cause = " ".join(str(fault.cause).split())
            stopped = SuiteError(f"workers.executor: ray: a node cannot run the suite: {cause}; install it there")
            return Ended(task.spec.fingerprint, task.begun, time.time(), error=str(stopped), fatal=stopped)
        error = f"its worker or node was lost ({type(fault).__name__})"
        return Ended(task.spec.fingerprint, task.begun, time.time(), error=error)


def _train(spec: RunSpecification, root: Path, workers: Workers) -> Iterator[Event]:
    """Train a run on a node; what it tells is yielded as it comes."""
    if fault := _unfit(spec, root):
        now = time.time()
        yield Ended(spec.fingerprint, now, now, error=str(fault), fatal=fault)
        return
    told: queue.SimpleQueue[Event] = queue.SimpleQueue()

    def work() -> None:
        # In the thread that computes: the number of threads is a setting of each.
        compute_deterministically()
        train_one(RunTrainer(root, workers), spec, told.put)

    threading.Thread(target=work, daemon=True).start()
    while True:
        event = told.get()
        yield event
        if isinstance(event, Ended):
            return


def _check_reachable(address: str) -> None:
    """Refuse an address at which nobody listens: Ray would try it for minutes."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdigit()) or "://" in host:
        raise SuiteError(f"workers.address: {address}: give the cluster's host and port, as HOST:6379")
    try:
        socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
    except OSError as error:
        raise SuiteError(f"workers.address: no Ray cluster at {address}: {error}") from None


def _unfit(spec: RunSpecification, root: Path) -> SuiteError | None:
    """Why this node cannot train the run."""
    node = ray.util.get_node_ip_address()
    if not root.is_dir():
        return SuiteError(f"node {node}: {root} is not there; share the folder among all nodes")
    if run_code_digest(spec.protocol, spec.loss, spec.settings) != spec.code_digest:
        return SuiteError(f"node {node}: {Path(__file__).parents[2]} is other code than the driver's; install the same")
    return None
