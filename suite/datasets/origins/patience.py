"""What a transfer does about trouble: which trouble passes, how long to wait, when to give up, how to stop."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# Own generator: waiting must not move the generators that experiments are seeded with.
_JITTER = random.Random()


@dataclass(frozen=True)
class Patience:
    """How long a download holds out.

    Attributes:
        attempts: failures of one file in a row, without one new byte between them, before giving up.
        base: seconds of the first wait; each further one is twice as long, shortened at random by up to half.
        longest: upper bound, in seconds, of every wait, one that a server asks for included.
        timeout: seconds without an answer or a byte after which a connection counts as dropped.
    """

    attempts: int = 9
    base: float = 1.0
    longest: float = 120.0
    timeout: float = 30.0

    def delay(self, failure: int, asked: float | None) -> float:
        """Seconds to wait after the failure number `failure` (from 1); `asked` is what the server wants."""
        backoff = self.base * 2.0 ** min(failure - 1, 60) * _JITTER.uniform(0.5, 1.0)
        return min(self.longest, max(backoff, asked or 0.0))


class Transient(Exception):
    """Trouble that may pass: the file is tried again after a wait.

    `asked`: seconds the server wants to be left alone. `stale`: what has come is of no use any more.
    `cut_at`: the server ended the file there, short of the length that it had stated.
    """

    def __init__(self, reason: str, *, asked: float | None = None, stale: bool = False, cut_at: int | None = None):
        super().__init__(reason)
        self.asked, self.stale, self.cut_at = asked, stale, cut_at


class Wrong(Exception):
    """The bytes or their number are not what they have to be: nothing that came is kept."""


class Stopped(Exception):
    """The download was told to stop."""


class Stop:
    """Tells all transfers of a download to stop, those asleep or waiting for a server included."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._waking: set[Callable[[], object]] = set()

    def set(self) -> None:
        """Stop: wake everyone."""
        with self._lock:
            self._event.set()
            waking = list(self._waking)
        for wake in waking:
            # A connection may have ended by itself in the meantime.
            with suppress(OSError, ValueError, RuntimeError):
                wake()

    def check(self) -> None:
        """Raise Stopped if the download was told to stop."""
        if self._event.is_set():
            raise Stopped

    def wait(self, seconds: float) -> None:
        """Sleep; raise Stopped as soon as the download is told to stop."""
        self._event.wait(seconds)
        self.check()

    @contextmanager
    def waking(self, wake: Callable[[], object]) -> Iterator[None]:
        """While the body runs, stopping calls `wake`, which ends a read that waits for a server."""
        with self._lock:
            self._waking.add(wake)
        try:
            self.check()
            yield
        finally:
            with self._lock:
                self._waking.discard(wake)


def side_by_side(action: Callable[[Item], Result], items: Sequence[Item], threads: int, stop: Stop) -> list[Result]:
    """`[action(item) for item in items]` in threads; the first failure, or an interrupt, stops all of them."""
    with ThreadPoolExecutor(max_workers=max(1, min(threads, len(items)))) as pool:
        try:
            futures = [pool.submit(action, item) for item in items]
            ended = wait(futures, return_when=FIRST_EXCEPTION).done
            if any(future.exception() for future in ended):
                stop.set()
        except BaseException:
            stop.set()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
    failures = [future.exception() for future in futures if not future.cancelled() and future.exception()]
    for failure in failures:
        if not isinstance(failure, Stopped):
            raise failure
    return [future.result() for future in futures]


class Trouble:
    """The failures of one file: waits after each, gives up after too many without progress."""

    def __init__(self, patience: Patience, stop: Stop, furthest: int = 0) -> None:
        self._patience, self._stop, self._furthest = patience, stop, furthest
        self._failures: list[Transient] = []

    def note(self, problem: Transient, length: int = 0) -> bool:
        """Wait because of `problem`, `length` bytes of the file being there; False if it is time to give up."""
        self._stop.check()
        if length > self._furthest:
            self._furthest, self._failures = length, []
        self._failures.append(problem)
        if len(self._failures) >= self._patience.attempts:
            return False
        self._stop.wait(self._patience.delay(len(self._failures), problem.asked))
        return True

    @property
    def cut_at(self) -> int | None:
        """Where the server ended the file, if that is all that went wrong and it was always the same place."""
        places = {problem.cut_at for problem in self._failures}
        return places.pop() if len(places) == 1 else None
