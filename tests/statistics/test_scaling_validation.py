"""Simulated scaling studies: the tests keep their level, find an effect, and intervals of curves hold the truth."""

import numpy as np
import pandas as pd
import pytest

from suite.validation.scaling import (
    CURVE_COLUMNS,
    CURVES,
    DESIGNS,
    EFFECTS,
    NOISES,
    NULL,
    STEEP,
    TEST_COLUMNS,
    simulate_curves,
    simulate_tests,
)
from suite.validation.scaling_page import scaling_section


@pytest.fixture(scope="module")
def tests() -> pd.DataFrame:
    return simulate_tests(100, 0, 1)


@pytest.fixture(scope="module")
def curves() -> pd.DataFrame:
    return simulate_curves(4, 0, 1)


def test_a_size_without_effect_is_rarely_called_one(tests):
    assert tuple(tests.columns) == TEST_COLUMNS
    assert len(tests) == len(DESIGNS) * len(EFFECTS) * 3
    null = tests[tests["effect"] == NULL]
    # Four standard errors of a share of 5 % in 100 studies.
    assert (null["rejected"] <= 5 + 400 * np.sqrt(0.05 * 0.95 / 100)).all()
    found = tests[tests["effect"] == STEEP]
    assert (found["rejected"] >= 70).all()
    # What rises and falls again is found by the omnibus test alone.
    inside = tests[tests["effect"] == "optimum inside"].set_index("test")["rejected"]
    assert inside["any"].min() > 80 > 25 > inside[["slope", "ends"]].max()


def test_curves_are_simulated_at_every_noise(curves):
    assert tuple(curves.columns) == CURVE_COLUMNS
    assert set(curves["model"]) == set(CURVES)
    assert set(curves["run_sd"]) == set(NOISES)
    assert curves["coverage"].dropna().between(0, 100).all()
    # Intervals open as noise grows; those of runs as if independent never do.
    ours = curves[curves["method"] == "seeds"].groupby("run_sd")["unbounded"].mean()
    assert ours.is_monotonic_increasing
    assert (curves[curves["method"] == "runs"]["unbounded"] == 0).all()


def test_the_section_shows_every_record(tests, curves):
    text = scaling_section(tests, curves)
    assert text.startswith("## Batch size\n\n")
    for row in tests.itertuples():
        assert f"{row.rejected:.1f} ± {row.rejected_se:.1f}" in text
    assert text.count("\n| power, ") == text.count("\n| saturating, ") == 18
    assert text.count("\n| quadratic, ") == 24


def test_processes_and_repetition_change_nothing():
    once = simulate_tests(3, 5, 1)
    pd.testing.assert_frame_equal(once, simulate_tests(3, 5, 2))
    assert not once.equals(simulate_tests(3, 6, 1))


@pytest.mark.slow
def test_rejections_without_an_effect_are_at_most_six_percent():
    table = simulate_tests(1000, 1, 1)
    null = table[table["effect"] == NULL]
    # Three standard errors above six percent.
    assert (null["rejected"] <= 6 + 300 * np.sqrt(0.06 * 0.94 / 1000)).all()
    assert (table[table["effect"] == STEEP]["rejected"] >= 80).all()


@pytest.mark.slow
def test_intervals_of_curves_cover_about_as_often_as_they_say():
    table = simulate_curves(30, 1, 1)
    ours = table[table["method"] == "seeds"].dropna(subset="coverage")
    assert ours["coverage"].mean() == pytest.approx(95, abs=2)
    assert (ours["coverage"] >= 75).all()
