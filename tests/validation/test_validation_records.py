"""What is committed of the validation: the page says what the records say, and the records say that it holds."""

from pathlib import Path

import pytest

from suite.errors import SuiteError
from suite.recipes import validation_path
from suite.statistics.comparisons import LEVEL
from suite.validation.null import RUNS, null_rejections, read_null
from suite.validation.page import COVERED, LEAST_POWER, MOST_REJECTIONS, NAMED, page
from suite.validation.records import NULL_RUNS, read_records
from suite.validation.studies import DESIGNS, SEEDS

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "suite" / "recipes"


@pytest.fixture(scope="module")
def records():
    return read_records(RECIPES)


def test_the_page_says_what_the_records_say(records):
    assert (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8") == page(records)
    assert (ROOT / "docs" / "images" / "statistics.png").read_bytes().startswith(b"\x89PNG")


def test_every_cell_is_on_record_with_enough_studies(records):
    cells = records.coverage[["cell", "seeds"]].drop_duplicates().to_numpy().tolist()
    assert cells == [[cell, seeds] for cell in DESIGNS for seeds in SEEDS]
    assert (records.coverage["studies"] >= 10_000).all()


def test_the_suite_s_intervals_and_tests_hold_in_the_named_cells(records):
    ours = records.coverage[(records.coverage["method"] == "crossed") & records.coverage["cell"].isin(NAMED)]
    assert len(ours) == 3 * len(NAMED) * len(SEEDS)
    assert ours["coverage"].between(*COVERED).all()
    tests = ours[ours["quantity"] == "difference"]
    assert (100 - tests["coverage"] <= MOST_REJECTIONS).all()
    assert (tests["power"] >= LEAST_POWER).all()


def test_the_suite_s_intervals_are_too_short_in_no_cell(records):
    ours = records.coverage[records.coverage["method"] == "crossed"]
    assert ours["coverage"].min() >= COVERED[0]


def test_usual_methods_fail_where_the_page_says_so(records):
    named = records.coverage[records.coverage["cell"].isin(NAMED) & (records.coverage["quantity"] == "difference")]
    worst = named.groupby("method")["coverage"].min()
    assert (worst[["queries", "seed_bootstrap", "seeds", "bootstrap"]] < COVERED[0]).all()


def test_the_real_null_is_that_of_the_committed_runs(records):
    runs = read_null(validation_path(NULL_RUNS, RECIPES))
    assert runs.shape[1] == 2 + RUNS
    ours = records.null[records.null["method"] == "crossed"]
    assert (ours["rejections"] <= MOST_REJECTIONS).all()
    few = null_rejections(runs, 500, seed=3)
    few = few[few["method"] == "crossed"].set_index("seeds")["rejections"]
    # Four standard deviations of a share of 500 around the level.
    assert (abs(few - 100 * LEVEL) < 4 * 100 * (LEVEL * (1 - LEVEL) / 500) ** 0.5).all()


def test_a_missing_record_is_asked_for(tmp_path):
    with pytest.raises(SuiteError, match="run `ranksuite validate-statistics`"):
        read_records(tmp_path)
