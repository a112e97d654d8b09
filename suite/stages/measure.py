"""The `measure` stage: the decomposability gap and the nearest neighbours of recorded runs on the test classes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from suite.config import Params
from suite.datasets.arrays import load_labels
from suite.datasets.protocols import Protocol
from suite.errors import SuiteError
from suite.evaluation import nearest_neighbours
from suite.files import atomic_directory
from suite.statistics.measures import GAP_COLUMNS, GapPlan, gap_plan, measure_gap
from suite.training.data import StudiedData
from suite.training.head import initial_head
from suite.training.protocols import load_run_data
from suite.training.specification import RunSpecification
from suite.training.stage import recorded_specifications
from suite.training.store import RecordedRun, RunStore
from suite.workers import parallel_map

NEIGHBOURS = 10


def measure_stage(params: Params, dataset: str, name: str, root: Path) -> None:
    """Write `artifacts/measures/<dataset>/<name>` from the finished runs.

    Raises:
        SuiteError: a run has not been trained, or the test split cannot fill a batch.
    """
    specs = recorded_specifications(params, dataset, name, root)
    store = RunStore(root / "runs", dataset, name)
    runs = [(spec, store.get(spec)) for spec in specs]
    lacking = [spec for spec, run in runs if run is None]
    if lacking:
        missing = f"{len(lacking)} of {len(specs)} runs are missing"
        raise SuiteError(f"{store.directory}: {missing}; run `dvc repro --force --single-item train@{dataset}-{name}`")
    finished = [(spec, run) for spec, run in runs if run.finished]
    levels = load_labels(root, dataset)[0].shape[1]
    measured = partial(_measure_run, root, gap_plan(params, dataset, levels))
    tables = parallel_map(measured, finished, params.workers.processes)
    shown = [entry for entry in finished if entry[0].role == "main"][:1]
    with atomic_directory(root / "measures" / dataset / name) as target:
        gap = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=GAP_COLUMNS)
        gap.to_parquet(target / "gap.parquet", index=False)
        if shown:
            (spec, run) = shown[0]
            data, network = _embedder(root, spec, run, params.workers.loaders)
            table = neighbour_table(lambda rows: data.embed(network, rows).numpy(), data.official, dataset)
            table.to_parquet(target / "neighbours.parquet", index=False)


def _embedder(root: Path, spec: RunSpecification, run: RecordedRun, loaders: int = 0) -> tuple[StudiedData, nn.Module]:
    """A run's data set and chosen network; one trained end to end lies on a GPU where there is one."""
    network = run.network()
    if spec.protocol == "full" and torch.cuda.is_available():
        network = network.to("cuda")
    return load_run_data(root, spec, loaders), network


def neighbour_table(embeddings: Callable[[np.ndarray], np.ndarray], protocol: Protocol, dataset: str) -> pd.DataFrame:
    """The nearest images of each query in its gallery, or, without one, among the other queries.

    Args:
        embeddings: gives the (n, D) embeddings of n rows of `items.parquet`.
        protocol: the queries and their gallery.
        dataset: its name.

    Returns:
        `query`, `rank` (from 1), `item` (both rows of `items.parquet`), `score`: ten a query, or all there are.

    Raises:
        SuiteError: naming the data set, if there is nothing to find.
    """
    queries, alone = protocol.queries, protocol.gallery is None
    items = queries if alone else protocol.gallery
    if len(items) < 1 + alone:
        raise SuiteError(
            f"data set '{dataset}': {len(items)} test images, and neighbours need two;"
            f" give its test split more under datasets.{dataset}.settings in params.yaml"
        )
    gallery = None if alone else embeddings(items)
    scores, places = nearest_neighbours(embeddings(queries), gallery, k=min(NEIGHBOURS, len(items) - alone))
    width = places.shape[1]
    return pd.DataFrame(
        {
            "query": np.repeat(queries, width),
            "rank": np.tile(np.arange(1, width + 1), len(queries)),
            "item": items[places.reshape(-1)],
            "score": scores.reshape(-1).astype(np.float32),
        }
    )


def _measure_run(root: Path, plan: GapPlan, entry: tuple[RunSpecification, RecordedRun]) -> pd.DataFrame:
    """The gap of the chosen network, of a main run also on the training classes, and of each head that was kept."""
    spec, run = entry
    data, network = _embedder(root, spec, run)
    main = spec.role == "main"
    rows = {"test": data.evaluation_rows(), "train": data.rows("train")}
    asked = [(None, network, "test", plan.every | (plan.others if main else {}))]
    asked += [(None, network, "train", plan.every)] if main else []
    snapshots = run.snapshots()
    if snapshots:
        snapshots = {0: initial_head(spec, data)} | snapshots
    asked += [(epoch, snapshot, "test", plan.along) for epoch, snapshot in snapshots.items()]
    return pd.concat(
        [
            measure_gap(
                data.embed(shown, rows[split]).numpy(),
                data.labels[rows[split]].numpy(),
                samplers,
                plan,
                dataset=spec.dataset,
                loss=spec.name,
                budget=spec.budget,
                train_batch_size=spec.batch_size,
                seed=spec.seed,
                fingerprint=spec.fingerprint,
                epoch=epoch,
                split=split,
            )
            for epoch, shown, split, samplers in asked
        ],
        ignore_index=True,
    )
