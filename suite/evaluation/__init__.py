"""Exact retrieval metrics, computed block by block, and nearest neighbours, exact and approximate."""

from suite.evaluation.judging import Judged, judge
from suite.evaluation.metrics import mean_metrics, per_query_metrics
from suite.evaluation.neighbours import nearest_neighbours, search_recall
from suite.evaluation.protocols import judge_draws, judge_protocol
from suite.evaluation.revisited import revisited_metrics, revisited_retrieval
from suite.evaluation.search import SearchIndex, search_index
from suite.evaluation.stated import stated_metrics
from suite.evaluation.ties import ties_study

__all__ = [
    "Judged",
    "SearchIndex",
    "judge",
    "judge_draws",
    "judge_protocol",
    "mean_metrics",
    "nearest_neighbours",
    "per_query_metrics",
    "revisited_metrics",
    "revisited_retrieval",
    "search_index",
    "search_recall",
    "stated_metrics",
    "ties_study",
]
