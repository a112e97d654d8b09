"""The `friedman` table: mean ranks of the losses over data sets, and which of them differ.

Friedman's test and Nemenyi's critical difference (Demsar, JMLR 2006) take data sets as blocks. Seeds of one data set
are no blocks: they would test whether runs on that data set differ, with a certainty about others that is not there.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from suite.config import Params
from suite.statistics.comparisons import LEVEL
from suite.statistics.pairwise import COMPARED
from suite.statistics.records import typed

FRIEDMAN = (
    {"metric": "str", "datasets": "int64"}
    | dict.fromkeys(("statistic", "p", "critical_difference"), "float64")
    | {"loss": "str", "mean_rank": "float64", "reason": "str"}
)
MINIMUM_DATASETS, MINIMUM_LOSSES = 5, 3


def friedman(leaderboard: pd.DataFrame, params: Params) -> pd.DataFrame:
    """A row a metric and loss: its mean rank over data sets, 1 the best, with the test of all ranks alike.

    Two losses whose mean ranks differ by more than `critical_difference` differ. Losses and data sets without a mean
    of the metric are left out: a loss first, if another data set has it. Empty with fewer than five data sets.

    Args:
        leaderboard: the `leaderboard` table.
        params: the study; losses are taken from it, in its order.
    """
    chosen = leaderboard[(leaderboard["split"] == "test") & leaderboard["loss"].isin(list(params.compared))]
    parts = []
    for metric in dict.fromkeys(name for name in chosen["metric"] if COMPARED.fullmatch(name)):
        means = chosen[chosen["metric"] == metric].pivot(index="dataset", columns="loss", values="mean")
        # A block is a data set with every loss.
        means = means.reindex(columns=[loss for loss in params.compared if loss in means]).dropna(axis=1)
        if len(means) >= MINIMUM_DATASETS and means.shape[1]:
            parts.append(_ranked(means).assign(metric=metric))
    return typed(parts, FRIEDMAN)


def critical_difference(losses: int, datasets: int) -> float:
    """Nemenyi's, at the level of all comparisons: q / sqrt(2) sqrt(k (k + 1) / (6 N)), q the studentised range's."""
    quantile = stats.studentized_range.ppf(1 - LEVEL, losses, np.inf)
    return float(quantile / np.sqrt(2) * np.sqrt(losses * (losses + 1) / (6 * datasets)))


def _ranked(means: pd.DataFrame) -> pd.DataFrame:
    ranks = stats.rankdata(-means.to_numpy(), axis=1)
    table = pd.DataFrame({"loss": means.columns, "mean_rank": ranks.mean(axis=0)}).assign(datasets=len(means))
    if means.shape[1] < MINIMUM_LOSSES:
        few = f"{means.shape[1]} losses: ranks of fewer than {MINIMUM_LOSSES} are compared pair by pair"
        return table.assign(statistic=np.nan, p=np.nan, critical_difference=np.nan, reason=few)
    if (ranks == ranks[:, :1]).all():
        return table.assign(statistic=np.nan, p=np.nan, critical_difference=np.nan, reason="identical values")
    test = stats.friedmanchisquare(*means.to_numpy().T)
    difference = critical_difference(means.shape[1], len(means))
    return table.assign(statistic=test.statistic, p=test.pvalue, critical_difference=difference, reason="")
