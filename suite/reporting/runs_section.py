"""The section on runs: those that failed and why, then every run with its fingerprint."""

from __future__ import annotations

from typing import Any

import pandas as pd

from suite.reporting.evidence import Evidence
from suite.reporting.model import AP, Block, Cell, Column, Paragraph, Points, Runs, Table, count, number
from suite.reporting.protocol_words import what

SHORT = 12


def runs(evidence: Evidence) -> list[Block]:
    """Failed runs, then every run with its fingerprint."""
    failed = pd.concat([data.failed for data in evidence.datasets])
    trained = pd.concat([data.runs[data.runs["batch_size"] > 0] for data in evidence.datasets])
    blocks: list[Block] = []
    if failed.empty:
        blocks.append(Paragraph("No run failed."))
    else:
        blocks.append(
            Paragraph(f"{count(len(failed), 'run')} failed; `ranksuite retry DATASET LOSS` has them run again.")
        )
        blocks.append(
            Points(
                tuple(
                    f"{f'{run.dataset}, ' if len(evidence.datasets) > 1 else ''}"
                    f"{evidence.params.loss(run.loss).label}, batch {run.batch_size}, equal {run.budget}, seed "
                    f"{run.seed}: "
                    f"{'no reason recorded' if pd.isna(run.error) else run.error} "
                    f"(`{str(run.fingerprint)[:SHORT]}`)"
                    for run in failed.itertuples()
                )
            )
        )
    several = len(evidence.datasets) > 1
    columns = [
        Column("Loss"),
        Column("Equal"),
        Column("Batch", True),
        Column("Seed", True),
        Column("Status"),
        Column("mAP, test", True),
        Column("mAP, validation", True),
        Column("Fingerprint"),
    ]
    rows = []
    for run in trained.to_dict("records"):
        cells = [
            Cell(evidence.params.loss(run["loss"]).label),
            Cell(run["budget"]),
            Cell(f"{int(run['batch_size']):,}", float(run["batch_size"])),
            Cell(str(int(run["seed"])), float(run["seed"])),
            Cell(run["status"]),
            *(_metric(run.get(f"{split}/{AP}")) for split in ("test", "val")),
            Cell(str(run["fingerprint"])[:SHORT], code=True, runs=_runs(run)),
        ]
        rows.append((*([Cell(run["dataset"])] if several else []), *cells))
    head = ([Column("Data set")] if several else []) + columns
    blocks.append(
        Table(
            "runs",
            f"Every run behind the figures, with the first {SHORT} characters of its fingerprint (whole "
            f"in the CSV). "
            f"Validation values are optimistic: {what(evidence.params, evidence.params.losses)} were chosen on them.",
            tuple(head),
            tuple(rows),
            trained,
            sortable=True,
            folded=True,
        )
    )
    return blocks


def _runs(run: dict[str, Any]) -> Runs:
    return Runs(run["dataset"], run["loss"], fingerprint=str(run["fingerprint"]))


def _metric(value: float | None) -> Cell:
    return Cell(number(None)) if value is None or pd.isna(value) else Cell(number(value), float(value))
