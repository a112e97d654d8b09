"""Metrics of embeddings whose rows a protocol names: which are queries, which are the gallery, what is relevant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from suite.evaluation.inputs import as_array
from suite.evaluation.metrics import Ties, per_query_metrics
from suite.evaluation.stated import stated_metrics


class Judged(NamedTuple):
    """How a split is judged.

    Attributes:
        queries: (Q,) rows.
        gallery: (G,) rows, or None for leave one out among the queries.
        ks: cut-offs.
        pairs: (N, 2) places in `queries` and in `gallery` of the relevant pairs that the gallery's owner states, if
            any; labels are judged all the same.
    """

    queries: np.ndarray
    gallery: np.ndarray | None
    ks: tuple[int, ...]
    pairs: np.ndarray | None = None


def judge(
    embed: Callable[[np.ndarray], Any],
    labels: Any,
    judged: Judged,
    *,
    levels: Sequence[int] | None = None,
    hierarchical: bool = True,
    ties: Ties = "worst",
) -> dict[str, np.ndarray]:
    """`per_query_metrics` of the rows that `judged` names, with `stated_metrics` where it states pairs.

    Args:
        embed: gives the (n, D) embeddings of n rows.
        labels: (N,) or (N, L) of all rows.
        judged: the rows.
        levels, hierarchical, ties: see `per_query_metrics`; with a selection of levels, stated pairs are left out.
    """
    classes = as_array(labels)
    query, alone = embed(judged.queries), judged.gallery is None
    gallery = None if alone else embed(judged.gallery)
    metrics = per_query_metrics(
        query,
        classes[judged.queries],
        gallery,
        None if alone else classes[judged.gallery],
        ks=judged.ks,
        levels=levels,
        hierarchical=hierarchical,
        ties=ties,
    )
    if judged.pairs is not None and not alone and levels is None:
        metrics |= stated_metrics(query, gallery, judged.pairs, judged.ks, ties=ties)
    return metrics
