"""Runs on this machine: one process a run, each on one thread, with a GPU of its own or a share of one."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

import psutil
import torch

from suite.config import Workers
from suite.training.executors.base import Ended, Event, Executor, train_one
from suite.training.protocols import RunTrainer
from suite.training.specification import RunSpecification
from suite.workers import prepare_worker

_ENDING_SECONDS = 10.0


@dataclass
class _Slot:
    """A place for one run at a time, and the process that stands in it."""

    device: int | None
    process: SpawnProcess | None = None
    connection: Connection | None = None
    spec: RunSpecification | None = None
    begun: float = 0.0
    needed: int = 0


class LocalExecutor(Executor):
    """Spawned processes that stay for further runs; one that dies takes its own run with it, and no other.

    Args:
        root: the artifacts folder.
        workers: how many run side by side; where there are GPUs, no more than those can be shared out among.
        runs: how many runs there are.
    """

    def __init__(self, root: Path, workers: Workers, runs: int):
        self.root, self.workers = root, workers
        self._slots = [_Slot(device) for device in devices(workers, torch.cuda.device_count())[:runs]]
        # Spawned, not forked: a forked child inherits torch's thread pools in an undefined state.
        self._context = multiprocessing.get_context("spawn")

    def has_room(self, needed: int) -> bool:
        busy = [slot for slot in self._slots if slot.spec is not None]
        if len(busy) == len(self._slots):
            return False
        if self._slots[0].device is not None:
            # What is on record is memory of a GPU then, and says nothing of this machine's.
            return True
        # What runs has not yet taken all that it will.
        reserved = sum(max(0, slot.needed - _resident(slot.process)) for slot in busy)
        return not busy or needed <= psutil.virtual_memory().available - reserved

    def submit(self, spec: RunSpecification, needed: int) -> None:
        slot = next(slot for slot in self._slots if slot.spec is None)
        if slot.process is None or not slot.process.is_alive():
            self._start(slot)
        slot.spec, slot.begun, slot.needed = spec, time.time(), needed
        try:
            slot.connection.send(spec)
        except OSError:
            # It died just now: the next look at its connection says so.
            return

    def events(self, timeout: float) -> list[Event]:
        open_slots = {slot.connection: slot for slot in self._slots if slot.spec is not None}
        found: list[Event] = []
        for connection in wait(list(open_slots), timeout):
            slot = open_slots[connection]
            try:
                event = pickle.loads(connection.recv_bytes())
            except (EOFError, OSError):
                event = self._died(slot)
            found.append(event)
            if isinstance(event, Ended):
                slot.spec = None
        return found

    def close(self) -> None:
        for slot in self._slots:
            if slot.process is not None:
                slot.process.kill() if slot.spec is not None else slot.connection.close()
        for slot in self._slots:
            if slot.process is not None:
                slot.process.join(_ENDING_SECONDS)

    def _start(self, slot: _Slot) -> None:
        ours, theirs = self._context.Pipe()
        arguments = (theirs, self.root, self.workers, slot.device)
        slot.process = self._context.Process(target=_work, args=arguments, daemon=False)
        slot.process.start()
        # Ours alone must hold the other end, or its closing is never seen.
        theirs.close()
        slot.connection = ours

    def _died(self, slot: _Slot) -> Ended:
        slot.process.join(_ENDING_SECONDS)
        code = slot.process.exitcode
        what = f"signal {-code}" if code is not None and code < 0 else f"status {code}"
        error = f"its worker process ended without an answer ({what}): killed, or out of memory"
        return Ended(slot.spec.fingerprint, slot.begun, time.time(), error=error)


def devices(workers: Workers, gpus: int) -> list[int | None]:
    """The GPU of each run that is trained side by side with others; None where there are none.

    Runs are dealt to the GPUs in turn, `1 / gpus_per_run` to each.
    """
    if not gpus:
        return [None] * workers.processes
    most = gpus * max(1, int(1.0 / workers.gpus_per_run))
    return [place % gpus for place in range(min(workers.processes, most))]


def visible_device(device: int, visible: str | None) -> str:
    """The name of this process's GPU number `device`, where `visible` (CUDA_VISIBLE_DEVICES) may name those it has."""
    return visible.split(",")[device].strip() if visible else str(device)


def _work(connection: Connection, root: Path, workers: Workers, device: int | None) -> None:
    if device is not None:
        # CUDA reads it when it is first used, which has not happened yet.
        os.environ["CUDA_VISIBLE_DEVICES"] = visible_device(device, os.environ.get("CUDA_VISIBLE_DEVICES"))
    # Ctrl-C reaches every process of the terminal; the driver alone answers it, and ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    prepare_worker()
    trainer = RunTrainer(root, workers)
    while True:
        try:
            spec = connection.recv()
        except EOFError:
            return
        # Plain bytes: torch would pass tensors through files of shared memory, which outlive a killed process.
        train_one(trainer, spec, lambda event: connection.send_bytes(pickle.dumps(event)))


def _resident(process: SpawnProcess) -> int:
    try:
        return psutil.Process(process.pid).memory_info().rss
    except psutil.Error:
        return 0
