"""A grid of runs: those that the store lacks are trained side by side, recorded as each ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from queue import Empty
from typing import Any, Protocol

from tqdm import tqdm

from suite.training.head import HeadData, load_head_data, planned_steps, train_head
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
class News:
    """What a worker tells of its run: how many steps it has in all, and new rows of the history."""

    fingerprint: str
    steps: int
    rows: list[dict[str, Any]]


def run_grid(
    specs: list[RunSpecification],
    store: RunStore,
    root: Path,
    processes: int,
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
        _train(missing, store, root, min(processes, len(missing)), tracker, provenance)
    recorded = [store.get(spec) for spec in specs]
    failed = sum(1 for run in recorded if run is not None and not run.finished)
    return GridOutcome(len(missing), len(specs) - len(missing), failed)


def _train(
    specs: list[RunSpecification],
    store: RunStore,
    root: Path,
    processes: int,
    tracker: Tracker | None,
    provenance: Provenance | None,
) -> None:
    # A plain queue of the same start method as the pool's: a manager would be one more process to lose.
    news = get_context("spawn").Queue()
    started: dict[str, float] = {}
    by_fingerprint = {spec.fingerprint: spec for spec in specs}
    with (
        worker_pool(processes, _open_worker, root, store, news) as pool,
        tqdm(total=len(specs), unit="run", disable=None) as bar,
    ):
        waiting: dict[Future[str | None], RunSpecification] = {pool.submit(_run, spec): spec for spec in specs}
        while waiting:
            done, _ = wait(waiting, timeout=POLL_SECONDS)
            for item in _drain(news):
                if item.fingerprint not in started:
                    started[item.fingerprint] = time.time()
                    if tracker is not None:
                        tracker.start(describe(by_fingerprint[item.fingerprint]) | {"steps": item.steps})
                if item.rows and tracker is not None:
                    tracker.log(item.fingerprint, item.rows)
            for future in done:
                spec = waiting.pop(future)
                _conclude(spec, future.result(), store, tracker, provenance, started, bar)


def _conclude(
    spec: RunSpecification,
    error: str | None,
    store: RunStore,
    tracker: Tracker | None,
    provenance: Provenance | None,
    started: dict[str, float],
    bar: Any,
) -> None:
    now = time.time()
    begun = started.get(spec.fingerprint, now)
    if provenance is not None:
        provenance.record(spec.fingerprint, begun, now)
    if tracker is not None and error is None:
        tracker.finish(spec.fingerprint, store.directory / spec.fingerprint)
    elif tracker is not None:
        tracker.fail(spec.fingerprint, error)
    bar.update()
    recorded = store.get(spec)
    outcome = f"failed: {error}" if error else f"validation mAP {recorded.metrics()['val/level0/AP']:.4f}"
    rate = f"lr {spec.learning_rate:g}"
    bar.write(
        f"{spec.dataset} {spec.name} batch {spec.batch_size} seed {spec.seed} {rate}: {outcome} ({now - begun:.1f} s)"
    )


class _Worker:
    """What a worker process keeps between its runs."""

    root: Path
    store: RunStore
    report: Callable[[News], None]
    data: dict[str, HeadData]


def _open_worker(root: Path, store: RunStore, news: Any) -> None:
    _Worker.root, _Worker.store, _Worker.report, _Worker.data = root, store, news.put, {}


def _run(spec: RunSpecification) -> str | None:
    """Train and record one run in a worker process; returns the error of a run that failed."""
    if spec.dataset not in _Worker.data:
        _Worker.data[spec.dataset] = load_head_data(_Worker.root, spec.dataset)
    data = _Worker.data[spec.dataset]
    steps = planned_steps(spec, data)
    _Worker.report(News(spec.fingerprint, steps, []))
    try:
        trained = train_head(spec, data, lambda rows: _Worker.report(News(spec.fingerprint, steps, rows)))
    except (ArithmeticError, ValueError, RuntimeError) as error:
        message = f"{type(error).__name__}: {' '.join(str(error).split())}"
        _Worker.store.record_failed(spec, message)
        return message
    _Worker.store.record_finished(spec, trained)
    return None


def _drain(news: Any) -> list[News]:
    items = []
    while True:
        try:
            items.append(news.get_nowait())
        except Empty:
            return items
