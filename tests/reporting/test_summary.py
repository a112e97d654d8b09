"""The summary is short, starts with the winner, and is as sure as the tables are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from synthetic import Study, make_study

from suite.reporting.decisions import tally
from suite.reporting.evidence import DatasetEvidence, Evidence, read_evidence
from suite.reporting.model import AP
from suite.reporting.summary import MOST, agreement, findings, summary, sureness, winner

WORDS = {"above": "larger", "below": "smaller"}


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    root = tmp_path_factory.mktemp("summary")
    return read_evidence(make_study(root, Study(failed=(("triplet", 2),))), root)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    root = tmp_path_factory.mktemp("two")
    study = Study(losses=3, seeds=3, scaling=False, gap_extras=False, datasets=("emoji", "birds"))
    return read_evidence(make_study(root, study), root)


def with_leader(data: DatasetEvidence, loss: str, decision: str | None = None) -> DatasetEvidence:
    """The same data set with `loss` on top, and with all its pairs decided for it or undecided."""
    board, pairs = data.leaderboard.copy(), data.pairwise.copy()
    board.loc[(board["loss"] == loss) & (board["metric"] == AP), "mean"] = 0.9
    for side in ("a", "b"):
        pairs.loc[pairs[f"loss_{side}"] == loss, "decision"] = side if decision is None else decision
    return replace(data, leaderboard=board, pairwise=pairs)


def test_a_data_set_has_few_findings_of_few_words(evidence: Evidence) -> None:
    (part,) = summary(evidence)
    assert [finding.label for finding in part.findings] == [
        "Which loss wins",
        "How sure",
        "Decomposability gap",
        "Other ablations",
        "Batch size",
        "Failed runs",
    ]
    assert len(part.findings) <= MOST
    assert max(len(finding.text.split()) for finding in part.findings) <= 80
    assert sum(len(finding.text.split()) for finding in part.findings) <= 260


def test_ablations_have_findings_of_their_own_where_there_is_room(evidence: Evidence) -> None:
    (data,) = evidence.datasets
    runs = data.runs[data.runs["status"] != "failed"]
    labels = [finding.label for finding in findings(evidence, replace(data, runs=runs))]
    assert labels[3:5] == ["Weight of the calibration loss", "Similarity mixup"]


def test_only_a_loss_above_all_others_wins(two: Evidence) -> None:
    data = two.datasets[0]
    assert winner(two, with_leader(data, "triplet")).startswith("Triplet wins: test mAP 0.900")
    assert sureness(two, with_leader(data, "triplet")).startswith("All 2 other losses are decidedly below it, from ")
    undecided = with_leader(data, "triplet", "undecided")
    assert winner(two, undecided).startswith("Triplet has the highest test mAP, 0.900")
    assert "2 not told apart from it" in sureness(two, undecided)


def test_data_sets_that_agree_are_told_from_those_that_do_not(two: Evidence) -> None:
    first, second = two.datasets
    same = (with_leader(first, "triplet"), with_leader(second, "triplet", "undecided"))
    assert agreement(replace(two, datasets=same)) == (
        "Triplet has the highest test mAP on both data sets. It is decidedly above every other loss on Emoji styles; "
        "2 of 2 others cannot be put below it on Birds styles."
    )
    other = (with_leader(first, "triplet"), with_leader(second, "fastap"))
    told = agreement(replace(two, datasets=other))
    assert told.startswith(
        "The data sets do not agree: Triplet leads on Emoji styles and FastAP leads on Birds styles."
    )
    without = replace(second, leaderboard=second.leaderboard.iloc[:0])
    told = agreement(replace(two, datasets=(same[0], without)))
    assert told.startswith("Emoji styles alone has finished runs to rank: Triplet leads there.")
    without_both = (replace(first, leaderboard=first.leaderboard.iloc[:0]), without)
    assert agreement(replace(two, datasets=without_both)) == "No data set has finished runs to rank."


def test_several_data_sets_are_first_told_of_together(two: Evidence) -> None:
    assert [part.title for part in summary(two)] == ["All data sets", "Emoji styles", "Birds styles"]
    assert [len(part.findings) <= MOST for part in summary(two)] == [True] * 3


def rows(*decisions: str) -> pd.DataFrame:
    place = np.arange(len(decisions))
    table = {"decision": decisions, "difference": 0.01 * (1 + place), "low": 0.01 * place, "high": 0.01 * (2 + place)}
    return pd.DataFrame(table | {"name": [f"n{n}" for n in place]})


@pytest.mark.parametrize(
    ("decisions", "told"),
    [
        (["above"], "larger (+0.010 [0.000, +0.020])"),
        (["above", "above"], "larger for both losses (+0.010 to +0.020 [0.000, +0.030])"),
        (["below"] * 3, "smaller for all 3 losses (+0.010 to +0.030 [0.000, +0.040])"),
        (["above", "below", "undecided"], "larger for 1 of 3 losses (+0.010 [0.000, +0.020]), smaller for 1 (+0.020 "
         "[+0.010, +0.030]), undecided for 1"),
        (["undecided"] * 3, "undecided for all 3 losses (+0.010 to +0.030 [0.000, +0.040])"),
        (["undecided"], "undecided (+0.010 [0.000, +0.020])"),
    ],
)  # fmt: skip
def test_rows_are_counted_by_side_with_the_range_of_what_is_decided(decisions: list[str], told: str) -> None:
    assert tally(rows(*decisions), WORDS, "losses") == told


def test_a_side_names_what_it_is_confined_to() -> None:
    told = tally(rows("above", "undecided"), WORDS, "losses", name=lambda row: row.name)
    assert told == "larger for 1 of 2 losses, all of n0 (+0.010 [0.000, +0.020]), undecided for 1"


def test_no_estimate_leaves_no_brackets() -> None:
    blank = rows("undecided", "undecided").assign(difference=np.nan, low=np.nan, high=np.nan)
    assert tally(blank, WORDS, "losses") == "undecided for both losses"
