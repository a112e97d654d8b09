"""The conformance section shows the recorded table and nothing else."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from synthetic import Study, make_study

from suite.files import write_table
from suite.reporting.conformance import conformance
from suite.reporting.evidence import read_evidence
from suite.reporting.model import Paragraph, Points, Table

BATCHES = {"square": "four classes of four", "ties": "equal scores"}


def record(rows: list[tuple[str, str, str, str, str]]) -> pd.DataFrame:
    """A recorded table of (implementation, quantity, case, verdict, reason)."""
    table = pd.DataFrame(rows, columns=["implementation", "quantity", "case", "verdict", "reason"])
    table["version"] = table["verdict"].map(lambda verdict: "" if verdict == "not installed" else "1.2")
    table["batch"] = table["case"].map(BATCHES)
    return table.assign(definition="AP", kind="metric", settings="", dtype="float64", tolerance=1e-6, ours=0.5)


def section(folder: Path, table: pd.DataFrame | None) -> list:
    params = make_study(folder / "artifacts", Study(losses=2, seeds=2))
    if table is not None:
        write_table(folder / "artifacts" / "conformance" / "conformance", table)
    return conformance(read_evidence(params, folder / "artifacts", folder / "recipes"))


def test_without_a_record_it_says_how_to_make_one(tmp_path: Path) -> None:
    (block,) = section(tmp_path, None)
    assert isinstance(block, Paragraph)
    assert "`ranksuite conformance` makes it" in block.text


def test_marks_notes_and_counts_follow_the_record(tmp_path: Path) -> None:
    rows = [
        ("left", "map", "square", "agrees", ""),
        ("left", "map", "ties", "differs", "Because."),
        ("left", "ndcg", "square", "agrees", ""),
        ("left", "ndcg", "ties", "agrees", ""),
        ("right", "AP", "square", "cannot", "ValueError: no"),
        ("right", "AP", "ties", "differs, unexplained", ""),
        ("third", "AP", "square", "not installed", "No module named 'third'"),
        ("third", "AP", "ties", "not installed", "No module named 'third'"),
    ]
    told, how, batches, table, notes = section(tmp_path, record(rows))
    assert isinstance(told, Paragraph)
    assert "Of 6 combinations" in told.text
    assert "3 agree with the definition, 2 differ (1 of them for no known reason) and 1 are refused" in told.text
    assert "1 of 3 losses and metrics agree on every batch" in told.text
    assert "Not installed, so not compared: third." in told.text
    assert "left 1.2 and right 1.2" in how.text
    assert isinstance(batches, Points)
    assert batches.items == ("`square`: four classes of four.", "`ties`: equal scores.")
    assert isinstance(table, Table)
    marks = {row[0].text: [cell.text.replace("\u00a0", " ") for cell in row[1:]] for row in table.rows}
    assert marks["map"] == ["✓", "≠ 1"]
    assert [row[1].text.replace("\u00a0", " ") for row in table.rows] == ["✓", "✓", "✗ 2", "– 3"]
    assert table.rows[2][2].text == "≠?"
    assert [row[1].text for row in notes.rows] == ["Because.", "ValueError: no", "No module named 'third'"]


def test_all_in_agreement_needs_no_notes(tmp_path: Path) -> None:
    blocks = section(tmp_path, record([("left", "map", "square", "agrees", "")]))
    assert [type(block) for block in blocks] == [Paragraph, Paragraph, Points, Table]


@pytest.mark.parametrize("note", ["`torch.topk` leaves them", "plain"])
def test_notes_are_plain_text(tmp_path: Path, note: str) -> None:
    *_, notes = section(tmp_path, record([("left", "map", "square", "differs", note)]))
    assert notes.rows[0][1].text == note.replace("`", "")
