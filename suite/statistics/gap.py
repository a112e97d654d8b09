"""The decomposability gap: average precision within a batch minus average precision over the whole set.

The estimand is an expectation over batches of a stated sampler, for the same queries in both terms. The
sampler is m per class: a partition draws m images, without replacement, of every class that has at least m,
shuffles these classes and cuts them into batches of batch_size / m classes; an incomplete last batch is
dropped. Every query then stands in at most one batch of a partition.

A batch cuts both the negatives and the positives of a query. With M(P, N) the metric of a query on positives
P and negatives N, capitals for the whole set and small letters for the batch, the gap is M(p, n) - M(P, N).
Changing one argument at a time reaches it by two orders that attribute it differently; the Shapley value
averages the two, is the only split that treats the arguments alike, and sums to the gap:

    fewer_negatives = ([M(P, n) - M(P, N)] + [M(p, n) - M(p, N)]) / 2
    fewer_positives = ([M(p, N) - M(P, N)] + [M(p, n) - M(P, n)]) / 2

The changes of one argument alone, from the whole set, are kept as well. They do not sum to the gap: what is
left over is the interaction of the two.

    fewer_negatives_alone = M(P, n) - M(P, N)
    fewer_positives_alone = M(p, N) - M(P, N)

Decomposability gap: Ramzi et al., NeurIPS 2021 (ROADMAP). Ties count against the query, as in
`suite.evaluation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from suite.errors import SuiteError
from suite.evaluation.inputs import as_embeddings, as_labels, encode_labels
from suite.evaluation.ranks import count_above, query_blocks, sort_positives

PARTS = (
    "batch_AP",
    "set_AP",
    "gap",
    "fewer_negatives",
    "fewer_positives",
    "fewer_negatives_alone",
    "fewer_positives_alone",
)


def decomposability_gap(
    embeddings: Any,
    labels: Any,
    batch_sizes: Sequence[int],
    partitions: int,
    samples_per_class: int,
    seed: int,
    level: int = 0,
) -> pd.DataFrame:
    """Gap of average precision at each batch size, and its parts, for each drawn partition.

    Partition i draws the same images and the same order of classes at every batch size and for every
    embedding of the same labels, so that differences between losses and between batch sizes are paired.

    Args:
        embeddings: (N, D), compared by dot product as they are.
        labels: (N,) or (N, L), finest level first. Classes of the sampler are those of the finest level.
        batch_sizes: sizes to measure at, multiples of `samples_per_class`.
        partitions: how many partitions to draw.
        samples_per_class: m, at least 2.
        seed: of the draws.
        level: whose labels make the positives.

    Returns:
        One row a batch size and partition: `measure_batch_size`, `partition`, `queries`, and means over these
        queries, `batch_AP`, `set_AP` (the same queries over all N items), `gap`, `fewer_negatives`,
        `fewer_positives` and the latter two `_alone`, as above.

    Raises:
        SuiteError: if the classes cannot fill a batch.
        ValueError: naming any other argument that is at fault.
    """
    items = as_embeddings(embeddings, "embeddings").astype(np.float64)
    classes = as_labels(labels, "labels", len(items), "embeddings")
    if level not in range(classes.shape[1]):
        raise ValueError(f"level: expected 0..{classes.shape[1] - 1}, found {level}")
    if samples_per_class < 2:
        raise ValueError(f"samples_per_class: expected at least 2, found {samples_per_class}")
    if partitions < 1:
        raise ValueError(f"partitions: expected at least 1, found {partitions}")
    codes, _ = encode_labels(classes, classes)
    _check_batch_sizes(batch_sizes, codes[0], samples_per_class)

    whole = _whole_set(items, codes[level])
    rows = []
    for partition in range(partitions):
        drawn = draw_partition(codes[0], samples_per_class, np.random.default_rng([seed, partition]))
        for size in batch_sizes:
            per_batch = size // samples_per_class
            batches = drawn[: len(drawn) // per_batch * per_batch].reshape(-1, size)
            parts = _partition_gap(items, codes[level], whole, batches)
            rows.append(
                {"measure_batch_size": size, "partition": partition, "queries": len(parts["gap"])}
                | {name: float(parts[name].mean()) for name in PARTS}
            )
    table = pd.DataFrame(rows)
    return table.sort_values(["measure_batch_size", "partition"], kind="stable", ignore_index=True)


def draw_partition(classes: np.ndarray, samples_per_class: int, generator: np.random.Generator) -> np.ndarray:
    """Draw m images of every class that has as many, the classes in random order.

    Args:
        classes: (N,) class of each item.
        samples_per_class: m.
        generator: the source of randomness.

    Returns:
        (C, m) int64 rows, a class a row; C counts the classes with at least m images.
    """
    # A random order within each class: its first m are a draw without replacement.
    order = np.lexsort((generator.random(len(classes)), classes))
    _, starts, counts = np.unique(classes[order], return_index=True, return_counts=True)
    starts = generator.permutation(starts[counts >= samples_per_class])
    return order[starts[:, None] + np.arange(samples_per_class)]


@dataclass(frozen=True)
class _WholeSet:
    """For each item as a query: its positives, best first, and the negatives of the set above each."""

    distances: np.ndarray
    items: np.ndarray
    above: np.ndarray


def _whole_set(items: np.ndarray, classes: np.ndarray) -> _WholeSet:
    pieces = []
    width = int(np.bincount(classes).max()) - 1
    for block in query_blocks(len(items), len(items)):
        distances = _distances(items[block], items)
        positive = classes[block, None] == classes[None]
        positive[np.arange(block.stop - block.start), np.arange(block.start, block.stop)] = False
        found = sort_positives(distances, positive)
        # The query and its positives share a class: what remains are its negatives.
        distances[classes[block, None] == classes[None]] = np.inf
        above = count_above(found.distances, distances)
        spare = ((0, 0), (0, width - found.items.shape[1]))
        pieces.append(
            (
                np.pad(found.distances, spare, constant_values=np.inf),
                np.pad(found.items, spare, constant_values=-1),
                np.pad(above, spare),
            )
        )
    return _WholeSet(*(np.concatenate(parts) for parts in zip(*pieces, strict=True)))


def _partition_gap(
    items: np.ndarray, classes: np.ndarray, whole: _WholeSet, batches: np.ndarray
) -> dict[str, np.ndarray]:
    """The parts of the gap of every query of the (batches, size) rows."""
    batch_of = np.full(len(items) + 1, -1)  # the last entry answers for the padding, whose row is -1
    batch_of[batches] = np.arange(len(batches))[:, None]
    size = batches.shape[1]
    pieces = []
    for block in query_blocks(len(batches), size * size):
        group = batches[block]
        distances = _distances(items[group], items[group])
        labels = classes[group]
        distances[labels[:, :, None] == labels[:, None, :]] = np.inf
        query = group.ravel()
        best, places = whole.distances[query], whole.items[query]
        above = count_above(best, distances.reshape(len(query), size))
        real = places >= 0
        kept = real & (batch_of[places] == batch_of[query][:, None])
        # Labels that are no hierarchy may leave a query of the batch without a positive at this level.
        asked = kept.any(1)
        real, kept, above, far = real[asked], kept[asked], above[asked], whole.above[query[asked]]
        full = {"N": _average_precision(real, far), "n": _average_precision(real, above)}
        few = {"N": _average_precision(kept, far), "n": _average_precision(kept, above)}
        pieces.append(
            {
                "batch_AP": few["n"],
                "set_AP": full["N"],
                "gap": few["n"] - full["N"],
                "fewer_negatives": ((full["n"] - full["N"]) + (few["n"] - few["N"])) / 2,
                "fewer_positives": ((few["N"] - full["N"]) + (few["n"] - full["n"])) / 2,
                "fewer_negatives_alone": full["n"] - full["N"],
                "fewer_positives_alone": few["N"] - full["N"],
            }
        )
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in PARTS}


def _average_precision(kept: np.ndarray, above: np.ndarray) -> np.ndarray:
    """AP on the kept positives of (b, P) places, best first, given the negatives above each place."""
    found = np.cumsum(kept, axis=1)
    precision = np.divide(found, found + above, out=np.zeros(kept.shape), where=kept)
    return precision.sum(1) / found[:, -1]


def _distances(query: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """Negated scores, (..., b, D) and (..., G, D) to (..., b, G) float32.

    Computed in float64 and rounded: scores taken once over the set and once within a batch agree, ties
    included.
    """
    scores = torch.from_numpy(-query) @ torch.from_numpy(gallery).mT
    return scores.to(torch.float32).numpy()


def _check_batch_sizes(batch_sizes: Sequence[int], classes: np.ndarray, samples_per_class: int) -> None:
    if not len(batch_sizes):
        raise ValueError("batch_sizes: expected at least one")
    there = int((np.bincount(classes) >= samples_per_class).sum())
    for size in batch_sizes:
        if size < 2 * samples_per_class or size % samples_per_class:
            raise SuiteError(
                f"measuring batch size {size}: must be a multiple of samples_per_class ({samples_per_class})"
                " with two classes or more; change measure.batch_sizes or measure.samples_per_class in"
                " params.yaml"
            )
        if size // samples_per_class > there:
            raise SuiteError(
                f"measuring batch size {size}: needs {size // samples_per_class} classes of at least"
                f" {samples_per_class} images, there are {there}; lower measure.batch_sizes or"
                " measure.samples_per_class in params.yaml"
            )
