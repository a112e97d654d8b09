"""The sentences of the report against tables that are drawn up to need each of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from synthetic import Study, make_study

from suite.reporting import conclusions
from suite.reporting.evidence import DatasetEvidence, Evidence, read_evidence
from suite.reporting.model import AP
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
    assert "one is below it by a paired test over seeds and classes with Holm's correction: FastAP (" in text
    assert "one is above it at the seeds both finished, by a paired test" in text
    assert ": Contrastive (" in text.split("above it at the seeds both finished")[1]


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
    assert f"the best loss does not lift it: it reaches {0.15 / data.floor(AP):.2f} [" in text
    assert "0 of 3 losses have the whole interval of this ratio above 1." in text
    assert text.endswith("3 losses have it below 1.")


def test_intervals_are_counted_over_the_losses_that_have_one(three) -> None:
    _, data = three
    data = with_means(data, contrastive=0.3, triplet=0.1, fastap=0.4)
    table = data.leaderboard.copy()
    table.loc[table["loss"] == "fastap", ["lift_low", "lift_high"]] = float("nan")
    text = conclusions.lift(replace(data, leaderboard=table))
    assert "1 of 2 losses with an interval has the whole interval of this ratio above 1." in text
    assert text.endswith("1 loss has it below 1.")


def test_runs_that_failed_at_the_main_batch_alone_leave_the_others_standing(tmp_path: Path) -> None:
    failed = tuple((loss, seed) for loss in ("contrastive", "triplet", "fastap", "smoothap") for seed in range(2))
    evidence, data = record(tmp_path, Study(losses=4, seeds=2, failed=failed))
    assert isinstance(data.finished, pd.DataFrame)
    assert not data.finished.empty
    expected = "No run finished at batch size 256, so the losses cannot be ranked."
    assert conclusions.leader(evidence, data) == expected
    assert [block.text for block in leaderboard(evidence, data, {})] == [expected]


def test_a_difference_is_told_from_the_side_of_the_rival(three) -> None:
    evidence, data = three
    data = with_means(data, contrastive=0.31, triplet=0.40, fastap=0.30)
    pairs = data.pairwise.copy()
    mine = (pairs["loss_a"] == "triplet") & (pairs["loss_b"] == "fastap")
    pairs.loc[mine, ["difference", "low", "high", "decision"]] = 0.1, 0.08, 0.13, "a"
    text = conclusions.rivals(evidence, replace(data, pairwise=pairs))
    assert "FastAP (−0.100 [−0.130, −0.080])" in text


def test_decided_pairs_and_what_could_have_been_seen_are_told(three) -> None:
    _, data = three
    pairs = data.pairwise.copy()
    pairs.loc[pairs["metric"] == AP, "detectable"] = [0.0101, 0.02, 0.0304]
    text = conclusions.detectable(replace(data, pairwise=pairs))
    decided = int((pairs.loc[pairs["metric"] == AP, "decision"] != "undecided").sum())
    assert text.startswith(f"{decided} of 3 pairs {'is' if decided == 1 else 'are'} decided at the 5 % level.")
    assert "a true difference of 0.010 to 0.030, depending on the pair" in text
    pairs["detectable"] = float("nan")
    assert "cannot be told" in conclusions.detectable(replace(data, pairwise=pairs))


def test_ranks_need_five_data_sets(three) -> None:
    evidence, _ = three
    assert "need five of them; this study has 1" in conclusions.across_datasets(evidence)
    row = {"metric": AP, "datasets": 6, "statistic": 9.0, "p": 0.011, "critical_difference": 1.35, "reason": ""}
    ranks = pd.DataFrame([row | {"loss": "triplet", "mean_rank": 1.5}, row | {"loss": "fastap", "mean_rank": 2.5}])
    text = conclusions.across_datasets(replace(evidence, friedman=ranks))
    assert "Mean ranks over 6 data sets, 1 the best: Triplet 1.50 and FastAP 2.50." in text
    assert "p = 0.011; ranks further apart than 1.35" in text
