"""The comparison of a synthetic study: what each table says, and what happens when a piece is missing."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from suite.errors import SuiteError
from suite.evaluation import Judged
from suite.statistics import MPerClass, RandomBatches, compare, control_tables
from suite.statistics.measures import GAP_COLUMNS, GapPlan
from suite.statistics.pairwise import PAIRWISE

TABLES = (
    "runs", "leaderboard", "pairwise", "friedman", "scaling", "scaling_effect", "scaling_fits", "ablations",
    "gap", "gap_comparison", "gap_training", "gap_generalisation", "gap_matched",
)  # fmt: skip


def pick(table, **where):
    for name, value in where.items():
        table = table[table[name] == value]
    return table


def test_a_whole_study(study):
    params = study.params()
    study.write(params)
    compare(params, study.root)

    runs = study.table("runs")
    # One frozen and three random draws; three losses with three seeds at 32 and five at 256.
    assert runs["loss"].value_counts().to_dict() == {
        "frozen": 1, "random": 3, "supap": 8, "triplet": 8, "contrastive": 8
    }  # fmt: skip
    assert (pick(runs, role="control")["fingerprint"] == "").all()

    leading = study.table("leaderboard")
    assert set(leading["metric"]) == {"level0/AP", "level0/R_at_1", "NDCG"}
    assert set(leading["split"]) == {"val", "test"}
    scaling = pick(study.table("scaling"), loss="triplet", split="test", metric="NDCG")
    assert scaling[["batch_size", "seeds", "steps"]].to_numpy().tolist() == [[32, 3, 16], [256, 5, 2]]


def test_one_seed_gives_means_without_intervals(study):
    params = study.params(main=(0,), scaling=(0,))
    study.write(params)
    compare(params, study.root)
    leading = study.table("leaderboard")
    trained = leading[leading["loss"] != "frozen"]
    assert trained[["low", "high", "lift_low", "lift_high"]].isna().all(axis=None)
    assert leading["mean"].notna().all()
    assert set(study.table("pairwise")["reason"]) == {"fewer than two equal seeds"}
    assert study.table("gap")["gap_low"].isna().all()
    assert set(study.table("gap_comparison")["reason"]) == {"fewer than two equal seeds"}


def test_a_failed_run_is_listed_and_left_out(study):
    params = study.params()
    study.write(params, failed=(("supap", 256, 3),))
    compare(params, study.root)
    failed = pick(study.table("runs"), status="failed")
    assert failed[["loss", "seed", "error"]].to_numpy().tolist() == [["supap", 3, "loss is not finite"]]
    assert failed["test/level0/AP"].isna().all()
    leading = pick(study.table("leaderboard"), metric="NDCG", split="test").set_index("loss")["seeds"]
    assert leading.to_dict() == {"frozen": 1, "supap": 4, "triplet": 5, "contrastive": 5}
    pairs = pick(study.table("pairwise"), metric="NDCG", split="test").set_index(["loss_a", "loss_b"])["seeds"]
    assert pairs.tolist() == [4, 4, 5]
    assert set(pick(study.table("gap"), loss="supap", train_batch_size=256)["seeds"]) == {4}


def test_a_loss_whose_runs_all_failed_leaves_the_others_standing(study):
    params = study.params(losses=("supap", "triplet"), batches=(256,), main=(0, 1))
    study.write(params, failed=(("supap", 256, 0), ("supap", 256, 1)))
    compare(params, study.root)
    assert set(study.table("leaderboard")["loss"]) == {"frozen", "triplet"}
    assert set(study.table("scaling")["loss"]) == {"triplet"}
    assert set(study.table("pairwise")["reason"]) == {"fewer than two equal seeds"}
    assert set(study.table("gap")["loss"]) == {"frozen", "random", "triplet"}


def test_one_loss_has_no_pairs(study):
    params = study.params(losses=("supap",))
    study.write(params)
    compare(params, study.root)
    pairs = study.table("pairwise")
    assert len(pairs) == 0
    assert list(pairs.columns) == list(PAIRWISE)


def test_losses_that_params_no_longer_names_are_not_read(study):
    study.write(study.params())
    params = study.params(losses=("triplet",))
    (study.root / "runs" / "emoji" / "supap" / "rubble").mkdir()
    compare(params, study.root)
    assert set(study.table("runs")["loss"]) == {"frozen", "random", "triplet"}


def test_runs_that_params_no_longer_names_are_not_counted(study):
    study.write(study.params())
    params = study.params(main=(0, 1, 2), batches=(256,))
    compare(params, study.root)
    trained = pick(study.table("runs"), loss="supap")
    assert trained[["batch_size", "seed"]].to_numpy().tolist() == [[256, 0], [256, 1], [256, 2]]
    assert set(pick(study.table("leaderboard"), loss="supap")["seeds"]) == {3}
    assert set(study.table("gap")["train_batch_size"]) == {0, 256}


def test_a_named_run_without_a_record_is_asked_for(study):
    study.write(study.params())
    with pytest.raises(
        SuiteError,
        match=r"loss 'triplet' has no run at batch size 256, seed 5, equal epochs; run `dvc repro train@emoji-triplet`",
    ):
        compare(study.params(losses=("triplet",), main=(0, 5)), study.root)


def test_same_records_give_the_same_bytes(study):
    params = study.params()
    study.write(params)
    written = []
    for _ in range(2):
        compare(params, study.root)
        folder = study.root / "compare"
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert set(written[0]) == {f"{name}.{kind}" for name in TABLES for kind in ("parquet", "csv")}
    assert written[0] == written[1]


def test_unfinished_folders_are_passed_over(study):
    params = study.params()
    study.write(params)
    (study.root / "runs" / "emoji" / "supap" / ".half").mkdir()
    compare(params, study.root)
    assert len(pick(study.table("runs"), loss="supap")) == 8


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("measures/emoji/supap/gap.parquet", "not found; run `dvc repro measure@emoji-supap`"),
        ("controls/emoji/metrics.parquet", "not found; run `dvc repro controls@emoji`"),
        ("controls/emoji/gap.parquet", "not found; run `dvc repro controls@emoji`"),
        ("controls/emoji/whitened.parquet", "not found; run `dvc repro controls@emoji`"),
        ("controls/emoji/queries.parquet", "not found; run `dvc repro controls@emoji`"),
    ],
)
def test_a_missing_file_names_its_stage_and_leaves_the_last_comparison(study, missing, message):
    params = study.params()
    study.write(params)
    compare(params, study.root)
    before = (study.root / "compare" / "runs.csv").read_bytes()
    (study.root / missing).unlink()
    with pytest.raises(SuiteError, match=re.escape(f"{study.root / missing}: {message}")):
        compare(params, study.root)
    assert (study.root / "compare" / "runs.csv").read_bytes() == before
    assert sorted(path.name for path in study.root.iterdir()) == ["compare", "controls", "datasets", "measures", "runs"]


def test_a_loss_without_runs_names_its_stage(study):
    study.write(study.params(losses=("supap",)))
    with pytest.raises(
        SuiteError,
        match=r"'triplet' has no run at batch size 32, seed 0, equal epochs; run `dvc repro train@emoji-triplet`",
    ):
        compare(study.params(losses=("supap", "triplet")), study.root)


def test_damaged_and_doubled_records_are_named(study):
    params = study.params(losses=("supap",), batches=(256,))
    study.write(params)
    first, second = sorted((study.root / "runs" / "emoji" / "supap").iterdir())[:2]
    kept = (first / "run.json").read_text()
    (first / "run.json").write_text(kept[:40])
    with pytest.raises(SuiteError, match=r"run\.json: not valid JSON"):
        compare(params, study.root)
    twin = json.loads((second / "run.json").read_text()) | {"fingerprint": first.name}
    (first / "run.json").write_text(json.dumps(twin))
    with pytest.raises(SuiteError, match="two runs at batch size 256, seed"):
        compare(params, study.root)
    (first / "run.json").write_text(kept)
    (first / "metrics.json").unlink()
    with pytest.raises(SuiteError, match=r"metrics\.json: not found; run `dvc repro train@emoji-supap`"):
        compare(params, study.root)


def test_a_finished_run_that_was_not_measured_is_named(study):
    params = study.params(losses=("supap",), batches=(256,), main=(0, 1))
    study.write(params)
    run = study.write_run("emoji", "supap", 256, 7, 0)
    params = study.params(losses=("supap",), batches=(256,), main=(0, 1, 7))
    with pytest.raises(SuiteError, match=f"run {run['fingerprint']} is not measured"):
        compare(params, study.root)


PLAN = GapPlan({"m2": MPerClass(2, (4,))}, {"random": RandomBatches((8,))}, {}, partitions=2, metrics=("AP",))
CONTROL = {"dataset": "emoji", "random_width": 8, "seeds": [3, 4], "plan": PLAN}
# 48 rows: 16 to train, 16 to validate, 16 to test; the gap is measured on the first and the last.
SIDES = (
    {"val": Judged(np.arange(16, 32), None, (1, 2)), "test": Judged(np.arange(32, 48), None, (1, 2))},
    {"test": np.arange(32, 48), "train": np.arange(16)},
)


def test_controls_cover_both_splits_and_every_draw():
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(12), 4)
    metrics, queries, gap = control_tables(generator.normal(size=(48, 5)), labels, *SIDES, **CONTROL)
    drawn = metrics[["control", "seed"]].drop_duplicates().to_numpy().tolist()
    assert drawn == [["frozen", 0], ["random", 3], ["random", 4]]
    assert set(metrics["split"]) == {"val", "test"}
    assert set(pick(metrics, metric="queries")["value"]) == {16.0}
    assert queries[["control", "seed"]].drop_duplicates().to_numpy().tolist() == drawn
    assert pick(queries, control="random", seed=4)["item"].tolist() == list(range(32, 48))
    mean = pick(metrics, control="frozen", split="test", metric="level0/AP")["value"].item()
    assert pick(queries, control="frozen")["level0/AP"].mean() == pytest.approx(mean)
    assert list(gap.columns) == list(GAP_COLUMNS)
    assert set(gap["train_batch_size"]) == {0}
    assert set(gap["fingerprint"]) == {""}
    measured = gap[["loss", "split", "sampler"]].drop_duplicates().to_numpy().tolist()
    assert measured == [
        ["frozen", "test", "m2"], ["frozen", "test", "random"], ["frozen", "train", "m2"],
        ["random", "test", "m2"], ["random", "test", "random"],
    ]  # fmt: skip


def test_frozen_features_are_compared_by_direction():
    generator = np.random.default_rng(1)
    features, labels = generator.normal(size=(48, 5)), np.repeat(np.arange(12), 4)
    lengths = 2.0 ** generator.integers(-3, 4, (48, 1))
    plain = control_tables(features, labels, *SIDES, **CONTROL)
    scaled = control_tables(features * lengths, labels, *SIDES, **CONTROL)
    assert all(one.equals(other) for one, other in zip(plain, scaled, strict=True))


def test_controls_need_both_splits():
    judged = SIDES[0] | {"val": Judged(np.array([], int), None, (1,))}
    with pytest.raises(ValueError, match=r"^judged: no query in val$"):
        control_tables(np.eye(48), np.repeat(np.arange(12), 4), judged, SIDES[1], **CONTROL)


def test_controls_of_queries_against_a_gallery_leave_unlabelled_images_unrelated():
    generator = np.random.default_rng(2)
    labels = np.r_[np.repeat(np.arange(9), 4), -1 - np.arange(36, 48)]
    judged = SIDES[0] | {"test": Judged(np.arange(32, 36), np.arange(28, 48), (1, 20))}
    metrics, *_ = control_tables(
        generator.normal(size=(48, 5)), labels, judged, SIDES[1] | {"test": np.arange(16, 36)}, **CONTROL
    )
    found = pick(metrics, control="frozen", split="test").set_index("metric")["value"]
    assert found["queries"] == 4
    assert found["level0/true_R_at_20"] == 1.0
    assert found["level0/P_at_20"] == 4 / 20


def test_a_table_of_another_layout_is_named(study):
    params = study.params(losses=("supap",), batches=(256,))
    study.write(params)
    path = study.root / "measures" / "emoji" / "supap" / "gap.parquet"
    pd.DataFrame({"dataset": ["emoji"]}).to_parquet(path)
    with pytest.raises(SuiteError, match=re.escape(f"{path}: has no column 'loss'; run")):
        compare(params, study.root)
