"""How the losses of two studies differ, B minus A: metrics query by query, gaps partition by partition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from suite.datasets.arrays import load_items, load_labels
from suite.reporting.two_studies.studies import Study
from suite.statistics.comparisons import holm, paired_comparison, verdict
from suite.statistics.crossed import Crossed, class_means, crossed_classes
from suite.statistics.gap_tables import chosen_heads
from suite.statistics.pairwise import COMPARED
from suite.statistics.queries import QueryValues
from suite.statistics.records import fingerprints, typed

_NUMBERS = ("mean_a", "low_a", "high_a", "mean_b", "low_b", "high_b", "difference", "low", "high", "p", "p_holm")
_SIDES = {"a": "higher", "b": "lower", "undecided": "undecided"}
METRICS = (
    {"loss": "str", "label": "str", "metric": "str", "seeds": "int64", "classes": "int64", "same_runs": "int64"}
    | dict.fromkeys(_NUMBERS, "float64")
    | {"decision": "str", "reason": "str"}
)
GAPS = {"measure_batch_size": "int64"} | METRICS


@dataclass(frozen=True)
class Differences:
    """What may be compared of one data set.

    Attributes:
        dataset: its name.
        reason: why no difference is formed; empty where one is.
        losses: compared in both studies, in B's order.
        metrics: a row a loss and metric.
        gaps: a row a loss and measuring batch size, of the gap of AP; empty where its batches differ.
        gap_reason: why the gap is not compared; empty where it is.
    """

    dataset: str
    reason: str
    losses: tuple[str, ...]
    metrics: pd.DataFrame
    gaps: pd.DataFrame
    gap_reason: str


def differences(a: Study, b: Study) -> list[Differences]:
    """B minus A for each data set of both.

    Where both judge the same queries, the difference is taken at equal seeds, query by query, with an interval and a
    test for new seeds and new classes (`suite.statistics.crossed`). Gaps are paired by partition and averaged within a
    seed; their t test is over seeds. Holm's correction is over the losses of a metric, or of a measuring size.
    """
    return [_compared(a, b, dataset) for dataset in b.params.datasets if dataset in a.params.datasets]


def _compared(a: Study, b: Study, dataset: str) -> Differences:
    losses = tuple(loss for loss in b.params.compared if loss in a.params.compared)
    nothing = typed([], METRICS), typed([], GAPS)
    reason = _incomparable(a, b, dataset)
    if reason or not losses:
        reason = reason or "no loss is compared in both studies"
        return Differences(dataset, reason, losses, *nothing, reason)
    read = {loss: (_read(a, dataset, loss), _read(b, dataset, loss)) for loss in losses}
    pairs = [pair for pair in read.values() if None not in pair]
    if any(not np.array_equal(one.items, other.items) for one, other in pairs):
        reason = "the studies judge different queries"
        return Differences(dataset, reason, losses, *nothing, reason)
    parts = []
    for loss, (one, other) in read.items():
        parts.append(_metrics(one, other).assign(loss=loss, label=b.params.loss(loss).label, same_runs=0))
        parts[-1]["same_runs"] = _same(a, b, dataset, loss)
    metrics = typed([_decided(pd.concat(parts, ignore_index=True), "metric", classes=True)], METRICS)
    gap_reason = _other_batches(a, b)
    gaps = nothing[1] if gap_reason else _gaps(a, b, dataset, losses)
    return Differences(dataset, "", losses, metrics, gaps, gap_reason)


def _incomparable(a: Study, b: Study, dataset: str) -> str:
    sizes = (a.params.main_batch_size, b.params.main_batch_size)
    if sizes[0] != sizes[1]:
        return f"the main batch size is {sizes[0]} in A and {sizes[1]} in B"
    (labels_a, splits_a), (labels_b, splits_b) = (load_labels(study.root, dataset) for study in (a, b))
    items = [load_items(study.root, dataset) for study in (a, b)]
    same = np.array_equal(labels_a, labels_b) and np.array_equal(splits_a, splits_b) and len(items[0]) == len(items[1])
    return "" if same else "the studies have different images or labels"


def _read(study: Study, dataset: str, loss: str) -> QueryValues | None:
    found = fingerprints(study.runs, dataset, loss, study.params.main_batch_size)
    return study.reader(dataset).runs(loss, found)


def _same(a: Study, b: Study, dataset: str, loss: str) -> int:
    """How many runs are one and the same."""
    sides = (fingerprints(study.runs, dataset, loss, study.params.main_batch_size) for study in (a, b))
    return len(set.intersection(*(set(side.values()) for side in sides)))


def _metrics(a: QueryValues | None, b: QueryValues | None) -> pd.DataFrame:
    """A row a metric that both have."""
    if a is None or b is None:
        known = a or b
        names = [] if known is None else [name for name in known.values if COMPARED.fullmatch(name)]
        return _rows(names, 0, 0, _means(a, names), _means(b, names), None)
    names = [name for name in b.values if COMPARED.fullmatch(name) and name in a.values]
    seeds = sorted(set(a.seeds) & set(b.seeds))
    tables = []
    for family in b.families(names):
        amounts = (0, 0, None)
        if seeds:
            (first,), (second,) = (list(side.at(seeds).families(family.metrics)) for side in (a, b))
            means, sizes = class_means(second.values - first.values, second.classes)
            amounts = (len(seeds), len(sizes), crossed_classes(means, sizes))
        sides = (_means(side, family.metrics) for side in (a, b))
        tables.append(_rows(family.metrics, amounts[0], amounts[1], *sides, amounts[2]))
    return pd.concat(tables, ignore_index=True) if tables else _rows([], 0, 0, None, None, None)


def _means(side: QueryValues | None, metrics: list[str]) -> Crossed | None:
    """Means of one study over all its seeds."""
    if side is None or not metrics:
        return None
    (family,) = side.families(metrics)
    return crossed_classes(*class_means(family.values, family.classes))


def _rows(
    metrics: list[str], seeds: int, classes: int, a: Crossed | None, b: Crossed | None, found: Crossed | None
) -> pd.DataFrame:
    columns: dict[str, object] = {"metric": metrics, "seeds": seeds, "classes": classes}
    for side, values in (("a", a), ("b", b)):
        for name in ("mean", "low", "high"):
            columns[f"{name}_{side}"] = np.nan if values is None else getattr(values, name)
    for name, field in {"difference": "mean", "low": "low", "high": "high", "p": "p"}.items():
        columns[name] = np.nan if found is None else getattr(found, field)
    return pd.DataFrame(columns)


def _other_batches(a: Study, b: Study) -> str:
    """Why gaps cannot be paired: other batches were drawn."""
    one, other = a.params.measure, b.params.measure
    drawn = [(plan.samplers[plan.main_sampler], plan.partitions) for plan in (one, other)]
    return "" if drawn[0] == drawn[1] else "the studies measure it in other batches"


def _gaps(a: Study, b: Study, dataset: str, losses: tuple[str, ...]) -> pd.DataFrame:
    sides = [_gap_rows(study, dataset) for study in (a, b)]
    keys = ["loss", "measure_batch_size", "seed", "partition"]
    both = sides[0].merge(sides[1], on=keys, suffixes=("_a", "_b"))
    rows = []
    for (loss, size), group in both[both["loss"].isin(losses)].groupby(["loss", "measure_batch_size"], sort=True):
        by_seed = group.groupby("seed")[["gap_a", "gap_b"]].mean()
        found = paired_comparison(by_seed["gap_b"].to_numpy(), by_seed["gap_a"].to_numpy())
        rows.append(
            {
                "loss": loss,
                "label": b.params.loss(loss).label,
                "metric": "gap_AP",
                "measure_batch_size": size,
                "seeds": len(by_seed),
                "classes": 0,
                "same_runs": _same(a, b, dataset, loss),
                "mean_a": by_seed["gap_a"].mean(),
                "mean_b": by_seed["gap_b"].mean(),
            }
            | {name: float(value) for name, value in found._asdict().items()}
        )
    if not rows:
        return typed([], GAPS)
    table = pd.DataFrame(rows).assign(low_a=np.nan, high_a=np.nan, low_b=np.nan, high_b=np.nan)
    order = {loss: place for place, loss in enumerate(losses)}
    table = table.sort_values(
        ["measure_batch_size", "loss"], key=lambda one: one.map(order) if one.name == "loss" else one
    )
    return typed([_decided(table.reset_index(drop=True), "measure_batch_size", classes=False)], GAPS)


def _gap_rows(study: Study, dataset: str) -> pd.DataFrame:
    table = chosen_heads(study.gaps)
    chosen = (table["dataset"] == dataset) & (table["split"] == "test") & (table["metric"] == "AP")
    chosen &= (table["sampler"] == study.params.measure.main_sampler) & (table["budget"] == "epochs")
    chosen &= table["train_batch_size"] == study.params.main_batch_size
    return table.loc[chosen, ["loss", "measure_batch_size", "seed", "partition", "gap"]]


def _decided(table: pd.DataFrame, family: str, classes: bool) -> pd.DataFrame:
    """Holm's correction within each family, and the decisions."""
    table = table.assign(p_holm=np.nan, decision="undecided", reason="")
    for _, places in table.groupby(family, sort=False).groups.items():
        table.loc[places, "p_holm"] = holm(table.loc[places, "p"].to_numpy())
    told = [
        verdict(row.seeds, row.difference, row.p_holm, classes=row.classes if classes else None)
        for row in table.itertuples()
    ]
    return table.assign(decision=[_SIDES[side] for side, _ in told], reason=[reason for _, reason in told])
