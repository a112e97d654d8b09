"""What one varied thing did: each ablation of the settings in words."""

from __future__ import annotations

from typing import Any

import pandas as pd

from suite.config import Ablation, Params
from suite.reporting.decisions import decided, spread, tally
from suite.reporting.evidence import DatasetEvidence, Evidence
from suite.reporting.model import listing, quantity_name, signed

CHANGE = ("difference", "difference_low", "difference_high")
_WORDS = {"higher": "higher for", "lower": "lower for"}
_SIDES = {"higher": "higher", "lower": "lower"}
# An arm at more batch sizes than this is told by the range of its changes.
_MOST = 2


def varied(params: Params, dataset: str) -> list[str]:
    """The ablations that a data set has two arms of at least."""
    return [
        name
        for name, ablation in params.ablations.items()
        if sum(bool(params.runs(dataset, loss)) for loss in ablation.arms) > 1
    ]


def outcome(data: DatasetEvidence, name: str, quantities: list[str]) -> str:
    """In how many comparisons, of an arm at a batch size each, an ablation moved some quantities, budget by budget."""
    table = data.ablations[data.ablations["ablation"] == name]
    arms = table[(table["decision"] != "") & table["quantity"].isin(quantities)]
    if arms.empty:
        return "nothing is on record, so nothing can be said about it."
    parts = []
    for quantity in quantities:
        groups = list(arms[arms["quantity"] == quantity].groupby("budget", sort=False))
        told = [
            f"{f'at equal {budget} ' if len(groups) > 1 else ''}{tally(rows, _SIDES, 'comparisons', CHANGE, _value)}"
            for budget, rows in groups
        ]
        parts += [f"{subject(quantity)}: {'; '.join(told)}."] if told else []
    base = table.loc[table["decision"] == "", "value"].iloc[0]
    return f"{listing(dict.fromkeys(arms['value']))} against {base}. {' '.join(parts)}"


def at_equal(params: Params, ablation: Ablation, budget: str) -> str:
    """What is held equal between the arms, as a phrase; empty where they train different things."""
    protocols = {params.protocol(loss) for loss in ablation.arms}
    return f" at equal {budget}" if len(protocols) == 1 else ""


def effect(evidence: Evidence, data: DatasetEvidence, name: str, quantities: list[str]) -> str:
    """What every arm of an ablation did to some quantities, budget by budget."""
    ablation = evidence.params.ablations[name]
    label = ablation.label
    table = data.ablations[data.ablations["ablation"] == name]
    paragraphs = []
    for budget, rows in table.groupby("budget", sort=False):
        parts = []
        for quantity in quantities:
            mine = rows[(rows["quantity"] == quantity) & (rows["decision"] != "")]
            if len(mine):
                parts.append(f"{subject(quantity)}: {decided(mine, _WORDS, _case, CHANGE, _by_arm)}.")
        if parts:
            first = rows[rows["decision"] == ""].iloc[0]
            equal = at_equal(evidence.params, ablation, str(budget))
            paragraphs.append(f"{label}{equal and f',{equal}'}, against {_arm(first)}. {' '.join(parts)}")
    if not paragraphs:
        return f"{label}: nothing is on record, so nothing can be said about it."
    return " ".join(paragraphs)


def subject(quantity: str) -> str:
    """A quantity at the head of a sentence or panel."""
    name = quantity_name(quantity)
    return f"{name[0].upper()}{name[1:]}" if name.startswith("gap") else f"Test {name}"


def _by_arm(rows: pd.DataFrame) -> str:
    """Arm by arm, the batch sizes of each and its changes."""
    told = []
    for _, mine in rows.groupby("loss", sort=False):
        arm = _arm(mine.iloc[0])
        if len(mine) > _MOST:
            told.append(f"{arm} at batch {listing(map(str, mine['batch_size']))} ({spread(mine, CHANGE)})")
        else:
            told += [f"{_case(row)} ({signed(*(getattr(row, one) for one in CHANGE))})" for row in mine.itertuples()]
    return listing(told)


def _case(row: Any) -> str:
    return f"{_arm(row)} at batch {row.batch_size}"


def _arm(row: Any) -> str:
    """The number of an arm, or the loss's label where its value is text."""
    return row.label if pd.isna(row.value_number) else row.value


def _value(row: Any) -> str:
    return row.value
