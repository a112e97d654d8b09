"""Controls of every claim: frozen features and random embeddings, which have learnt nothing here.

A gap also moves with the value of the metric over the set, so a third control of the gap reaches other values without
a loss: frozen features whitened within the training classes. It has seen the labels, but no batch and no ranking.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from suite.evaluation import Judged, judge, mean_metrics
from suite.evaluation.inputs import as_embeddings, as_labels
from suite.statistics.measures import GapPlan, measure_gap

SPLITS = ("val", "test")
FROZEN, RANDOM = "frozen", "random"
WHITENED = "whitened"
LABELS = {FROZEN: "Frozen features", RANDOM: "Random embeddings", WHITENED: "Whitened features"}
# How much of the whitening is done; 0 is the frozen features.
STRENGTHS = (0.25, 0.5, 0.75, 1.0)
# Added to every variance before it is divided by, in parts of their mean.
_RIDGE = 0.01
METRIC_COLUMNS = ("control", "seed", "split", "metric", "value")


def normalise(embeddings: Any) -> np.ndarray:
    """Rows of (N, D) divided by their euclidean length, float32; a row of zeros stays as it is."""
    rows = as_embeddings(embeddings, "embeddings").astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)


def random_embeddings(items: int, width: int, seed: int) -> np.ndarray:
    """(items, width) float32 directions, uniform on the sphere: normal draws, L2-normalised."""
    return normalise(np.random.default_rng(seed).standard_normal((items, width)))


def whiten_within_classes(
    features: Any, labels: Any, trained: np.ndarray, strengths: Sequence[float] = STRENGTHS
) -> Iterator[np.ndarray]:
    """Features with the spread within the training classes evened out, metric learning in closed form.

    x W^(-strength / 2), W being the pooled covariance of the training features about their class means, with a
    hundredth of its mean variance added to every variance; at strength 1 the within-class covariance normalisation
    of Hatch, Kajarekar and Stolcke, Interspeech 2006.

    Args:
        features: (N, F) float.
        labels: (N,) classes.
        trained: rows whose labels are used.
        strengths: from 0 (the features as they are) to 1.

    Yields:
        (N, F) float32, L2-normalised, one a strength.
    """
    rows = np.asarray(features, dtype=np.float64)
    known, classes = rows[trained], np.unique(np.asarray(labels)[trained], return_inverse=True)[1]
    sums = np.zeros((classes.max() + 1, rows.shape[1]))
    np.add.at(sums, classes, known)
    spread = known - (sums / np.bincount(classes)[:, None])[classes]
    variances, axes = np.linalg.eigh(spread.T @ spread / len(spread))
    variances = np.maximum(variances, 0) + _RIDGE * variances.mean()
    for strength in strengths:
        yield normalise(rows @ (axes * variances ** (-strength / 2)))


def control_tables(
    frozen: Any,
    labels: Any,
    judged: Mapping[str, Judged],
    measured: Mapping[str, np.ndarray],
    *,
    dataset: str,
    random_width: int,
    seeds: Sequence[int],
    plan: GapPlan,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Metrics, values of every test query, and gap of both controls.

    Args:
        frozen: (N, F) backbone features, standardised by the caller; L2-normalised here.
        labels: (N,) or (N, L), finest level first.
        judged: which rows are queries and gallery, by split (`val`, `test`).
        measured: rows on which the gap is measured, all labelled, by split (`test`, `train`).
        dataset: its name.
        random_width: width of the random embeddings.
        seeds: one random draw each; `frozen` needs none and has the one seed 0.
        plan: how the gap is measured; `train` by the main sampler and of `frozen` alone.

    Returns:
        Metrics with columns `METRIC_COLUMNS`; `control`, `seed`, `item` (row) and a column a metric; gap with columns
        `measures.GAP_COLUMNS`.

    Raises:
        SuiteError: if the classes cannot fill a batch.
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
        samplers = {"test": plan.every | plan.others} | ({"train": plan.every} if control == FROZEN else {})
        gaps += [
            measure_gap(
                embeddings[measured[split]],
                classes[measured[split]],
                chosen,
                plan,
                dataset=dataset,
                loss=control,
                train_batch_size=0,
                seed=seed,
                fingerprint="",
                split=split,
            )
            for split, chosen in samplers.items()
        ]
    return (
        pd.DataFrame(metrics, columns=list(METRIC_COLUMNS)),
        pd.concat(queries, ignore_index=True),
        pd.concat(gaps, ignore_index=True),
    )


def whitened_gaps(
    frozen: Any, labels: Any, measured: np.ndarray, trained: np.ndarray, *, dataset: str, plan: GapPlan
) -> pd.DataFrame:
    """Gap on the test rows of the frozen features whitened to each of `STRENGTHS`, by the main sampler.

    Args:
        frozen: (N, F) backbone features, standardised by the caller.
        labels: (N,) or (N, L), finest level first.
        measured, trained: rows of the test and of the training classes.
        dataset: its name.
        plan: how the gap is measured.

    Returns:
        `strength` and the columns `measures.GAP_COLUMNS`.
    """
    classes = as_labels(labels, "labels", len(frozen), "frozen")
    whitened = whiten_within_classes(frozen, classes[:, 0], trained)
    return pd.concat(
        [
            measure_gap(
                embeddings[measured],
                classes[measured],
                plan.every,
                plan,
                dataset=dataset,
                loss=WHITENED,
                train_batch_size=0,
                seed=0,
                fingerprint="",
            ).assign(strength=strength)
            for strength, embeddings in zip(STRENGTHS, whitened, strict=True)
        ],
        ignore_index=True,
    )
