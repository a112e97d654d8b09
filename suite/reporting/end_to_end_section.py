"""The section on networks trained end to end: what they reach beside the head of the same loss, and what they cost."""

from __future__ import annotations

from typing import Any

import pandas as pd

from suite.config import Params
from suite.reporting.evidence import DatasetEvidence, Evidence
from suite.reporting.model import (
    AP,
    Block,
    Cell,
    Column,
    Paragraph,
    Runs,
    Table,
    count,
    measured,
    number,
    whole,
    with_interval,
)
from suite.statistics.intervals import t_interval

_METRICS = {AP: "mAP", "level0/R_at_1": "R@1"}
# What is shown of a run's cost, with its decimals.
_SPENT = {"minutes": 1, "images_per_second": 0, "gib": 1}


def end_to_end(evidence: Evidence, data: DatasetEvidence) -> list[Block]:
    """A sentence and a table row a loss that is trained end to end; nothing where none is."""
    rows = [row for loss in _trained_whole(evidence.params, data) for row in _rows(evidence, data, loss)]
    if not rows:
        return []
    table = pd.DataFrame(rows)
    sentences = [_sentence(group) for _, group in table.groupby(["pair", "batch_size"], sort=False)]
    columns = (
        Column("Trained"),
        Column("Batch", True),
        Column("Seeds", True),
        Column("Epochs", True),
        *(Column(name, True) for name in _METRICS.values()),
        Column("min a run", True),
        Column("images/s", True),
        Column("GiB", True),
    )
    caption = (
        "A head on frozen features and the whole network, trained with the same loss at the same batch size and seeds. "
        "Intervals: 95 %, t over seeds (for new seeds on these classes; for new classes as well see the ablation). "
        "Time, images a second while training and the most memory of the process: medians over runs, with "
        f"{count(evidence.params.workers.processes, 'process', 'processes')} at a time."
    )
    shown = tuple(
        (
            Cell(row["what"], runs=Runs(data.name, row["loss"], int(row["batch_size"]), "epochs")),
            whole(row["batch_size"]),
            whole(row["seeds"]),
            whole(row["epochs"]),
            *(measured(*(row[f"{name}_{end}"] for end in ("mean", "low", "high"))) for name in _METRICS.values()),
            *(Cell(number(row[name], digits), row[name]) for name, digits in _SPENT.items()),
        )
        for row in rows
    )
    frame = table.drop(columns=["pair", "whole"])
    return [
        Paragraph(f"{' '.join(sentences)} {_setting(evidence, data)}"),
        Table(f"{data.name}-end-to-end", caption, columns, shown, frame),
    ]


def _trained_whole(params: Params, data: DatasetEvidence) -> list[str]:
    return [loss for loss in params.losses if params.protocol(loss) == "full" and loss in set(data.finished["loss"])]


def _rows(evidence: Evidence, data: DatasetEvidence, loss: str) -> list[dict[str, Any]]:
    """The runs of a loss by batch size, each after those of the head that the same loss trains, where there is one."""
    params, rows = evidence.params, []
    mine = params.losses[loss]
    heads = [
        name
        for name, other in params.losses.items()
        if params.protocol(name) == "head" and (other.loss, other.settings) == (mine.loss, mine.settings)
    ]
    for batch_size, runs in data.finished[data.finished["loss"] == loss].groupby("batch_size"):
        others = data.finished[
            data.finished["loss"].isin(heads[:1])
            & (data.finished["batch_size"] == batch_size)
            & (data.finished["budget"] == "epochs")
            & data.finished["seed"].isin(runs["seed"])
        ]
        for name, part in ((name, part) for name, part in ((heads[:1], others), ([loss], runs)) if len(part)):
            label = evidence.label(name[0])
            row = {"pair": loss, "whole": name[0] == loss, "loss": name[0], "what": label, "batch_size": batch_size}
            rows.append(row | _reached(part) | _spent(data, part))
    return rows


def _reached(runs: pd.DataFrame) -> dict[str, Any]:
    row: dict[str, Any] = {"seeds": len(runs), "epochs": int(runs["epochs"].iloc[0])}
    for metric, name in _METRICS.items():
        interval = t_interval(runs[f"test/{metric}"].to_numpy())
        row |= {f"{name}_{end}": float(value) for end, value in zip(("mean", "low", "high"), interval, strict=True)}
    return row


def _spent(data: DatasetEvidence, runs: pd.DataFrame) -> dict[str, float]:
    records = [data.provenance.get(fingerprint, {}) for fingerprint in runs["fingerprint"]]
    telemetry = [record.get("telemetry") or {} for record in records]
    seconds = pd.Series([record.get("seconds") for record in records], dtype="float64")
    speeds = pd.Series([one for each in telemetry for one in each.get("examples_per_second", [])], dtype="float64")
    memory = pd.Series([max(each["memory_bytes"]) for each in telemetry if each.get("memory_bytes")], dtype="float64")
    return {
        "minutes": seconds.median() / 60,
        "images_per_second": speeds.median(),
        "gib": memory.median() / 2**30,
    }


def _sentence(group: pd.DataFrame) -> str:
    whole_network = group[group["whole"]].iloc[0]
    batch = whole_network["batch_size"]
    values = with_interval(*(whole_network[f"mAP_{end}"] for end in ("mean", "low", "high")))
    text = f"{whole_network['what']} at batch {batch} reaches a test mAP of {values}"
    heads = group[~group["whole"]]
    if heads.empty:
        return f"{text}; no head of the same loss stands beside it."
    head = heads.iloc[0]
    beside = with_interval(*(head[f"mAP_{end}"] for end in ("mean", "low", "high")))
    if whole_network["mAP_low"] > head["mAP_high"]:
        verdict = "the interval lies above the head's"
    elif whole_network["mAP_high"] < head["mAP_low"]:
        verdict = "the interval lies below the head's"
    else:
        verdict = "the intervals overlap"
    return f"{text}, the head of the same loss {beside}: {verdict}."


def _setting(evidence: Evidence, data: DatasetEvidence) -> str:
    full = evidence.params.full_settings(data.name)
    return (
        f"The network is {full.network.backbone} at {full.images.size} px, {count(full.epochs, 'epoch')}; heads have "
        f"{data.features.get('backbone')} features at {data.features.get('image_size')} px."
    )
