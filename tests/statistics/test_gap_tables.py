"""The tables of the gap of a synthetic study: means over partitions, then seeds; controls; training; unseen classes."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from suite.statistics import compare, holm
from suite.statistics.gap import PARTS
from suite.statistics.gap_interval import partitions_needed
from suite.statistics.records import read_gaps, read_runs

LOSSES = ["supap", "triplet", "contrastive"]


def pick(table, **where):
    for name, value in where.items():
        table = table[table[name] == value]
    return table


@pytest.fixture
def compared(study):
    params = study.params()
    study.write(params)
    compare(params, study.root)
    return study, params


def measured(study, loss="supap"):
    """The chosen heads' rows as recorded."""
    folder = "controls/emoji" if loss in ("frozen", "random") else f"measures/emoji/{loss}"
    table = pick(pd.read_parquet(study.root / folder / "gap.parquet"), loss=loss)
    return table[table["epoch"].isna()]


def ends(values):
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return [values.mean(), values.mean() - half, values.mean() + half]


def test_partitions_are_averaged_before_seeds(compared):
    study, params = compared
    table = study.table("gap")
    where = {"train_batch_size": 256, "measure_batch_size": 8, "split": "test", "sampler": "m2", "metric": "NDCG"}
    at, row = pick(measured(study), **where), pick(table, loss="supap", **where).iloc[0]
    assert (row["seeds"], row["partitions"], row["budget"]) == (5, 3, "epochs")
    for part in PARTS:
        expected = ends(at.groupby("seed")[part].mean().to_numpy())
        np.testing.assert_allclose(row[[part, f"{part}_low", f"{part}_high"]].astype(float), expected)
    by_partition = at.groupby("partition")["gap"].mean().to_numpy()
    np.testing.assert_allclose(row["gap_partition_se"], stats.sem(by_partition))
    assert row["partitions_needed"] == partitions_needed(by_partition, params.measure.precision)
    assert (row["queries"], row["queries_without_positive"], row["images_never_drawn"]) == (40, 2, 3)
    np.testing.assert_allclose(table["fewer_negatives"] + table["fewer_positives"], table["gap"], atol=1e-12)


def test_rows_come_in_the_order_of_the_settings(compared):
    table = compared[0].table("gap")
    assert list(dict.fromkeys(table["loss"])) == ["frozen", "random", *LOSSES]
    mine = pick(table, loss="supap", train_batch_size=256)
    order = mine[["split", "sampler", "measure_batch_size", "metric"]].to_numpy().tolist()
    assert order == [
        [split, sampler, size, metric]
        for split, sampler, size in (
            ("test", "m2", 4), ("test", "m2", 8), ("test", "random", 16), ("train", "m2", 4), ("train", "m2", 8)
        )
        for metric in ("AP", "NDCG")
    ]  # fmt: skip
    # Only main runs are measured by another sampler, or on the training classes.
    assert set(pick(table, loss="supap", train_batch_size=32)["sampler"]) == {"m2"}
    assert set(pick(table, loss="supap", train_batch_size=32)["split"]) == {"test"}


def test_a_control_has_the_interval_of_its_draws(compared):
    table = compared[0].table("gap")
    assert pick(table, loss="frozen")[["gap_low", "gap_high"]].isna().all(axis=None)
    assert pick(table, loss="random")[["gap_low", "gap_high"]].notna().all(axis=None)
    assert pick(table, loss="random", split="train").empty


def test_the_gap_is_compared_with_each_control_on_the_same_partitions(compared):
    study, _ = compared
    table = study.table("gap_comparison")
    # Losses, training sizes, measuring sizes, metrics, controls.
    assert len(table) == 3 * 2 * 2 * 2 * 2
    where = {"train_batch_size": 256, "measure_batch_size": 8, "metric": "AP"}
    at = pick(measured(study), split="test", sampler="m2", **where)
    for control in ("frozen", "random"):
        drawn = pick(measured(study, control), split="test", sampler="m2", measure_batch_size=8, metric="AP")
        difference = at["gap"] - at["partition"].map(drawn.groupby("partition")["gap"].mean())
        by_seed = difference.groupby(at["seed"]).mean().to_numpy()
        row = pick(table, loss="supap", control=control, **where).iloc[0]
        expected = [*ends(by_seed), stats.ttest_1samp(by_seed, 0).pvalue]
        np.testing.assert_allclose(row[["difference", "low", "high", "p"]].astype(float), expected)
        np.testing.assert_allclose(row["partition_se"], stats.sem(difference.groupby(at["partition"]).mean()))
        family = pick(table, control=control, **where)
        assert family["loss"].tolist() == LOSSES
        np.testing.assert_allclose(family["p_holm"], holm(family["p"].to_numpy()))


