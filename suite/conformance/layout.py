"""How the conformance table is read: one row a loss or metric, one mark a case, numbered notes, counts."""

from __future__ import annotations

import textwrap
from typing import NamedTuple

import pandas as pd

AGREES, DIFFERS, CANNOT, NOT_INSTALLED = "agrees", "differs", "cannot", "not installed"
UNEXPLAINED = "differs, unexplained"
# Told apart by shape; a note's number follows where there is a reason.
MARKS = {AGREES: "✓", DIFFERS: "≠", UNEXPLAINED: "≠?", CANNOT: "✗", NOT_INSTALLED: "–"}
LEGEND = (
    f"{MARKS[AGREES]} agrees, {MARKS[DIFFERS]} differs for the reason in the note, {MARKS[UNEXPLAINED]} differs and "
    f"nobody has said why, {MARKS[CANNOT]} refuses the batch, {MARKS[NOT_INSTALLED]} is not installed, blank: the "
    "definition says nothing about such a batch"
)


class Line(NamedTuple):
    """One loss or metric of an implementation, with a mark a case, empty where it was not compared."""

    implementation: str
    quantity: str
    definition: str
    kind: str
    marks: tuple[str, ...]


class Layout(NamedTuple):
    """The table as it is read.

    Attributes:
        cases: names of the cases and what they hold, in the order of the columns.
        lines: the rows.
        notes: reasons; the first is note 1.
    """

    cases: dict[str, str]
    lines: tuple[Line, ...]
    notes: tuple[str, ...]


def lay_out(table: pd.DataFrame) -> Layout:
    """Arrange the conformance table for reading."""
    cases = dict(zip(table["case"], table["batch"], strict=True))
    notes = [text for text in dict.fromkeys(table["reason"]) if text]
    number = {text: place for place, text in enumerate(notes, start=1)}
    lines = []
    for names, rows in table.groupby(["implementation", "quantity", "definition", "kind"], sort=False):
        marks = {row.case: _mark(row.verdict, number.get(row.reason)) for row in rows.itertuples()}
        lines.append(Line(*names, tuple(marks.get(case, "") for case in cases)))
    return Layout(cases, tuple(lines), tuple(notes))


def counts(table: pd.DataFrame) -> dict[str, int]:
    """How many combinations have each verdict; every verdict has an entry."""
    return {verdict: int((table["verdict"] == verdict).sum()) for verdict in MARKS}


def versions(table: pd.DataFrame) -> dict[str, str]:
    """Implementations with their versions, empty where not installed."""
    return dict(zip(table["implementation"], table["version"], strict=True))


def conclusion(table: pd.DataFrame) -> str:
    """What the table comes to, in two sentences of counts, and a third where an implementation is not installed."""
    found = counts(table)
    compared = table[table["verdict"] != NOT_INSTALLED]
    whole = compared.groupby(["implementation", "quantity"], sort=False)["verdict"].agg(
        lambda verdicts: verdicts.isin((AGREES, CANNOT)).all() and (verdicts == AGREES).any()
    )
    sentences = [
        f"Of {len(compared)} combinations of a loss or metric and a batch, {found[AGREES]} agree with the definition, "
        f"{found[DIFFERS] + found[UNEXPLAINED]} differ ({found[UNEXPLAINED] or 'none'} of them for no known reason) "
        f"and {found[CANNOT]} are refused by the implementation.",
        f"{int(whole.sum())} of {len(whole)} losses and metrics agree on every batch that they take.",
    ]
    missing = sorted(name for name, installed in versions(table).items() if not installed)
    if missing:
        sentences.append(f"Not installed, so not compared: {', '.join(missing)}.")
    return " ".join(sentences)


def as_text(table: pd.DataFrame) -> str:
    """The table for a terminal: marks, what the columns hold, notes, counts."""
    layout = lay_out(table)
    heads = ("", "loss or metric", "definition", *layout.cases)
    grid = [(line.implementation, line.quantity, line.definition, *line.marks) for line in layout.lines]
    widths = [max(len(row[place]) for row in (heads, *grid)) for place in range(len(heads))]
    lines, before = [_row(heads, widths)], ""
    for row in grid:
        lines.append(_row((row[0] if row[0] != before else "", *row[1:]), widths))
        before = row[0]
    installed = [f"{name} {number or '(not installed)'}" for name, number in versions(table).items()]
    return "\n".join(
        [
            *lines,
            "",
            *_wrapped(f"{LEGEND[0].upper()}{LEGEND[1:]}.", ""),
            *(line for name, about in layout.cases.items() for line in _wrapped(about, f"  {name:<10}")),
            "",
            *(line for place, note in enumerate(layout.notes, 1) for line in _wrapped(note, f"{place:>4}  ")),
            "",
            *_wrapped(f"Versions: {', '.join(installed)}.", ""),
            *_wrapped(conclusion(table), ""),
        ]
    )


def _mark(verdict: str, note: int | None) -> str:
    # A no-break space keeps the number beside its mark.
    return MARKS[verdict] if note is None else f"{MARKS[verdict]}\u00a0{note}"


def _row(cells: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _wrapped(text: str, head: str) -> list[str]:
    return textwrap.wrap(text, 118, initial_indent=head, subsequent_indent=" " * len(head))
