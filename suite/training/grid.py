"""A grid of runs: those that the store lacks are trained side by side, recorded as each ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from queue import Empty
from typing import Any, Protocol

from tqdm import tqdm

from suite.config import Workers
from suite.errors import SuiteError
from suite.training.loop import SELECTION
from suite.training.protocols import RunTrainer
from suite.training.provenance import Provenance
from suite.training.specification import RunSpecification
from suite.training.store import RunStore, describe
from suite.workers import worker_pool

# How often the driver looks for news from its workers.
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


@dataclass(frozen=True)
class Started:
    """A worker has begun a run of so many steps."""

    fingerprint: str
    steps: int


@dataclass(frozen=True)
class Rows:
    """New rows of a run's history."""

    fingerprint: str
    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class Ended:
    """A run has ended and is recorded; `error` is None where it ended well."""

    fingerprint: str
    seconds: float
    error: str | None


def run_grid(
    specs: list[RunSpecification],
    store: RunStore,
    root: Path,
    workers: Workers,
    tracker: Tracker | None = None,
    provenance: Provenance | None = None,
) -> GridOutcome:
    """Train every run of `specs` that `store` does not hold. A run that fails is recorded and the rest goes on.

    Raises:
        SuiteError: a mistake in the settings, or a worker process that died.
        OSError: results cannot be written (a full disk); finished runs stay.
    """
    missing = [spec for spec in specs if store.get(spec) is None]
    for spec in specs:
        store.refresh(spec)
    if missing:
        # Long runs first, so that the last ones to end are short: small batches take the most steps.
        missing.sort(key=lambda spec: spec.batch_size)
        _train(missing, store, root, workers, tracker, provenance)
    recorded = [store.get(spec) for spec in specs]
    failed = sum(1 for run in recorded if run is not None and not run.finished)
    return GridOutcome(len(missing), len(specs) - len(missing), failed)


def _train(
    specs: list[RunSpecification],
    store: RunStore,
    root: Path,
    workers: Workers,
    tracker: Tracker | None,
    provenance: Provenance | None,
) -> None:
    # A plain queue of the same start method as the pool's: a manager would be one more process to lose. All that is
    # told of a run comes through it, so in order; the futures only carry what ends the whole grid.
    news = get_context("spawn").Queue()
    by_fingerprint = {spec.fingerprint: spec for spec in specs}
    with (
        worker_pool(min(workers.processes, len(specs)), _open_worker, root, workers, store, news, provenance) as pool,
        tqdm(total=len(specs), unit="run", disable=None) as bar,
    ):
        futures = [pool.submit(_run, spec) for spec in specs]
        left = len(specs)
        while left:
            try:
                item = news.get(timeout=POLL_SECONDS)
            except Empty:
                _raise_faults(futures)
                continue
            if tracker is not None:
                _show(item, by_fingerprint[item.fingerprint], store, tracker)
            if isinstance(item, Ended):
                left -= 1
                bar.update()
                bar.write(_line(by_fingerprint[item.fingerprint], item, store))


def _raise_faults(futures: list[Future[None]]) -> None:
    for future in futures:
        if future.done():
            future.result()


def _show(item: Started | Rows | Ended, spec: RunSpecification, store: RunStore, tracker: Tracker) -> None:
    if isinstance(item, Started):
        tracker.start(describe(spec) | {"steps": item.steps})
    elif isinstance(item, Rows):
        tracker.log(item.fingerprint, item.rows)
    elif item.error is None:
        tracker.finish(item.fingerprint, store.directory / item.fingerprint)
    else:
        tracker.fail(item.fingerprint, item.error)


def _line(spec: RunSpecification, ended: Ended, store: RunStore) -> str:
    if ended.error is None:
        outcome = f"validation mAP {store.get(spec).metrics()[SELECTION]:.4f}"
    else:
        outcome = f"failed: {ended.error}"
    run = f"{spec.dataset} {spec.name} batch {spec.batch_size} seed {spec.seed} lr {spec.learning_rate:g}"
    return f"{run}: {outcome} ({ended.seconds:.1f} s)"


class _Worker:
    """What a worker process keeps between its runs."""

    trainer: RunTrainer
    store: RunStore
    provenance: Provenance | None
    tell: Callable[[Started | Rows | Ended], None]


def _open_worker(root: Path, workers: Workers, store: RunStore, news: Any, provenance: Provenance | None) -> None:
    _Worker.trainer, _Worker.store, _Worker.provenance, _Worker.tell = (
        RunTrainer(root, workers),
        store,
        provenance,
        news.put,
    )


def _run(spec: RunSpecification) -> None:
    """Train and record one run in a worker process."""
    begun, name = time.time(), spec.fingerprint
    _Worker.tell(Started(name, _Worker.trainer.planned_steps(spec)))
    trained, error = None, None
    try:
        trained = _Worker.trainer.train(spec, lambda rows: _Worker.tell(Rows(name, rows)))
    except (SuiteError, OSError):
        # The user's mistake or a machine's trouble, not a property of this run: the grid stops.
        raise
    except Exception as fault:
        error = f"{type(fault).__name__}: {' '.join(str(fault).split())}"
    ended = time.time()
    if _Worker.provenance is not None:
        # Before the run itself: a recorded run never lacks its provenance, whenever the process is killed.
        _Worker.provenance.record(spec, begun, ended, trained)
    if trained is not None:
        _Worker.store.record_finished(spec, trained)
    else:
        _Worker.store.record_failed(spec, error)
    _Worker.tell(Ended(name, ended - begun, error))
