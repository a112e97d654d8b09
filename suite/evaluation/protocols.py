"""One call from embeddings and a protocol of a built data set to its metrics.

Leave one out (SOP, VehicleID as Smooth-AP and RS@k report it), queries against a gallery (In-Shop, VehicleID with one
random gallery image an identity), relevant items that are listed (GLDv2: `stated/mAP_at_100`), and the easy, medium
and hard setups of R-Oxford and R-Paris.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd

from suite.evaluation.inputs import as_array
from suite.evaluation.judging import Judged, judge
from suite.evaluation.metrics import Ties, mean_metrics
from suite.evaluation.revisited import revisited_retrieval
from suite.evaluation.stated import stated_metrics

REVISITED, POSITIVE = {"easy", "hard", "junk"}, {"positive"}


class EvaluationProtocol(Protocol):
    """What is read of a protocol; those of built data sets are `suite.datasets.protocols.Protocol`."""

    name: str
    queries: np.ndarray
    gallery: np.ndarray | None
    ks: tuple[int, ...]
    relations: pd.DataFrame | None

    def pairs(self, *relations: str) -> np.ndarray:
        """(N, 2) places in `queries` and in the gallery of the pairs in any of the relations."""


def judge_protocol(
    embeddings: Any, labels: Any, protocol: EvaluationProtocol, *, ties: Ties = "worst"
) -> dict[str, float]:
    """The metrics that a protocol asks for, averaged over its queries.

    Args:
        embeddings: (N, D) of all rows of `items.parquet`, an array or a tensor, compared by dot product as they are.
        labels: (N, L), finest level first, as `suite.datasets.arrays.load_labels` gives them; None, or no level,
            where relevance is stated pair by pair alone.
        protocol: of the data set (`suite.datasets.arrays.load_protocol`).
        ties: see `per_query_metrics`; the revisited setups know `worst` alone.

    Returns:
        What `mean_metrics` gives: means over the queries that count and how many they are; for the revisited setups
        what `revisited_metrics` gives.

    Raises:
        ValueError: naming the argument that is at fault.
    """
    kinds = set() if protocol.relations is None else set(protocol.relations["relation"])
    alone = protocol.gallery is None
    if kinds and not (kinds <= REVISITED or kinds <= POSITIVE):
        raise ValueError(f"protocol: '{protocol.name}' states relations {sorted(kinds)}, which no metric here judges")
    if kinds and alone:
        raise ValueError(f"protocol: '{protocol.name}' states relations, but has no gallery")
    if kinds and kinds <= REVISITED:
        if ties != "worst":
            raise ValueError(f"ties: the revisited setups know 'worst' alone, found {ties!r}")
        truth = _ground_truth(protocol)
        return revisited_retrieval(embeddings[protocol.queries], embeddings[protocol.gallery], truth, protocol.ks)
    pairs = protocol.pairs("positive") if kinds else None
    if labels is None or not as_array(labels).size:
        if pairs is None:
            raise ValueError(f"labels: protocol '{protocol.name}' judges by shared labels, and there are none")
        query, gallery = embeddings[protocol.queries], embeddings[protocol.gallery]
        return mean_metrics(stated_metrics(query, gallery, pairs, protocol.ks, ties=ties))
    judged = Judged(protocol.queries, protocol.gallery, protocol.ks, pairs)
    return mean_metrics(judge(embeddings.__getitem__, labels, judged, ties=ties))


def judge_draws(
    embeddings: Any, labels: Any, protocols: Sequence[EvaluationProtocol], *, ties: Ties = "worst"
) -> pd.DataFrame:
    """Metrics averaged over protocols that are draws of one, as VehicleID's random galleries.

    Args:
        embeddings, labels, ties: see `judge_protocol`.
        protocols: the draws.

    Returns:
        A row a metric: `metric`, `draws`, `mean`, and `sd`, the standard deviation over the draws (NaN for one).

    Raises:
        ValueError: naming the argument that is at fault.
    """
    if not protocols:
        raise ValueError("protocols: expected at least one")
    table = pd.DataFrame([judge_protocol(embeddings, labels, protocol, ties=ties) for protocol in protocols])
    found = pd.DataFrame({"draws": len(table), "mean": table.mean(), "sd": table.std(ddof=1)})
    return found.rename_axis("metric").reset_index()


def _ground_truth(protocol: EvaluationProtocol) -> list[dict[str, np.ndarray]]:
    """One mapping a query with the places in the gallery of its easy, hard and junk images."""
    truth: list[dict[str, np.ndarray]] = [{} for _ in protocol.queries]
    for relation in sorted(REVISITED):
        pairs = protocol.pairs(relation)
        pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
        bounds = np.searchsorted(pairs[:, 0], np.arange(len(truth) + 1))
        for place, entry in enumerate(truth):
            entry[relation] = pairs[bounds[place] : bounds[place + 1], 1]
    return truth
