"""Leaderboard, pairs and ranks of a synthetic study: which interval each figure has, and what is said without one."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from suite.errors import SuiteError
from suite.statistics import compare, holm
from suite.statistics.comparisons import LEVEL
from suite.statistics.crossed import class_interval, crossed_mean, crossed_ratio
from suite.statistics.friedman import FRIEDMAN, critical_difference, friedman
from suite.statistics.improvement import effect_size, probability_of_improvement
from suite.statistics.leaderboard import LEADERBOARD
from suite.statistics.pairwise import PAIRWISE
from suite.statistics.power import detectable_difference
from suite.statistics.queries import QueryReader

AP = "level0/AP"


def pick(table, **where):
    for name, value in where.items():
        table = table[table[name] == value]
    return table


def recorded(study, loss, metric=AP, batch_size=256):
    """(S, Q) values of the runs of a loss by seed, straight from the files, and the classes of the queries."""
    found = {}
    for folder in (study.root / "runs" / "emoji" / loss).iterdir():
        run = json.loads((folder / "run.json").read_text())
        if run["batch_size"] == batch_size and run["status"] == "finished":
            found[run["seed"]] = pd.read_parquet(folder / "queries.parquet")
    items = pd.read_parquet(study.root / "datasets" / "emoji" / "items.parquet")
    classes = items["class"].to_numpy()[next(iter(found.values()))["item"]]
    return np.stack([found[seed][metric] for seed in sorted(found)]), np.unique(classes, return_inverse=True)[1]


def query_tables(study):
    """The per-query tables of all runs and of the controls."""
    return [*study.root.glob("runs/emoji/*/*/queries.parquet"), study.root / "controls" / "emoji" / "queries.parquet"]


def frozen(study, metric=AP):
    table = pd.read_parquet(study.root / "controls" / "emoji" / "queries.parquet")
    return pick(table, control="frozen")[metric].to_numpy()


def test_a_loss_has_the_crossed_interval_on_test_and_others_beside_it(study):
    params = study.params()
    study.write(params)
    compare(params, study.root)
    row = pick(study.table("leaderboard"), loss="supap", split="test", metric=AP).iloc[0]
    values, classes = recorded(study, "supap")
    expected = crossed_mean(values, classes)
    assert (row["seeds"], row["classes"], row["queries"], row["batch_size"]) == (5, 8, 40, 256)
    assert (row["method"], row["reason"], row["label"]) == ("crossed", "", "Supap")
    for name in ("mean", "low", "high", "sd_seed", "sd_class"):
        assert row[name] == pytest.approx(getattr(expected, name))
    runs = pick(study.table("runs"), loss="supap", batch_size=256)["test/level0/AP"]
    assert row["mean"] == pytest.approx(runs.mean())
    low, high = stats.t.interval(0.95, 4, runs.mean(), stats.sem(runs))
    np.testing.assert_allclose(row[["seeds_low", "seeds_high"]].astype(float), [low, high])
    lift = crossed_ratio(values, frozen(study), classes)
    np.testing.assert_allclose(row[["lift", "lift_low", "lift_high"]].astype(float), lift[:3])
    # Classes vary more than seeds here: an interval for new classes is wider, and the bootstrap is somewhere near.
    assert row["high"] - row["low"] > row["seeds_high"] - row["seeds_low"]
    assert row["bootstrap_low"] < row["mean"] < row["bootstrap_high"]


def test_validation_has_t_over_seeds_alone(study):
    params = study.params()
    study.write(params)
    compare(params, study.root)
    row = pick(study.table("leaderboard"), loss="triplet", split="val", metric="NDCG").iloc[0]
    runs = pick(study.table("runs"), loss="triplet", batch_size=256)["val/NDCG"]
    low, high = stats.t.interval(0.95, 4, runs.mean(), stats.sem(runs))
    np.testing.assert_allclose(row[["mean", "low", "high"]].astype(float), [runs.mean(), low, high])
    floor = pick(study.table("runs"), loss="frozen")["val/NDCG"].item()
    assert row["lift_low"] == pytest.approx(low / floor)
    assert row["method"] == "seeds"
    assert row[["classes", "queries", "bootstrap_low", "sd_class"]].isna().all()


def test_the_floor_has_an_interval_over_classes_alone(study):
    params = study.params()
    study.write(params)
    compare(params, study.root)
    row = pick(study.table("leaderboard"), loss="frozen", split="test", metric=AP).iloc[0]
    expected = class_interval(frozen(study), recorded(study, "supap")[1])
    np.testing.assert_allclose(row[["mean", "low", "high"]].astype(float), expected[:3])
    assert (row["seeds"], row["method"], row["lift"], row["label"]) == (1, "classes", 1.0, "Frozen features")
    assert row["reason"] == "not trained: the interval is for new classes alone"
    assert row[["seeds_low", "bootstrap_low", "lift_low", "sd_seed"]].isna().all()


def test_a_pair_is_tested_query_by_query(study):
    params = study.params()
    study.write(params)
    compare(params, study.root)
    pairs = pick(study.table("pairwise"), metric=AP).set_index(["loss_a", "loss_b"])
    assert list(pairs.index) == [("supap", "triplet"), ("supap", "contrastive"), ("triplet", "contrastive")]
    assert pairs["decision"].tolist() == ["a", "a", "undecided"]
    assert pairs["reason"].iloc[2].startswith("5 seeds and 8 classes cannot separate them: Holm-adjusted p = ")
    np.testing.assert_allclose(pairs["p_holm"], holm(pairs["p"].to_numpy()))
    row = pairs.loc["supap", "contrastive"]
    (a, classes), (b, _) = recorded(study, "supap"), recorded(study, "contrastive")
    expected = crossed_mean(a - b, classes)
    np.testing.assert_allclose(row[["difference", "low", "high", "p"]].astype(float), expected[:4])
    over_seeds = stats.ttest_rel(a.mean(axis=1), b.mean(axis=1))
    assert row["seeds_p"] == pytest.approx(over_seeds.pvalue)
    low, high = over_seeds.confidence_interval()
    np.testing.assert_allclose(row[["seeds_low", "seeds_high"]].astype(float), [low, high])
    assert row["effect_size"] == pytest.approx(effect_size(a.mean(axis=1), b.mean(axis=1)))
    better = probability_of_improvement(a.mean(axis=1), b.mean(axis=1))
    np.testing.assert_allclose(row[["improvement", "improvement_low", "improvement_high"]].astype(float), better)
    # Three pairs; eight classes of five queries each.
    assert row["detectable"] == pytest.approx(detectable_difference(expected.se, expected.share, 5, 8.0, LEVEL / 3))
    assert row["bootstrap_low"] < row["difference"] < row["bootstrap_high"]


def test_pairs_are_of_the_metrics_that_are_shown(study):
    params = study.params()
    study.write(params)
    for path in query_tables(study):
        pd.read_parquet(path).assign(**{"level0/P_at_8": 0.5, "level1/AP": 0.5}).to_parquet(path, index=False)
    compare(params, study.root)
    assert set(study.table("pairwise")["metric"]) == {AP, "level0/R_at_1", "NDCG", "level1/AP"}
    constant = pick(study.table("pairwise"), metric="level1/AP")
    assert set(constant["reason"]) == {"identical values"}
    assert constant[["p", "p_holm"]].isna().all(axis=None)


def test_queries_without_positives_stay_out(study):
    params = study.params(losses=("supap",), batches=(256,))
    study.write(params)
    for path in [
        *(study.root / "runs" / "emoji").glob("*/*/queries.parquet"),
        study.root / "controls/emoji/queries.parquet",
    ]:
        table = pd.read_parquet(path)
        # The first class has no positives: five queries, whose values must not matter.
        lonely = table["item"] < 45
        table.loc[lonely, ["level0/num_positives", AP]] = [0, 1e6]
        table.to_parquet(path, index=False)
    compare(params, study.root)
    row = pick(study.table("leaderboard"), loss="supap", split="test", metric=AP).iloc[0]
    assert (row["classes"], row["queries"]) == (7, 35)
    values, _ = recorded(study, "supap")
    assert row["mean"] == pytest.approx(values[:, 5:].mean())


def test_queries_of_one_class_have_no_interval(study):
    params = study.params(losses=("supap", "triplet"), batches=(256,))
    study.write(params)
    items = study.root / "datasets" / "emoji" / "items.parquet"
    pd.read_parquet(items).assign(**{"class": "the same"}).to_parquet(items, index=False)
    compare(params, study.root)
    leading = pick(study.table("leaderboard"), split="test")
    assert leading[["low", "high", "lift_low"]].isna().all(axis=None)
    assert set(leading["reason"]) == {"queries of one class: no interval"}
    assert pick(leading, loss="supap")["seeds_low"].notna().all()
    pairs = study.table("pairwise")
    assert set(pairs["reason"]) == {"queries of fewer than two classes"}
    assert pairs[["low", "p", "detectable"]].isna().all(axis=None)
    assert pairs["improvement"].notna().all()


def test_one_seed_says_so(study):
    params = study.params(losses=("supap", "triplet"), main=(0,), batches=(256,))
    study.write(params)
    compare(params, study.root)
    trained = pick(study.table("leaderboard"), loss="supap")
    assert set(trained["reason"]) == {"one seed: no interval"}
    pair = pick(study.table("pairwise"), metric="NDCG").iloc[0]
    assert (pair["seeds"], pair["decision"], pair["reason"]) == (1, "undecided", "fewer than two equal seeds")
    assert pair[["low", "p", "effect_size", "improvement_low", "detectable"]].isna().all()
    assert pair["improvement"] in (0.0, 1.0)


def test_a_loss_whose_runs_failed_has_pairs_without_figures(study):
    params = study.params(losses=("supap", "triplet"), batches=(256,), main=(0, 1))
    study.write(params, failed=(("supap", 256, 0), ("supap", 256, 1)))
    compare(params, study.root)
    pairs = study.table("pairwise")
    assert set(pairs["reason"]) == {"fewer than two equal seeds"}
    assert set(pairs["seeds"]) == {0}
    assert pairs[["difference", "low", "p", "improvement", "detectable"]].isna().all(axis=None)


def test_runs_of_unlike_queries_are_refused(study):
    params = study.params(losses=("supap",), batches=(256,))
    study.write(params)
    path = sorted((study.root / "runs" / "emoji" / "supap").glob("*/queries.parquet"))[0]
    pd.read_parquet(path).iloc[1:].to_parquet(path, index=False)
    with pytest.raises(SuiteError, match="runs differ in their queries or metrics"):
        compare(params, study.root)
    path.unlink()
    with pytest.raises(SuiteError, match=r"queries\.parquet: not found; run `dvc repro train@emoji-supap`"):
        compare(params, study.root)


def test_controls_of_other_metrics_or_queries_are_asked_for_again(study):
    params = study.params(losses=("supap",), batches=(256,))
    study.write(params)
    path = study.root / "controls" / "emoji" / "queries.parquet"
    table = pd.read_parquet(path)
    for changed in (table.drop(columns="NDCG"), table.assign(item=table["item"] - 1)):
        changed.to_parquet(path, index=False)
        with pytest.raises(SuiteError, match=r"data set 'emoji': its controls have not .*; run `dvc repro --force"):
            compare(params, study.root)


def test_an_unlabelled_query_is_a_class_of_its_own(study):
    params = study.params(losses=("supap",), batches=(256,))
    study.write(params)
    items = study.root / "datasets" / "emoji" / "items.parquet"
    table = pd.read_parquet(items)
    table.loc[table.index[-5:], "class"] = None
    table.to_parquet(items, index=False)
    found = QueryReader(study.root, "emoji").frozen()
    assert len(np.unique(found.classes)) == 7 + 5
    assert (found.classes[-5:] < 0).all()


def board(means):
    """A leaderboard of `means`: a list a loss, a value a data set."""
    rows = [
        {"dataset": f"set{place}", "loss": loss, "split": "test", "metric": "NDCG", "mean": value}
        for loss, values in means.items()
        for place, value in enumerate(values)
    ]
    return pd.DataFrame(rows).reindex(columns=list(LEADERBOARD))


MEANS = {
    "supap": [0.9, 0.8, 0.7, 0.9, 0.6],
    "triplet": [0.5, 0.6, 0.4, 0.5, 0.5],
    "contrastive": [0.4, 0.5, 0.6, 0.4, 0.4],
}


def test_ranks_are_compared_over_data_sets(study):
    table = friedman(board(MEANS), study.params())
    assert table["loss"].tolist() == ["supap", "triplet", "contrastive"]
    np.testing.assert_allclose(table["mean_rank"], [1.0, 2.2, 2.8])
    expected = stats.friedmanchisquare(*MEANS.values())
    np.testing.assert_allclose(table["statistic"], expected.statistic)
    np.testing.assert_allclose(table["p"], expected.pvalue)
    assert set(table["datasets"]) == {5}
    assert set(table["reason"]) == {""}


def test_the_critical_difference_is_the_published_one():
    # Demsar (2006), table 5: q at 0.05 is 2.343 for three and 2.728 for five classifiers.
    assert critical_difference(3, 10) == pytest.approx(2.343 * np.sqrt(3 * 4 / 60), abs=1e-3)
    assert critical_difference(5, 14) == pytest.approx(2.728 * np.sqrt(5 * 6 / 84), abs=1e-3)


def test_fewer_than_five_data_sets_are_not_ranked(study):
    table = friedman(board({loss: values[:4] for loss, values in MEANS.items()}), study.params())
    assert table.empty
    assert list(table.columns) == list(FRIEDMAN)
    params = study.params()
    study.write(params)
    compare(params, study.root)
    assert study.table("friedman").empty


def test_what_cannot_be_ranked_says_why(study):
    few = friedman(board({loss: MEANS[loss] for loss in ("supap", "triplet")}), study.params())
    assert set(few["reason"]) == {"2 losses: ranks of fewer than 3 are compared pair by pair"}
    assert few["p"].isna().all()
    assert few["mean_rank"].tolist() == [1.0, 2.0]
    equal = friedman(board(dict.fromkeys(MEANS, [0.5] * 5)), study.params())
    assert set(equal["reason"]) == {"identical values"}
    lacking = friedman(board(MEANS | {"supap": [*MEANS["supap"][:4], np.nan]}), study.params())
    assert lacking["loss"].tolist() == ["triplet", "contrastive"]


def test_tables_have_their_columns(study):
    params = study.params(losses=("supap", "triplet"))
    study.write(params)
    compare(params, study.root)
    assert list(study.table("leaderboard").columns) == list(LEADERBOARD)
    assert list(study.table("pairwise").columns) == list(PAIRWISE)
