"""The rows of `gap.parquet`: the decomposability gap with the run it belongs to, and what a study measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from suite.config import PARAMS, Params
from suite.errors import SuiteError
from suite.measuring_settings import MeasuringSampler
from suite.statistics.gap import COLUMNS, check_metrics, decomposability_gap
from suite.statistics.gap_samplers import BatchSampler, Hierarchical, MPerClass, RandomBatches, SamplerError

RUN_COLUMNS = ("dataset", "loss", "budget", "train_batch_size", "seed", "fingerprint", "epoch", "split")
GAP_COLUMNS = (*RUN_COLUMNS, *COLUMNS)
# Every run and every control is measured on the same partitions, so that differences between them are paired.
PARTITION_SEED = 0


@dataclass(frozen=True)
class GapPlan:
    """What the study measures on one data set.

    Attributes:
        every: of every run, the main sampler at all its sizes.
        others: of the main runs and the controls, the other samplers at their own sizes.
        along: along training, the main sampler at the smallest of its sizes and the one nearest `main_batch_size`.
        partitions, metrics: see `decomposability_gap`.
    """

    every: dict[str, BatchSampler]
    others: dict[str, BatchSampler]
    along: dict[str, BatchSampler]
    partitions: int
    metrics: tuple[str, ...]


def gap_plan(params: Params, dataset: str, levels: int) -> GapPlan:
    """What `params.yaml` asks to measure on a data set whose labels have so many levels.

    A hierarchical sampler is left out where there is no level of super-classes, as the data set knows none.

    Raises:
        SuiteError: a metric is not known.
    """
    measure, sizes = params.measure, params.measured_sizes(dataset)
    try:
        check_metrics(measure.metrics)
    except ValueError as error:
        raise SuiteError(f"{PARAMS}: measure.{error}") from None
    main = measure.main_sampler
    served = {
        name: sampler
        for name, sampler in measure.samplers.items()
        if name == main or sampler.kind != "hierarchical" or levels > 1
    }
    own = measure.samplers[main].batch_sizes or sizes
    nearest = min(own, key=lambda size: (abs(size - params.main_batch_size), size))
    return GapPlan(
        every={main: create_sampler(measure.samplers[main], own)},
        others={
            name: create_sampler(sampler, sampler.batch_sizes or sizes)
            for name, sampler in served.items()
            if name != main
        },
        along={main: create_sampler(measure.samplers[main], sorted({min(own), nearest}))},
        partitions=measure.partitions,
        metrics=tuple(measure.metrics),
    )


def create_sampler(settings: MeasuringSampler, batch_sizes: Sequence[int]) -> BatchSampler:
    """The sampler of an entry of `measure.samplers`, at the given sizes."""
    sizes = tuple(batch_sizes)
    if settings.kind == "m_per_class":
        return MPerClass(settings.samples_per_class, sizes)
    if settings.kind == "random":
        return RandomBatches(sizes)
    return Hierarchical(settings.samples_per_class, settings.super_classes, sizes, settings.super_level or 1)


def measure_gap(
    embeddings: Any,
    labels: Any,
    samplers: Mapping[str, BatchSampler],
    plan: GapPlan,
    *,
    dataset: str,
    loss: str,
    train_batch_size: int,
    seed: int,
    fingerprint: str,
    budget: str = "epochs",
    epoch: int | None = None,
    split: str = "test",
) -> pd.DataFrame:
    """Gap of one run, with the columns of docs/tables.md, `GAP_COLUMNS`.

    Args:
        embeddings: (N, D) of the split alone.
        labels: (N,) or (N, L) of the split, finest level first.
        samplers: those of `plan` that this run is measured with.
        plan: gives the partitions and the metrics.
        dataset, loss, train_batch_size, seed, fingerprint, budget: what the run is; written into every row.
        epoch: of the validation that the head was kept at, 0 where training starts; None for the head chosen.
        split: `test` (the evaluation set) or `train` (the training classes).

    Raises:
        SuiteError: naming the setting, if a sampler cannot fill a batch.
        ValueError: naming any other argument that is at fault.
    """
    try:
        table = decomposability_gap(
            embeddings, labels, samplers, partitions=plan.partitions, metrics=plan.metrics, seed=PARTITION_SEED
        )
    except SamplerError as error:
        where = f"{PARAMS}: measure.samplers.{error.sampler}.{error.setting}"
        raise SuiteError(
            f"{where}: {error.problem} on the {split} classes of data set '{dataset}' (a sampler without sizes of its"
            " own has those of measure.batch_sizes)"
        ) from None
    run = (dataset, loss, budget, train_batch_size, seed, fingerprint, epoch, split)
    return table.assign(**dict(zip(RUN_COLUMNS, run, strict=True)))[list(GAP_COLUMNS)].astype({"epoch": "Int64"})
