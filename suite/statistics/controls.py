"""Controls of every claim: frozen features and random embeddings, which have learnt nothing here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from suite.evaluation import mean_metrics, per_query_metrics
from suite.evaluation.inputs import as_array, as_embeddings, as_labels
from suite.statistics.measures import measure_gap

FROZEN, RANDOM = "frozen", "random"
LABELS = {FROZEN: "Frozen features", RANDOM: "Random embeddings"}
SPLITS = ("val", "test")
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
    splits: Any,
    *,
    dataset: str,
    random_width: int,
    seeds: Sequence[int],
    batch_sizes: Sequence[int],
    partitions: int,
    samples_per_class: int,
    ks: Sequence[int] = (1, 2, 4, 8),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Metrics (val and test) and gap (test) of both controls.

    Args:
        frozen: (N, F) backbone features, standardised by the caller; L2-normalised here.
        labels: (N,) or (N, L), finest level first.
        splits: (N,) text; rows that are neither `val` nor `test` are not used.
        dataset: its name.
        random_width: width of the random embeddings.
        seeds: one random draw each; `frozen` needs none and has the one seed 0.
        batch_sizes, partitions, samples_per_class: of the gap, see `decomposability_gap`.
        ks: cut-offs of the metrics.

    Returns:
        Metrics with columns `METRIC_COLUMNS`, gap with columns `measures.GAP_COLUMNS`.

    Raises:
        SuiteError: if the test classes cannot fill a batch.
        ValueError: naming any other argument that is at fault.
    """
    features = normalise(frozen)
    classes = as_labels(labels, "labels", len(features), "frozen")
    split_of = as_array(splits)
    if split_of.shape != (len(features),):
        raise ValueError(f"splits: expected shape ({len(features)},), found {split_of.shape}")
    rows = {split: np.flatnonzero(split_of == split) for split in SPLITS}
    empty = [split for split, found in rows.items() if not len(found)]
    if empty:
        raise ValueError(f"splits: no item in {' and '.join(empty)}")

    draws = [(FROZEN, 0, features)]
    draws += [(RANDOM, seed, random_embeddings(len(features), random_width, seed)) for seed in seeds]
    metrics: list[tuple[str, int, str, str, float]] = []
    gaps = []
    for control, seed, embeddings in draws:
        for split, chosen in rows.items():
            means = mean_metrics(per_query_metrics(embeddings[chosen], classes[chosen], ks=ks))
            metrics += [(control, seed, split, name, value) for name, value in means.items()]
        gaps.append(
            measure_gap(
                embeddings[rows["test"]],
                classes[rows["test"]],
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
    return pd.DataFrame(metrics, columns=list(METRIC_COLUMNS)), pd.concat(gaps, ignore_index=True)
