"""The thread that tells the store what happens to runs, however often it must be tried."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from filelock import Timeout

from suite.errors import SuiteError
from suite.tracking.experiment import COMPLETE, Experiment
from suite.tracking.record import Point, Record, read_record, row_points
from suite.tracking.store import acquire, one_line

if TYPE_CHECKING:
    from mlflow.entities import Run

logger = logging.getLogger(__name__)

_WAIT = 1.0
_FLUSH_SECONDS = 2.0
_FLUSH_POINTS = 500
# A store that does not answer is tried again after so long, twice as long each time up to the most.
_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
# What is still unsent at the end is tried for so long while nothing gets through.
_PARTING_SECONDS = 5.0
# Failures of one run's events, from a store that answers, until its live view is given up.
_PATIENCE = 3


class Event(NamedTuple):
    """Something that happened to a run: its fingerprint, and the call that tells the store."""

    fingerprint: str
    method: Callable[..., None]
    arguments: tuple[Any, ...]


@dataclass
class _Open:
    """A run under way: what the store has of it and what waits to be written, by name and step."""

    run: Mapping[str, Any]
    run_id: str
    experiment: Experiment
    logged: set[tuple[str, int]] = field(default_factory=set)
    waiting: dict[tuple[str, int], Point] = field(default_factory=dict)
    flushed: float = field(default_factory=time.monotonic)


class Sender(threading.Thread):
    """Takes events in order and tells the store; `open`, `add`, `finish`, `fail` and `settle` are called by events.

    A daemon: a request that never returns does not keep the process, and the writer's lock ends with it.

    Args:
        root: the artifacts folder.
        events: what to tell.
        leaving: set once no more events come.

    Attributes:
        progress: when the store last took something (`time.monotonic`).
    """

    def __init__(self, root: Path, events: queue.Queue[Event], leaving: threading.Event):
        super().__init__(name="mlflow", daemon=True)
        self.root, self.events, self.leaving = root, events, leaving
        self.progress = time.monotonic()
        self._held = ExitStack()
        self._experiments: dict[str, Experiment] = {}
        self._open: dict[str, _Open] = {}
        self._abandoned: dict[str, _Open] = {}
        self._parents: dict[str, Run] = {}
        self._down = self._locked = False
        self._lost = threading.Event()

    def run(self) -> None:
        """Send until the tracker is left and nothing waits, or the store is given up."""
        with self._held:
            while self._next():
                pass
            if not self._lost.is_set():
                self._close()

    def dismiss(self) -> None:
        """Called from outside: nobody waits any longer for what the store has not taken."""
        self._give_up("it does not answer")

    def open(self, run: Mapping[str, Any], stamp: int) -> None:
        """Open a run in the store, in the place of one that was left unfinished."""
        self._start(run, stamp)

    def add(self, fingerprint: str, rows: list[dict[str, Any]], stamp: int) -> None:
        """Take in history rows, and write them once there are many or they have waited."""
        run = self._open.get(fingerprint)
        if run is None:
            return
        for point in (point for row in rows for point in row_points(row, stamp, run.run["batch_size"])):
            # A run taken up from a checkpoint tells its history again, and so does an event that is tried again.
            if (point.key, point.step) not in run.logged:
                run.waiting.setdefault((point.key, point.step), point)
        if len(run.waiting) >= _FLUSH_POINTS or time.monotonic() - run.flushed >= _FLUSH_SECONDS:
            self._flush(run)

    def finish(self, fingerprint: str, run_directory: Path, stamp: int) -> None:
        """Complete a run from its record."""
        record = read_record(run_directory, self.root)
        run = self._open.get(fingerprint) or self._start(record.run, record.time("started") or stamp)
        self._complete(run, record, stamp)

    def fail(self, fingerprint: str, error: str, stamp: int) -> None:
        """End a run as failed."""
        run = self._open.get(fingerprint)
        if run is None and fingerprint in self._abandoned:
            run = self._start(self._abandoned[fingerprint].run, stamp)
        if run is not None:
            self._complete(run, Record({**run.run, "status": "failed", "error": error}), stamp)

    def settle(self, done: threading.Event) -> None:
        """Write what waits, then set `done`."""
        if all(self._persist(name, self._flush, run) for name, run in list(self._open.items())):
            done.set()

    def _next(self) -> bool:
        """Send one event, or what waits in open runs; False once there is nothing more to come."""
        try:
            event = self.events.get(timeout=0.05 if self.leaving.is_set() else _FLUSH_SECONDS / 4)
        except queue.Empty:
            if self.leaving.is_set():
                return False
            for name, run in list(self._open.items()):
                if run.waiting and time.monotonic() - run.flushed >= _FLUSH_SECONDS:
                    self._persist(name, self._flush, run)
            return True
        return self._persist(*event[:2], *event.arguments)

    def _persist(self, fingerprint: str, method: Callable[..., None], *arguments: Any) -> bool:
        """Have the store take something, however often it must be tried; False if the end came before."""
        pause, failures, parting = _PAUSE, 0, None
        while not self._lost.is_set():
            try:
                method(*arguments)
            # Whatever a store may raise, training goes on, and this thread with it.
            except Exception as error:
                reason = one_line(error) or type(error).__name__
                if self.leaving.is_set():
                    parting = parting or time.monotonic() + _PARTING_SECONDS
                    if time.monotonic() >= parting:
                        self._give_up(reason)
                        return False
                failures += self._answers()
                if failures >= _PATIENCE:
                    self._abandon(fingerprint, reason)
                    return True
                self._warn(reason)
                # Leaving cuts a long pause short.
                self.leaving.wait(pause) if not self.leaving.is_set() else time.sleep(min(pause, 1.0))
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                self.progress = time.monotonic()
                if self._down:
                    self._down = False
                    logger.warning("MLflow: the store answers again; what it missed is sent")
                return True
        return False

    def _answers(self) -> bool:
        """Whether the store as such is there."""
        if not self._experiments:
            return False
        try:
            next(iter(self._experiments.values())).prove()
        except Exception:
            return False
        return True

    def _warn(self, reason: str) -> None:
        if not self._down:
            self._down = True
            logger.warning(
                "MLflow: the store does not take what is logged (%s); training goes on, it is tried again", reason
            )

    def _give_up(self, reason: str) -> None:
        if not self._lost.is_set():
            self._lost.set()
            logger.warning(
                "MLflow: what the store has missed could not be sent (%s); 'ranksuite mlflow sync' fills in", reason
            )

    def _abandon(self, fingerprint: str, reason: str) -> None:
        """Show a run no longer as it trains; its end is written all the same, as a run of its own."""
        if fingerprint in self._open:
            self._abandoned[fingerprint] = self._open.pop(fingerprint)
        self._down = False
        logger.warning(
            "MLflow: the store refuses %s (%s); 'ranksuite mlflow sync' fills in what it lacks at the end",
            f"run {fingerprint}" if fingerprint else "the end of a study's run",
            reason,
        )

    def _start(self, run: Mapping[str, Any], stamp: int) -> _Open:
        experiment = self._experiment(run["study"])
        for twin in experiment.twins(run["fingerprint"]):
            if twin.info.status not in COMPLETE:
                experiment.delete(twin.info.run_id)
        if run["study"] not in self._parents:
            self._parents[run["study"]] = experiment.parent()
        opened = _Open(run, experiment.create(run, self._parents[run["study"]].info.run_id, stamp), experiment)
        self._open[run["fingerprint"]] = opened
        self._abandoned.pop(run["fingerprint"], None)
        return opened

    def _complete(self, run: _Open, record: Record, stamp: int) -> None:
        self._flush(run)
        run.experiment.complete(run.run_id, record, run.logged, stamp)
        # A run trained again, after a failure or a lost record, takes the place of what the store had.
        for twin in run.experiment.twins(record.fingerprint):
            if twin.info.run_id != run.run_id:
                run.experiment.delete(twin.info.run_id)
        del self._open[record.fingerprint]

    def _flush(self, run: _Open) -> None:
        run.experiment.log(run.run_id, list(run.waiting.values()))
        run.logged |= run.waiting.keys()
        run.waiting, run.flushed = {}, time.monotonic()

    def _experiment(self, study: str) -> Experiment:
        if not self._locked:
            try:
                self._held.enter_context(acquire(self.root, "writer", _WAIT))
            except Timeout:
                raise SuiteError("another process writes the MLflow store") from None
            self._locked = True
        if study not in self._experiments:
            self._experiments[study] = Experiment(self.root, study)
        return self._experiments[study]

    def _close(self) -> None:
        for run in self._abandoned.values():
            # The store has refused this run before, and that has been said.
            with suppress(Exception):
                run.experiment.interrupt(run.run_id)
        for fingerprint, run in list(self._open.items()):
            if not self._persist(fingerprint, self._interrupt, run):
                return
        for study, parent in self._parents.items():
            if not self._persist("", self._end_parent, study, parent):
                return

    def _interrupt(self, run: _Open) -> None:
        self._flush(run)
        run.experiment.interrupt(run.run_id)

    def _end_parent(self, study: str, parent: Run) -> None:
        self._experiments[study].keep_alone(parent)
        self._experiments[study].end(parent)
