"""What executors have in common: their interface, what they tell, and how a worker trains a run."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from suite.errors import SuiteError
from suite.training.protocols import RunTrainer
from suite.training.specification import RunSpecification
from suite.training.trained import Trained


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
    """A run has ended.

    Attributes:
        begun, ended: seconds since the epoch.
        trained: what it leaves; None where it failed.
        error: one line; None where it ended well.
        fatal: the user's mistake, or a fault of the machine, which no other run would escape either.
    """

    fingerprint: str
    begun: float
    ended: float
    trained: Trained | None = None
    error: str | None = None
    fatal: Exception | None = None


Event = Started | Rows | Ended


class Executor(ABC):
    """Trains runs side by side. A context: leaving it ends what still runs."""

    @abstractmethod
    def has_room(self, needed: int) -> bool:
        """Whether one more run can begin, that takes about `needed` bytes of memory (0: unknown)."""

    @abstractmethod
    def submit(self, spec: RunSpecification, needed: int) -> None:
        """Have a run begin that takes about `needed` bytes; only when there is room."""

    @abstractmethod
    def events(self, timeout: float) -> list[Event]:
        """What has happened since the last call, waited for up to `timeout` seconds; a run's events are in order.

        A worker that died is the end of its run, with an error.
        """

    @abstractmethod
    def close(self) -> None:
        """End all workers."""

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def train_one(trainer: RunTrainer, spec: RunSpecification, tell: Callable[[Event], None]) -> None:
    """Train a run in a worker, and tell how it goes; nothing is raised."""
    begun, name = time.time(), spec.fingerprint
    try:
        tell(Started(name, trainer.planned_steps(spec)))
        trained = trainer.train(spec, lambda rows: tell(Rows(name, rows)))
    except (SuiteError, OSError) as fault:
        tell(Ended(name, begun, time.time(), error=_line(fault), fatal=fault))
    except Exception as fault:
        tell(Ended(name, begun, time.time(), error=_line(fault)))
    else:
        tell(Ended(name, begun, time.time(), trained))


def _line(fault: Exception) -> str:
    return f"{type(fault).__name__}: {' '.join(str(fault).split())}"
