"""Log runs while they train."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import Timeout

from suite.errors import SuiteError
from suite.tracking.experiment import COMPLETE, Experiment, now
from suite.tracking.record import Point, Record, read_record, read_records, row_points, shown
from suite.tracking.store import ARTIFACTS, acquire, one_line

if TYPE_CHECKING:
    from mlflow.entities import Run

logger = logging.getLogger(__name__)

WAIT = 1.0
FLUSH_SECONDS = 2.0
FLUSH_POINTS = 500
# A store that does not answer is tried again after so long, twice as long each time up to the most.
_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
# What is still unsent at the end is tried for so long while nothing gets through.
_PARTING_SECONDS = 5.0
# Failures of one run's events, from a store that answers, until its live view is given up.
_PATIENCE = 3


@dataclass
class _Open:
    """A run under way: what the store has of it and what waits to be written."""

    run: Mapping[str, Any]
    run_id: str
    experiment: Experiment
    logged: set[int] = field(default_factory=set)
    waiting: list[Point] = field(default_factory=list)
    flushed: float = field(default_factory=time.monotonic)


class LiveTracker:
    """Shows runs in the store while they train; used by the one process that drives the grid.

    Calls only note what has happened; a thread tells the store, in order and with the times at which things happened.
    Training never waits for the store and never fails because of it. A store that does not answer is tried again and
    again, and what it missed is sent when it is back; what could not be sent by the end, `sync` fills in.

    A context: leaving it sends the rest and marks runs still open as killed. The store is opened at the first run, so a
    stage that finds all its runs done does not pay for it.

    Args:
        root: the artifacts folder.
    """

    def __init__(self, root: Path = ARTIFACTS):
        self.root = Path(root)
        self._events: queue.Queue[tuple[str, Callable[[], None]]] = queue.Queue()
        self._leaving = threading.Event()
        self._sender = _Sender(self.root, self._events, self._leaving)

    def __enter__(self) -> LiveTracker:
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        if self._sender.is_alive():
            self._sender.join()

    def start(self, run: Mapping[str, Any]) -> None:
        """Open a run. `run` has the fields of `run.json` that are known before training (no `status`)."""
        if not self._sender.is_alive():
            self._sender.start()
        self._note(run["fingerprint"], self._sender.open, run)

    def log(self, fingerprint: str, rows: list[dict[str, Any]]) -> None:
        """Add history rows (`step`, `loss`, `learning_rate`, ...) to an open run; written in batches."""
        self._note(fingerprint, self._sender.add, fingerprint, rows, now())

    def finish(self, fingerprint: str, run_directory: Path) -> None:
        """Complete a run from the directory it is recorded in."""
        self._note(fingerprint, self._sender.finish, fingerprint, run_directory)

    def fail(self, fingerprint: str, error: str) -> None:
        """End an open run as failed, with the text of its error."""
        self._note(fingerprint, self._sender.fail, fingerprint, error)

    def settle(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds until the store has everything; whether it does."""
        deadline = time.monotonic() + timeout
        while not self._sender.idle.is_set() or not self._events.empty():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def _note(self, fingerprint: str, method: Callable[..., None], *arguments: Any) -> None:
        self._sender.idle.clear()
        self._events.put((fingerprint, lambda: method(*arguments)))


