"""The tables of `artifacts/compare/` (docs/tables.md), made from recorded results alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from suite.config import Params
from suite.files import atomic_directory, write_table
from suite.statistics.comparisons import holm, paired_comparison, verdict
from suite.statistics.friedman import friedman
from suite.statistics.gap_comparison import gap_comparison
from suite.statistics.gap_matched import gap_matched
from suite.statistics.gap_tables import gap_generalisation, gap_table, gap_training
from suite.statistics.intervals import t_interval
from suite.statistics.leaderboard import leaderboard
from suite.statistics.pairwise import pairwise
from suite.statistics.queries import QueryReader
from suite.statistics.records import label, metric_values, read_gaps, read_runs, read_whitened, typed

_GROUP = {"dataset": "str", "loss": "str", "label": "str", "batch_size": "int64"}
_METRIC = {"split": "str", "metric": "str"}
_MEAN = {"seeds": "int64", "mean": "float64", "low": "float64", "high": "float64"}
SCALING = _GROUP | _METRIC | _MEAN | {"epochs": "Int64", "steps": "Int64"}
_DECIDED = (
    {"seeds": "int64"}
    | dict.fromkeys(("difference", "low", "high", "p", "p_holm"), "float64")
    | {"decision": "str", "reason": "str"}
)
SCALING_COMPARISON = (
    {"dataset": "str", "loss": "str", "label": "str"} | _METRIC | {"smallest": "int64", "largest": "int64"} | _DECIDED
)


def compare(params: Params, root: Path = Path("artifacts")) -> None:
    """Write the tables of docs/tables.md into `root`/compare.

    Failed runs stand in `runs` and enter nothing else. The same recorded results give the same bytes.

    Args:
        params: the study; data sets and losses are taken from it, in its order.
        root: the folder that holds `datasets`, `runs`, `measures` and `controls`.

    Raises:
        SuiteError: naming the file that is missing and the stage that makes it.
    """
    root = Path(root)
    runs = read_runs(params, root)
    gaps = read_gaps(params, root, runs)
    readers = {dataset: QueryReader(root, dataset) for dataset in params.datasets}
    board = leaderboard(runs, readers, params)
    tables = {
        "runs": runs,
        "leaderboard": board,
        "pairwise": pairwise(runs, readers, params),
        "friedman": friedman(board, params),
        "scaling": scaling(runs, params),
        "scaling_comparison": scaling_comparison(runs, params),
        "gap": gap_table(gaps, params),
        "gap_comparison": gap_comparison(gaps, params),
        "gap_training": gap_training(gaps, params),
        "gap_generalisation": gap_generalisation(gaps, params),
        "gap_matched": gap_matched(gaps, read_whitened(params, root), params),
    }
    with atomic_directory(root / "compare") as folder:
        for name, table in tables.items():
            write_table(folder / name, table)


def scaling(runs: pd.DataFrame, params: Params) -> pd.DataFrame:
    """Mean and interval over seeds of every metric at every trained batch size."""
    parts = []
    for dataset in params.datasets:
        for loss in params.losses:
            trained = runs[(runs["dataset"] == dataset) & (runs["loss"] == loss) & (runs["status"] == "finished")]
            for size, group in trained.groupby("batch_size", sort=True):
                values = metric_values(runs, dataset, loss, size)
                parts.append(
                    _summary(values, dataset, loss, size, params).assign(
                        epochs=group["epochs"].max(), steps=group["steps"].max()
                    )
                )
    return typed(parts, SCALING)


def scaling_comparison(runs: pd.DataFrame, params: Params) -> pd.DataFrame:
    """Each loss at its largest training batch size against its smallest, at equal seeds; Holm over the losses.

    The sizes are the largest and smallest at which a run finished; a loss with one size is not compared.
    """
    parts = []
    for dataset in params.datasets:
        ends, values = {}, []
        for loss in params.losses:
            trained = runs[(runs["dataset"] == dataset) & (runs["loss"] == loss) & (runs["status"] == "finished")]
            if trained["batch_size"].nunique() > 1:
                ends[loss] = small, large = trained["batch_size"].min(), trained["batch_size"].max()
                values.append((metric_values(runs, dataset, loss, large), metric_values(runs, dataset, loss, small)))
        if not ends:
            continue
        for (loss, (small, large)), table in zip(ends.items(), _compared(values), strict=True):
            decision = table["decision"].replace({"a": "higher", "b": "lower"})
            parts.append(
                table.assign(
                    dataset=dataset,
                    loss=loss,
                    label=label(loss, params),
                    smallest=small,
                    largest=large,
                    decision=decision,
                )
            )
    return typed(parts, SCALING_COMPARISON)


def _compared(pairs: list[tuple[pd.DataFrame, pd.DataFrame]]) -> list[pd.DataFrame]:
    """Paired comparisons at the seeds both of a pair have, as a family: a row a metric, a table a pair."""
    shared = [a.index.intersection(b.index).sort_values() for a, b in pairs]
    results = [
        paired_comparison(a.loc[seeds].to_numpy(), b.loc[seeds].to_numpy())
        for (a, b), seeds in zip(pairs, shared, strict=True)
    ]
    adjusted = holm(np.stack([result.p for result in results]))
    tables = []
    for (a, _), seeds, result, p_holm in zip(pairs, shared, results, adjusted, strict=True):
        decided = [verdict(len(seeds), difference, p) for difference, p in zip(result.difference, p_holm, strict=True)]
        tables.append(
            _metric_names(a).assign(
                seeds=len(seeds),
                p_holm=p_holm,
                decision=[decision for decision, _ in decided],
                reason=[reason for _, reason in decided],
                **result._asdict(),
            )
        )
    return tables


def _summary(values: pd.DataFrame, dataset: str, loss: str, batch_size: int, params: Params) -> pd.DataFrame:
    interval = t_interval(values.to_numpy())
    return _metric_names(values).assign(
        dataset=dataset,
        loss=loss,
        label=label(loss, params),
        batch_size=batch_size,
        seeds=len(values),
        **interval._asdict(),
    )


def _metric_names(values: pd.DataFrame) -> pd.DataFrame:
    split, metric = zip(*(name.split("/", 1) for name in values.columns), strict=True)
    return pd.DataFrame({"split": split, "metric": metric})
