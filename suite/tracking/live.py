"""Log runs while they train."""

from __future__ import annotations

import functools
import logging
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

WAIT = 30.0
FLUSH_SECONDS = 2.0
FLUSH_POINTS = 500


@dataclass
class _Open:
    """A run under way: what the store has of it and what waits to be written."""

    run: Mapping[str, Any]
    run_id: str
    experiment: Experiment
    logged: set[int] = field(default_factory=set)
    waiting: list[Point] = field(default_factory=list)
    flushed: float = field(default_factory=time.monotonic)


def _tolerant(method: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(method)
    def guarded(self: LiveTracker, *args: Any) -> None:
        if self.off:
            return
        try:
            method(self, *args)
        # Whatever a store may raise, hours of training are worth more than its view of them.
        except Exception as error:
            self._give_up(error)

    return guarded


class LiveTracker:
    """Shows runs in the store while they train; used by the one process that drives the grid.

    A context: leaving it marks runs still open as killed. The store is opened at the first run, so a stage
    that finds all its runs done does not pay for it. Tracking never stops training: at the first failure one
    warning is logged, every later call does nothing, and `sync` fills in the rest.

    Args:
        root: the artifacts folder.
    """

    def __init__(self, root: Path = ARTIFACTS):
        self.root = Path(root)
        self.off = False
        self._held = ExitStack()
        self._experiments: dict[str, Experiment] = {}
        self._open: dict[str, _Open] = {}
        self._parents: dict[tuple[str, str, str], Run] = {}

    def __enter__(self) -> LiveTracker:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        self._held.close()

    @_tolerant
    def start(self, run: Mapping[str, Any]) -> None:
        """Open a run. `run` has the fields of `run.json` that are known before training (no `status`)."""
        self._start(run)

    @_tolerant
    def log(self, fingerprint: str, rows: list[dict[str, Any]]) -> None:
        """Add history rows (`step`, `loss`, `learning_rate`, ...) to an open run; written in batches."""
        run, stamp = self._open[fingerprint], now()
        for row in rows:
            if shown(row, int(run.run["steps"])):
                run.waiting += row_points(row, stamp)
                run.logged.add(int(row["step"]))
        if len(run.waiting) >= FLUSH_POINTS or time.monotonic() - run.flushed >= FLUSH_SECONDS:
            self._flush(run)

    @_tolerant
    def finish(self, fingerprint: str, run_directory: Path) -> None:
        """Complete a run from the directory it is recorded in."""
        self._complete(fingerprint, read_record(run_directory, self.root))

    @_tolerant
    def fail(self, fingerprint: str, error: str) -> None:
        """End an open run as failed, with the text of its error."""
        run = {**self._open[fingerprint].run, "status": "failed", "error": error}
        self._complete(fingerprint, Record(run))

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
        if not self._experiments:
            try:
                self._held.enter_context(acquire(self.root, "writer", WAIT))
            except Timeout:
                raise SuiteError("another process writes the MLflow store") from None
        if study not in self._experiments:
            self._experiments[study] = Experiment(self.root, study)
        return self._experiments[study]

    @_tolerant
    def _close(self) -> None:
        for run in self._open.values():
            self._flush(run)
            run.experiment.interrupt(run.run_id)
        for (study, dataset, loss), parent in self._parents.items():
            self._experiments[study].summarise(parent, read_records(self.root, dataset, loss))

    def _give_up(self, error: Exception) -> None:
        self.off = True
        self._held.close()
        logger.warning(
            "MLflow: runs are no longer shown live (%s); training goes on, 'ranksuite mlflow sync' fills in",
            one_line(error) or type(error).__name__,
        )
