"""The tables about batch size of a recorded study with known effects, whole and with runs missing."""

import numpy as np
import pandas as pd
import pytest
from scaling_study import CLASSES, COUNTS, LABELS, MEASURED, ScalingStudy

from suite.statistics import holm
from suite.statistics.crossed import crossed_mean
from suite.statistics.scaling import any_effect
from suite.statistics.scaling_curves import fit_curves
from suite.statistics.scaling_tables import SCALING, SCALING_EFFECT, SCALING_FITS, scaling, scaling_effect, scaling_fits

GAPS = [f"gap_{metric}_at_{size}" for metric in ("AP", "R_at_1") for size in MEASURED]
CLASS_OF = LABELS[COUNTS > 0]


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> ScalingStudy:
    return ScalingStudy(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def effects(study) -> pd.DataFrame:
    return scaling_effect(*study.arguments)


def pick(table, **where):
    for name, value in where.items():
        table = table[table[name] == value]
    return table


def one(table, **where):
    found = pick(table, **where)
    assert len(found) == 1
    return found.iloc[0]


def per_query(study, loss, budget="epochs"):
    """(S, B, Q) AP of the queries with positives, read directly."""
    chosen = pick(study.runs, loss=loss, budget=budget, status="finished")
    sizes = sorted(chosen["batch_size"].unique())
    return np.array(
        [
            [study.queries(one(chosen, batch_size=size, seed=seed))["level0/AP"].to_numpy() for size in sizes]
            for seed in sorted(chosen["seed"].unique())
        ]
    )


def test_every_size_has_its_mean_over_seeds_crossed_with_classes(study):
    runs, tested, _, params = study.arguments
    table = scaling(runs, tested, params)
    assert list(table.columns) == list(SCALING)
    row = one(table, loss="supap", budget="epochs", batch_size=128, split="test", metric="level0/AP")
    values = per_query(study, "supap")[:, 2]
    expected = crossed_mean(values, CLASS_OF)
    np.testing.assert_allclose(row[["mean", "low", "high"]].astype(float), [expected.mean, expected.low, expected.high])
    recorded = pick(runs, loss="supap", budget="epochs", batch_size=128)["test/level0/AP"]
    assert row["mean"] == pytest.approx(recorded.mean())
    assert (row["seeds"], row["classes"], row["method"], row["steps"]) == (3, CLASSES, "crossed", 50)
    assert set(pick(table, split="test")["metric"]) == {"level0/AP", "level0/P_at_1"}
    held = one(table, loss="supap", budget="steps", batch_size=128, split="val", metric="level0/AP")
    assert (held["method"], held["classes"], held["steps"]) == ("seeds", 0, 100)
    assert not pick(table, loss="triplet", budget="steps").size


def test_slope_and_ends_are_contrasts_of_each_seed_and_query(study, effects):
    assert list(effects.columns) == list(SCALING_EFFECT)
    values = per_query(study, "supap")
    x = np.array([5.0, 6, 7, 8]) - 6.5
    for quantity, contrast in (
        ("slope", np.einsum("b,sbq->sq", x / 5, values)),
        ("ends", values[:, -1] - values[:, 0]),
    ):
        row = one(effects, loss="supap", budget="epochs", metric="level0/AP", quantity=quantity)
        expected = crossed_mean(contrast, CLASS_OF)
        np.testing.assert_allclose(
            row[["estimate", "low", "high", "p"]].astype(float),
            [expected.mean, expected.low, expected.high, expected.p],
        )
        assert (row["seeds"], row["classes"], row["sizes"]) == (3, CLASSES, 4)
        assert (row["smallest"], row["largest"]) == (32, 256)
        assert row["decision"] == "higher"
    flat = one(effects, loss="triplet", budget="epochs", metric="level0/AP", quantity="slope")
    assert flat["decision"] == "undecided"
    assert flat["reason"].startswith(f"3 seeds and {CLASSES} classes cannot separate them")


def test_any_effect_is_asked_of_the_runs(study, effects):
    values = per_query(study, "supap").mean(axis=2)
    row = one(effects, loss="supap", budget="epochs", metric="level0/AP", quantity="any")
    expected = any_effect(values, [32, 64, 128, 256])
    assert (row["p"], row["estimate"]) == pytest.approx((expected.p, expected.spread))
    assert row["decision"] == "differs"
    assert np.isnan(row[["low", "high"]].astype(float)).all()


def test_gaps_are_compared_over_seeds_by_their_mean_over_partitions(study, effects):
    assert set(effects["metric"]) == {"level0/AP", *GAPS}
    row = one(effects, loss="supap", budget="epochs", metric="gap_AP_at_64", quantity="slope")
    assert row["estimate"] == pytest.approx(-0.01, abs=0.003)
    assert row["decision"] == "lower"
    assert row["classes"] == 0
    ends = one(effects, loss="supap", budget="epochs", metric="gap_AP_at_64", quantity="ends")
    assert ends["estimate"] == pytest.approx(-0.03, abs=0.01)


def test_holm_is_over_the_losses_of_one_question(effects):
    families = effects.groupby(["dataset", "budget", "metric", "quantity"])
    assert {len(family) for (_, budget, *_), family in families if budget == "epochs"} == {3}
    for _, family in families:
        np.testing.assert_allclose(family["p_holm"], holm(family["p"].to_numpy()))


def test_every_curve_stands_beside_the_others(study):
    table = scaling_fits(*study.arguments)
    assert list(table.columns) == list(SCALING_FITS)
    assert set(table["metric"]) == {"level0/AP", "gap_AP_at_16", "gap_AP_at_64"}
    values = per_query(study, "supap").mean(axis=2)
    for fit in fit_curves(values, np.array([32, 64, 128, 256])):
        rows = pick(table, loss="supap", budget="epochs", metric="level0/AP", model=fit.model)
        assert rows["parameter"].tolist() == [parameter.name for parameter in fit.parameters]
        np.testing.assert_allclose(rows["estimate"], [parameter.estimate for parameter in fit.parameters], rtol=1e-5)
        assert set(rows["points"]) == {12}
        assert rows["aicc"].iloc[0] == pytest.approx(fit.aicc, nan_ok=True)
    slope = one(table, loss="supap", budget="epochs", metric="level0/AP", model="logarithmic", parameter="b")
    assert slope["low"] < 0.02 < slope["high"]


def test_two_sizes_and_three_seeds_cannot_decide_the_omnibus_test(tmp_path):
    study = ScalingStudy(tmp_path, sizes=(32, 256))
    table = scaling_effect(*study.arguments)
    row = one(table, loss="supap", budget="epochs", metric="level0/AP", quantity="any")
    assert row["decision"] == "undecided"
    # Two losses of the leaderboard: the arm with two sizes is no part of the family.
    assert row["reason"] == "cannot be decided: 3 seeds give no adjusted p below 0.5, whatever the values"
    assert "mixed" not in set(table["loss"])
    assert one(table, loss="supap", budget="epochs", metric="level0/AP", quantity="ends")["decision"] == "higher"


def test_losses_with_nothing_to_test_do_not_raise_what_the_others_can_attain(tmp_path):
    sizes = (32, 64, 128)
    failed = [(loss, "epochs", size, seed) for loss in ("triplet", "mixed") for size in sizes for seed in (1, 2)]
    study = ScalingStudy(tmp_path, sizes=sizes, failed=failed)
    table = pick(scaling_effect(*study.arguments), budget="epochs", metric="level0/AP", quantity="any").set_index(
        "loss"
    )
    # Three seeds of three sizes give no p below 1 / 36, and a third of that family could not be decided.
    assert table.loc["supap", "p_holm"] == pytest.approx(1 / 36)
    assert table.loc["supap", "decision"] == "differs"
    assert table.loc["mixed", "reason"] == "fewer than two equal seeds"


def test_values_that_no_size_changes_decide_nothing(tmp_path):
    study = ScalingStudy(tmp_path, sizes=(32, 64, 96, 128, 256))
    for path in study.root.glob("runs/*/*/*/queries.parquet"):
        queries = pd.read_parquet(path)
        queries["level0/AP"] = np.linspace(0.1, 0.7, len(queries))
        queries.to_parquet(path, index=False)
    study.gaps["gap"] = 0.1 + 0.3 * study.gaps["seed"]
    found = scaling_effect(*study.arguments)
    found = found[found["metric"].isin(["level0/AP", *GAPS]) & (found["quantity"] != "any")]
    assert set(found["quantity"]) == {"slope", "ends"}
    assert found[["p", "p_holm"]].isna().all(axis=None)
    assert set(found["decision"]) == {"undecided"}
    np.testing.assert_allclose(found[["estimate", "low", "high"]], 0.0, atol=1e-13)


def test_a_failed_run_takes_its_seed_out_of_the_contrasts_alone(tmp_path):
    study = ScalingStudy(tmp_path, failed=[("supap", "epochs", 64, 1)])
    table = scaling_effect(*study.arguments)
    assert set(pick(table, loss="supap", budget="epochs")["seeds"]) == {2}
    assert set(pick(table, loss="supap", budget="steps")["seeds"]) == {3}
    means = scaling(study.runs, study.tested, study.params)
    sizes = pick(means, loss="supap", budget="epochs", split="test", metric="level0/AP").set_index("batch_size")
    assert sizes["seeds"].to_dict() == {32: 3, 64: 2, 128: 3, 256: 3}


def test_a_size_at_which_fewer_than_two_runs_finished_is_left_out(tmp_path):
    failed = [("supap", "epochs", 256, seed) for seed in (0, 1, 2)] + [("triplet", "epochs", 32, 0)]
    failed += [("triplet", "epochs", 32, 2)]
    study = ScalingStudy(tmp_path, failed=failed)
    table = pick(scaling_effect(*study.arguments), metric="level0/AP", quantity="ends", budget="epochs")
    table = table.set_index("loss")
    assert table.loc["supap", ["smallest", "largest", "sizes", "seeds"]].tolist() == [32, 128, 3, 3]
    assert table.loc["triplet", ["smallest", "largest", "sizes", "seeds"]].tolist() == [64, 256, 3, 3]


def test_one_seed_decides_nothing(tmp_path):
    study = ScalingStudy(tmp_path, seeds=(4,))
    table = scaling_effect(*study.arguments)
    assert set(table["decision"]) == {"undecided"}
    assert set(table["reason"]) == {"fewer than two equal seeds"}
    assert table[["low", "high", "p", "p_holm"]].isna().all(axis=None)
    fits = scaling_fits(*study.arguments)
    assert fits[["low", "high"]].isna().all(axis=None)
    assert scaling(study.runs, study.tested, study.params)[["low", "high"]].isna().all(axis=None)


def test_one_size_and_no_run_have_no_rows(tmp_path):
    study = ScalingStudy(tmp_path / "one", sizes=(32,))
    for table, schema in ((scaling_effect, SCALING_EFFECT), (scaling_fits, SCALING_FITS)):
        found = table(*study.arguments)
        assert found.empty
        assert list(found.columns) == list(schema)
    failed = [(loss, budget, 32, 0) for loss in ("supap", "triplet", "mixed") for budget in ("epochs", "steps")]
    nothing = ScalingStudy(tmp_path / "none", sizes=(32,), seeds=(0,), failed=failed)
    assert scaling(nothing.runs, nothing.tested, nothing.params).empty


def test_seeds_without_a_size_in_common_have_no_contrast(tmp_path):
    failed = [("supap", "epochs", 32, 0), ("supap", "epochs", 64, 1), ("supap", "epochs", 128, 2)]
    study = ScalingStudy(tmp_path, failed=failed)
    assert pick(scaling_effect(*study.arguments), loss="supap", budget="epochs").empty
