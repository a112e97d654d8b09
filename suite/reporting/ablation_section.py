"""The section on ablations: what one varied thing did to the gap and to the metrics."""

from __future__ import annotations

import textwrap
from typing import Any

import pandas as pd

from suite.config import Ablation
from suite.reporting import conclusions_ablations, conclusions_gap, scaling_figures
from suite.reporting.evidence import DatasetEvidence, Evidence
from suite.reporting.looks import Looks
from suite.reporting.model import (
    AP,
    Block,
    Cell,
    Column,
    Figure,
    Paragraph,
    Runs,
    Table,
    listing,
    measured,
    number,
    quantity_name,
    whole,
)
from suite.reporting.plates import render
from suite.reporting.protocol_words import what

_R1 = "level0/R_at_1"
_ARM = ["mean", "low", "high"]
_CHANGE = ["difference", "difference_low", "difference_high"]
# Fewer values than this make no line.
_FEW = 3


def ablations(evidence: Evidence, data: DatasetEvidence, look: Looks) -> list[Block]:
    """Sentences, a figure and a table an ablation."""
    names = conclusions_ablations.varied(evidence.params, data.name)
    if not names:
        return [Paragraph("The study varies nothing but losses and batch sizes, so there is no ablation to tell of.")]
    blocks: list[Block] = []
    for name in names:
        table = data.ablations[data.ablations["ablation"] == name]
        shown = _shown(evidence, data, table)
        blocks.append(Paragraph(conclusions_ablations.effect(evidence, data, name, shown)))
        if shown:
            gaps, metrics = ([one for one in shown if one.startswith("gap") == gap] for gap in (True, False))
            blocks += _figure(evidence, data, name, table, shown, look)
            blocks.append(_table(evidence, data, name, table, [*gaps[:1], *metrics]))
    return blocks


def _shown(evidence: Evidence, data: DatasetEvidence, table: pd.DataFrame) -> list[str]:
    """The gap at the smallest measured size and at the one nearest the main batch, mAP and R@1, where on record."""
    smallest, main = conclusions_gap.headline_size(evidence, data), evidence.params.main_batch_size
    sizes = evidence.params.measured_sizes(data.name)
    near = min(sizes, key=lambda size: (abs(size - main), size))
    wanted = [*(f"gap_AP_at_{size}" for size in dict.fromkeys((smallest, near)) if size), AP, _R1]
    return [quantity for quantity in wanted if quantity in set(table["quantity"])]


def _figure(
    evidence: Evidence,
    data: DatasetEvidence,
    name: str,
    table: pd.DataFrame,
    shown: list[str],
    look: Looks,
) -> list[Block]:
    ablation = evidence.params.ablations[name]
    table = table[(table["budget"] == table["budget"].iloc[0])].dropna(subset=["mean"])
    # In the order in which they are told.
    table = pd.concat([table[table["quantity"] == quantity] for quantity in shown])
    held = "" if table.empty else conclusions_ablations.at_equal(evidence.params, ablation, table["budget"].iloc[0])
    values = table.groupby("batch_size")["value_number"].transform("nunique")
    lines = table[values >= _FEW]
    if len(lines):
        wide, narrow = render(scaling_figures.weight_figure, lines, _axis(ablation))
        drawn = lines
        sizes = listing(str(size) for size in sorted(lines["batch_size"].unique()))
        kind = what(evidence.params, ablation.arms)
        caption = (
            f"{ablation.label}: gap and test metrics against it{held}, {kind} trained at batch {sizes}. Bars: 95 % "
            "intervals, of metrics for new seeds and new classes, of gaps over seeds. What a change is worth is for "
            "the paired differences in the table to say."
        )
    else:
        arms = table[table["difference"].notna()]
        # One batch size makes no curve: the table says it all.
        if arms["batch_size"].nunique() < 2:
            return []
        wide, narrow = render(scaling_figures.switch_figure, arms, look)
        drawn = arms
        base = look[next(iter(ablation.arms))].label
        caption = (
            f"{ablation.label}: change against {base} over training batch size{held}. Bars: 95 % intervals of the "
            "paired difference, of metrics for new seeds and new classes, of gaps over seeds; zero: no change."
        )
    alt = f"{ablation.label}: {listing(quantity_name(one) for one in shown)}; values are in the table that follows."
    return [Figure(f"{data.name}-ablation-{name}", caption, alt, wide, narrow, drawn.drop(columns="dataset"))]


def _held(evidence: Evidence, ablation: Ablation, case: dict[str, Any]) -> str:
    """What a row holds equal between the arms, if anything."""
    return case["budget"] if conclusions_ablations.at_equal(evidence.params, ablation, case["budget"]) else "–"


def _axis(ablation: Ablation) -> str:
    """The label of the horizontal axis, in lines short enough to stand under a panel."""
    return textwrap.fill(ablation.label, 40)


def _table(evidence: Evidence, data: DatasetEvidence, name: str, table: pd.DataFrame, shown: list[str]) -> Table:
    ablation = evidence.params.ablations[name]
    cells = table.set_index(["loss", "budget", "batch_size", "quantity"])
    cases = table.drop_duplicates(["loss", "budget", "batch_size"]).sort_values(["budget", "batch_size"], kind="stable")
    rows = []
    for case in cases.to_dict("records"):
        value = None if pd.isna(case["value_number"]) else float(case["value_number"])
        row = [
            Cell(case["value"], value, runs=Runs(data.name, case["loss"], int(case["batch_size"]), case["budget"])),
            whole(case["batch_size"]),
            Cell(_held(evidence, ablation, case)),
            whole(case["seeds"]),
        ]
        for quantity in shown:
            key = (case["loss"], case["budget"], case["batch_size"], quantity)
            if key not in cells.index:
                row += [Cell(number(None))] * 2
                continue
            found = cells.loc[key]
            strong = found["decision"] in ("higher", "lower")
            row += [measured(*found[_ARM]), measured(*found[_CHANGE], sign=True, strong=strong)]
        rows.append(tuple(row))
    titles = [title for quantity in shown for title in (quantity_name(quantity), "change")]
    columns = (
        Column("Value"),
        Column("Batch", True),
        Column("Equal"),
        Column("Seeds", True),
        *(Column(title, True) for title in titles),
    )
    first = next(iter(ablation.arms.values()))
    value = first if isinstance(first, str) else number(first, 0 if float(first).is_integer() else 1)
    caption = (
        f"{ablation.label}: mean of each value and its change against “{value}” at the seeds of both, above their 95 % "
        "intervals, of metrics for new seeds and new classes, of gaps over seeds. Bold: decided at 5 % after Holm's "
        "correction over values and batch sizes of a quantity. The CSV has the other metrics and measuring sizes, p, "
        "and why a case is undecided."
    )
    frame = table.drop(columns="dataset")
    return Table(f"{data.name}-ablation-{name}", caption, columns, tuple(rows), frame, sortable=True, folded=True)
