"""Ranking metrics of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from suite.conformance.cases import Case
from suite.conformance.quantities import Outcome, Peer, Quantity, defined_metric, rankings

ONE = "one call a query with positives"


def _average_precision(case: Case) -> Outcome:
    from sklearn.metrics import average_precision_score

    ranked = [ranking for ranking in rankings(case) if ranking.positive.any()]
    return Outcome(np.array([average_precision_score(each.positive, each.scores) for each in ranked]))


def _ndcg(gain: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Case], Outcome]:
    def theirs(case: Case) -> Outcome:
        from sklearn.metrics import ndcg_score

        ranked = [ranking for ranking in rankings(case) if ranking.relevance.any()]
        return Outcome(np.array([ndcg_score(gain(each.relevance)[None], each.scores[None]) for each in ranked]))

    return theirs


def _quantity(name: str, definition: str, settings: str, theirs: Callable[[Case], Outcome]) -> Quantity:
    key = definition if definition == "NDCG" else f"level0/{definition}"
    return Quantity(name, definition, "metric", settings, defined_metric(key, mean=False), theirs)


PEER = Peer(
    "scikit-learn",
    "sklearn",
    (
        _quantity("average_precision_score", "AP", ONE, _average_precision),
        _quantity("ndcg_score", "NDCG", f"{ONE}; y_true: levels shared", _ndcg(lambda shared: shared)),
        _quantity("ndcg_score of gains", "NDCG", f"{ONE}; y_true: 2^levels - 1", _ndcg(lambda shared: 2**shared - 1)),
    ),
)