class _Sender(threading.Thread):
    """Tells the store what happens to runs; everything here but `idle` is this thread's own."""

    def __init__(self, root: Path, events: queue.Queue[tuple[str, Callable[[], None]]], leaving: threading.Event):
        super().__init__(name="mlflow", daemon=True)
        self.root, self.events, self.leaving = root, events, leaving
        self.idle = threading.Event()
        self.idle.set()
        self._held = ExitStack()
        self._experiments: dict[str, Experiment] = {}
        self._open: dict[str, _Open] = {}
        self._parents: dict[tuple[str, str, str], Run] = {}
        self._abandoned: set[str] = set()
        self._down = self._lost = self._locked = False

    def run(self) -> None:
        """Send until the tracker is left and nothing waits."""
        try:
            while self._next():
                pass
            if not self._lost:
                self._persist("", self._close)
        finally:
            self._held.close()

    def _next(self) -> bool:
        """Send one event, or what waits in open runs; False once there is nothing more to come."""
        try:
            fingerprint, event = self.events.get(timeout=0.05 if self.leaving.is_set() else FLUSH_SECONDS / 4)
        except queue.Empty:
            if self.leaving.is_set():
                return False
            for name, run in list(self._open.items()):
                if run.waiting and time.monotonic() - run.flushed >= FLUSH_SECONDS:
                    self._persist(name, lambda run=run: self._flush(run))
            self.idle.set()
            return True
        sent = fingerprint in self._abandoned or self._persist(fingerprint, event)
        if sent and self.events.empty() and not any(run.waiting for run in self._open.values()):
            self.idle.set()
        # What a store that is gone for good has missed is told to nobody.
        return sent or not self.leaving.is_set()

    def _persist(self, fingerprint: str, event: Callable[[], None]) -> bool:
        """Have the store take an event, however often it must be tried; False if the end came before."""
        pause, failures, parting = _PAUSE, 0, None
        while True:
            try:
                event()
            # Whatever a store may raise, training goes on, and this thread with it.
            except Exception as error:
                if self.leaving.is_set():
                    parting = parting or time.monotonic() + _PARTING_SECONDS
                    if time.monotonic() >= parting:
                        self._give_up(error)
                        return False
                failures += self._answers()
                if failures >= _PATIENCE:
                    self._abandon(fingerprint, error)
                    return True
                self._warn(error)
                # Leaving cuts a long pause short.
                self.leaving.wait(pause) if not self.leaving.is_set() else time.sleep(min(pause, 1.0))
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                if self._down:
                    self._down = False
                    logger.warning("MLflow: the store answers again; what it missed is sent")
                return True

    def _answers(self) -> bool:
        """Whether the store as such is there."""
        if not self._experiments:
            return False
        try:
            next(iter(self._experiments.values())).prove()
        except Exception:
            return False
        return True

    def _warn(self, error: Exception) -> None:
        if not self._down:
            self._down = True
            logger.warning(
                "MLflow: the store does not take what is logged (%s); training goes on, it is tried again",
                one_line(error) or type(error).__name__,
            )

    def _give_up(self, error: Exception) -> None:
        self._lost = True
        logger.warning(
            "MLflow: what the store has missed could not be sent (%s); 'ranksuite mlflow sync' fills in",
            one_line(error) or type(error).__name__,
        )

    def _abandon(self, fingerprint: str, error: Exception) -> None:
        self._abandoned.add(fingerprint)
        self._open.pop(fingerprint, None)
        logger.warning(
            "MLflow: run %s is no longer shown live (%s); 'ranksuite mlflow sync' fills in",
            fingerprint,
            one_line(error) or type(error).__name__,
        )

    def open(self, run: Mapping[str, Any]) -> None:
        """Open a run in the store, in the place of one that was left unfinished."""
        self._start(run)

    def add(self, fingerprint: str, rows: list[dict[str, Any]], stamp: int) -> None:
        """Take in history rows, and write them once there are many or they have waited."""
        run = self._open.get(fingerprint)
        if run is None:
            return
        for row in rows:
            # An event that is tried again has given its rows already.
            if shown(row, int(run.run["steps"])) and int(row["step"]) not in run.logged:
                run.waiting += row_points(row, stamp)
                run.logged.add(int(row["step"]))
        if len(run.waiting) >= FLUSH_POINTS or time.monotonic() - run.flushed >= FLUSH_SECONDS:
            self._flush(run)

    def finish(self, fingerprint: str, run_directory: Path) -> None:
        """Complete a run from its record."""
        self._complete(fingerprint, read_record(run_directory, self.root))

    def fail(self, fingerprint: str, error: str) -> None:
        """End a run as failed."""
        run = self._open.get(fingerprint)
        if run is not None:
            self._complete(fingerprint, Record({**run.run, "status": "failed", "error": error}))

    def _start(self, run: Mapping[str, Any]) -> _Open:
        experiment = self._experiment(run["study"])
        for twin in experiment.twins(run["fingerprint"]):
            if twin.info.status not in COMPLETE:
                experiment.delete(twin.info.run_id)
        key = (run["study"], run["dataset"], run["loss"])
        if key not in self._parents:
            self._parents[key] = experiment.parent(run)
        opened = _Open(run, experiment.create(run, self._parents[key].info.run_id), experiment)
        self._open[run["fingerprint"]] = opened
        return opened

    def _complete(self, fingerprint: str, record: Record) -> None:
        run = self._open.get(fingerprint) or self._start(record.run)
        self._flush(run)
        run.experiment.complete(run.run_id, record, run.logged)
        del self._open[fingerprint]
        # A run trained again, after a failure or a lost record, takes the place of what the store had.
        for twin in run.experiment.twins(fingerprint):
            if twin.info.run_id != run.run_id:
                run.experiment.delete(twin.info.run_id)

    def _flush(self, run: _Open) -> None:
        run.experiment.log(run.run_id, run.waiting)
        run.waiting, run.flushed = [], time.monotonic()

    def _experiment(self, study: str) -> Experiment:
        if not self._locked:
            try:
                self._held.enter_context(acquire(self.root, "writer", WAIT))
            except Timeout:
                raise SuiteError("another process writes the MLflow store") from None
            self._locked = True
        if study not in self._experiments:
            self._experiments[study] = Experiment(self.root, study)
        return self._experiments[study]

    def _close(self) -> None:
        for fingerprint, run in list(self._open.items()):
            self._flush(run)
            run.experiment.interrupt(run.run_id)
            del self._open[fingerprint]
        for (study, dataset, loss), parent in self._parents.items():
            self._experiments[study].summarise(parent, read_records(self.root, dataset, loss))
