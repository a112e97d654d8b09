"""Retrieval examples are chosen by the rule, between the losses that the text names."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from synthetic import Study, make_study

from suite.reporting.evidence import Evidence, read_evidence
from suite.reporting.model import AP, Gallery, Paragraph
from suite.reporting.retrieval import choose
from suite.reporting.retrieval_section import retrieval


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    root = tmp_path_factory.mktemp("examples") / "artifacts"
    params = make_study(root, Study(losses=4, seeds=3, scaling=False, gap_extras=False, optional=False))
    return read_evidence(params, root, root.parent / "recipes")


def shown(evidence: Evidence, **changes) -> tuple[str, Gallery | None]:
    data = replace(evidence.datasets[0], **changes)
    blocks = retrieval(replace(evidence, datasets=(data,)), data)
    assert isinstance(blocks[0], Paragraph)
    return blocks[0].text, next((block for block in blocks if isinstance(block, Gallery)), None)


def decided(evidence: Evidence, *losers: str) -> pd.DataFrame:
    """The pairs, the leader above `losers` alone."""
    data = evidence.datasets[0]
    leader = data.board(AP)["loss"].iloc[0]
    pairs = data.pairwise.assign(decision="undecided")
    for side, other, letter in (("loss_a", "loss_b", "a"), ("loss_b", "loss_a", "b")):
        pairs.loc[(pairs[side] == leader) & pairs[other].isin(losers), "decision"] = letter
    return pairs


def test_queries_are_the_extremes_and_the_middle_of_the_difference_one_a_class():
    difference = pd.Series([0.9, 0.8, 0.7, 0.1, 0.1, -0.2, -0.5], index=[10, 11, 12, 13, 14, 15, 16])
    classes = pd.Series(list("aabcdef"), index=difference.index)
    assert choose(difference, classes, each=2) == {
        10: "largest",
        12: "largest",
        13: "median",
        14: "median",
        16: "smallest",
        15: "smallest",
    }
    assert choose(difference, classes, each=1) == {10: "largest", 13: "median", 16: "smallest"}


def test_the_other_loss_is_the_next_that_is_decided_below_the_leader(evidence):
    order = list(evidence.datasets[0].board(AP)["loss"])
    text, gallery = shown(evidence, pairwise=decided(evidence, order[2], order[3]))
    labels = [evidence.label(key) for key in (order[0], order[2], "frozen")]
    assert f"between {labels[0]}, first in the leaderboard, and {labels[1]}, the next that is decided below it" in text
    assert [[ranking.label for ranking in example.rankings] for example in gallery.examples] == [labels] * 6
    assert all(len(ranking.results) == 10 for example in gallery.examples for ranking in example.rankings)
    assert len({example.title for example in gallery.examples}) == 6


def test_where_nothing_is_decided_the_runner_up_is_shown_and_the_doubt_said(evidence):
    order = list(evidence.datasets[0].board(AP)["loss"])
    text, gallery = shown(evidence, pairwise=decided(evidence))
    assert "No loss is decided below" in text
    assert gallery.examples[0].rankings[1].label == evidence.label(order[1])


def test_the_reason_says_who_is_ahead_and_the_scores_bear_it_out(evidence):
    order = list(evidence.datasets[0].board(AP)["loss"])
    _, gallery = shown(evidence, pairwise=decided(evidence, order[3]))
    first, other = (evidence.label(key) for key in (order[0], order[3]))
    differences = []
    for example in gallery.examples:
        a, b = (float(ranking.score.split()[1].rstrip(",")) for ranking in example.rankings[:2])
        differences.append(a - b)
        if "ahead (" in example.reason:
            assert example.reason.startswith(first if a > b else other)
    assert differences[0] == max(differences)
    assert differences[4] == min(differences)


def test_one_loss_is_held_against_the_floor_and_lacking_neighbours_are_named(evidence):
    data = evidence.datasets[0]
    leader = data.board(AP)["loss"].iloc[0]
    kept = {key: data.neighbours[key] for key in (leader, "frozen")}
    text, gallery = shown(evidence, neighbours=kept)
    assert "no second loss" in text
    assert [ranking.label for ranking in gallery.examples[0].rankings] == [evidence.label(leader), "Frozen features"]
    text, gallery = shown(evidence, neighbours={})
    assert gallery is None
    assert f"Neighbours of {evidence.label(leader)} and Frozen features, or the images, are not on record" in text
