"""Arms of an ablation against the first, whole and with runs missing."""

import numpy as np
import pytest
from scaling_study import CLASSES, COUNTS, LABELS, MEASURED, ScalingStudy
from scipy import stats

from suite.config import Params
from suite.statistics import holm
from suite.statistics.ablation_tables import ABLATIONS, ablations
from suite.statistics.crossed import crossed_mean


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> ScalingStudy:
    return ScalingStudy(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def table(study):
    return ablations(*study.arguments)


def pick(table, **where):
    for name, value in where.items():
        table = table[table[name] == value]
    return table


def one(table, **where):
    found = pick(table, **where)
    assert len(found) == 1
    return found.iloc[0]


def test_an_arm_is_held_against_the_first_query_by_query(study, table):
    assert list(table.columns) == list(ABLATIONS)
    at = {
        loss: np.array(
            [
                study.queries(one(study.runs, loss=loss, budget="epochs", batch_size=64, seed=seed))["level0/AP"]
                for seed in (0, 1, 2)
            ]
        )
        for loss in ("supap", "mixed")
    }
    row = one(table, loss="mixed", budget="epochs", batch_size=64, quantity="level0/AP")
    expected = crossed_mean(at["mixed"] - at["supap"], LABELS[COUNTS > 0])
    np.testing.assert_allclose(
        row[["difference", "difference_low", "difference_high", "p"]].astype(float),
        [expected.mean, expected.low, expected.high, expected.p],
    )
    own = crossed_mean(at["mixed"], LABELS[COUNTS > 0])
    np.testing.assert_allclose(row[["mean", "low", "high"]].astype(float), [own.mean, own.low, own.high])
    assert (row["seeds"], row["classes"], row["value"], row["decision"]) == (3, CLASSES, "with", "higher")
    assert (row["ablation"], row["ablation_label"], row["label"]) == ("mixing", "Mixing", "Mixed")


def test_the_first_arm_stands_there_without_a_difference(table):
    rows = pick(table, loss="supap")
    assert rows[["difference", "difference_low", "difference_high", "p", "p_holm"]].isna().all(axis=None)
    assert rows[["mean", "low", "high"]].notna().all(axis=None)
    assert set(rows["decision"]) == set(rows["reason"]) == {""}
    assert set(rows["value"]) == {"without"}
    assert rows["value_number"].isna().all()


def test_gaps_are_paired_by_seed(study, table):
    assert set(table["quantity"]) == {"level0/AP"} | {
        f"gap_{m}_at_{size}" for m in ("AP", "R_at_1") for size in MEASURED
    }
    row = one(table, loss="mixed", budget="steps", batch_size=256, quantity="gap_AP_at_16")
    chosen = pick(study.gaps, budget="steps", train_batch_size=256, metric="AP", measure_batch_size=16, split="test")
    chosen = pick(chosen[chosen["epoch"].isna()], sampler="main")
    means = chosen.groupby(["loss", "seed"])["gap"].mean()
    change = (means["mixed"] - means["supap"]).to_numpy()
    low, high = stats.t.interval(0.95, 2, change.mean(), stats.sem(change))
    np.testing.assert_allclose(
        row[["difference", "difference_low", "difference_high", "p"]].astype(float),
        [change.mean(), low, high, stats.ttest_1samp(change, 0).pvalue],
    )
    assert (row["decision"], row["classes"]) == ("lower", 0)


def test_holm_is_over_arms_and_batch_sizes(table):
    for _, family in table.groupby(["budget", "quantity"]):
        assert family["p"].notna().sum() == 4
        np.testing.assert_allclose(family["p_holm"], holm(family["p"].to_numpy()))


def test_values_that_are_numbers_are_given_as_such(study):
    settings = study.params.model_dump()
    settings["ablations"]["mixing"]["arms"] = {"supap": 0.0, "mixed": 0.25}
    runs, tested, gaps, _ = study.arguments
    found = ablations(runs, tested, gaps, Params.model_validate(settings))
    assert dict(zip(found["value"], found["value_number"], strict=True)) == {"0": 0.0, "0.25": 0.25}


def test_differences_are_at_common_seeds(tmp_path):
    study = ScalingStudy(tmp_path, failed=[("mixed", "epochs", 64, 0)])
    table = ablations(*study.arguments)
    at = pick(table, budget="epochs", batch_size=64)
    assert set(pick(at, loss="mixed")["seeds"]) == {2}
    assert set(pick(at, loss="supap")["seeds"]) == {3}
    assert set(pick(table, budget="steps")["seeds"]) == {3}


@pytest.mark.parametrize("loss", ["mixed", "supap"])
def test_an_arm_that_never_finished_is_a_row_that_says_so(tmp_path, loss):
    study = ScalingStudy(tmp_path, failed=[(loss, "epochs", 64, seed) for seed in range(3)])
    table = ablations(*study.arguments)
    rows = pick(table, loss="mixed", budget="epochs", batch_size=64)
    assert len(rows) == 5
    assert set(rows["seeds"]) == {0}
    assert set(rows["decision"]) == {"undecided"}
    assert set(rows["reason"]) == {"cannot be decided: no seed finished in both"}
    assert rows[["difference", "p", "p_holm"]].isna().all(axis=None)


def test_one_seed_decides_nothing(tmp_path):
    study = ScalingStudy(tmp_path, seeds=(0,))
    rows = pick(ablations(*study.arguments), loss="mixed")
    assert set(rows["reason"]) == {"fewer than two equal seeds"}
    assert rows["difference"].notna().all()


def test_without_ablations_there_are_no_rows(study):
    runs, tested, gaps, params = study.arguments
    found = ablations(runs, tested, gaps, params.model_copy(update={"ablations": {}}))
    assert found.empty
    assert list(found.columns) == list(ABLATIONS)
