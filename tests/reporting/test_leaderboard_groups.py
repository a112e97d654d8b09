"""Leaderboard, levels and their figures: letters follow the recorded decisions, numbers lead to their runs."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pandas as pd
import pytest
from synthetic import Study, make_study

from suite.reporting.evidence import DatasetEvidence, Evidence, read_evidence
from suite.reporting.leaderboard_section import leaderboard
from suite.reporting.levels_section import levels
from suite.reporting.looks import looks
from suite.reporting.model import AP, Figure, Paragraph, Runs, Table


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Evidence]:
    root = tmp_path_factory.mktemp("groups") / "artifacts"
    params = make_study(root, Study(losses=6, seeds=4, scaling=False, gap_extras=False, optional=False))
    return root, read_evidence(params, root, root.parent / "recipes")


def blocks(section, evidence: Evidence, kind: type, **changes) -> list:
    data: DatasetEvidence = replace(evidence.datasets[0], **changes)
    made = section(replace(evidence, datasets=(data,)), data, looks(evidence.params))
    return [block for block in made if isinstance(block, kind)]


def column(table: Table, title: str) -> dict[str, str]:
    place = [column.title for column in table.columns].index(title)
    return {row[0].text: row[place].text for row in table.rows}


def test_losses_share_a_letter_if_and_only_if_their_pair_is_undecided(recorded):
    root, evidence = recorded
    letters = column(blocks(leaderboard, evidence, Table)[0], "Group")
    assert letters.pop("Frozen features (floor)") == "–"
    pairs = pd.read_parquet(root / "compare" / "pairwise.parquet")
    pairs = pairs[(pairs["metric"] == AP) & (pairs["split"] == "test")]
    assert 0 < (pairs["decision"] == "undecided").sum() < len(pairs)
    told = {frozenset((row.loss_a, row.loss_b)): row.decision != "undecided" for row in pairs.itertuples()}
    for a, b in combinations(evidence.params.losses, 2):
        shared = set(letters[evidence.label(a)]) & set(letters[evidence.label(b)])
        assert bool(shared) is not told[frozenset((a, b))]


def test_the_figure_and_its_words_have_the_same_letters(recorded):
    _, evidence = recorded
    letters = column(blocks(leaderboard, evidence, Table)[0], "Group")
    (figure,) = blocks(leaderboard, evidence, Figure)
    assert {evidence.label(row.loss): row.group for row in figure.frame.itertuples()}.items() <= letters.items()
    assert all(f", group {letters[evidence.label(key)]}" in figure.alt for key in evidence.params.losses)
    assert "share a letter are not told apart" in blocks(leaderboard, evidence, Paragraph)[1].text


def test_where_nothing_is_decided_no_order_is_claimed(recorded):
    _, evidence = recorded
    undecided = evidence.datasets[0].pairwise.assign(decision="undecided")
    letters = column(blocks(leaderboard, evidence, Table, pairwise=undecided)[0], "Group")
    assert set(letters.values()) == {"a", "–"}
    text = blocks(leaderboard, evidence, Paragraph, pairwise=undecided)[1].text
    assert "Here all share one, so no order of the losses is established." in text


def test_without_pairs_there_are_no_letters(recorded):
    _, evidence = recorded
    none = evidence.datasets[0].pairwise.iloc[:0]
    assert "Group" not in [column.title for column in blocks(leaderboard, evidence, Table, pairwise=none)[0].columns]
    (figure,) = blocks(leaderboard, evidence, Figure, pairwise=none)
    assert "group" not in figure.frame
    assert "letter" not in figure.caption + blocks(leaderboard, evidence, Paragraph, pairwise=none)[1].text


def test_numbers_of_a_loss_lead_to_its_main_runs(recorded):
    _, evidence = recorded
    keys = {evidence.label(key): key for key in evidence.params.losses}
    for table in [*blocks(leaderboard, evidence, Table), *blocks(levels, evidence, Table)]:
        for row in table.rows:
            found = {cell.runs for cell in row} - {None}
            assert found == ({Runs("emoji", keys[row[0].text], 256, "epochs")} if row[0].text in keys else set())


def test_levels_show_every_recorded_metric_of_the_hierarchy(recorded):
    root, evidence = recorded
    board = pd.read_parquet(root / "compare" / "leaderboard.parquet")
    board = board[board["split"] == "test"].set_index(["label", "metric"])["mean"]
    (table,), (figure,) = blocks(levels, evidence, Table), blocks(levels, evidence, Figure)
    metrics = {f"mAP ({name})": f"level{place}/AP" for place, name in enumerate(("emoji", "subgroup", "group"))}
    metrics |= {"H-AP": "H_AP", "NDCG": "NDCG"}
    assert [column.title for column in table.columns] == ["Loss", "Seeds", *metrics]
    for row in table.rows:
        label = row[0].text.replace(" (floor)", "")
        assert [cell.value for cell in row[2:]] == [board[label, metric] for metric in metrics.values()]
    drawn = figure.frame.set_index(["label", "metric"])["mean"]
    assert len(drawn) == 6 * 5
    assert all(value == board[label, metrics[title]] for (label, title), value in drawn.items())


def test_what_levels_cannot_tell_is_said(recorded):
    _, evidence = recorded
    board = evidence.datasets[0].leaderboard
    one = blocks(levels, evidence, Paragraph, leaderboard=board[board["loss"].isin(["frozen", "supap"])])
    assert "With one loss there is no order" in one[0].text
    flat = blocks(levels, evidence, Paragraph, leaderboard=board[~board["metric"].str.match("level[12]")])
    assert flat == [Paragraph("Results at one hierarchy level alone are on record.")]
    luck = blocks(levels, evidence, Paragraph, leaderboard=board.assign(low=float("nan"), high=float("nan")))
    assert "luck of a run" in luck[0].text
