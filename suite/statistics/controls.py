"""Controls of every claim: frozen features and random embeddings, which have learnt nothing here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from suite.evaluation import Judged, judge, mean_metrics
from suite.evaluation.inputs import as_embeddings, as_labels
from suite.statistics.measures import measure_gap

SPLITS = ("val", "test")
FROZEN, RANDOM = "frozen", "random"
LABELS = {FROZEN: "Frozen features", RANDOM: "Random embeddings"}
METRIC_COLUMNS = ("control", "seed", "split", "metric", "value")


def normalise(embeddings: Any) -> np.ndarray:
    """Rows of (N, D) divided by their euclidean length, float32; a row of zeros stays as it is."""
    rows = as_embeddings(embeddings, "embeddings").astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)


def random_embeddings(items: int, width: int, seed: int) -> np.ndarray:
    """(items, width) float32 directions, uniform on the sphere: normal draws, L2-normalised."""
    return normalise(np.random.default_rng(seed).standard_normal((items, width)))


def control_tables(
    frozen: Any,
    labels: Any,
    judged: Mapping[str, Judged],
    measured: np.ndarray,
    *,
    dataset: str,
    random_width: int,
    seeds: Sequence[int],
    batch_sizes: Sequence[int],
    partitions: int,
    samples_per_class: int,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Metrics, values of every test query, and gap of both controls.

    Args:
        frozen: (N, F) backbone features, standardised by the caller; L2-normalised here.
        labels: (N,) or (N, L), finest level first.
        judged: which rows are queries and gallery, by split (`val`, `test`).
        measured: rows on which the gap is measured, all labelled.
        dataset: its name.
        random_width: width of the random embeddings.
        seeds: one random draw each; `frozen` needs none and has the one seed 0.
        batch_sizes, partitions, samples_per_class: of the gap, see `decomposability_gap`.

    Returns:
        Metrics with columns `METRIC_COLUMNS`; `control`, `seed`, `item` (row) and a column a metric; gap with columns
        `measures.GAP_COLUMNS`.

    Raises:
        SuiteError: if the test classes cannot fill a batch.
        ValueError: naming any other argument that is at fault.
    """
    features = normalise(frozen)
    classes = as_labels(labels, "labels", len(features), "frozen")
    empty = [split for split, rows in judged.items() if not len(rows.queries)]
    if empty:
        raise ValueError(f"judged: no query in {' and '.join(empty)}")

    draws = [(FROZEN, 0, features)]
    draws += [(RANDOM, seed, random_embeddings(len(features), random_width, seed)) for seed in seeds]
    metrics: list[tuple[str, int, str, str, float]] = []
    gaps, queries = [], []
    for control, seed, embeddings in draws:
        for split, chosen in judged.items():
            per_query = judge(embeddings.__getitem__, classes, chosen)
            means = mean_metrics(per_query)
            if split == "test":
                run = {"control": control, "seed": seed, "item": chosen.queries}
                queries.append(pd.DataFrame(run | per_query))
            metrics += [(control, seed, split, name, value) for name, value in means.items()]
        gaps.append(
            measure_gap(
                embeddings[measured],
                classes[measured],
                dataset=dataset,
                loss=control,
                train_batch_size=0,
                seed=seed,
                fingerprint="",
                batch_sizes=batch_sizes,
                partitions=partitions,
                samples_per_class=samples_per_class,
            )
        )
    return (
        pd.DataFrame(metrics, columns=list(METRIC_COLUMNS)),
        pd.concat(queries, ignore_index=True),
        pd.concat(gaps, ignore_index=True),
    )
