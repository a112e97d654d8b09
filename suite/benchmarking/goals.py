"""What the kernels set out to reach, and what a benchmark found: ratios of medians within one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from suite.benchmarking.amounts import amount
from suite.benchmarking.timings import FLOOR

Kind = Literal["faster", "leaner", "within", "below", "runs"]


@dataclass(frozen=True)
class Goal:
    """One goal of a loss at a batch size.

    `faster` and `leaner`: time or extra memory of `other` over that of the loss is at least `bar`; `within`: time of
    the loss over that of `other` is at most `bar`; `below`: extra memory in MB (10^6 bytes) is below `bar`; `runs`:
    it was measured at all.
    """

    loss: str
    batch_size: int
    kind: Kind
    bar: float = 0.0
    other: str = ""


@dataclass(frozen=True)
class Outcome:
    """A goal and what was found: `value` in the unit of the bar (ms for `runs`), None where it was not measured."""

    goal: Goal
    value: float | None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where it was not measured."""
        if self.value is None:
            return None
        match self.goal.kind:
            case "faster" | "leaner":
                return self.value >= self.goal.bar
            case "within":
                return self.value <= self.goal.bar
            case "below":
                return self.value < self.goal.bar
            case "runs":
                return True


def _large(loss: str) -> tuple[Goal, ...]:
    return (
        Goal(loss, 4096, "within", 2.5, FLOOR),
        Goal(loss, 4096, "below", 300),
        Goal(loss, 16384, "runs"),
    )


GOALS = (
    *(
        goal
        for loss in ("smoothap", "supap")
        for goal in (
            Goal(loss, 512, "faster", 250, "pml_smoothap"),
            Goal(loss, 512, "leaner", 50, "pml_smoothap"),
        )
    ),
    Goal("recall_at_k", 512, "faster", 60, "loop_recall_at_k"),
    Goal("fastap", 512, "faster", 5, "pml_fastap"),
    Goal("triplet", 512, "faster", 12, "pml_triplet"),
    Goal("suphap", 1024, "within", 4, "supap_coarse"),
    Goal("supndcg", 1024, "within", 4, "supap_coarse"),
    *(goal for loss in ("supap", "suprecall", "recall_at_k") for goal in _large(loss)),
    Goal("triplet", 4096, "runs"),
)


def outcomes(table: pd.DataFrame, goals: Sequence[Goal] = GOALS) -> list[Outcome]:
    """What a timing table (columns `loss`, `batch_size`, `median_ms`, `peak_memory_bytes`) says of each goal."""
    cases = {(row.loss, row.batch_size): row for row in table.itertuples()}
    return [Outcome(goal, _found(goal, cases)) for goal in goals]


def sentences(found: Sequence[Outcome]) -> list[str]:
    """One line a loss and batch size, such as `supap at B 512: 612 times faster than pml_smoothap (bar 250)`.

    A bar that is missed says so; goals whose cases were not measured share the last line.
    """
    lines: dict[str, list[str]] = {}
    absent: dict[str, None] = {}
    for outcome in found:
        key = f"{outcome.goal.loss} at B {outcome.goal.batch_size}"
        if outcome.value is None:
            absent[key] = None
        else:
            lines.setdefault(key, []).append(_words(outcome))
    text = [f"{key}: {', '.join(words)}" for key, words in lines.items()]
    return [*text, f"not measured: {', '.join(absent)}"] if absent else text


def _found(goal: Goal, cases: dict[tuple[str, int], tuple]) -> float | None:
    ours, other = (cases.get((loss, goal.batch_size)) for loss in (goal.loss, goal.other))
    if ours is None or (goal.other and other is None):
        return None
    match goal.kind:
        case "faster":
            return other.median_ms / ours.median_ms
        case "within":
            return ours.median_ms / other.median_ms
        case "runs":
            return float(ours.median_ms)
    if pd.isna(ours.peak_memory_bytes):
        return None
    if goal.kind == "below":
        return ours.peak_memory_bytes / 1e6
    return None if pd.isna(other.peak_memory_bytes) else other.peak_memory_bytes / max(1.0, ours.peak_memory_bytes)


def _words(outcome: Outcome) -> str:
    goal, value = outcome.goal, amount(outcome.value)
    bar = f"(bar {goal.bar:g}{'' if outcome.met else ': MISSED'})"
    match goal.kind:
        case "faster":
            return f"{value} times faster than {goal.other} {bar}"
        case "leaner":
            return f"{value} times less extra memory {bar}"
        case "within":
            return f"{value} times the time of {goal.other} {bar}"
        case "below":
            return f"{value} MB of extra memory {bar}"
        case "runs":
            return f"runs, {amount(outcome.value / 1000)} s"
