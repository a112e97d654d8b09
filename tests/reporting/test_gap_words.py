"""What the report says of the decomposability gap, whichever way it went."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from synthetic import Study, make_study

from suite.reporting import conclusions_gap
from suite.reporting.evidence import DatasetEvidence, Evidence, read_evidence
from suite.reporting.gap_section import gap
from suite.reporting.gap_training_section import over_seeds
from suite.reporting.looks import looks
from suite.reporting.model import Figure, Paragraph, Table


def record(folder: Path, study: Study) -> tuple[Evidence, DatasetEvidence]:
    evidence = read_evidence(make_study(folder, study), folder)
    return evidence, evidence.datasets[0]


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> tuple[Evidence, DatasetEvidence]:
    return record(tmp_path_factory.mktemp("gaps"), Study(losses=3, scaling=False))


def decided(data: DatasetEvidence, control: str = "frozen", **rows: tuple[str, float]) -> DatasetEvidence:
    """The same data set with other decisions and adjusted p of the gap of AP at the smallest measuring batch."""
    table = data.gap_comparison.copy()
    for loss, (decision, p) in rows.items():
        mine = (table["loss"] == loss) & (table["control"] == control) & (table["measure_batch_size"] == 32)
        mine &= table["metric"] == "AP"
        table.loc[mine, ["decision", "p_holm"]] = decision, p
        table.loc[mine, ["difference", "low", "high"]] = 0.01, -0.02, 0.04
        table.loc[mine, "reason"] = "cannot be decided: fewer than two equal seeds" if pd.isna(p) else "p"
    return replace(data, gap_comparison=table)


def test_each_loss_is_held_against_frozen_features_with_its_interval(three) -> None:
    evidence, data = three
    data = decided(data, contrastive=("below", 0.01), triplet=("undecided", 0.3), fastap=("undecided", float("nan")))
    text = conclusions_gap.comparisons(evidence, data)[0]
    assert "Against frozen features, the gap is: smaller for Contrastive (+0.010 [−0.020, +0.040]);" in text
    assert "cannot be decided for Triplet (+0.010 [−0.020, +0.040]);" in text
    assert "cannot be decided for FastAP (fewer than two equal seeds)." in text


def test_a_gap_above_the_control_is_not_called_smaller(three) -> None:
    evidence, data = three
    every = dict.fromkeys(("contrastive", "triplet", "fastap"), ("above", 0.001))
    text = conclusions_gap.comparisons(evidence, decided(data, **every))[0]
    assert text.startswith("Measured at 32. Against frozen features, the gap is: larger for Contrastive (")
    assert "smaller" not in text.split("Against random embeddings")[0]


def test_random_embeddings_are_told_by_the_range(three) -> None:
    evidence, data = three
    rows = data.gap_comparison
    rows = rows[(rows["control"] == "random") & (rows["measure_batch_size"] == 32) & (rows["metric"] == "AP")]
    text = conclusions_gap.comparisons(evidence, data)[0]
    ends = f"+{rows['difference'].min():.3f} to +{rows['difference'].max():.3f}"
    within = f"[+{rows['low'].min():.3f}, +{rows['high'].max():.3f}]"
    assert f"larger for 3 losses ({ends}, every interval within {within})" in text


def test_one_seed_tells_no_gap_apart(tmp_path: Path) -> None:
    evidence, data = record(tmp_path, Study(losses=2, seeds=1))
    text = conclusions_gap.comparisons(evidence, data)[0]
    assert "cannot be decided for Contrastive and Triplet (fewer than two equal seeds)." in text


def test_without_a_control_nothing_is_claimed(three) -> None:
    evidence, data = three
    bare = replace(
        data,
        gap=data.gap[~data.gap["loss"].isin(["frozen", "random"])],
        gap_comparison=data.gap_comparison.iloc[:0],
    )
    assert "Without a frozen control on record" in conclusions_gap.gap(evidence, bare)
    assert conclusions_gap.comparisons(evidence, bare) == [
        "Without a control on record no difference between a loss and it can be claimed."
    ]


def test_gaps_at_equal_set_values_say_where_they_were_read(three) -> None:
    evidence, data = three
    (text,) = conclusions_gap.matched(evidence, data, 32, ("whitened",))
    rows = data.gap_matched
    rows = rows[(rows["reference"] == "whitened") & (rows["measure_batch_size"] == 32) & (rows["metric"] == "AP")]
    assert text.startswith(f"At equal AP over the set (AP {rows['set_value'].min():.3f} to ")
    assert "against whitened features (frozen ones evened out within the training classes" in text
    assert "the gap in batches of 32 is: smaller for Contrastive (" in text
    (frozen,) = conclusions_gap.matched(evidence, data, 32, ("frozen",))
    assert "cannot be decided for Contrastive, Triplet and FastAP (fewer than two seeds with" in frozen


def test_the_way_batches_are_drawn_is_told_in_words(three) -> None:
    evidence, data = three
    table = conclusions_gap.samplers(evidence, data)
    assert set(table["sampler"]) == {"m4", "m2", "random"}
    text = conclusions_gap.sampling(evidence, data, table)
    assert "in batches of 128 it goes from " in text
    assert "(4 images a class) to " in text
    assert "(at random) for frozen features" in text


def test_partitions_that_a_precision_takes_are_counted(three) -> None:
    evidence, data = three
    table = data.gap.copy()
    table["partitions_needed"] = 5
    few = conclusions_gap.precision(evidence, replace(data, gap=table))
    assert few.startswith("For a 95 % interval over partitions of ±0.002, a gap of these losses and controls takes 5")
    assert "the 4 partitions measured are enough for 0 of" in few
    table["partitions_needed"] = pd.NA
    assert "not on record" in conclusions_gap.precision(evidence, replace(data, gap=table))


def test_training_classes_are_set_beside_unseen_ones(three) -> None:
    evidence, data = three
    look = looks(evidence.params)
    rows = data.gap_generalisation
    rows = rows[(rows["metric"] == "AP") & (rows["measure_batch_size"] == 32) & (rows["train_batch_size"] > 0)]
    table = over_seeds(rows, look)
    mine = rows[rows["loss"] == "triplet"]["train_gap"]
    row = table[table["loss"] == "triplet"].iloc[0]
    assert row["train_gap"] == pytest.approx(mine.mean())
    assert row["train_gap_low"] < row["train_gap"] < row["train_gap_high"]
    assert row["seeds"] == len(mine)
    drop = (table["train_set_value"] - table["test_set_value"]).min()
    assert f"+{drop:.3f}" in conclusions_gap.generalisation(table, evidence, 32)


def test_the_section_shows_every_way_the_gap_was_measured(three) -> None:
    evidence, data = three
    blocks = gap(evidence, data, looks(evidence.params))
    names = {block.name for block in blocks if isinstance(block, Figure | Table)}
    parts = ("", "-difference", "-comparison", "-matched", "-metrics", "-samplers", "-along", "-generalisation")
    assert {f"emoji-gap{part}" for part in parts} <= names
    texts = " ".join(block.text for block in blocks if isinstance(block, Paragraph))
    assert "Training batch size was not varied" in texts
    assert "nan" not in re.findall("[a-z]+", texts.lower())
