"""Metrics of embeddings whose rows are named by a protocol: which are queries, which are the gallery."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from suite.evaluation.inputs import as_array
from suite.evaluation.metrics import per_query_metrics


class Judged(NamedTuple):
    """Rows of queries (Q,), rows of the gallery (G,) or None for leave one out among the queries, cut-offs."""

    queries: np.ndarray
    gallery: np.ndarray | None
    ks: tuple[int, ...]


def judge(embeddings: Any, labels: Any, judged: Judged) -> dict[str, np.ndarray]:
    """`per_query_metrics` of the rows of (N, D) embeddings and (N,) or (N, L) labels that `judged` names."""
    vectors, classes = as_array(embeddings), as_array(labels)
    query = (vectors[judged.queries], classes[judged.queries])
    gallery = (None, None) if judged.gallery is None else (vectors[judged.gallery], classes[judged.gallery])
    return per_query_metrics(*query, *gallery, ks=judged.ks)
