"""What a study asks for before anything starts: runs, steps, images, memory, disk, and time where the past tells it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch

from suite.config import PARAMS, Params, PlannedRun
from suite.datasets.registry import DATASETS
from suite.errors import SuiteError
from suite.losses import complete_settings
from suite.models.backbone import open_backbone
from suite.planning.footprint import (
    Memory,
    centre_count,
    full_memory,
    head_memory,
    network_footprint,
    optimizer_numbers,
)
from suite.training.checkpoints import KEPT
from suite.training.data import load_studied
from suite.training.loop import run_length
from suite.training.protocols import data_digest, run_sampler
from suite.training.specification import RunSpecification, check_loss, specification
from suite.training.store import RunStore

# Bytes of a row of a run's curve.
_HISTORY_BYTES = 64
# Columns of per-query metrics: of a level AP, mAP_at_R, P_at_1 and positives; of a k three; of all levels four.
_LEVEL_COLUMNS, _K_COLUMNS, _COMMON_COLUMNS = 4, 3, 4


@dataclass(frozen=True)
class Extent:
    """How large a data set is.

    Attributes:
        source: `built`, `published` (what its paper states), or `unknown`.
        train_images: in the training split, without what is held out for validation.
        classes: of these, level by level, finest first; None where a number is not known.
        images: of all splits.
        queries: that the test has.
        labels: (N, L) of the training images; None unless it is built.
        disk: bytes below the artifacts folder: sources, images and features; None where nothing is there yet.
    """

    source: str
    train_images: int | None = None
    classes: tuple[int | None, ...] = (None,)
    images: int | None = None
    queries: int | None = None
    labels: np.ndarray | None = None
    disk: int | None = None


class Past(NamedTuple):
    """A recorded run: what it was, seconds a step, and seconds a step with judging and all else."""

    loss: str
    kind: tuple[Any, ...]
    step_seconds: float
    whole_seconds: float


@dataclass(frozen=True)
class PlannedCase:
    """The runs of one loss at one batch size and budget on one data set; None is what cannot be known yet.

    Attributes:
        runs, recorded: how many `params.yaml` asks for, and how many of them are on record.
        steps: optimiser steps of one run.
        parameters: of its network, class centres apart.
        memory: of one run on one device, beside what Python and its libraries take.
        run_disk: bytes that a recorded run takes.
        checkpoint_disk: bytes that a run under way takes.
        step_seconds, run_seconds: of a step and of a run, from like runs on record.
    """

    dataset: str
    loss: str
    protocol: str
    budget: str
    batch_size: int
    runs: int
    recorded: int
    steps: int | None
    exact: bool
    parameters: int
    memory: Memory | None
    run_disk: int | None
    checkpoint_disk: int
    step_seconds: float | None
    run_seconds: float | None

    @property
    def to_do(self) -> int:
        """Runs that are not on record."""
        return self.runs - self.recorded

    @property
    def images(self) -> int | None:
        """Images that one run sees."""
        return None if self.steps is None else self.steps * self.batch_size


class Total(NamedTuple):
    """Sums over cases; `timed` of the runs to do have a known time, and `counted` of them known steps and size."""

    runs: int
    to_do: int
    steps: int
    images: int
    disk: int
    seconds: float
    timed: int
    counted: int


def plan_study(
    params: Params, root: Path, datasets: Iterable[str] | None = None, losses: Iterable[str] | None = None
) -> list[PlannedCase]:
    """Every loss and batch size of a study, data set by data set.

    Nothing needs to be downloaded or built: steps are then told from published counts where there are any.

    Args:
        params: the study.
        root: the artifacts folder.
        datasets, losses: names to which it is restricted; None: all.

    Raises:
        SuiteError: an unknown name, settings that a loss refuses, or a batch size that the built data cannot fill.
    """
    cases = []
    for dataset in params.datasets if datasets is None else datasets:
        found = extent(params, root, dataset)
        past = recorded_times(root, dataset)
        for loss in params.losses if losses is None else losses:
            check_loss(params, loss)
            grouped: dict[tuple[str, int], list[PlannedRun]] = {}
            for run in params.runs(dataset, loss):
                grouped.setdefault((run.budget, run.batch.batch_size), []).append(run)
            cases += [_case(params, root, dataset, loss, runs, found, past) for runs in grouped.values()]
    return cases


def total(cases: Iterable[PlannedCase]) -> Total:
    """Sums over cases; steps, images, disk and time are those of the runs to do."""
    cases = list(cases)
    return Total(
        runs=sum(case.runs for case in cases),
        to_do=sum(case.to_do for case in cases),
        steps=sum(case.to_do * (case.steps or 0) for case in cases),
        images=sum(case.to_do * (case.images or 0) for case in cases),
        disk=sum(case.to_do * (case.run_disk or 0) for case in cases),
        seconds=sum(case.to_do * (case.run_seconds or 0.0) for case in cases),
        timed=sum(case.to_do for case in cases if case.run_seconds is not None),
        counted=sum(case.to_do for case in cases if case.steps is not None),
    )


def extent(params: Params, root: Path, dataset: str) -> Extent:
    """The size of a data set as it is built, or else as published. SuiteError if `params.yaml` has no such entry."""
    params.dataset(dataset)
    disk = sum(_bytes_below(Path(root) / folder / dataset) for folder in ("downloads", "datasets", "features")) or None
    if not (Path(root) / "datasets" / dataset / "card.json").is_file():
        return _published_extent(params, dataset, disk)
    labels, split, official = load_studied(root, dataset)
    train = labels[split == "train"]
    return Extent(
        source="built",
        train_images=len(train),
        classes=tuple(len(np.unique(column[column >= 0])) for column in train.T),
        images=len(labels),
        queries=len(official.queries),
        labels=train,
        disk=disk,
    )


def _published_extent(params: Params, dataset: str, disk: int | None) -> Extent:
    entry = params.dataset(dataset)
    builder = DATASETS.resolve(entry.builder)
    parts = {part.splits: part for part in builder.published}
    train = parts.get(("train",))
    if train is None or train.images is None:
        return Extent("unknown", disk=disk)
    fields = builder.Settings.model_fields
    kept = 1.0 - entry.settings.get("validation", fields["validation"].default if "validation" in fields else 0.0)
    judged = next((parts[splits].images for splits in (("query",), ("test",)) if splits in parts), None)
    known = [part.images for part in builder.published]
    return Extent(
        source="published",
        train_images=round(train.images * kept),
        classes=(None if train.classes is None else round(train.classes * kept), train.super_classes),
        images=None if judged is None or None in known else sum(known),
        queries=judged,
        disk=disk,
    )


def estimated_steps(kind: str, settings: Mapping[str, Any], m: int, batch_size: int, found: Extent) -> int | None:
    """Batches an epoch of a sampler, by the sizes of a data set alone; None where they do not tell it.

    Of `class_balanced` it is what classes of equal size would give.
    """
    if found.train_images is None:
        return None
    if kind == "m_per_class":
        return max(1, round(found.train_images / batch_size))
    if kind == "hierarchical" and (above := _at(found.classes, settings.get("super_level", 1))):
        return math.comb(above, settings.get("super_classes", 2)) * settings.get("batches_per_pair", 5)
    if kind == "class_balanced" and (classes := _at(found.classes, settings.get("level", 0))):
        groups = max(1, int(min(found.train_images / classes, settings.get("cap", 8)) // m)) * classes
        return max(1, groups * m // batch_size)
    return None


def recorded_times(root: Path, dataset: str) -> list[Past]:
    """What each recorded run of a data set took, from its record and its provenance."""
    found = []
    for path in sorted((Path(root) / "provenance" / dataset).glob("*/*.json")):
        record = Path(root) / "runs" / dataset / path.parent.name / path.stem / "run.json"
        if not record.is_file():
            continue
        took, run = (json.loads(one.read_text(encoding="utf-8")) for one in (path, record))
        if run["status"] == "finished" and took.get("step_seconds") and run["steps"]:
            kind = _kind(run["protocol"], run["batch_size"], run["parameters"])
            found.append(Past(path.parent.name, kind, took["step_seconds"], took["seconds"] / run["steps"]))
    return found


def like_runs(past: Iterable[Past], loss: str, kind: tuple[Any, ...]) -> tuple[float, float] | None:
    """Median seconds a step, alone and with all else, of the recorded runs of this kind; None if there are none.

    Those of the same loss if there are any, else those of all losses.
    """
    alike = [one for one in past if one.kind == kind]
    alike = [one for one in alike if one.loss == loss] or alike
    if not alike:
        return None
    return median(one.step_seconds for one in alike), median(one.whole_seconds for one in alike)


def _kind(protocol: str, batch_size: int, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
    """What runs have in common that take about as long a step."""
    return protocol, batch_size, parameters.get("backbone"), parameters.get("full.images.size")


def _case(
    params: Params,
    root: Path,
    dataset: str,
    loss: str,
    runs: list[PlannedRun],
    found: Extent,
    past: list[Past],
) -> PlannedCase:
    protocol, batch_size = params.protocol(loss), runs[0].batch.batch_size
    digest = _digest(params, dataset, loss, root)
    specs = [specification(params, dataset, loss, run, digest) for run in runs]
    store, spec = RunStore(root / "runs", dataset, loss), specs[0]
    ended = [store.get(one) for one in specs]
    steps, exact = _steps(spec, params, found)
    centres = _centres(spec, found)
    if protocol == "full":
        full = params.full_settings(dataset)
        parameters = network_footprint(full).parameters
        memory = None if centres is None else full_memory(full, batch_size, centres)
        # A checkpoint also holds the network that is the best so far.
        numbers = (2 + optimizer_numbers(full.optimizer)) * parameters + 3 * (centres or 0) * spec.embedding_dim
        checkpoint = KEPT * numbers * (8 if full.precision == "float64" else 4)
    else:
        width = _feature_width(params.backbone.name)
        parameters, checkpoint = width * spec.embedding_dim, 0
        known = found.images is not None and centres is not None
        memory = head_memory(width, spec.embedding_dim, found.images, batch_size, centres) if known else None
    times = like_runs(past, loss, _kind(protocol, batch_size, spec.parameters()))
    return PlannedCase(
        dataset=dataset,
        loss=loss,
        protocol=protocol,
        budget=spec.budget,
        batch_size=batch_size,
        runs=len(specs),
        recorded=sum(1 for one in ended if one is not None and one.finished),
        steps=steps,
        exact=exact,
        parameters=parameters,
        memory=memory,
        run_disk=_run_bytes(parameters, steps, found),
        checkpoint_disk=checkpoint,
        step_seconds=None if times is None else times[0],
        run_seconds=None if times is None or steps is None else times[1] * steps,
    )


@cache
def _feature_width(backbone: str) -> int:
    return open_backbone(backbone, "none").width


def _digest(params: Params, dataset: str, loss: str, root: Path) -> str:
    """What names the data in fingerprints; empty, which no recorded run has, where it is not there yet."""
    try:
        return data_digest(params, dataset, loss, root)
    except SuiteError:
        return ""


def _steps(spec: RunSpecification, params: Params, found: Extent) -> tuple[int | None, bool]:
    """Steps of a run, and whether they are those that it will take."""
    if spec.budget == "steps":
        return spec.steps, True
    if found.labels is not None:
        try:
            return run_length(spec, run_sampler(spec, found.labels)), True
        except SuiteError as error:
            raise SuiteError(f"{PARAMS}: losses.{spec.name}: {error}") from None
    kind, settings = "m_per_class", {}
    if spec.protocol == "full":
        sampling = params.full_settings(spec.dataset).sampling
        kind, settings = sampling.kind, sampling.settings
    batches = estimated_steps(kind, settings, spec.samples_per_class, spec.batch_size, found)
    return (None if batches is None else batches * spec.epochs), False


def _centres(spec: RunSpecification, found: Extent) -> int | None:
    """Class centres of the loss; None where it has some and the classes are not known."""
    # One image of the last class of each level: centres are one a class.
    last = torch.tensor([[(classes or 1) - 1 for classes in found.classes]])
    centres = centre_count(complete_settings(spec.loss, spec.settings, last, spec.embedding_dim))
    return None if centres and found.classes[0] is None else centres


def features_to_come(params: Params, root: Path, dataset: str, found: Extent) -> int | None:
    """Bytes of the backbone's features of a data set that is not embedded yet; 0 if it is, None if not known."""
    if (Path(root) / "features" / dataset / "features.npy").is_file():
        return 0
    return None if found.images is None else 4 * found.images * _feature_width(params.backbone.name)


def checkpoints_at_once(cases: Iterable[PlannedCase], at_once: int) -> tuple[int, int]:
    """How many of the runs to do are trained at once, `at_once` at most, and the most bytes of their checkpoints."""
    each = sorted((case.checkpoint_disk for case in cases for _ in range(case.to_do)), reverse=True)[:at_once]
    return len(each), sum(each)


def _run_bytes(parameters: int, steps: int | None, found: Extent) -> int | None:
    if steps is None or found.queries is None:
        return None
    columns = _COMMON_COLUMNS + len(found.classes) * (_LEVEL_COLUMNS + _K_COLUMNS * 4)
    return 4 * parameters + steps * _HISTORY_BYTES + found.queries * columns * 8


def _at(classes: tuple[int | None, ...], level: int) -> int | None:
    return classes[level] if level < len(classes) else None


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
