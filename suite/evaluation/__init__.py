"""Exact retrieval metrics, computed block by block, and nearest neighbours, exact and approximate."""

from suite.evaluation.judging import Judged, judge
from suite.evaluation.metrics import mean_metrics, per_query_metrics
from suite.evaluation.neighbours import nearest_neighbours, search_recall
from suite.evaluation.revisited import revisited_metrics
from suite.evaluation.search import SearchIndex, search_index
from suite.evaluation.stated import stated_metrics

__all__ = [
    "Judged",
    "SearchIndex",
    "judge",
    "mean_metrics",
    "nearest_neighbours",
    "per_query_metrics",
    "revisited_metrics",
    "search_index",
    "search_recall",
    "stated_metrics",
]
