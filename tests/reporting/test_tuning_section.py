"""The tuning section tells of recorded searches alone."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from synthetic import Study, make_study, write_trials

from suite.config import Params
from suite.errors import SuiteError
from suite.recipes import trials_path
from suite.reporting.evidence import Evidence, read_evidence
from suite.reporting.looks import looks
from suite.reporting.model import Figure, Paragraph, Table
from suite.reporting.scaling_section import scaling
from suite.reporting.tuning import tuning


@pytest.fixture
def params(tmp_path: Path) -> Params:
    return make_study(tmp_path / "artifacts", Study(losses=4, seeds=2))


def read(tmp_path: Path, params: Params) -> Evidence:
    return read_evidence(params, tmp_path / "artifacts", tmp_path / "recipes")


def section(evidence: Evidence) -> tuple[str, Table]:
    paragraph, table = tuning(evidence)
    assert isinstance(paragraph, Paragraph)
    return paragraph.text, table


def scaling_caption(evidence: Evidence) -> str:
    blocks = scaling(evidence, evidence.datasets[0], looks(evidence.params))
    return next(block.caption for block in blocks if isinstance(block, Figure))


def test_without_a_record_nothing_is_claimed(tmp_path: Path, params: Params) -> None:
    evidence = read(tmp_path, params)
    text, table = section(evidence)
    assert "For study “synthetic” on this data set no search is on record" in text
    assert "0.0003" not in text
    assert table.caption.endswith("; no search is on record.")
    assert "chosen" not in scaling_caption(evidence)
    assert "learning rate as `params.yaml` gives it at each size" in scaling_caption(evidence)


def test_budget_choice_and_edges_come_from_the_record(tmp_path: Path, params: Params) -> None:
    recorded = write_trials(tmp_path / "recipes", params)
    # The settings have moved on since the search; what was tried is still what the record says.
    wider = params.tuning.model_copy(update={"learning_rates": [0.1, 0.2], "seeds": [1, 2, 3]})
    evidence = read(tmp_path, params.model_copy(update={"tuning": wider}))
    text, table = section(evidence)
    assert "8 cases (a loss at a batch size, at equal epochs or at equal steps)" in text
    assert "learning rates 0.0003, 0.001 and 0.003, 1 seed each, so 3 trials a case and 24 trials in all" in text
    edges = recorded[recorded["chosen"] & recorded["at_edge"]]
    assert f"{len(edges)} chosen rates lie at an end" in text
    cells = {row[0].text: row[2:] for row in table.rows}
    won = recorded[recorded["chosen"] & (recorded["loss"] == "smoothap")].sort_values("batch_size")
    assert [cell.detail for cell in cells["Smooth-AP"]] == [f"mAP {value:.3f}" for value in won["val/level0/AP"]]
    assert [cell.text.endswith(" *") for cell in cells["Smooth-AP"]] == won["at_edge"].tolist()
    assert "learning rate chosen by search at each size" in scaling_caption(evidence)


def test_a_rate_that_the_search_did_not_choose_is_named(tmp_path: Path, params: Params) -> None:
    write_trials(tmp_path / "recipes", params)
    loss = params.losses["triplet"]
    (batch,) = params.batches("emoji", "triplet")
    batches = {"emoji": [batch.model_copy(update={"learning_rate": 0.5})]}
    changed = params.losses | {"triplet": loss.model_copy(update={"batches": batches})}
    text, table = section(read(tmp_path, params.model_copy(update={"losses": changed})))
    assert "not the one its search chose for Triplet at batch 256 (0.5 in use, 0.001 chosen)" in text
    assert "not the choice" in {cell.detail for row in table.rows if row[0].text == "Triplet" for cell in row}


def test_a_loss_without_a_search_is_named(tmp_path: Path, params: Params) -> None:
    write_trials(tmp_path / "recipes", params, without=("fastap",))
    text, _ = section(read(tmp_path, params))
    assert "No search is on record for FastAP at batch 256." in text
    assert "7 cases" in text


def test_unequal_and_failed_searches_are_said(tmp_path: Path, params: Params) -> None:
    recorded = write_trials(tmp_path / "recipes", params)
    recorded.loc[0, ["status", "val/level0/AP"]] = "failed", float("nan")
    path = trials_path(params.study, "emoji", tmp_path / "recipes")
    recorded.drop(index=len(recorded) - 1).to_csv(path, index=False)
    text, _ = section(read(tmp_path, params))
    assert "not searched alike: from 2 to 3 trials a case" in text
    assert "1 trial failed" in text


def test_a_record_of_another_layout_is_named(tmp_path: Path, params: Params) -> None:
    path = trials_path(params.study, "emoji", tmp_path / "recipes")
    path.parent.mkdir(parents=True)
    pd.DataFrame({"loss": ["fastap"]}).to_csv(path, index=False)
    with pytest.raises(SuiteError, match=r"emoji\.csv: has no column 'batch_size'"):
        read(tmp_path, params)


def test_a_search_before_budgets_were_told_apart_was_at_equal_epochs(tmp_path: Path) -> None:
    params = make_study(tmp_path / "artifacts", Study(losses=5, seeds=2, gap_extras=False))
    recorded = write_trials(tmp_path / "recipes", params)
    path = trials_path(params.study, "emoji", tmp_path / "recipes")
    recorded[recorded["budget"] == "epochs"].drop(columns="budget").to_csv(path, index=False)
    text, table = section(read(tmp_path, params))
    assert "No search is on record for Sup-AP at batch 32 at equal steps" in text
    assert "Smooth-AP at batch" not in text
    rows = {(row[0].text, row[2].text): [cell.detail for cell in row[3:]] for row in table.rows}
    assert set(rows[("Sup-AP", "steps")]) == {"not searched"}
    assert all(detail.startswith("mAP ") for detail in rows[("Sup-AP", "epochs")])
