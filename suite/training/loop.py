"""The training loop that both protocols share: updates, validations, the best network, checkpoints, faults."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import nn

from suite.benchmarking.memory import most_held, with_peak_memory
from suite.datasets.samplers.base import Sampler
from suite.training.checkpoints import Checkpoints
from suite.training.data import StudiedData, evaluate
from suite.training.optimization import Optimization
from suite.training.randomness import capture_states, mixed_seed, restore_states
from suite.training.specification import RunSpecification
from suite.training.trained import State, Trained

SELECTION = "val/level0/AP"
# The first update also makes the optimiser's state.
_WATCHED_STEP = 2
# A run whose validations are far apart still tells how it goes.
_REPORT_SECONDS = 5.0

Report = Callable[[list[dict[str, Any]]], None]


class Place(NamedTuple):
    """Where a run stands: the update, from 1, its epoch, from 1, and its batch in the epoch, from 0."""

    step: int
    epoch: int
    batch: int


class TrainingRun(ABC):
    """What a protocol supplies for one run.

    Attributes:
        spec: the run.
        data: the data set.
        sampler: of whole batches, positions among the training images.
        network: what is trained and judged.
        loss: with its own parameters, if any.
        optimization: of both.
        device: where it computes.
    """

    spec: RunSpecification
    data: StudiedData
    sampler: Sampler
    network: nn.Module
    loss: nn.Module
    optimization: Optimization
    device: torch.device

    @abstractmethod
    def gradient(self, place: Place, batch: np.ndarray) -> float:
        """Add the gradient of one batch and return its loss.

        Raises:
            FloatingPointError: something is NaN or infinite.
        """

    def batches(self, first: Place, total: int) -> Iterator[tuple[Place, np.ndarray]]:
        """The batches from `first` on, to the end of the run."""
        return batches_of(self.sampler, first, total)

    def evaluated_data(self) -> StudiedData:
        """The data set as it is embedded for judging."""
        return self.data

    def network_state(self) -> State:
        """A copy of the network's tensors on the processor."""
        return {name: tensor.detach().cpu().clone() for name, tensor in self.network.state_dict().items()}


def batches_of(sampler: Sampler, first: Place, total: int) -> Iterator[tuple[Place, np.ndarray]]:
    """The batches of a sampler, epoch after epoch, from `first` on to step `total`, each with its place."""
    step, start = count(first.step), first.batch
    for epoch in count(first.epoch):
        for number, batch in enumerate(sampler.epoch(epoch, start), start):
            place = Place(next(step), epoch, number)
            if place.step > total:
                return
            yield place, batch
        start = 0


def run_length(spec: RunSpecification, sampler: Sampler) -> int:
    """Optimiser steps of the whole run."""
    return spec.steps if spec.budget == "steps" else spec.epochs * sampler.batches_per_epoch


