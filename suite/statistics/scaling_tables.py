"""What batch size buys: the tables `scaling`, `scaling_effect` and `scaling_fits` (docs/tables.md, docs/scaling.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, get_args

import numpy as np
import pandas as pd

from suite.config import Budget, Params
from suite.statistics.class_values import ClassReader, ClassValues
from suite.statistics.comparisons import holm, paired_comparison, verdict
from suite.statistics.crossed import crossed_classes
from suite.statistics.intervals import t_interval
from suite.statistics.pairwise import COMPARED
from suite.statistics.records import label, metric_values, typed
from suite.statistics.run_gaps import run_gaps
from suite.statistics.scaling import any_effect, ends, slope
from suite.statistics.scaling_curves import fit_curves

_GROUP = {"dataset": "str", "loss": "str", "label": "str", "budget": "str"}
_INTERVAL = dict.fromkeys(("low", "high"), "float64")
SCALING = (
    _GROUP
    | {"batch_size": "int64", "split": "str", "metric": "str", "seeds": "int64", "classes": "int64"}
    | {"mean": "float64"}
    | _INTERVAL
    | {"method": "str", "epochs": "Int64", "steps": "Int64"}
)
SCALING_EFFECT = (
    _GROUP
    | {"metric": "str", "quantity": "str"}
    | dict.fromkeys(("smallest", "largest", "sizes", "seeds", "classes"), "int64")
    | {"estimate": "float64"}
    | _INTERVAL
    | {"p": "float64", "p_holm": "float64", "decision": "str", "reason": "str"}
)
SCALING_FITS = (
    _GROUP
    | dict.fromkeys(("metric", "model", "formula", "parameter"), "str")
    | {"estimate": "float64"}
    | _INTERVAL
    | {"reason": "str", "seeds": "int64", "points": "int64", "sizes": "int64"}
    | {"residual_sd": "float64", "aicc": "float64"}
)
_FAMILY = ["dataset", "budget", "metric", "quantity"]
# Beside it, the gap of AP at every measuring size.
_FITTED = "level0/AP"
_CONTRASTS = {"slope": slope, "ends": ends}
# A loss outside the leaderboard that has fewer sizes serves an ablation, not the study of batch size.
_SCALED_FROM = 3


class _Ladder(NamedTuple):
    """A loss at one budget, at the sizes and seeds that its runs have in common."""

    dataset: str
    loss: str
    budget: str
    sizes: list[int]
    seeds: list[int]


def scaling(runs: pd.DataFrame, tested: Mapping[str, ClassReader], params: Params) -> pd.DataFrame:
    """Mean and interval of every metric at every trained batch size and budget.

    Test: over seeds crossed with classes. Validation, of which no query is on record: t over seeds.
    """
    parts = []
    for dataset, loss, budget, finished in _trained(runs, params):
        for size, group in finished.groupby("batch_size", sort=True):
            where = {
                "dataset": dataset,
                "loss": loss,
                "label": label(loss, params),
                "budget": budget,
                "batch_size": size,
                "seeds": len(group),
                "epochs": group["epochs"].max(),
                "steps": group["steps"].max(),
            }
            values = metric_values(runs, dataset, loss, size, budget)
            values = values[[name for name in values.columns if name.startswith("val/")]]
            names = [name.removeprefix("val/") for name in values.columns]
            interval = t_interval(values.to_numpy())._asdict()
            parts.append(
                pd.DataFrame({"metric": names, **interval}).assign(split="val", method="seeds", classes=0, **where)
            )
            for family in tested[dataset].of(loss, budget, size).families:
                found = crossed_classes(family.means, family.sizes)
                parts.append(
                    pd.DataFrame(
                        {"metric": family.metrics, "mean": found.mean, "low": found.low, "high": found.high}
                    ).assign(split="test", method="crossed", classes=len(family.sizes), **where)
                )
    return typed(parts, SCALING)


def scaling_effect(
    runs: pd.DataFrame, tested: Mapping[str, ClassReader], gaps: pd.DataFrame, params: Params
) -> pd.DataFrame:
    """Change per doubling, from end to end, and any change at all, of the compared test metrics and of every gap.

    Holm's correction is over the losses of one data set, budget, metric and quantity.
    """
    rows: list[dict[str, Any]] = []
    gap_of_run = run_gaps(gaps, params)
    for ladder in _ladders(runs, params):
        where = _where(ladder, params)
        if not ladder.seeds:
            continue
        for family in _families(ladder, tested[ladder.dataset]):
            for name, contrast in _CONTRASTS.items():
                changes = contrast(family.means, ladder.sizes)
                found = crossed_classes(changes, family.sizes, scale=np.abs(family.means).max(axis=(0, 1, 2)))
                rows += [
                    where
                    | {"metric": metric, "quantity": name, "classes": len(family.sizes), "floor": 0.0}
                    | dict(zip(("estimate", "low", "high", "p"), values, strict=True))
                    for metric, *values in zip(family.metrics, found.mean, found.low, found.high, found.p, strict=True)
                ]
            by_run = family.over_queries()
            rows += [
                where | {"metric": metric} | _any(by_run[..., place], ladder.sizes)
                for place, metric in enumerate(family.metrics)
            ]
        for metric, values in _gap_values(gap_of_run, ladder):
            for name, contrast in _CONTRASTS.items():
                changes = contrast(values, ladder.sizes)
                found = paired_comparison(changes, np.zeros_like(changes), np.abs(values).max())
                rows.append(
                    where
                    | {"metric": metric, "quantity": name, "classes": 0, "floor": 0.0}
                    | dict(zip(("estimate", "low", "high", "p"), map(float, found), strict=True))
                )
            rows.append(where | {"metric": metric} | _any(values, ladder.sizes))
    if not rows:
        return typed([], SCALING_EFFECT)
    table = pd.DataFrame(rows)
    families = table.groupby(_FAMILY, sort=False)
    table["p_holm"] = families["p"].transform(lambda p: holm(p.to_numpy()))
    # What has no p is no part of the family, so its floor must not raise that of the others.
    table["floor"] = table["floor"].where(table["p"].notna())
    table["floor"] = families["floor"].transform(lambda floor: holm(floor.to_numpy()))
    decided = [_decision(row) for row in table.itertuples()]
    table["decision"] = [decision for decision, _ in decided]
    table["reason"] = [reason for _, reason in decided]
    return typed([table], SCALING_EFFECT)


def scaling_fits(
    runs: pd.DataFrame, tested: Mapping[str, ClassReader], gaps: pd.DataFrame, params: Params
) -> pd.DataFrame:
    """Every candidate curve through mAP and through the gap of AP at each measuring size, a row a parameter."""
    rows: list[dict[str, Any]] = []
    gap_of_run = run_gaps(gaps, params)
    for ladder in _ladders(runs, params):
        if not ladder.seeds:
            continue
        series = [
            (metric, family.over_queries()[..., place])
            for family in _families(ladder, tested[ladder.dataset])
            for place, metric in enumerate(family.metrics)
            if metric == _FITTED
        ]
        series += [pair for pair in _gap_values(gap_of_run, ladder) if pair[0].startswith("gap_AP_at_")]
        for metric, values in series:
            where = _where(ladder, params) | {"metric": metric, "points": values.size}
            for fit in fit_curves(values, np.array(ladder.sizes)):
                shared = where | {name: getattr(fit, name) for name in ("model", "formula", "residual_sd", "aicc")}
                rows += [
                    shared
                    | {"parameter": one.name, "estimate": one.estimate, "low": one.low, "high": one.high}
                    | {"reason": one.reason}
                    for one in fit.parameters
                ]
    return typed([pd.DataFrame(rows)] if rows else [], SCALING_FITS)


def _trained(runs: pd.DataFrame, params: Params) -> Iterator[tuple[str, str, str, pd.DataFrame]]:
    """Finished runs of every data set, loss and budget, in the order of the settings."""
    finished = runs[runs["status"] == "finished"]
    for dataset in params.datasets:
        for loss in params.losses:
            for budget in get_args(Budget):
                where = (finished["dataset"] == dataset) & (finished["loss"] == loss) & (finished["budget"] == budget)
                yield dataset, loss, budget, finished[where]


def _ladders(runs: pd.DataFrame, params: Params) -> Iterator[_Ladder]:
    """The losses with runs at several sizes; a size at which fewer than two runs finished is left out.

    Where no size has two, one run at each is enough: there is then no interval.
    """
    for dataset, loss, budget, finished in _trained(runs, params):
        seeds = {size: set(group["seed"]) for size, group in finished.groupby("batch_size", sort=True)}
        enough = min(2, max(map(len, seeds.values()), default=0))
        sizes = [int(size) for size, ran in seeds.items() if len(ran) >= enough]
        if len(sizes) < (2 if params.losses[loss].compared else _SCALED_FROM):
            continue
        yield _Ladder(dataset, loss, budget, sizes, sorted(set.intersection(*(seeds[size] for size in sizes))))


def _where(ladder: _Ladder, params: Params) -> dict[str, Any]:
    return {
        "dataset": ladder.dataset,
        "loss": ladder.loss,
        "label": label(ladder.loss, params),
        "budget": ladder.budget,
        "smallest": ladder.sizes[0],
        "largest": ladder.sizes[-1],
        "sizes": len(ladder.sizes),
        "seeds": len(ladder.seeds),
    }


def _families(ladder: _Ladder, tested: ClassReader) -> Iterator[ClassValues]:
    """Compared metrics of the ladder's runs, those of the same queries together; means (S, B, C, M)."""
    by_size = [
        tested.of(ladder.loss, ladder.budget, size).at(ladder.seeds, COMPARED.fullmatch) for size in ladder.sizes
    ]
    for families in zip(*by_size, strict=True):
        yield families[0]._replace(means=np.stack([family.means for family in families], axis=1))


