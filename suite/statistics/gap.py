"""The decomposability gap: a metric within a batch minus the metric over the whole set, for the same queries.

The estimand is an expectation over the batches b that a stated sampler draws. With Q_b the queries of b that have a
positive in it, and M_i the metric of query i on some positives and negatives (capitals: those of the whole set,
small letters: those of the batch),

    DG_M = E_b [ mean over i in Q_b of ( M_i(p, n) - M_i(P, N) ) ],

the definition of Ramzi et al., NeurIPS 2021 (ROADMAP), DG_M = (1/K) sum_b M_b - M, with both terms over the same
queries. It is estimated by the mean over the batches of a drawn partition (`suite.statistics.gap_samplers`), each of
which is distributed as the sampler states, so the estimate is unbiased although the batches depend on each other.

Where m images of a class are drawn, every query of a batch has a positive at the finest level and at every coarser
one. In random batches most have none: they are left out and counted, never averaged as zero, so the gap is that of a
query *given* that its batch holds a positive of it. Classes with many images then weigh more than in the set, and the
set's value beside it is over these queries too. A batch in which no query has a positive has no mean; the expectation
is over the batches that have one, and if a partition's number of them varies, its mean over them has a bias of at
most (coefficient of variation of that number) x (standard deviation of the mean), the bound for any ratio of Hartley
and Ross (1954): zero once no batch is empty.

A batch cuts both the negatives and the positives of a query. Changing one argument at a time reaches the gap by two
orders that attribute it differently; the Shapley value averages the two, is the only split that treats the arguments
alike, and sums to the gap:

    fewer_negatives = ([M(P, n) - M(P, N)] + [M(p, n) - M(p, N)]) / 2
    fewer_positives = ([M(p, N) - M(P, N)] + [M(p, n) - M(P, n)]) / 2

The changes of one argument alone, from the whole set, are kept as well. They do not sum to the gap: what is
left over is the interaction of the two.

    fewer_negatives_alone = M(P, n) - M(P, N)
    fewer_positives_alone = M(p, N) - M(P, N)

For NDCG and H-AP, which grade items by the number of levels they share with the query, the positives are the items
that share any, with their grades, and the negatives those that share none; the ideal DCG and the relevances are those
of the positives at hand. All metrics are those of `suite.evaluation.per_query_metrics` with the positives and
negatives at hand as the gallery; ties count against the query.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
import torch

from suite.evaluation.blocks import query_blocks
from suite.evaluation.inputs import Embedded, as_labels, as_matrix, encode_labels
from suite.evaluation.scoring import Products
from suite.statistics.compiled import gap as kernels
from suite.statistics.gap_samplers import BatchSampler, SamplerError

PARTS = (
    "batch_value",
    "set_value",
    "gap",
    "fewer_negatives",
    "fewer_positives",
    "fewer_negatives_alone",
    "fewer_positives_alone",
)
COUNTS = ("batches", "queries", "queries_without_positive", "images_never_drawn")
COLUMNS = ("sampler", "measure_batch_size", "metric", "partition", *COUNTS, *PARTS)
_GRADED = {"NDCG": kernels.GAIN, "H_AP": kernels.AVERAGE_PRECISION}
_RECALL = re.compile(r"R_at_([1-9]\d*)")


def decomposability_gap(
    embeddings: Any,
    labels: Any,
    samplers: Mapping[str, BatchSampler],
    *,
    partitions: int = 8,
    metrics: Sequence[str] = ("AP",),
    seed: int = 0,
    level: int = 0,
) -> pd.DataFrame:
    """Gap of each metric and its parts, for every sampler, batch size and drawn partition.

    Partition i draws the same images at every batch size and for every embedding of the same labels, so that
    differences between losses and between batch sizes are paired. The scores of a query with the whole set are
    computed once, in the precision of the embeddings, and kept as float32; all batches read them there. Memory is
    that of a block of queries.

    Args:
        embeddings: (N, D), compared by dot product as they are.
        labels: (N,) or (N, L), finest level first. Classes of the samplers are those of the finest level.
        samplers: by the name that the table gives them; each says its batch sizes.
        partitions: how many partitions to draw.
        metrics: `AP`, `R_at_k` for any k, at `level`; `NDCG`, `H_AP`, over all levels.
        seed: of the draws.
        level: whose labels make the positives of `AP` and `R_at_k`.

    Returns:
        One row a sampler, batch size, metric and partition, columns `COLUMNS`: the batches that count, their queries
        with a positive in the batch and those without, which are left out, the images of the set that the sampler
        never draws at this size; then means over these batches of the mean over the queries of each, in units of the
        metric: `batch_value`, `set_value` (the same queries over all N items), `gap`, `fewer_negatives`,
        `fewer_positives` and the latter two `_alone`, as above. They are NaN if no batch counts.

    Raises:
        SamplerError: a sampler cannot fill a batch; names the sampler and the setting (a ValueError).
        ValueError: naming any other argument that is at fault.
    """
    items = _items(embeddings)
    classes = as_labels(labels, "labels", len(items), "embeddings")
    if level not in range(classes.shape[1]):
        raise ValueError(f"level: expected 0..{classes.shape[1] - 1}, found {level}")
    if not isinstance(partitions, Integral) or partitions < 1:
        raise ValueError(f"partitions: expected a whole number, at least 1, found {partitions!r}")
    if not isinstance(seed, Integral) or seed < 0:
        raise ValueError(f"seed: expected a whole number, at least 0, found {seed!r}")
    cutoffs = check_metrics(metrics)
    codes, _ = encode_labels(classes, classes)
    draws = _draw(codes, samplers, partitions, seed)
    binary = any(name not in _GRADED for name in metrics)
    families = ([codes[level : level + 1]] if binary else []) + ([codes] if set(metrics) & set(_GRADED) else [])
    swept = dict(zip(("binary",) * binary + ("graded",), _sweep(items, families, draws, cutoffs), strict=False))

    rows = []
    for number, draw in enumerate(draws.draws):
        for metric in metrics:
            graded = metric in _GRADED
            totals, counts = swept["graded" if graded else "binary"]
            place = _GRADED[metric] if graded else _binary_place(metric, cutoffs)
            batches = slice(draws.first[number], draws.first[number + 1])
            row = {"sampler": draw.sampler, "measure_batch_size": draw.size, "metric": metric}
            row |= {"partition": draw.partition, "images_never_drawn": draw.never}
            rows.append(row | _parts(totals[batches, place], counts[batches], draw.size))
    return pd.DataFrame(rows)[list(COLUMNS)]


def check_metrics(metrics: Sequence[str]) -> tuple[int, ...]:
    """The cut-offs of the `R_at_k` among the names. Raises ValueError on a name that is no metric of the gap."""
    if isinstance(metrics, str) or not len(metrics) or len(set(metrics)) != len(metrics):
        raise ValueError(f"metrics: expected distinct names, at least one, found {metrics!r}")
    cutoffs = []
    for name in metrics:
        recall = _RECALL.fullmatch(name)
        if recall:
            cutoffs.append(int(recall[1]))
        elif name != "AP" and name not in _GRADED:
            near = difflib.get_close_matches(name, ("AP", "R_at_1", *_GRADED), n=1)
            hint = f"did you mean '{near[0]}'?" if near else "known: AP, R_at_k (any k), NDCG, H_AP"
            raise ValueError(f"metrics: unknown metric '{name}': {hint}")
    return tuple(cutoffs)


def _items(embeddings: Any) -> torch.Tensor:
    """Embeddings whose dot products are finite as float32: compiled code sorts by them and must meet no infinity."""
    items = as_matrix(embeddings, "embeddings")
    largest = float(torch.stack(torch.aminmax(items)).abs().max())
    if largest * largest * items.shape[1] > torch.finfo(torch.float32).max / 4:
        raise ValueError(
            f"embeddings: entries as large as {largest:.3g} can overflow a dot product in float32; scale the embeddings"
        )
    return items


@dataclass(frozen=True)
class _Draw:
    """One partition at one batch size of one sampler; `never` counts the images that it never draws."""

    sampler: str
    size: int
    partition: int
    never: int


@dataclass(frozen=True)
class _Draws:
    """All drawn batches: those of draw d are first[d] up to first[d + 1]; the rest as `compiled.gap.sweep` takes it."""

    draws: list[_Draw]
    first: np.ndarray
    batch_of: np.ndarray
    members: np.ndarray
    starts: np.ndarray


def _draw(codes: np.ndarray, samplers: Mapping[str, BatchSampler], partitions: int, seed: int) -> _Draws:
    if not isinstance(samplers, Mapping):
        raise ValueError(f"samplers: expected a mapping of names to samplers, found {type(samplers).__name__}")
    if not samplers or not all(len(sampler.batch_sizes) for sampler in samplers.values()):
        raise ValueError("samplers: expected at least one, each with a batch size or more")
    draws, drawn = [], []
    for name, sampler in samplers.items():
        sizes = tuple(sampler.batch_sizes)
        if not all(isinstance(size, Integral) for size in sizes) or len(set(sizes)) != len(sizes):
            raise SamplerError(f"expected distinct whole numbers, found {sizes}", sampler=name)
        for size in sampler.batch_sizes:
            try:
                never = int((~sampler.eligible(codes, size)).sum())
            except SamplerError as error:
                raise SamplerError(error.problem, error.setting, name) from None
            for partition in range(partitions):
                draws.append(_Draw(name, size, partition, never))
                drawn.append(sampler.draw(codes, size, np.random.default_rng([seed, partition])))
    first = np.cumsum([0, *(len(batches) for batches in drawn)])
    batch_of = np.full((codes.shape[1], len(draws)), -1, dtype=np.int32)
    for place, batches in enumerate(drawn):
        batch_of[batches, place] = first[place] + np.arange(len(batches))[:, None]
    sizes = np.concatenate([np.full(len(batches), batches.shape[1]) for batches in drawn])
    members = np.concatenate([batches.ravel() for batches in drawn]).astype(np.int32)
    return _Draws(draws, first, batch_of, members, np.concatenate([[0], np.cumsum(sizes)]))


def _sweep(
    items: torch.Tensor, families: list[np.ndarray], draws: _Draws, cutoffs: tuple[int, ...]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Sums over the queries of every batch, and how many these are, for each family of (L, N) labels."""
    batches = len(draws.starts) - 1
    ks = np.array(cutoffs, dtype=np.int64)
    discounts = 1.0 / np.log2(np.arange(2, len(items) + 2))
    results = [
        (np.zeros((batches, kernels.RECALL + len(ks), kernels.SETTINGS)), np.zeros(batches, dtype=np.int64))
        for _ in families
    ]
    products = Products(Embedded(items, items))
    for block in query_blocks(len(items), len(items)):
        scores = torch.empty((block.stop - block.start, len(items)), dtype=items.dtype, device=items.device)
        products.fill(block.start, scores)
        # Equal rows score alike, bit by bit; and subtracting from zero leaves no -0.0.
        distances = 0 - scores.to(torch.float32).cpu().numpy()
        distances[:, products.copies] = distances[:, products.originals]
        for codes, (totals, counts) in zip(families, results, strict=True):
            kernels.sweep(
                distances,
                block.start,
                np.ascontiguousarray(codes),
                draws.batch_of,
                draws.members,
                draws.starts,
                ks,
                discounts,
                totals,
                counts,
            )
    return iter(results)


def _binary_place(metric: str, cutoffs: tuple[int, ...]) -> int:
    if metric == "AP":
        return kernels.AVERAGE_PRECISION
    return kernels.RECALL + cutoffs.index(int(_RECALL.fullmatch(metric)[1]))


def _parts(totals: np.ndarray, counts: np.ndarray, size: int) -> dict[str, float]:
    """The counts and parts of one draw from the (K, 4) sums and (K,) queries of its batches."""
    asked = counts > 0
    numbers = {
        "batches": int(asked.sum()),
        "queries": int(counts.sum()),
        "queries_without_positive": len(counts) * size - int(counts.sum()),
    }
    if not asked.any():
        return numbers | dict.fromkeys(PARTS, float("nan"))
    whole, few_negatives, few_positives, batch = (totals[asked] / counts[asked, None]).mean(axis=0).tolist()
    return numbers | {
        "batch_value": batch,
        "set_value": whole,
        "gap": batch - whole,
        "fewer_negatives": ((few_negatives - whole) + (batch - few_positives)) / 2,
        "fewer_positives": ((few_positives - whole) + (batch - few_negatives)) / 2,
        "fewer_negatives_alone": few_negatives - whole,
        "fewer_positives_alone": few_positives - whole,
    }
