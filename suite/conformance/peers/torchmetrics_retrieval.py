"""The retrieval metrics of torchmetrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from suite.conformance.cases import Case
from suite.conformance.quantities import Outcome, Peer, Quantity, Ranking, defined_metric, rankings

SKIP = "queries without positives skipped"


def _retrieval(name: str, target: Callable[[Ranking], torch.Tensor], **settings: Any) -> Callable[[Case], Outcome]:
    def theirs(case: Case) -> Outcome:
        from torchmetrics import retrieval

        ranked = rankings(case)
        metric = getattr(retrieval, name)(empty_target_action="skip", **settings)
        indexes = torch.repeat_interleave(torch.tensor([len(ranking.scores) for ranking in ranked]))
        scores = torch.cat([ranking.scores for ranking in ranked])
        value = metric(scores, torch.cat([target(ranking) for ranking in ranked]), indexes=indexes)
        return Outcome(np.array([float(value)]))

    return theirs


def _binary(name: str, definition: str, settings: str = "", **arguments: Any) -> Quantity:
    theirs = _retrieval(name, lambda ranking: ranking.positive, **arguments)
    shown = "".join(f", {key} {value}" for key, value in arguments.items())
    ours = defined_metric(f"level0/{definition}", mean=True)
    return Quantity(f"{name}{shown}", definition, "metric", SKIP + settings, ours, theirs, "float32")


def _graded(name: str, settings: str, gain: Callable[[torch.Tensor], torch.Tensor]) -> Quantity:
    theirs = _retrieval("RetrievalNormalizedDCG", lambda ranking: gain(ranking.relevance))
    return Quantity(name, "NDCG", "metric", f"{SKIP}; {settings}", defined_metric("NDCG", mean=True), theirs, "float32")


PEER = Peer(
    "torchmetrics",
    "torchmetrics",
    (
        _binary("RetrievalMAP", "AP"),
        _binary("RetrievalMAP", "mAP_at_2", top_k=2),
        _binary("RetrievalHitRate", "R_at_2", top_k=2),
        _binary("RetrievalPrecision", "P_at_2", top_k=2),
        _binary("RetrievalRecall", "true_R_at_2", top_k=2),
        _binary("RetrievalRPrecision", "R_precision"),
        _graded("RetrievalNormalizedDCG", "target: levels shared", lambda shared: shared),
        _graded("RetrievalNormalizedDCG of gains", "target: 2^levels - 1", lambda shared: 2**shared - 1),
    ),
)
