"""A grid of runs: those that the store lacks are trained side by side, recorded as each ends."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from suite.config import Workers
from suite.files import remove
from suite.training.board import Board
from suite.training.checkpoints import checkpoints_directory
from suite.training.distributed import Ranks
from suite.training.executors import Ended, Event, Executor, Rows, Started, open_executor
from suite.training.journal import Journal
from suite.training.provenance import Provenance
from suite.training.specification import RunSpecification
from suite.training.store import RunStore, describe

# How long the driver waits for news from its workers before it looks after the table.
POLL_SECONDS = 0.2


class Tracker(Protocol):
    """What a live view of the runs must offer."""

    def start(self, run: dict[str, Any]) -> None: ...
    def log(self, fingerprint: str, rows: list[dict[str, Any]]) -> None: ...
    def finish(self, fingerprint: str, run_directory: Path) -> None: ...
    def fail(self, fingerprint: str, error: str) -> None: ...


@dataclass(frozen=True)
class GridOutcome:
    """How many runs were trained now, were there already, and are recorded as failed."""

    trained: int
    present: int
    failed: int


def run_grid(
    specs: list[RunSpecification],
    store: RunStore,
    root: Path,
    workers: Workers,
    tracker: Tracker | None = None,
    provenance: Provenance | None = None,
    ranks: Ranks | None = None,
) -> GridOutcome:
    """Train every run of `specs` that `store` does not hold; with `ranks`, one after the other over all of them.

    A run that fails, or whose worker dies, is tried once more after the others; if it fails again it is recorded as
    failed, and the rest goes on.

    Raises:
        SuiteError: a mistake in the settings; finished runs stay.
        OSError: results cannot be written (a full disk); finished runs stay.
    """
    missing = [spec for spec in specs if store.get(spec) is None]
    for spec in specs:
        store.refresh(spec)
    if missing:
        # Long runs first, so that the last ones to end are short: small batches take the most steps.
        missing.sort(key=lambda spec: spec.batch_size)
        with (
            open_executor(root, workers, len(missing), ranks) as executor,
            Board(missing) as board,
            Journal(root, missing[0].dataset, missing[0].name) as journal,
        ):
            _Drive(missing, store, root, executor, board, journal, tracker, provenance).run()
    recorded = [store.get(spec) for spec in specs]
    failed = sum(1 for run in recorded if run is not None and not run.finished)
    return GridOutcome(len(missing), len(specs) - len(missing), failed)


class _Drive:
    """One way through a grid. The driver alone writes results, so nothing is written without the store's lock."""

    def __init__(
        self,
        specs: Iterable[RunSpecification],
        store: RunStore,
        root: Path,
        executor: Executor,
        board: Board,
        journal: Journal,
        tracker: Tracker | None,
        provenance: Provenance | None,
    ):
        self.store, self.root, self.executor = store, root, executor
        self.board, self.journal, self.tracker, self.provenance = board, journal, tracker, provenance
        self.waiting = deque(specs)
        self.running: dict[str, RunSpecification] = {}
        self.failures: dict[str, int] = {}
        self.needed: dict[str, int] = {}

    def run(self) -> None:
        """Until every run is recorded."""
        while self.waiting or self.running:
            while self.waiting and self.executor.has_room(needed := self._memory(self.waiting[0])):
                spec = self.waiting.popleft()
                self.running[spec.fingerprint] = spec
                self.journal.write("started", spec)
                self.executor.submit(spec, needed)
            for event in self.executor.events(POLL_SECONDS):
                self._take(event)
            self.board.refresh()

    def _take(self, event: Event) -> None:
        spec = self.running[event.fingerprint]
        if isinstance(event, Started):
            self.board.start(spec, event.steps)
            if self.tracker is not None:
                self.tracker.start(describe(spec) | {"steps": event.steps})
        elif isinstance(event, Rows):
            self.board.advance(spec, event.rows)
            if self.tracker is not None:
                self.tracker.log(event.fingerprint, event.rows)
        else:
            del self.running[event.fingerprint]
            self._end(spec, event)

    def _end(self, spec: RunSpecification, ended: Ended) -> None:
        if ended.fatal is not None:
            raise ended.fatal
        self.failures[spec.fingerprint] = self.failures.get(spec.fingerprint, 0) + (ended.error is not None)
        if ended.error is not None and self.failures[spec.fingerprint] == 1:
            self.waiting.append(spec)
            self.journal.write("failed, to be tried again", spec, ended.error)
            self.board.postpone(spec, ended.error)
            return
        if self.provenance is not None:
            # Before the run itself: a recorded run never lacks its provenance, whenever the process is killed.
            self.provenance.record(spec, ended.begun, ended.ended, ended.trained)
        if ended.trained is not None:
            self.store.record_finished(spec, ended.trained)
            self._drop_checkpoints(spec)
        else:
            self.store.record_failed(spec, ended.error)
        self.journal.write("finished" if ended.error is None else "failed", spec, ended.error)
        self.board.end(spec, ended.ended - ended.begun, ended.trained, ended.error)
        if self.tracker is None:
            return
        if ended.error is None:
            self.tracker.finish(spec.fingerprint, self.store.directory / spec.fingerprint)
        else:
            self.tracker.fail(spec.fingerprint, ended.error)

    def _drop_checkpoints(self, spec: RunSpecification) -> None:
        directory = checkpoints_directory(self.root, spec.dataset, spec.name, spec.fingerprint)
        if directory.is_dir():
            remove(directory)

    def _memory(self, spec: RunSpecification) -> int:
        """Bytes that a run is expected to take; 0 where nothing is known."""
        if spec.fingerprint not in self.needed:
            self.needed[spec.fingerprint] = 0 if self.provenance is None else self.provenance.memory_of(spec)
        return self.needed[spec.fingerprint]