def validation_steps(spec: RunSpecification, total: int) -> set[int]:
    """The steps after which a run is judged, evenly spread: ends of epochs where epochs are what is held equal."""
    rounds = total if spec.budget == "steps" else spec.epochs
    places = {round((place + 1) * rounds / spec.evaluations) for place in range(spec.evaluations)} | {rounds}
    return {place * total // rounds for place in places if place}


def fit(run: TrainingRun, report: Report, checkpoints: Checkpoints | None = None) -> Trained:
    """Train a run, from its latest checkpoint if it has one, and judge it: the best validation's network is kept.

    Args:
        run: the run.
        report: called with the new rows of the history at each validation, and every few seconds; a validation's row
            also carries `examples_per_second` and `memory_bytes`.
        checkpoints: where to; None: none are written. A run taken up from one ends in the same bits as one that was
            never cut off.

    Raises:
        FloatingPointError: loss or gradient is not finite; says at which step, and in which batch of which images. The
            parameters are then those of the step before, and the checkpoints stay.
    """
    course = _Course(run, report, checkpoints)
    course.resume()
    for place, batch in run.batches(course.next, course.total):
        course.update(place, batch)
        if place.step in course.judged:
            course.validate(place)
        course.after(place)
    return course.result()


class _Course:
    """The state of a run under way."""

    def __init__(self, run: TrainingRun, report: Report, checkpoints: Checkpoints | None):
        self.run, self.report, self.checkpoints = run, report, checkpoints
        self.total = run_length(run.spec, run.sampler)
        self.judged = validation_steps(run.spec, self.total)
        self.next = Place(1, 1, 0)
        self.history: list[dict[str, Any]] = []
        self.telemetry: list[dict[str, Any]] = []
        self.snapshots: dict[int, State] = {}
        self.best, self.best_epoch = -1.0, 0
        self.best_state: State = {}
        self.seconds: list[float] = []
        self.step_bytes = 0
        self.sent, self.told = 0, time.monotonic()
        self.images, self.busy = 0, 0.0

    def update(self, place: Place, batch: np.ndarray) -> None:
        """One update of the parameters, and its row of the history."""
        run = self.run
        # Drawn anew at every step: what a step draws does not depend on how those before it were computed.
        torch.manual_seed(mixed_seed(run.spec.seed, place.step))
        rates = run.optimization.rates()
        begun = time.perf_counter()
        # The profiler slows the step that it watches, so that one is not timed.
        if watched := place.step == min(_WATCHED_STEP, self.total):
            (value, norm), self.step_bytes = with_peak_memory(lambda: self._step(place, batch), run.device)
        else:
            value, norm = self._step(place, batch)
        lasted = time.perf_counter() - begun
        if not watched:
            self.seconds.append(lasted)
            self.images, self.busy = self.images + len(batch), self.busy + lasted
        self.history.append({"step": place.step, "epoch": place.epoch, "loss": value, **rates, "gradient_norm": norm})

    def validate(self, place: Place) -> None:
        """Judge the network on the validation classes, and keep it if it is the best so far."""
        run = self.run
        score = evaluate(run.network, run.evaluated_data(), "val", levels=(0,))[0][SELECTION]
        self.history[-1][SELECTION] = score
        if score > self.best:
            self.best, self.best_epoch, self.best_state = score, place.epoch, run.network_state()
        if run.spec.followed:
            self.snapshots[place.epoch] = run.network_state()
        speed = self.images / self.busy if self.busy else float("nan")
        self.telemetry.append(
            {"step": place.step, "examples_per_second": speed, "memory_bytes": _memory_in_use(run.device)}
        )
        self.images, self.busy = 0, 0.0

    def after(self, place: Place) -> None:
        """Tell of the step, and write a checkpoint where one is due."""
        judged = place.step in self.judged
        if judged or time.monotonic() - self.told >= _REPORT_SECONDS:
            rows = self.history[self.sent :]
            self.report([*rows[:-1], rows[-1] | self.telemetry[-1]] if judged else rows)
            self.sent, self.told = len(self.history), time.monotonic()
        if self.checkpoints is not None and place.step < self.total and (judged or self.checkpoints.due()):
            self.checkpoints.save(place.step, self._state(place))

    def resume(self) -> None:
        """Go on from the latest checkpoint, if there is one."""
        state = None if self.checkpoints is None else self.checkpoints.latest()
        if state is None:
            return
        run = self.run
        run.network.load_state_dict(state["network"])
        run.loss.load_state_dict(state["loss"])
        run.optimization.load_state_dict(state["optimization"])
        for name in ("history", "telemetry", "snapshots", "best", "best_epoch", "best_state", "seconds", "step_bytes"):
            setattr(self, name, state[name])
        step, epoch, batch = state["place"]
        self.next = Place(step + 1, epoch, batch + 1)
        restore_states(state["random"])
        self.report(self.history)
        self.sent = len(self.history)

    def result(self) -> Trained:
        """Judge the best network and gather what the run leaves."""
        run = self.run
        if not self.best_state:
            raise FloatingPointError("no validation gave a finite score; try a lower learning rate")
        run.network.load_state_dict(self.best_state)
        data, queries = run.evaluated_data(), None
        metrics = evaluate(run.network, data, "val")[0]
        if run.spec.test:
            of_test, queries = evaluate(run.network, data, "test")
            metrics |= of_test
        return Trained(
            state=self.best_state,
            metrics=metrics,
            history=pd.DataFrame(self.history),
            queries=queries,
            steps=self.total,
            epochs=self.history[-1]["epoch"],
            best_epoch=self.best_epoch,
            snapshots=self.snapshots,
            step_seconds=float(np.median(self.seconds)) if self.seconds else float("nan"),
            step_bytes=self.step_bytes,
            telemetry=pd.DataFrame(self.telemetry),
        )

    def _step(self, place: Place, batch: np.ndarray) -> tuple[float, float]:
        run = self.run
        run.optimization.zero_grad()
        try:
            value = run.gradient(place, batch)
            return value, run.optimization.step()
        except FloatingPointError as fault:
            raise FloatingPointError(f"{fault} {self._where(place, batch)}; try a lower learning rate") from None

    def _where(self, place: Place, batch: np.ndarray) -> str:
        rows = self.run.data.rows("train")[batch[:3]].tolist()
        text = f"at step {place.step}, batch {place.batch} of epoch {place.epoch} (rows {rows} of items.parquet"
        text += ", ...)" if len(batch) > 3 else ")"
        if self.checkpoints is not None and self.checkpoints.exist():
            text += f"; the last good checkpoint stays in {self.checkpoints.directory}"
        return text

    def _state(self, place: Place) -> dict[str, Any]:
        run = self.run
        return {
            "place": list(place),
            "network": run.network.state_dict(),
            "loss": run.loss.state_dict(),
            "optimization": run.optimization.state_dict(),
            "random": capture_states(),
            "history": self.history,
            "telemetry": self.telemetry,
            "snapshots": self.snapshots,
            "best": self.best,
            "best_epoch": self.best_epoch,
            "best_state": self.best_state,
            "seconds": self.seconds,
            "step_bytes": self.step_bytes,
        }


def _memory_in_use(device: torch.device) -> int:
    """The most bytes that this process, or its part of a GPU, has held so far."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else most_held()
