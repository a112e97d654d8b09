"""What is said of running the study again depends on what the runs recorded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from synthetic import Study, make_study

from suite.reporting.evidence import Evidence, read_evidence
from suite.reporting.method import made


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    root: Path = tmp_path_factory.mktemp("provenance")
    return read_evidence(make_study(root, Study(losses=2, seeds=2, scaling=False)), root)


def told(evidence: Evidence, *records: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """The opening paragraph and the facts, with `records` as the provenance of the runs."""
    provenance = {str(place): record for place, record in enumerate(records)}
    data = replace(evidence.datasets[0], provenance=provenance)
    paragraph, table, *_ = made(replace(evidence, datasets=(data,)))
    return paragraph.text, {row[0].text: row[1].text for row in table.rows}


def test_one_clean_commit_can_be_checked_out(evidence: Evidence) -> None:
    text, _ = told(evidence, {"commit": "a1"}, {"commit": "a1", "dirty": False})
    assert text.startswith("To run it again: check out the commit below and run `make reproduce`. Every")


def test_several_commits_are_not_called_one(evidence: Evidence) -> None:
    text, _ = told(evidence, {"commit": "a1"}, {"commit": "b2"}, {"commit": "b2"})
    assert "The runs were made at 2 commits" in text
    assert "check out the commit below" not in text


def test_uncommitted_changes_and_missing_commits_are_said(evidence: Evidence) -> None:
    text, _ = told(evidence, {"commit": "a1", "dirty": True}, {})
    assert "1 run recorded no commit." in text
    assert "1 run was made with uncommitted changes, which a commit does not hold" in text


def test_no_commit_at_all(evidence: Evidence) -> None:
    assert told(evidence, {})[0].startswith("No run recorded the commit it was made at")
    assert told(evidence)[0].startswith("No run recorded the commit it was made at")


def test_what_was_not_recorded_is_left_out(evidence: Evidence) -> None:
    _, facts = told(evidence, {"commit": "a1"})
    assert "Recorded" not in facts
    assert "Training time" not in facts
    assert "None" not in " ".join(facts.values())


def test_times_are_those_recorded(evidence: Evidence) -> None:
    full = {"started": "2001-01-01T00:00:00", "finished": "2001-01-01T00:02:00", "seconds": 120}
    _, facts = told(evidence, full, {"commit": "a1"})
    assert facts["Recorded"] == "from 2001-01-01T00:00:00 to 2001-01-01T00:02:00"
    assert facts["Training time"] == "2.0 minutes, summed over 1 run"
