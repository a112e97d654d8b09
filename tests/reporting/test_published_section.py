"""Published figures stand beside the study's own where the builder of the data set is the same, and only there."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from synthetic import Study, make_study

from suite.config import Loss
from suite.recipes.published import published_figures
from suite.reporting.evidence import Evidence, read_evidence
from suite.reporting.model import Paragraph, Table
from suite.reporting.published_section import published, registered
from suite.statistics import t_interval


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Evidence]:
    root = tmp_path_factory.mktemp("published") / "artifacts"
    params = make_study(root, Study(losses=5, seeds=3, scaling=False, gap_extras=False, optional=False))
    return root, read_evidence(params, root, root.parent / "recipes")


def on(evidence: Evidence, builder: str) -> tuple[str, list[list[str]], Table]:
    dataset = evidence.params.datasets["emoji"].model_copy(update={"builder": builder})
    params = evidence.params.model_copy(update={"datasets": {"emoji": dataset}})
    blocks = published(Evidence(**vars(evidence) | {"params": params}))
    assert [type(block) for block in blocks] == [Paragraph, Table]
    return blocks[0].text, [[cell.text for cell in row] for row in blocks[1].rows], blocks[1]


def test_other_data_have_one_sentence(recorded):
    (block,) = published(recorded[1])
    assert block == Paragraph("Of none of the study's data sets are there published figures to stand beside.")


def test_the_loss_of_the_figure_has_its_recorded_mean_and_interval_beside_it(recorded):
    root, evidence = recorded
    text, rows, table = on(evidence, "sop")
    runs = pd.read_parquet(root / "compare" / "runs.parquet")
    values = 100 * runs.loc[(runs["loss"] == "smoothap") & (runs["status"] == "finished"), "test/level0/R_at_1"]
    mean, low, high = (float(end) for end in t_interval(values.to_numpy()))
    row = rows[0]
    assert row[:6] == ["Smooth-AP", "R@1", "ResNet-50", "80.1", "Smooth-AP", "3"]
    assert table.rows[0][6].value == mean
    assert table.rows[0][6].detail == f"[{low:.1f}, {high:.1f}]"
    assert table.rows[0][7].value == mean - 80.1
    assert table.rows[0][6].runs.loss == "smoothap"
    assert [float(row[3]) for row in rows] == [f.value for f in published_figures() if f.dataset == "sop"]
    assert all(row[4:] == ["–"] * 4 for row in rows[1:])
    assert "Ours: heads on frozen tf_efficientnet_lite0 features." in text
    assert "Smooth-AP [@smoothap]" in text


def test_what_makes_a_figure_another_quantity_is_said_beside_it(recorded):
    _, evidence = recorded
    assert "Of ROADMAP's R@1 with ResNet-50: by ROADMAP's own code: batch 128" in on(evidence, "sop")[0]
    text, rows, _ = on(evidence, "inaturalist")
    assert "best on the test set" in text
    cut = {row[1]: row[4:6] for row in rows if row[0] == "Smooth-AP"}
    # The synthetic study has R@1 alone.
    assert cut == {"R@1": ["Smooth-AP", "3"]} | {f"R@{k}": ["Smooth-AP", "–"] for k in (4, 16, 32)}


def test_figures_of_another_protocol_have_nothing_beside_them(recorded):
    _, rows, _ = on(recorded[1], "vehicleid")
    assert {row[1] for row in rows} == {f"R@{k}, {size}" for k in (1, 5) for size in ("small", "medium", "large")}
    assert all(row[5] == "–" for row in rows)


def test_a_sum_is_told_by_its_terms():
    def loss(name: str, **settings) -> Loss:
        return Loss(
            loss=name, label="x", settings=settings, batches={"default": [{"batch_size": 8, "learning_rate": 1}]}
        )

    terms = [{"loss": "supap", "weight": 0.9, "tau": 0.01}, {"loss": "calibration", "weight": 0.1}]
    assert registered(loss("combine", terms=terms)) == "supap+calibration"
    assert registered(loss("combine", preset="happier")) == "suphap+proxy"
    assert registered(loss("smoothap", tau=0.01)) == "smoothap"
