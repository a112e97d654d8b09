"""Runs one after the other, each over all ranks that `torchrun` started."""

from __future__ import annotations

import queue
import threading
from dataclasses import replace
from pathlib import Path

from suite.config import Workers
from suite.errors import SuiteError
from suite.training.distributed import Ranks
from suite.training.executors.base import Ended, Event, Executor, train_one
from suite.training.protocols import RunTrainer
from suite.training.specification import RunSpecification
from suite.workers import compute_deterministically


class RanksExecutor(Executor):
    """The first rank's: it tells the others which run comes next, and takes part itself.

    Args:
        root: the artifacts folder, the same for all ranks.
        workers: how.
        ranks: all of them.
    """

    def __init__(self, root: Path, workers: Workers, ranks: Ranks):
        self._ranks, self._trainer = ranks, RunTrainer(root, workers, ranks)
        self._told: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._busy = False

    def has_room(self, needed: int) -> bool:
        return not self._busy

    def submit(self, spec: RunSpecification, needed: int) -> None:
        self._busy = True
        self._ranks.tell(spec)
        # A thread, so that the table goes on while it computes.
        threading.Thread(target=self._work, args=(spec,), daemon=True).start()

    def events(self, timeout: float) -> list[Event]:
        try:
            event = self._told.get(timeout=timeout)
        except queue.Empty:
            return []
        self._busy = not isinstance(event, Ended)
        if isinstance(event, Ended) and event.error and not event.error.startswith(FloatingPointError.__name__):
            # The others did not see it and wait for this rank: nothing more can be trained together.
            fault = event.fatal or SuiteError(f"{event.error}; start again to go on from the last checkpoint")
            return [replace(event, fatal=fault)]
        return [event]

    def close(self) -> None:
        """Nothing to end here: the others wait for the next run, or for the word that there is none (`dismiss`)."""

    def _work(self, spec: RunSpecification) -> None:
        # In the thread that computes: the number of threads is a setting of each.
        compute_deterministically()
        train_one(self._trainer, spec, self._told.put)


def dismiss(ranks: Ranks) -> None:
    """The first rank's word to the others that there are no more runs."""
    ranks.tell(None)


def follow(root: Path, workers: Workers, ranks: Ranks) -> None:
    """What every other rank does: take part in each run that the first one tells of, and write nothing.

    A run that diverges does so on all ranks, and the next one may come. Any other fault is this rank's own: raised, it
    ends the process, and so the wait of the others.
    """
    compute_deterministically()
    trainer = RunTrainer(root, workers, ranks)
    while (spec := ranks.tell(None)) is not None:
        try:
            trainer.planned_steps(spec)
            trainer.train(spec, lambda rows: None)
        except FloatingPointError:
            continue