def test_the_sign_of_a_difference_decides_its_side(study):
    params = study.params(losses=("supap", "triplet"), batches=(256,))
    study.write(params)
    for loss, shift in (("supap", 5.0), ("triplet", -5.0)):
        path = study.root / "measures" / "emoji" / loss / "gap.parquet"
        table = pd.read_parquet(path)
        table.assign(gap=table["gap"] + shift).to_parquet(path, index=False)
    compare(params, study.root)
    decided = study.table("gap_comparison").groupby("loss")["decision"].unique()
    assert {loss: list(sides) for loss, sides in decided.items()} == {"supap": ["above"], "triplet": ["below"]}


def test_losses_that_are_not_compared_are_measured_and_not_held_against_controls(study):
    params = study.params(losses=("supap", "triplet"), batches=(256,))
    study.write(params)
    params = params.model_copy(
        update={"losses": params.losses | {"triplet": params.losses["triplet"].model_copy(update={"compared": False})}}
    )
    compare(params, study.root)
    assert "triplet" in set(study.table("gap")["loss"])
    assert set(study.table("gap_comparison")["loss"]) == {"supap"}
    assert set(study.table("gap_matched")["loss"]) == {"supap"}


def test_the_gap_along_training_is_that_of_the_followed_runs(study):
    params = study.params()
    params = params.model_copy(update={"seeds": params.seeds.model_copy(update={"followed": [0, 2, 4]})})
    study.write(params)
    compare(params, study.root)
    table = study.table("gap_training")
    assert set(table["seeds"]) == {3}
    # Losses, epochs, sizes, metrics.
    assert len(table) == 3 * 2 * 2 * 2
    recorded = pd.read_parquet(study.root / "measures" / "emoji" / "triplet" / "gap.parquet")
    at = pick(recorded, measure_batch_size=4, metric="AP")
    for row in pick(table, loss="triplet", measure_batch_size=4, metric="AP").itertuples():
        by_seed = at[at["epoch"] == row.epoch].groupby("seed")[["gap", "set_value"]].mean()
        np.testing.assert_allclose([row.gap, row.gap_low, row.gap_high], ends(by_seed["gap"].to_numpy()))
        np.testing.assert_allclose(row.set_value, 0.2 + 0.1 * row.epoch)


def test_the_gap_on_training_classes_stands_beside_that_on_unseen_ones(compared):
    study, _ = compared
    table = study.table("gap_generalisation")
    # Five main seeds of three losses, and frozen features; two sizes, two metrics.
    assert len(table) == (3 * 5 + 1) * 2 * 2
    assert table["loss"].drop_duplicates().tolist() == ["frozen", *LOSSES]
    row = pick(table, loss="supap", seed=3, measure_batch_size=4, metric="NDCG").iloc[0]
    at = pick(measured(study), train_batch_size=256, seed=3, sampler="m2", measure_batch_size=4, metric="NDCG")
    for split in ("train", "test"):
        means = pick(at, split=split)[["set_value", "gap"]].mean()
        np.testing.assert_allclose(row[[f"{split}_set_value", f"{split}_gap"]].astype(float), means)


def test_without_followed_runs_the_table_along_training_is_empty(study):
    params = study.params(losses=("supap",))
    params = params.model_copy(update={"seeds": params.seeds.model_copy(update={"followed": []})})
    study.write(params)
    compare(params, study.root)
    assert study.table("gap_training").empty
    assert len(study.table("gap_matched")) > 0


def test_gaps_are_read_whole_and_typed(compared):
    study, params = compared
    gaps = read_gaps(params, study.root, read_runs(params, study.root))
    assert gaps["epoch"].dtype == "Int64"
    assert set(gaps["split"]) == {"test", "train"}
    assert set(gaps["loss"]) == {"frozen", "random", *LOSSES}
