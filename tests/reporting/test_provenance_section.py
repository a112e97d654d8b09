"""What is said of running the study again depends on what the runs recorded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from synthetic import Study, make_study

from suite.reporting.data_cards import cards
from suite.reporting.evidence import Evidence, read_evidence
from suite.reporting.model import Points, Table
from suite.reporting.reproducibility import made


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    root: Path = tmp_path_factory.mktemp("provenance")
    return read_evidence(make_study(root, Study(losses=2, seeds=2, scaling=False)), root)


def told(evidence: Evidence, *records: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """The opening paragraph and the facts, with `records` as the provenance of the runs."""
    provenance = {str(place): record for place, record in enumerate(records)}
    data = replace(evidence.datasets[0], provenance=provenance)
    paragraph, _, table, *_ = made(replace(evidence, datasets=(data,)))
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


def test_the_commands_are_told_in_order(evidence: Evidence) -> None:
    def commands(**commits: str) -> list[str]:
        provenance = {name: {"commit": commit} for name, commit in commits.items()}
        blocks = made(replace(evidence, datasets=(replace(evidence.datasets[0], provenance=provenance),)))
        (points,) = (block for block in blocks if isinstance(block, Points))
        return [item.split(":")[0] for item in points.items]

    always = ["`make reproduce`", "`dvc repro -f -s report`", "`make mlflow`"]
    assert commands(a="b2", b="b2", c="a1") == ["`git checkout b2`", *always]
    assert commands() == always


def test_what_the_runs_were_locked_to_is_counted_by_loss(evidence: Evidence) -> None:
    (data,) = evidence.datasets
    finished = data.finished
    digests = {
        run.fingerprint: {"dependencies": {"data": "d" * 64, "code": ("a" if run.seed else "b") * 64}}
        for run in finished.itertuples()
    }
    blocks = made(replace(evidence, datasets=(replace(data, provenance=digests),)))
    (table,) = (block for block in blocks if isinstance(block, Table) and block.name == "lock")
    assert [column.title for column in table.columns] == ["Loss", "Digest of code", "Digest of data", "Runs"]
    assert sum(row[-1].value for row in table.rows) == len(finished)
    assert {row[1].text for row in table.rows} == {"a" * 12, "b" * 12}
    assert set(table.frame["code"]) == {"a" * 64, "b" * 64}


def test_data_cards_give_licence_citation_and_home(evidence: Evidence) -> None:
    (data,) = evidence.datasets
    card = {"licence": "CC0 1.0", "licence_url": "https://example.org/cc0", "citation": "A. Author", "homepage": "here"}
    (table,) = cards(replace(evidence, datasets=(replace(data, card=data.card | card),)))
    texts = [(cell.text, cell.detail) for cell in table.rows[0]]
    assert texts[1:3] == [("CC0 1.0", "https://example.org/cc0"), ("A. Author", "here")]
    assert texts[3][0] == "emoji, subgroup, group"
    assert "test: " in texts[3][1]
