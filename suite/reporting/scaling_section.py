"""The section on training batch size: metrics at equal epochs and at equal steps, effects, curves, costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from suite.reporting import conclusions_scaling, scaling_figures
from suite.reporting.conclusions_scaling import studied
from suite.reporting.evidence import DatasetEvidence, Evidence
from suite.reporting.looks import Looks
from suite.reporting.model import (
    AP,
    HEADLINE,
    Block,
    Cell,
    Column,
    Figure,
    Paragraph,
    Runs,
    Table,
    count,
    listing,
    measured,
    number,
    p_value,
    quantity_name,
    whole,
)
from suite.reporting.plates import render
from suite.reporting.tuning import rates_in_words
from suite.statistics.costs import step_costs

_SHOWN = (AP, "level0/R_at_1")
_QUANTITIES = {"slope": "a doubling", "ends": "largest − smallest", "any": "any effect"}


def scaling(evidence: Evidence, data: DatasetEvidence, look: Looks) -> list[Block]:
    """Metrics against training batch size at each budget, the effects, the curves, and what an update costs."""
    table = studied(evidence, data, AP)
    told = [Paragraph(text) for text in conclusions_scaling.scaling(evidence, data)]
    if table.empty:
        return told
    budgets = [budget for budget in conclusions_scaling.MEANS if budget in set(table["budget"])]
    others = [
        text
        for budget in budgets
        for text in (
            conclusions_scaling.ends(evidence, data, AP, budget),
            conclusions_scaling.bought(data, "level0/R_at_1", budget),
        )
        if text
    ]
    return [
        *told,
        _figure(evidence, data, table, look),
        *(Paragraph(text) for text in others),
        *_effects(data, look),
        _table(evidence, data, table, look),
        *_fits(data, look),
        *_costs(evidence, data, look),
    ]


def _figure(evidence: Evidence, data: DatasetEvidence, table: pd.DataFrame, look: Looks) -> Figure:
    shown = pd.concat([studied(evidence, data, metric) for metric in _SHOWN])
    floors = {metric: data.floor(metric) for metric in _SHOWN if metric in set(shown["metric"])}
    wide, narrow = render(scaling_figures.scaling_figure, shown, floors, look)
    caption = (
        f"Test metrics against training batch size, {rates_in_words(evidence, data, table)}. Bars: 95 % intervals for "
        "new seeds and new classes; dashed: frozen features. At equal epochs steps fall as the batch grows; at equal "
        "steps the images seen grow with it: the two tell different stories, and neither is the batch size alone. Bars "
        "of one loss share their classes, so that overlap decides nothing about a slope."
    )
    alt = "Test mAP by training batch size: " + "; ".join(
        f"{look[row.loss].label}, equal {row.budget}, at {row.batch_size} {number(row.mean)}"
        for row in table.itertuples()
    )
    return Figure(f"{data.name}-scaling", caption, f"{alt}.", wide, narrow, shown.drop(columns="dataset"))


def _table(evidence: Evidence, data: DatasetEvidence, table: pd.DataFrame, look: Looks) -> Table:
    metrics = [metric for metric in HEADLINE if not studied(evidence, data, metric).empty]
    keys = ["loss", "budget", "batch_size"]
    values = {metric: studied(evidence, data, metric).set_index(keys) for metric in metrics}
    rows = tuple(
        (
            Cell(look[row.loss].label, runs=Runs(data.name, row.loss, int(row.batch_size), row.budget)),
            Cell(row.budget),
            whole(row.batch_size),
            whole(row.seeds),
            whole(row.epochs),
            whole(row.steps),
            *(
                measured(*values[metric].loc[(row.loss, row.budget, row.batch_size), ["mean", "low", "high"]])
                for metric in metrics
            ),
        )
        for row in table.sort_values(["budget", "batch_size"], kind="stable")
        .sort_values("loss", kind="stable", key=lambda column: column.map(list(look).index))
        .itertuples()
    )
    titles = ("Batch", "Seeds", "Epochs", "Steps", *(HEADLINE[metric] for metric in metrics))
    return Table(
        f"{data.name}-scaling",
        "Test metrics by training batch size and by what is held equal: mean over seeds above its 95 % interval for "
        "new seeds and new classes.",
        (Column("Loss"), Column("Equal"), *(Column(title, True) for title in titles)),
        rows,
        data.scaling.drop(columns="dataset"),
        sortable=True,
        folded=True,
    )


def _effects(data: DatasetEvidence, look: Looks) -> list[Block]:
    table = data.scaling_effect[data.scaling_effect["metric"].isin(_SHOWN)]
    if table.empty:
        return []
    keys = ["loss", "budget", "metric", "quantity"]
    cells = table.set_index(keys)
    cases = [
        case
        for case in dict.fromkeys(zip(table["loss"], table["budget"], table["metric"], strict=True))
        if case[0] in look
    ]
    rows = []
    for loss, budget, metric in sorted(cases, key=lambda case: (_SHOWN.index(case[2]), case[1])):
        row = [
            Cell(look[loss].label, runs=Runs(data.name, loss, budget=budget)),
            Cell(budget),
            Cell(quantity_name(metric)),
        ]
        for quantity in _QUANTITIES:
            if (loss, budget, metric, quantity) not in cells.index:
                row += [Cell(number(None))] * (1 if quantity == "any" else 2)
                continue
            found = cells.loc[(loss, budget, metric, quantity)]
            strong = found["decision"] != "undecided"
            if quantity != "any":
                row.append(measured(found["estimate"], found["low"], found["high"], sign=True, strong=strong))
            row.append(p_value(found["p_holm"]))
        rows.append(tuple(row))
    titles = (_QUANTITIES["slope"], "p (Holm)", _QUANTITIES["ends"], "p (Holm)", "any effect, p (Holm)")
    caption = (
        "What training batch size did: change of a metric for a doubling of the batch (least squares over log2 of the "
        "size, within each seed and query) and from the smallest batch to the largest, above their 95 % intervals for "
        "new seeds and new classes; and p of a permutation test of no effect of any form. Bold: decided at 5 % after "
        "Holm's correction over the losses. The CSV has the other metrics and the gaps, and why a case is undecided."
    )
    columns = (Column("Loss"), Column("Equal"), Column("Metric"), *(Column(title, True) for title in titles))
    frame = data.scaling_effect.drop(columns="dataset")
    return [Table(f"{data.name}-scaling-effect", caption, columns, tuple(rows), frame, sortable=True, folded=True)]


def _fits(data: DatasetEvidence, look: Looks) -> list[Block]:
    table = data.scaling_fits[(data.scaling_fits["metric"] == AP) & data.scaling_fits["loss"].isin(list(look))]
    if table.empty:
        return []
    sizes = sorted(set(table["sizes"].astype(int)))
    models = listing(dict.fromkeys(table["model"]))
    text = (
        f"Candidate curves ({models}) were fitted to mAP against batch size. None is crowned: over "
        f"{' or '.join(str(size) for size in sizes)} sizes, curves that differ widely beyond them can fit alike within "
        "them. Intervals have the seed as their unit; one that is open is not bounded by the runs."
    )
    rows = tuple(
        (
            Cell(look[first.loss].label, runs=Runs(data.name, first.loss, budget=first.budget)),
            Cell(first.budget),
            Cell(first.model, detail=first.formula),
            Cell("; ".join(f"{row.parameter} {_parameter(row)}" for row in part.itertuples())),
            Cell(number(first.residual_sd, 4), None if pd.isna(first.residual_sd) else float(first.residual_sd)),
            Cell(number(first.aicc, 1), None if pd.isna(first.aicc) else float(first.aicc)),
            Cell("; ".join(_notes(part))),
        )
        for _, part in table.groupby(["loss", "budget", "model"], sort=False)
        for first in [part.iloc[0]]
    )
    columns = (
        Column("Loss"),
        Column("Equal"),
        Column("Curve"),
        Column("Parameters with 95 % intervals", wide=True),
        Column("Residual sd", True),
        Column("AICc", True),
        Column("Note", wide=True),
    )
    caption = (
        "Every candidate curve through test mAP with the 95 % intervals of its parameters over seeds, B the batch "
        "size; residual sd: of a run about the curve, the offset of its seed taken off. AICc compares curves of one "
        "loss and budget. The CSV has the curves through the gap."
    )
    return [
        Paragraph(text),
        Table(
            f"{data.name}-scaling-fits",
            caption,
            columns,
            rows,
            data.scaling_fits.drop(columns="dataset"),
            sortable=True,
            folded=True,
        ),
    ]


def _costs(evidence: Evidence, data: DatasetEvidence, look: Looks) -> list[Block]:
    """Time and memory of an update, of the losses that have several batch sizes on record."""
    costs = step_costs(data.runs, data.provenance)
    epochs = costs[costs["budget"] == "epochs"]
    varied = epochs[epochs.groupby("loss")["batch_size"].transform("nunique") > 2]
    if varied.empty:
        return [Paragraph("What an update costs at each batch size is not on record.")]
    wide, narrow = render(scaling_figures.cost_figure, varied, look)
    caption = (
        f"Time and memory of an update against training batch size, on the machines under How it was made, "
        f"{count(evidence.params.workers.processes, 'process', 'processes')} at a time. Time: median over runs of each "
        "run's median update, bars from the fastest run to the slowest; memory: the most that an update held beyond "
        "what stood before it."
    )
    rows = tuple(
        (
            Cell(row.label, runs=Runs(data.name, row.loss, int(row.batch_size), "epochs")),
            whole(row.batch_size),
            whole(row.runs),
            Cell(f"{conclusions_scaling.milliseconds(row.seconds)}", 1e3 * row.seconds),
            Cell(
                f"{conclusions_scaling.milliseconds(row.seconds_low)} to "
                f"{conclusions_scaling.milliseconds(row.seconds_high)}"
            ),
            Cell(number(row.bytes / 2**20, 1), None if pd.isna(row.bytes) else row.bytes / 2**20),
        )
        for row in varied.itertuples()
    )
    columns = (
        Column("Loss"),
        Column("Batch", True),
        Column("Runs", True),
        Column("ms an update", True),
        Column("fastest to slowest run"),
        Column("MiB an update", True),
    )
    return [
        Paragraph(conclusions_scaling.costs(varied)),
        Figure(
            f"{data.name}-step-costs",
            caption,
            "Time and memory of an update by batch size; the values are in the table that follows.",
            wide,
            narrow,
            varied.drop(columns="dataset"),
            detail=True,
        ),
        Table(
            f"{data.name}-step-costs",
            "What an update costs: median over runs, the fastest and the slowest run, and the most memory it held.",
            columns,
            rows,
            costs.drop(columns="dataset"),
            sortable=True,
            folded=True,
        ),
    ]


def _figures(value: float) -> str:
    """Four figures for parameters of any size."""
    if pd.isna(value):
        return number(None)
    return ("∞" if value > 0 else "−∞") if abs(value) == float("inf") else f"{value:.4g}".replace("-", "−")


def _notes(part: pd.DataFrame) -> Iterator[str]:
    """Why parameters of a curve have no interval or an open one, those of one reason together."""
    for reason, rows in part[part["reason"] != ""].groupby("reason", sort=False):
        yield f"{', '.join(rows['parameter'])}: {reason}"


def _parameter(row: Any) -> str:
    bounds = "" if pd.isna(row.low) or pd.isna(row.high) else f" [{_figures(row.low)}, {_figures(row.high)}]"
    return f"{_figures(row.estimate)}{bounds}"
