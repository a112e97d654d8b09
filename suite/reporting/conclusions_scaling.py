"""What may be said of training batch size, at equal epochs and at equal steps."""

from __future__ import annotations

from typing import Any

import pandas as pd

from suite.reporting.decisions import decided
from suite.reporting.evidence import DatasetEvidence, Evidence
from suite.reporting.model import AP, listing, number, quantity_name

ESTIMATE = ("estimate", "low", "high")
NOT_VARIED = "Training batch size was not varied, so nothing can be said about it."
# What else changes with the batch when a budget is held equal.
MEANS = {
    "epochs": "so a larger batch also means fewer steps",
    "steps": "so a larger batch also sees more images",
}
_DIRECTION = {"higher": "a rise for", "lower": "a fall for"}


def studied(evidence: Evidence, data: DatasetEvidence, metric: str, budget: str | None = None) -> pd.DataFrame:
    """Test rows of the batch-size study: losses on record at several batch sizes of a budget.

    Two sizes are enough for a compared loss; another with two has them for an ablation.
    """
    table = data.scaling[(data.scaling["metric"] == metric) & (data.scaling["split"] == "test")].dropna(subset=["mean"])
    table = table if budget is None else table[table["budget"] == budget]
    sizes = table.groupby(["loss", "budget"])["batch_size"].transform("nunique")
    return table[sizes > table["loss"].isin(list(evidence.params.compared)).map({True: 1, False: 2})]


def effects(data: DatasetEvidence, metric: str, budget: str, quantity: str) -> pd.DataFrame:
    """Rows of `scaling_effect`."""
    table = data.scaling_effect
    return table[(table["metric"] == metric) & (table["budget"] == budget) & (table["quantity"] == quantity)]


def scaling(evidence: Evidence, data: DatasetEvidence) -> list[str]:
    """What batch size bought in test mAP, a paragraph a budget; that it was not varied, where it was not."""
    sentences = [text for budget in MEANS if (text := bought(data, AP, budget))]
    if not sentences:
        return [NOT_VARIED]
    if len(sentences) == 1 and studied(evidence, data, AP, "steps").empty:
        sentences[0] += " At equal steps nothing was trained, so the two are not separated."
    return sentences


def bought(data: DatasetEvidence, metric: str, budget: str) -> str:
    """Slope, omnibus test and ends of one metric at one budget; nothing where it was not varied."""
    slope = effects(data, metric, budget, "slope")
    if slope.empty:
        return ""
    told = decided(slope, _DIRECTION, _label, ESTIMATE)
    text = (
        f"Change of test {quantity_name(metric)} for a doubling of the training batch, {_sizes(slope)}, at equal "
        f"{budget}, {MEANS[budget]}: {told}."
    )
    whole = effects(data, metric, budget, "any")
    if len(whole):
        text += f" An effect of any form: {_any(whole)}."
    return text


def ends(evidence: Evidence, data: DatasetEvidence, metric: str, budget: str) -> str:
    """The largest against the smallest batch, and means that lie highest between them."""
    rows = effects(data, metric, budget, "ends")
    if rows.empty:
        return ""
    words = {"higher": "higher for", "lower": "lower for"}
    text = (
        f"At equal {budget}, test {quantity_name(metric)} at the largest batch against the smallest is: "
        f"{decided(rows, words, _label, ESTIMATE)}."
    )
    inner = [
        peak for _, part in studied(evidence, data, metric, budget).groupby("loss", sort=False) if (peak := _peak(part))
    ]
    if inner:
        text += f" The highest mean lies between the ends for {listing(inner)}."
    return text


def costs(table: pd.DataFrame) -> str:
    """What an update takes at the smallest and the largest batch."""
    parts = []
    for (_, label), rows in table[table["budget"] == "epochs"].groupby(["loss", "label"], sort=False):
        if rows["batch_size"].nunique() > 1:
            first, last = (rows.loc[rows["batch_size"].idxmin()], rows.loc[rows["batch_size"].idxmax()])
            parts.append(
                f"{label} {milliseconds(first.seconds)} ms at {first.batch_size} and {milliseconds(last.seconds)} ms "
                "at "
                f"{last.batch_size}"
            )
    if not parts:
        return ""
    return f"An update takes, by the median over runs: {'; '.join(parts)}."


def milliseconds(seconds: float) -> str:
    """A time with three figures."""
    return number(1e3 * seconds, 2 if seconds < 0.01 else 1 if seconds < 0.1 else 0)


def _any(rows: pd.DataFrame) -> str:
    """The omnibus test, which has no interval: its estimate is how far the means of the sizes lie apart."""

    def apart(some: pd.DataFrame) -> str:
        return listing(f"{row.label} (means up to {number(row.estimate)} apart)" for row in some.itertuples())

    return decided(rows, {"differs": "found for"}, _label, ESTIMATE, apart)


def _peak(rows: pd.DataFrame) -> str:
    rows = rows.sort_values("batch_size")
    best = rows.loc[rows["mean"].idxmax()]
    if best.batch_size in (rows["batch_size"].iloc[0], rows["batch_size"].iloc[-1]):
        return ""
    return f"{best.label} ({number(best['mean'])} at {best.batch_size})"


def _sizes(rows: pd.DataFrame) -> str:
    return f"{rows['smallest'].min()} to {rows['largest'].max()}"


def _label(row: Any) -> str:
    return row.label
