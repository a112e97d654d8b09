"""What a grid shows of itself: a live table in a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from suite.training.loop import SELECTION
from suite.training.specification import RunSpecification
from suite.training.trained import Trained

# Between plain lines that say how far the grid is.
_QUIET_SECONDS = 60.0


@dataclass
class RunningRow:
    """A run under way: `steps` in all, `done` of them, the last values seen. Times are the board's clock."""

    spec: RunSpecification
    steps: int
    begun: float
    done: int = 0
    loss: float = math.nan
    score: float = math.nan
    speed: float = math.nan
    told: float = math.nan
    first: tuple[float, int] | None = None

    def step_seconds(self) -> float:
        """Seconds a step; NaN before the first news.

        Counted from the first news on as soon as there are more: what they tell may come from a checkpoint.
        """
        if self.first is None:
            return math.nan
        since, before = self.first if self.done > self.first[1] else (self.begun, 0)
        return (self.told - since) / (self.done - before)

    def seconds_left(self, now: float) -> float:
        """Until its last step; NaN before the first news."""
        return max(0.0, self.step_seconds() * (self.steps - self.done) - (now - self.told))


@dataclass
class _Counts:
    finished: int = 0
    failed: int = 0
    again: int = 0


class Board:
    """The state of a grid, shown; a context.

    Args:
        specs: the runs that are to be trained.
        console: where to; None: standard output.
        clock: seconds since some moment.
    """

    def __init__(
        self,
        specs: list[RunSpecification],
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.console = Console(highlight=False) if console is None else console
        self.counts = _Counts()
        self.running: dict[str, RunningRow] = {}
        self.left = {spec.fingerprint: spec for spec in specs}
        self.total = len(specs)
        # Seconds a finished run took, by what makes runs alike.
        self.seconds: dict[tuple[Any, ...], list[float]] = {}
        self.clock = clock
        self.spoke = clock()
        self._live = Live(console=self.console, auto_refresh=False, transient=True)

    def __enter__(self) -> Board:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self._live.stop()

    def start(self, spec: RunSpecification, steps: int) -> None:
        """A run has begun."""
        self.running[spec.fingerprint] = RunningRow(spec, steps, self.clock())

    def advance(self, spec: RunSpecification, rows: list[Mapping[str, Any]]) -> None:
        """A run has new rows of its history."""
        row = self.running[spec.fingerprint]
        for new in rows:
            row.done, row.loss = int(new["step"]), float(new["loss"])
            row.score = float(new.get(SELECTION, row.score))
            row.speed = float(new.get("examples_per_second", row.speed))
        if row.done:
            row.told = self.clock()
            row.first = row.first or (row.told, row.done)

    def postpone(self, spec: RunSpecification, error: str) -> None:
        """A run has failed and waits to be tried again."""
        self.running.pop(spec.fingerprint, None)
        self.counts.again += 1
        self._say(f"{run_title(spec)}: failed: {error}; it is tried again after the others")

    def end(self, spec: RunSpecification, seconds: float, trained: Trained | None, error: str | None) -> None:
        """A run is recorded."""
        self.running.pop(spec.fingerprint, None)
        self.left.pop(spec.fingerprint, None)
        if trained is None:
            self.counts.failed += 1
            self._say(f"{run_title(spec)}: failed again: {error}")
            return
        self.counts.finished += 1
        self.seconds.setdefault(_kind(spec), []).append(seconds)
        score = trained.metrics[SELECTION]
        self._say(f"{run_title(spec)}: validation mAP {score:.4f} ({duration(seconds)})")

    def refresh(self) -> None:
        """Show how things stand."""
        if self.console.is_terminal:
            self._live.update(self.table(), refresh=True)
        elif self.clock() - self.spoke >= _QUIET_SECONDS:
            self._say(self.summary())

    def summary(self) -> str:
        """One line: how many runs are done, and the time left."""
        counts, done = self.counts, self.counts.finished + self.counts.failed
        parts = [f"{done} of {self.total} runs done"]
        parts += [f"{counts.failed} failed"] if counts.failed else []
        parts += [f"{counts.again} tried again"] if counts.again else []
        left = self.seconds_left()
        return ", ".join([*parts, f"{duration(left)} left" if math.isfinite(left) else "time left not known yet"])

    def seconds_left(self) -> float:
        """Estimated seconds until the grid is done; NaN before anything can be told.

        A run takes what those of its loss, batch size and budget took, else what the running ones are on the way to,
        else the mean of all that ended. Runs share the workers that are busy now.
        """
        now = self.clock()
        known = {kind: sum(values) / len(values) for kind, values in self.seconds.items()}
        for row in self.running.values():
            if row.first is not None:
                known.setdefault(_kind(row.spec), row.step_seconds() * row.steps)
        if not known:
            return math.nan
        usual, left = sum(known.values()) / len(known), []
        for name, spec in self.left.items():
            whole, row = known.get(_kind(spec), usual), self.running.get(name)
            if row is None:
                left.append(whole)
            elif row.first is None:
                left.append(max(0.0, whole - (now - row.begun)))
            else:
                left.append(row.seconds_left(now))
        return max([sum(left) / max(1, len(self.running)), *left], default=0.0)

    def table(self) -> Group:
        """The runs under way, and the line below them."""
        wide = self.console.width >= 100
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("run")
        # Numbers are never cut: where there is no room, the names of the runs are.
        bar, speed = ([""], ["images/s"]) if wide else ([], [])
        for header in ("batch", "seed", *bar, "step", "loss", "val mAP", *speed, "left"):
            table.add_column(header, justify="right", no_wrap=True)
        for row in self.running.values():
            spec, left = row.spec, row.seconds_left(self.clock())
            name = Text(f"{spec.dataset} {spec.name}", no_wrap=True, overflow="ellipsis")
            cells: list[Any] = [name, str(spec.batch_size), str(spec.seed)]
            cells += [ProgressBar(row.steps, row.done, width=16)] if wide else []
            cells += [f"{row.done:,}/{row.steps:,}", _shown(row.loss, "#.4g"), _shown(row.score, ".4f")]
            cells += [_shown(row.speed, ",.1f" if row.speed < 10 else ",.0f")] if wide else []
            table.add_row(*cells, "" if math.isnan(left) else duration(left))
        return Group(table, Text(self.summary()))

    def _say(self, line: str) -> None:
        self.spoke = self.clock()
        self.console.print(line, soft_wrap=True, markup=False)


def run_title(spec: RunSpecification) -> str:
    """A run in a line of text."""
    return f"{spec.dataset} {spec.name} batch {spec.batch_size} seed {spec.seed} lr {spec.learning_rate:g}"


def duration(seconds: float) -> str:
    """Seconds as people read them: 12.3 s, 4 min 05 s, 3 h 07 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60):02d} min"


def _kind(spec: RunSpecification) -> tuple[Any, ...]:
    return spec.dataset, spec.name, spec.budget, spec.batch_size


def _shown(value: float, form: str) -> str:
    return "" if math.isnan(value) else format(value, form)
