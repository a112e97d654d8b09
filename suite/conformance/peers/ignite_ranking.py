"""Recommendation metrics of PyTorch-Ignite."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from suite.conformance.cases import Case
from suite.conformance.quantities import Outcome, Peer, Quantity, Ranking, defined_metric, rankings


def _recommended(name: str, relevance: Callable[[Ranking], torch.Tensor], top_k: int) -> Callable[[Case], Outcome]:
    def theirs(case: Case) -> Outcome:
        from ignite.metrics import rec_sys

        ranked = rankings(case)
        metric = getattr(rec_sys, name)(top_k=[top_k])
        metric.update(
            (
                torch.stack([ranking.scores for ranking in ranked]),
                torch.stack([relevance(ranking) for ranking in ranked]).double(),
            )
        )
        return Outcome(np.array(metric.compute()))

    return theirs


def _quantity(name: str, definition: str, settings: str, key: str, theirs: Callable[[Case], Outcome]) -> Quantity:
    return Quantity(name, definition, "metric", settings, defined_metric(key, mean=True), theirs, "float32")


PEER = Peer(
    "pytorch-ignite",
    "ignite",
    (
        _quantity(
            "HitRate, top_k 2",
            "R_at_2",
            "ignore_zero_hits",
            "level0/R_at_2",
            _recommended("HitRate", lambda ranking: ranking.positive, 2),
        ),
        _quantity(
            "NDCG",
            "NDCG",
            "ignore_zero_hits, gain exp_rank, relevance: levels shared",
            "NDCG",
            _recommended("NDCG", lambda ranking: ranking.relevance, 64),
        ),
    ),
)
