"""Statistics of a study: decomposability gap, intervals over seeds, paired comparisons, their tables."""

from suite.statistics.comparisons import holm, paired_comparison, verdict
from suite.statistics.controls import control_tables
from suite.statistics.crossed import crossed_mean
from suite.statistics.gap import decomposability_gap
from suite.statistics.gap_interval import gap_interval
from suite.statistics.gap_samplers import Hierarchical, MPerClass, RandomBatches
from suite.statistics.groups import groups, letters
from suite.statistics.improvement import effect_size, probability_of_improvement
from suite.statistics.intervals import ratio_interval, t_interval
from suite.statistics.measures import gap_plan, measure_gap
from suite.statistics.power import detectable_difference
from suite.statistics.tables import compare

__all__ = [
    "Hierarchical",
    "MPerClass",
    "RandomBatches",
    "compare",
    "control_tables",
    "crossed_mean",
    "decomposability_gap",
    "detectable_difference",
    "effect_size",
    "gap_interval",
    "gap_plan",
    "groups",
    "holm",
    "letters",
    "measure_gap",
    "paired_comparison",
    "probability_of_improvement",
    "ratio_interval",
    "t_interval",
    "verdict",
]