def _gap_values(gap_of_run: pd.DataFrame, ladder: _Ladder) -> Iterator[tuple[str, np.ndarray]]:
    """Every gap of the ladder's runs, (S, B); one that a run lacks is left out."""
    where = (
        (gap_of_run["dataset"] == ladder.dataset)
        & (gap_of_run["loss"] == ladder.loss)
        & (gap_of_run["budget"] == ladder.budget)
    )
    for name in (name for name in gap_of_run.columns if name.startswith("gap_")):
        table = gap_of_run[where].pivot(index="seed", columns="batch_size", values=name)
        values = table.reindex(index=ladder.seeds, columns=ladder.sizes).to_numpy()
        if np.isfinite(values).all():
            yield name, values


def _any(values: np.ndarray, sizes: list[int]) -> dict[str, Any]:
    found = any_effect(values, np.array(sizes))
    p = found.p if len(values) > 1 else np.nan
    estimate = {"estimate": found.spread, "low": np.nan, "high": np.nan, "p": p}
    return {"quantity": "any", "classes": 0, "floor": found.smallest_p} | estimate


def _decision(row: Any) -> tuple[str, str]:
    classes = row.classes or None
    side, reason = verdict(row.seeds, row.estimate, row.p_holm, classes=classes, attainable=row.floor)
    if side == "undecided":
        return side, reason
    return ("differs" if row.quantity == "any" else {"a": "higher", "b": "lower"}[side]), reason
