"""Log runs while they train."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from suite.tracking.experiment import now
from suite.tracking.record import shown
from suite.tracking.sending import Event, Sender
from suite.tracking.store import ARTIFACTS

# Events that may wait while the store is away. History rows beyond are not kept: the end of the run has them all.
_MOST_WAITING = 20_000
# Leaving ends when the store has taken nothing for so long, even if it never answers.
_HANGING_SECONDS = 20.0


class LiveTracker:
    """Shows runs in the store while they train; used by the one process that drives the grid.

    Calls only note what has happened; a thread tells the store, in order and with the times at which things happened.
    Training never waits for the store and never fails because of it. A store that does not answer is tried again and
    again, and what it missed is sent when it is back; what could not be sent by the end, `sync` fills in.

    A context: leaving it sends the rest and marks runs still open as killed, but waits for a store that takes nothing
    for no more than 20 seconds. The store is opened at the first run, so a stage that finds all its runs done does not
    pay for it.

    Args:
        root: the artifacts folder.
    """

    def __init__(self, root: Path = ARTIFACTS):
        self._events: queue.Queue[Event] = queue.Queue()
        self._leaving = threading.Event()
        self._sender = Sender(Path(root), self._events, self._leaving)
        self._steps: dict[str, int] = {}

    def __enter__(self) -> LiveTracker:
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        left = time.monotonic()
        while self._sender.is_alive():
            self._sender.join(0.1)
            if time.monotonic() - max(left, self._sender.progress) > _HANGING_SECONDS:
                self._sender.dismiss()
                return

    def start(self, run: Mapping[str, Any]) -> None:
        """Open a run, in the place of an earlier try. `run` has what `run.json` holds before training (no `status`)."""
        if not self._sender.is_alive():
            self._sender.start()
        self._steps[run["fingerprint"]] = int(run["steps"])
        self._events.put(Event(run["fingerprint"], self._sender.open, (run, now())))

    def log(self, fingerprint: str, rows: list[dict[str, Any]]) -> None:
        """Add history rows (`step`, `loss`, `learning_rate`, ...) to an open run; thinned, and written in batches."""
        steps = self._steps.get(fingerprint)
        if steps is None or self._events.qsize() >= _MOST_WAITING:
            return
        if kept := [row for row in rows if shown(row, steps)]:
            self._events.put(Event(fingerprint, self._sender.add, (fingerprint, kept, now())))

    def finish(self, fingerprint: str, run_directory: Path) -> None:
        """Complete a run from the directory it is recorded in."""
        self._steps.pop(fingerprint, None)
        self._events.put(Event(fingerprint, self._sender.finish, (fingerprint, run_directory, now())))

    def fail(self, fingerprint: str, error: str) -> None:
        """End an open run as failed, with the text of its error."""
        self._steps.pop(fingerprint, None)
        self._events.put(Event(fingerprint, self._sender.fail, (fingerprint, error, now())))

    def settle(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds until the store has all that was noted before; whether it does."""
        done = threading.Event()
        self._events.put(Event("", self._sender.settle, (done,)))
        return done.wait(timeout)
