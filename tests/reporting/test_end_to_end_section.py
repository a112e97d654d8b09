"""What the report says of networks trained end to end, beside the heads of the same loss."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from synthetic import Study, make_study

from suite.config import Params
from suite.reporting.end_to_end_section import end_to_end
from suite.reporting.evidence import DatasetEvidence, Evidence, read_evidence
from suite.reporting.model import Paragraph, Table

FULL = {"network": {"backbone": "efficientnet_lite0"}, "images": {"size": 64}, "epochs": 4, "evaluations": 4}


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> tuple[Evidence, DatasetEvidence]:
    folder = tmp_path_factory.mktemp("heads")
    evidence = read_evidence(make_study(folder, Study(losses=2, scaling=False)), folder)
    return evidence, evidence.datasets[0]


def with_networks(evidence: Evidence, data: DatasetEvidence, better: float, beside: bool = True):
    """The same evidence with the first loss trained end to end, too, at its main batch size over three seeds."""
    loss, entry = next(iter(evidence.params.losses.items()))
    raw = evidence.params.model_dump(mode="json")
    settings = entry.settings if beside else {"distance": "cosine"}
    batches = {data.name: [{"batch_size": evidence.params.main_batch_size, "learning_rate": 0.0003}]}
    raw["full"] = {data.name: FULL}
    raw["losses"]["whole"] = raw["losses"][loss] | {
        "label": "The whole",
        "protocol": "full",
        "compared": False,
        "settings": settings,
        "batches": batches,
        "equal_steps": {},
    }
    main = data.runs[(data.runs["loss"] == loss) & (data.runs["role"] == "main")].head(3)
    whole = main.assign(loss="whole", label="The whole", epochs=4, fingerprint=[f"whole{n}" for n in range(3)])
    for metric in ("test/level0/AP", "test/level0/R_at_1"):
        whole[metric] = main[metric].to_numpy() + better
    telemetry = {"step": [40], "examples_per_second": [250.0], "memory_bytes": [3 * 2**30]}
    records = {f"whole{n}": {"seconds": 90.0 + n, "telemetry": telemetry} for n in range(3)}
    data = replace(data, runs=pd.concat([data.runs, whole]), provenance=data.provenance | records)
    return replace(evidence, params=Params.model_validate(raw)), data


@pytest.mark.parametrize(
    ("better", "words"),
    [(0.2, "the interval lies above the head's"), (-0.2, "lies below the head's"), (0.0, "the intervals overlap")],
)
def test_a_network_is_held_against_the_head_of_its_loss(heads, better: float, words: str) -> None:
    evidence, data = with_networks(*heads, better)
    text, table = end_to_end(evidence, data)
    assert isinstance(text, Paragraph)
    assert isinstance(table, Table)
    assert words in text.text
    assert "The whole at batch 256 reaches a test mAP of" in text.text
    assert "efficientnet_lite0 at 64 px, 4 epochs" in text.text
    head, whole = table.frame.to_dict("records")
    assert whole["mAP_mean"] == pytest.approx(head["mAP_mean"] + better)
    assert (whole["seeds"], whole["epochs"], whole["minutes"], whole["gib"]) == (3, 4, pytest.approx(91 / 60), 3.0)
    assert whole["images_per_second"] == 250.0
    assert head["seeds"] == 3


def test_a_network_without_a_head_of_its_loss_stands_alone(heads) -> None:
    evidence, data = with_networks(*heads, 0.1, beside=False)
    text, table = end_to_end(evidence, data)
    assert "no head of the same loss stands beside it" in text.text
    assert len(table.frame) == 1


def test_without_end_to_end_runs_there_is_no_section(heads) -> None:
    assert end_to_end(*heads) == []
