"""What one thing did: every arm of an ablation against its first (docs/tables.md, docs/scaling.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

import numpy as np
import pandas as pd

from suite.config import Ablation, Budget, Params
from suite.statistics.class_values import ClassReader
from suite.statistics.comparisons import holm, paired_comparison, verdict
from suite.statistics.crossed import crossed_classes
from suite.statistics.intervals import t_interval
from suite.statistics.pairwise import COMPARED
from suite.statistics.records import label, typed
from suite.statistics.run_gaps import run_gaps

ABLATIONS = (
    dict.fromkeys(("dataset", "ablation", "ablation_label", "loss", "label", "value"), "str")
    | {"value_number": "float64", "budget": "str", "batch_size": "int64", "quantity": "str"}
    | {"seeds": "int64", "classes": "int64"}
    | dict.fromkeys(
        ("mean", "low", "high", "difference", "difference_low", "difference_high", "p", "p_holm"),
        "float64",
    )
    | {"decision": "str", "reason": "str"}
)
_FAMILY = ["dataset", "ablation", "budget", "quantity"]
_NONE = dict.fromkeys(("difference", "difference_low", "difference_high", "p"), np.nan)
_NO_ARM = dict.fromkeys(("mean", "low", "high"), np.nan) | _NONE


def ablations(
    runs: pd.DataFrame, tested: Mapping[str, ClassReader], gaps: pd.DataFrame, params: Params
) -> pd.DataFrame:
    """Each arm minus the first at every batch size and budget that `params.yaml` gives both, at their common seeds.

    Test metrics by seeds crossed with classes; gaps, run by run on the same partitions, by t over seeds. An arm's mean
    is over the seeds it shares with the first; the first's own row has all its seeds. Holm's correction is over the
    arms and batch sizes of one data set, ablation, budget and quantity.
    """
    rows: list[dict[str, Any]] = []
    by_run = run_gaps(gaps, params).set_index(["dataset", "loss", "budget", "batch_size", "seed"]).sort_index()
    for dataset in params.datasets:
        for name, ablation in params.ablations.items():
            for budget, size, arms in _settings(dataset, ablation, params):
                where = {"dataset": dataset, "ablation": name, "ablation_label": ablation.label}
                where |= {"budget": budget, "batch_size": size}
                place = dataset, budget, size
                found = _metrics(arms, tested[dataset], place) + _gaps(arms, by_run, place)
                rows += [where | _arm(row["loss"], ablation, params) | row for row in found]
    if not rows:
        return typed([], ABLATIONS)
    table = pd.DataFrame(rows)
    table["p_holm"] = table.groupby(_FAMILY, sort=False)["p"].transform(lambda p: holm(p.to_numpy()))
    decided = [_decision(row) for row in table.itertuples()]
    table["decision"] = [decision for decision, _ in decided]
    table["reason"] = [reason for _, reason in decided]
    return typed([table], ABLATIONS)


def _settings(dataset: str, ablation: Ablation, params: Params) -> Iterator[tuple[str, int, list[str]]]:
    """Budgets and batch sizes that the first arm and others have on a data set, and these arms, the first first."""
    first, *others = ablation.arms
    for budget in get_args(Budget):
        sizes = {loss: {batch.batch_size for batch in params.batches(dataset, loss, budget)} for loss in ablation.arms}
        for size in sorted(sizes[first]):
            arms = [loss for loss in others if size in sizes[loss]]
            if arms:
                yield budget, size, [first, *arms]


def _arm(loss: str, ablation: Ablation, params: Params) -> dict[str, Any]:
    value = ablation.arms[loss]
    number = float(value) if isinstance(value, int | float) else np.nan
    text = f"{value:g}" if isinstance(value, int | float) else value
    return {
        "label": label(loss, params),
        "value": text,
        "value_number": number,
        "first": loss == next(iter(ablation.arms)),
    }


def _metrics(arms: list[str], tested: ClassReader, place: tuple[str, str, int]) -> list[dict[str, Any]]:
    """A row an arm and compared test metric."""
    _, budget, size = place
    runs = {loss: tested.of(loss, budget, size) for loss in arms}
    first = runs[arms[0]]
    rows = []
    for loss, found in runs.items():
        seeds = sorted({*found.seeds} & {*first.seeds})
        if not seeds:
            some = found if found.seeds else first
            names = [name for family in some.at([], COMPARED.fullmatch) for name in family.metrics]
            rows += [{"loss": loss, "quantity": name, "seeds": 0, "classes": 0} | _NO_ARM for name in names]
            continue
        pairs = zip(found.at(seeds, COMPARED.fullmatch), first.at(seeds, COMPARED.fullmatch), strict=True)
        for mine, base in pairs:
            own = crossed_classes(mine.means, mine.sizes)
            change = crossed_classes(mine.means - base.means, mine.sizes)
            for at, name in enumerate(mine.metrics):
                row = {"loss": loss, "quantity": name, "seeds": len(seeds), "classes": len(mine.sizes)}
                row |= {"mean": own.mean[at], "low": own.low[at], "high": own.high[at]}
                if loss != arms[0]:
                    row |= {"difference": change.mean[at], "difference_low": change.low[at]}
                    row |= {"difference_high": change.high[at], "p": change.p[at]}
                rows.append(_NONE | row)
    return rows


def _gaps(arms: list[str], by_run: pd.DataFrame, place: tuple[str, str, int]) -> list[dict[str, Any]]:
    """A row an arm and gap."""
    dataset, budget, size = place
    rows = []
    for name in by_run.columns:
        values = {loss: _of(by_run[name], (dataset, loss, budget, size)) for loss in arms}
        if all(one.empty for one in values.values()):
            continue
        first = values[arms[0]]
        for loss, found in values.items():
            seeds = found.index.intersection(first.index).sort_values()
            row = {"loss": loss, "quantity": name, "seeds": len(seeds), "classes": 0} | _NO_ARM
            if len(seeds):
                mine, base = found.loc[seeds].to_numpy(), first.loc[seeds].to_numpy()
                row |= dict(zip(("mean", "low", "high"), map(float, t_interval(mine)), strict=True))
                if loss != arms[0]:
                    change = map(float, paired_comparison(mine, base))
                    row |= dict(zip(("difference", "difference_low", "difference_high", "p"), change, strict=True))
            rows.append(row)
    return rows


def _of(values: pd.Series, key: tuple[str, str, str, int]) -> pd.Series:
    """Values of one loss, by seed; empty where it has none."""
    if key not in values.index.droplevel("seed"):
        return values.iloc[:0].droplevel(list(values.index.names[:-1]))
    return values.loc[key].dropna()


def _decision(row: Any) -> tuple[str, str]:
    if row.first:
        return "", ""
    if not row.seeds:
        return "undecided", "cannot be decided: no seed finished in both"
    side, reason = verdict(row.seeds, row.difference, row.p_holm, classes=row.classes or None)
    return {"a": "higher", "b": "lower"}.get(side, side), reason
