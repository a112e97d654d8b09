"""trec_eval, the measure of the TREC conferences, through pytrec-eval-terrier."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from suite.conformance.cases import Case
from suite.conformance.quantities import Outcome, Peer, Quantity, Ranking, defined_metric, rankings


def _measure(name: str, relevance: Callable[[Ranking], torch.Tensor]) -> Callable[[Case], Outcome]:
    def theirs(case: Case) -> Outcome:
        import pytrec_eval

        judged, scored = {}, {}
        for place, ranking in enumerate(rankings(case)):
            grades = relevance(ranking).tolist()
            if any(grades):
                # Names in the order of the rows: trec_eval breaks ties by name, the last one first.
                names = [f"item{item:03d}" for item in range(len(grades))]
                judged[f"query{place:03d}"] = dict(zip(names, grades, strict=True))
                scored[f"query{place:03d}"] = dict(zip(names, ranking.scores.tolist(), strict=True))
        found = pytrec_eval.RelevanceEvaluator(judged, {name.replace("_cut_", "_cut.")}).evaluate(scored)
        return Outcome(np.array([found[query][name] for query in judged]))

    return theirs


def _binary(name: str, definition: str) -> Quantity:
    theirs = _measure(name, lambda ranking: ranking.positive.long())
    settings = "the queries with positives; score ties by name"
    ours = defined_metric(f"level0/{definition}", mean=False)
    return Quantity(name, definition, "metric", settings, ours, theirs, "float32")


def _graded(name: str, settings: str, relevance: Callable[[Ranking], torch.Tensor]) -> Quantity:
    ours = defined_metric("NDCG", mean=False)
    return Quantity(name, "NDCG", "metric", settings, ours, _measure("ndcg", relevance), "float32")


PEER = Peer(
    "pytrec-eval-terrier",
    "pytrec_eval",
    (
        _binary("map", "AP"),
        _binary("map_cut_5", "mAP_at_5"),
        _binary("success_5", "R_at_5"),
        _binary("P_5", "P_at_5"),
        _binary("recall_5", "true_R_at_5"),
        _binary("Rprec", "R_precision"),
        _graded("ndcg", "relevance: levels shared", lambda ranking: ranking.relevance),
        _graded("ndcg of gains", "relevance: 2^levels - 1", lambda ranking: 2**ranking.relevance - 1),
    ),
)
