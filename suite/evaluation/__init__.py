"""Exact retrieval metrics, computed block by block, and exact nearest neighbours."""

from suite.evaluation.judging import Judged, judge
from suite.evaluation.metrics import mean_metrics, per_query_metrics
from suite.evaluation.neighbours import nearest_neighbours
from suite.evaluation.revisited import revisited_metrics
from suite.evaluation.stated import stated_metrics

__all__ = [
    "Judged",
    "judge",
    "mean_metrics",
    "nearest_neighbours",
    "per_query_metrics",
    "revisited_metrics",
    "stated_metrics",
]
