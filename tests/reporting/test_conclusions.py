"""The sentences of the report against tables that are drawn up to need each of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from synthetic import Study, make_study

from suite.reporting import conclusions
from suite.reporting.conclusions import AP
from suite.reporting.evidence import DatasetEvidence, Evidence, read_evidence
from suite.reporting.results import leaderboard


def record(folder: Path, study: Study) -> tuple[Evidence, DatasetEvidence]:
    evidence = read_evidence(make_study(folder, study), folder)
    return evidence, evidence.datasets[0]


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> tuple[Evidence, DatasetEvidence]:
    return record(tmp_path_factory.mktemp("three"), Study(losses=3, scaling=False))


def with_means(data: DatasetEvidence, **means: float) -> DatasetEvidence:
    """The same data set with other leaderboard means, intervals of a hundredth to each side."""
    table = data.leaderboard.copy()
    floor = data.floor(AP)
    for loss, mean in means.items():
        rows = (table["loss"] == loss) & (table["metric"] == AP)
        table.loc[rows, ["mean", "low", "high"]] = mean, mean - 0.01, mean + 0.01
        table.loc[rows, ["lift", "lift_low", "lift_high"]] = mean / floor, (mean - 0.01) / floor, (mean + 0.01) / floor
    return replace(data, leaderboard=table)


def with_decisions(data: DatasetEvidence, decisions: dict[tuple[str, str], str]) -> DatasetEvidence:
    pairs = data.pairwise.copy()
    for (a, b), decision in decisions.items():
        pairs.loc[(pairs["loss_a"] == a) & (pairs["loss_b"] == b), "decision"] = decision
    return replace(data, pairwise=pairs)


def test_a_rival_above_the_leader_at_common_seeds_is_not_called_below(three) -> None:
    evidence, data = three
    data = with_means(data, contrastive=0.31, triplet=0.40, fastap=0.30)
    pairs = {("contrastive", "triplet"): "a", ("triplet", "fastap"): "a"}
    text = conclusions.rivals(evidence, with_decisions(data, pairs))
    assert "one is below it by a paired test over seeds with Holm's correction: FastAP" in text
    assert "one is above it at the seeds both finished, by a paired test" in text
    assert text.split("above it at the seeds both finished")[1].endswith(": Contrastive.")


@pytest.mark.parametrize(
    ("decision", "word"), [("a", "one is above it"), ("b", "one is below it"), ("undecided", "not told apart")]
)
def test_the_decision_is_read_from_the_rivals_side(three, decision: str, word: str) -> None:
    evidence, data = three
    data = with_means(data, contrastive=0.31, triplet=0.40, fastap=0.30)
    both = {("contrastive", "triplet"): decision, ("triplet", "fastap"): "undecided"}
    assert word in conclusions.rivals(evidence, with_decisions(data, both))


def test_different_seed_counts_are_said(tmp_path: Path) -> None:
    evidence, data = record(tmp_path, Study(losses=3, scaling=False, failed=(("triplet", 2),)))
    text = conclusions.leader(evidence, data)
    assert "not over the same number of seeds: Triplet 4; " in text
    assert text.endswith("Contrastive and FastAP 5.") or text.endswith("FastAP and Contrastive 5.")


def test_equal_seed_counts_are_not_worth_a_word(three) -> None:
    assert "number of seeds" not in conclusions.leader(*three)


def test_losses_that_share_the_highest_mean_are_all_named(three) -> None:
    evidence, data = three
    tied = with_means(data, contrastive=0.4, triplet=0.4, fastap=0.3)
    assert conclusions.leader(evidence, tied).startswith("Contrastive and Triplet share the highest mean test mAP, 0.4")
    assert "Of the 2 other losses, compared with Contrastive, " in conclusions.rivals(evidence, tied)


def test_a_floor_that_is_not_reached_is_not_lifted(three) -> None:
    _, data = three
    text = conclusions.lift(with_means(data, contrastive=0.1, triplet=0.12, fastap=0.15))
    assert "the best loss does not lift it: it reaches 0.73" in text
    assert "0 of 3 losses have their whole interval above the floor." in text
    assert text.endswith("3 losses have their whole interval below it.")


def test_intervals_are_counted_over_the_losses_that_have_one(three) -> None:
    _, data = three
    data = with_means(data, contrastive=0.3, triplet=0.1, fastap=0.4)
    table = data.leaderboard.copy()
    table.loc[table["loss"] == "fastap", ["low", "high"]] = float("nan")
    text = conclusions.lift(replace(data, leaderboard=table))
    assert "1 of 2 losses with an interval has its whole interval above the floor." in text
    assert text.endswith("1 loss has its whole interval below it.")


def test_runs_that_failed_at_the_main_batch_alone_leave_the_others_standing(tmp_path: Path) -> None:
    failed = tuple((loss, seed) for loss in ("contrastive", "triplet", "fastap", "smoothap") for seed in range(2))
    evidence, data = record(tmp_path, Study(losses=4, seeds=2, failed=failed))
    assert isinstance(data.finished, pd.DataFrame)
    assert not data.finished.empty
    expected = "No run finished at batch size 256, so the losses cannot be ranked."
    assert conclusions.leader(evidence, data) == expected
    assert [block.text for block in leaderboard(evidence, data, {})] == [expected]


def with_gaps(data: DatasetEvidence, **rows: tuple[str, float]) -> DatasetEvidence:
    """The same data set with other decisions and adjusted p values of the gap at the smallest measuring batch."""
    table = data.gap_comparison.copy()
    for loss, (decision, p) in rows.items():
        mine = (table["loss"] == loss) & (table["control"] == "frozen") & (table["measure_batch_size"] == 32)
        table.loc[mine, ["decision", "p_holm"]] = decision, p
        table.loc[mine, "reason"] = "fewer than two equal seeds"
    return replace(data, gap_comparison=table)


def test_gaps_are_told_apart_by_the_test_and_not_by_eye(three) -> None:
    evidence, data = three
    data = with_gaps(data, contrastive=("below", 0.01), triplet=("undecided", 0.3), fastap=("undecided", float("nan")))
    text = conclusions.gap_difference(evidence, data)
    assert "is smaller than that of frozen features for Contrastive; it is not set apart from it for Triplet." in text
    assert "No test was possible for FastAP: fewer than two equal seeds." in text
    assert "Holm's correction over 2 tests" in text
    assert "intervals are over seeds, conditional on the same 4 partitions" in text


def test_a_gap_above_the_control_is_not_called_smaller(three) -> None:
    evidence, data = three
    every = dict.fromkeys(("contrastive", "triplet", "fastap"), ("above", 0.001))
    text = conclusions.gap_difference(evidence, with_gaps(data, **every))
    assert "is larger than that of frozen features for Contrastive, Triplet and FastAP." in text
    assert "smaller" not in text


def test_one_seed_tells_no_gap_apart(tmp_path: Path) -> None:
    evidence, data = record(tmp_path, Study(losses=2, seeds=1))
    text = conclusions.gap_difference(evidence, data)
    assert text == "No test was possible for Contrastive and Triplet: fewer than two equal seeds."


def with_scaling(data: DatasetEvidence, means: tuple[float, ...], decision: str) -> DatasetEvidence:
    """The same data set with other means of Smooth-AP at its batch sizes, intervals far apart, and a decision."""
    table, tests = data.scaling.copy(), data.scaling_comparison.copy()
    rows = table[(table["loss"] == "smoothap") & (table["metric"] == AP) & (table["split"] == "test")]
    for place, mean in zip(rows.sort_values("batch_size").index, means, strict=True):
        table.loc[place, ["mean", "low", "high"]] = mean, mean - 1e-6, mean + 1e-6
    tests.loc[tests["loss"] == "smoothap", "decision"] = decision
    return replace(data, scaling=table, scaling_comparison=tests)


@pytest.fixture(scope="module")
def scaled(tmp_path_factory: pytest.TempPathFactory) -> DatasetEvidence:
    return record(tmp_path_factory.mktemp("scaled"), Study(losses=4, seeds=3))[1]


@pytest.mark.parametrize("side", ["higher", "lower"])
def test_batch_sizes_are_told_apart_by_the_paired_test(scaled: DatasetEvidence, side: str) -> None:
    text = conclusions.scaling(with_scaling(scaled, (0.1, 0.2, 0.3, 0.4, 0.5), side))
    expected = (
        f"test mAP is {side} at the largest training batch than at the smallest for Smooth-AP (0.100 at 32, 0.500"
    )
    assert expected in text
    assert "mean at batch" not in text


def test_intervals_apart_decide_nothing_about_batch_sizes(scaled: DatasetEvidence) -> None:
    text = conclusions.scaling(with_scaling(scaled, (0.1, 0.2, 0.3, 0.4, 0.5), "undecided"))
    assert "cannot be decided by these seeds for Smooth-AP" in text


def test_an_extremum_between_the_ends_is_mentioned(scaled: DatasetEvidence) -> None:
    text = conclusions.scaling(with_scaling(scaled, (0.3, 0.1, 0.2, 0.5, 0.4), "higher"))
    assert "highest mean at batch 512: 0.500, lowest mean at batch 128: 0.100" in text
