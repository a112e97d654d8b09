"""What the report says of training batch size and of ablations, whichever way they went."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from synthetic import Study, make_study

from suite.config import Params
from suite.reporting import conclusions_ablations, conclusions_scaling
from suite.reporting.evidence import DatasetEvidence, Evidence, read_evidence
from suite.reporting.looks import looks
from suite.reporting.model import AP, Figure, Table
from suite.reporting.scaling_section import scaling
from suite.reporting.summary import findings

EFFECT = ("estimate", "low", "high", "p_holm", "decision", "reason")


@pytest.fixture(scope="module")
def scaled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Evidence, DatasetEvidence]:
    root = tmp_path_factory.mktemp("scaled")
    evidence = read_evidence(make_study(root, Study(losses=5, seeds=3)), root)
    return evidence, evidence.datasets[0]


def with_effect(
    data: DatasetEvidence, quantity: str, decision: str, p: float = 0.01, reason: str = "", budget: str = "epochs"
) -> DatasetEvidence:
    """The same data set with another effect of batch size on the mAP of Smooth-AP and Sup-AP."""
    table = data.scaling_effect.copy()
    mine = (table["metric"] == AP) & (table["quantity"] == quantity) & (table["budget"] == budget)
    table.loc[mine, list(EFFECT)] = 0.0123, 0.0101, 0.0149, p, decision, reason
    return replace(data, scaling_effect=table)


@pytest.mark.parametrize(("decision", "word"), [("higher", "a rise for"), ("lower", "a fall for")])
def test_the_change_of_a_doubling_has_its_side_and_interval(scaled, decision: str, word: str) -> None:
    text = conclusions_scaling.bought(with_effect(scaled[1], "slope", decision), AP, "epochs")
    assert text.startswith(
        "Change of test mAP for a doubling of the training batch, 32 to 2048, at equal epochs, so a larger batch also "
        f"means fewer steps: {word} Smooth-AP (+0.012 [+0.010, +0.015]) and Sup-AP (+0.012 [+0.010, +0.015])."
    )


def test_an_undecided_change_is_given_with_its_interval_all_the_same(scaled) -> None:
    text = conclusions_scaling.bought(with_effect(scaled[1], "slope", "undecided", 0.2), AP, "epochs")
    assert "cannot be decided for Smooth-AP (+0.012 [+0.010, +0.015]) and Sup-AP" in text
    assert "a rise" not in text


def test_what_no_test_at_this_size_could_decide_has_its_reason(scaled) -> None:
    reason = "cannot be decided: 3 seeds give no adjusted p below 0.25, whatever the values"
    text = conclusions_scaling.bought(with_effect(scaled[1], "any", "undecided", 0.25, reason), AP, "epochs")
    told = "(3 seeds give no adjusted p below 0.25, whatever the values)."
    assert f"An effect of any form: cannot be decided for Smooth-AP and Sup-AP {told}" in text


def test_equal_steps_are_told_apart_from_equal_epochs(scaled) -> None:
    told = conclusions_scaling.scaling(*scaled)
    assert [("at equal epochs" in text, "at equal steps" in text) for text in told] == [(True, False), (False, True)]
    assert "so a larger batch also sees more images" in told[1]
    assert "Sup-AP" in told[1]
    assert "Smooth-AP" not in told[1]


def test_a_highest_mean_between_the_ends_is_mentioned(scaled) -> None:
    evidence, data = scaled
    table = data.scaling.copy()
    rows = table[(table["loss"] == "smoothap") & (table["metric"] == AP) & (table["split"] == "test")]
    table.loc[rows.sort_values("batch_size").index, "mean"] = [0.3, 0.1, 0.2, 0.5, 0.4]
    text = conclusions_scaling.ends(evidence, replace(data, scaling=table), AP, "epochs")
    assert "The highest mean lies between the ends for Smooth-AP (0.500 at 512)." in text


def test_curves_and_costs_stand_beside_the_metrics(scaled) -> None:
    evidence, data = scaled
    blocks = scaling(evidence, data, looks(evidence.params))
    names = [block.name for block in blocks if isinstance(block, Figure | Table)]
    assert names == [
        "emoji-scaling", "emoji-scaling-effect", "emoji-scaling", "emoji-scaling-fits", "emoji-step-costs",
        "emoji-step-costs",
    ]  # fmt: skip
    without = replace(data, provenance={})
    texts = [block.text for block in scaling(evidence, without, looks(evidence.params)) if hasattr(block, "text")]
    assert texts[-1] == "What an update costs at each batch size is not on record."


def ablated(evidence: Evidence, data: DatasetEvidence, *rows: dict) -> tuple[Evidence, DatasetEvidence]:
    """A study of one ablation of Sup-AP, with these rows."""
    arms = {"supap": 0.0, "smoothap": 0.3}
    settings = evidence.params.model_dump() | {
        "ablations": {"weight": {"label": "Some weight", "baseline": next(iter(arms)), "arms": arms}}
    }
    base = {"dataset": "emoji", "ablation": "weight", "ablation_label": "Some weight", "budget": "epochs"}
    base |= {"loss": "smoothap", "label": "Smooth-AP", "value": "0.3", "value_number": 0.3, "batch_size": 32}
    base |= {"quantity": AP, "seeds": 3, "classes": 12, "mean": 0.3, "low": 0.2, "high": 0.4, "reason": ""}
    base |= {"difference": -0.02, "difference_low": -0.03, "difference_high": -0.01, "p": 0.001, "p_holm": 0.01}
    first = base | {"loss": "supap", "label": "Sup-AP", "value": "0", "value_number": 0.0, "decision": ""}
    first |= dict.fromkeys(("difference", "difference_low", "difference_high", "p", "p_holm"), float("nan"))
    table = pd.DataFrame([first, *(base | row for row in rows)])
    return replace(evidence, params=Params.model_validate(settings)), replace(data, ablations=table)


def effect(evidence: Evidence, data: DatasetEvidence) -> str:
    return conclusions_ablations.effect(evidence, data, "weight", ["gap_AP_at_32", AP])


@pytest.mark.parametrize(
    ("decision", "told"),
    [
        ("lower", "Test mAP: lower for 0.3 at batch 32 (−0.020 [−0.030, −0.010])."),
        ("higher", "Test mAP: higher for 0.3 at batch 32 (−0.020 [−0.030, −0.010])."),
        ("undecided", "Test mAP: cannot be decided for 0.3 at batch 32 (−0.020 [−0.030, −0.010])."),
    ],
)
def test_an_ablation_is_told_with_its_interval(scaled, decision: str, told: str) -> None:
    text = effect(*ablated(*scaled, {"decision": decision}))
    assert text == f"Some weight, at equal epochs, against 0. {told}"


def test_gap_and_map_of_an_ablation_are_told_apart(scaled) -> None:
    rows = ({"decision": "lower", "quantity": "gap_AP_at_32"}, {"decision": "undecided"})
    text = effect(*ablated(*scaled, *rows))
    assert "Gap of AP at 32: lower for 0.3 at batch 32" in text
    assert "Test mAP: cannot be decided for 0.3 at batch 32" in text


def test_many_batch_sizes_of_one_arm_are_told_together(scaled) -> None:
    rows = [{"decision": "lower", "batch_size": size, "difference": -0.001 * size} for size in (10, 20, 30)]
    text = effect(*ablated(*scaled, *rows))
    assert "lower for 0.3 at batch 10, 20 and 30 (−0.030 to −0.010, every interval within [−0.030, −0.010])" in text


def test_an_ablation_without_a_record_says_so(scaled) -> None:
    evidence, data = ablated(*scaled)
    bare = replace(data, ablations=data.ablations.iloc[:0])
    told = "Some weight: nothing is on record, so nothing can be said about it."
    assert effect(evidence, bare) == told
    (found,) = (finding for finding in findings(evidence, bare) if finding.label == "Some weight")
    assert found.text == "Nothing is on record, so nothing can be said about it."
