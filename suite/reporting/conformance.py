"""The section on conformance: where public implementations agree with the definitions, and why they do not."""

from __future__ import annotations

import pandas as pd

from suite.conformance.layout import DIFFERS, LEGEND, MARKS, conclusion, lay_out, versions
from suite.reporting.evidence import Evidence
from suite.reporting.model import Block, Cell, Column, Paragraph, Points, Table, listing


def conformance(evidence: Evidence) -> list[Block]:
    """What was compared on which batches, a mark a combination, and a note for each that does not agree."""
    table = evidence.conformance
    if table is None or table.empty:
        return [Paragraph("No conformance table is on record: `ranksuite conformance` makes it.")]
    layout = lay_out(table)
    installed = listing(f"{name} {number}" for name, number in versions(table).items() if number)
    tolerances = listing(
        f"{limit:.0e}".replace("e-0", "e-") + f" for those that compute in {dtype}"
        for dtype, limit in table.groupby("dtype", sort=False)["tolerance"].first().items()
    )
    blocks: list[Block] = [
        Paragraph(
            "Public implementations were run beside the definitions of this suite on small batches: values and "
            f"gradients of losses, values of metrics. {conclusion(table)}"
        ),
        Paragraph(
            f"To agree is to deviate by at most this share of the largest value: {tolerances}. Compared: {installed}. "
            "The batches:"
        ),
        Points(tuple(f"`{name}`: {about}." for name, about in layout.cases.items())),
        Table(
            "conformance",
            "Public losses and metrics against the definition named below each, on the batches listed above: "
            f"{LEGEND}. Numbers lead to the notes below; both values and the largest deviations are in the CSV.",
            (Column("Loss or metric"), *(Column(case) for case in layout.cases)),
            tuple(
                (
                    Cell(line.quantity, detail=f"{line.implementation}: {line.definition}"),
                    *(Cell(mark, strong=mark.startswith(MARKS[DIFFERS])) for mark in line.marks),
                )
                for line in layout.lines
            ),
            table,
        ),
    ]
    if layout.notes:
        numbered = list(enumerate(layout.notes, start=1))
        blocks.append(
            Table(
                "conformance_notes",
                "Why an implementation differs, or what it says when it refuses, by the numbers in the table above.",
                (Column("Note", numeric=True), Column("Why", wide=True)),
                tuple((Cell(str(number), float(number)), Cell(note.replace("`", ""))) for number, note in numbered),
                pd.DataFrame(numbered, columns=["note", "reason"]),
            )
        )
    return blocks
