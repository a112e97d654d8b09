"""Simulated studies have the means they state, and every method is what its name says."""

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy import stats

from suite.errors import SuiteError
from suite.reporting.plates import render_png
from suite.reporting.validation_figure import coverage_figure
from suite.stages.validate import simulate_cells
from suite.statistics.crossed import class_means, mean_squares
from suite.validation.coverage import COLUMNS, simulate
from suite.validation.improvement import simulate_improvement
from suite.validation.methods import TITLES, intervals, query_interval
from suite.validation.null import null_rejections
from suite.validation.studies import DESIGNS, draw_studies, true_means


@pytest.mark.parametrize("cell", DESIGNS)
def test_the_stated_means_are_the_means(cell):
    design = DESIGNS[cell]
    level, floor = true_means(design)
    found = []
    for study in draw_studies(design, 3, 60, 25, (1,)):
        assert study.first.shape == study.second.shape == (3, len(study.classes), 25)
        assert study.classes.max() == design.classes - 1
        found.append([study.first.mean(), study.second.mean(), study.floor.mean(), (study.first - study.second).mean()])
    means, errors = np.mean(found, axis=0), stats.sem(found)
    assert (np.abs(means - [level, level, floor, 0.0]) < 4.5 * errors).all()


def test_studies_of_a_cell_do_not_depend_on_the_others():
    first = next(draw_studies(DESIGNS["seeds"], 3, 2, 4, (0, 1)))
    again = next(draw_studies(DESIGNS["seeds"], 3, 5, 4, (0, 1)))
    np.testing.assert_array_equal(first.first, again.first)
    assert not np.array_equal(first.first, next(draw_studies(DESIGNS["seeds"], 3, 2, 4, (0, 2))).first)


def test_values_between_zero_and_one_where_they_should_be():
    study = next(draw_studies(DESIGNS["bounded"], 3, 1, 25, (0,)))
    assert 0 < study.first.min() < 0.05
    assert 0.9 < study.first.max() < 1
    assert abs(stats.skew(study.floor, axis=None)) > 0.3


def test_methods_are_what_they_are_called():
    study = next(draw_studies(DESIGNS["mixed"], 4, 1, 6, (0,)))
    means, sizes = class_means(study.first, study.classes)
    found = intervals(means, sizes, np.random.default_rng(0))
    assert {*found, "queries"} == set(TITLES)
    runs = study.first.mean(axis=1)
    low, high = stats.t.interval(0.95, 3, runs.mean(axis=0), stats.sem(runs))
    np.testing.assert_allclose(found["seeds"], [low, high])
    queries = study.first.mean(axis=0)
    low, high = stats.t.interval(0.95, len(queries) - 1, queries.mean(axis=0), stats.sem(queries))
    np.testing.assert_allclose(query_interval(study.first), [low, high])
    for method, (low, high) in found.items():
        assert (low < high).all(), method


def test_rules_for_degrees_of_freedom_on_classes_of_one_size():
    generator = np.random.default_rng(2)
    means, sizes = generator.normal(size=(3, 8, 5)) + generator.normal(size=(3, 1, 5)), np.full(8, 4)
    mean, (a, b, r, *_) = mean_squares(means, sizes)
    found = intervals(means, sizes, generator)
    between = np.maximum(b - r, 0)
    expected = {
        "hillis": (a + between, 2 * (a + between) ** 2 / a**2),
        "satterthwaite": (a + b - r, (a + b - r) ** 2 / (a**2 / 2 + b**2 / 7 + r**2 / 14)),
        "classes": (b, 7),
    }
    for method, (variance, freedom) in expected.items():
        half = stats.t.ppf(0.975, freedom) * np.sqrt(variance / 24)
        np.testing.assert_allclose(found[method], [mean - half, mean + half], err_msg=method)
    # Two-way clusters from their definition: sums of squares of cluster totals, each with its G / (G - 1).
    left = means - mean
    by_seed = (left.sum(axis=1) ** 2).sum(axis=0) * 3 / 2
    by_class = (left.sum(axis=0) ** 2).sum(axis=0) * 8 / 7
    by_cell = (left**2).sum(axis=(0, 1)) * 24 / 23
    variance = (by_seed + by_class - by_cell) / 24**2
    assert (variance > 0).all()
    half = stats.t.ppf(0.975, 2) * np.sqrt(variance)
    np.testing.assert_allclose(found["two_way_cluster"], [mean - half, mean + half])


@pytest.mark.slow
def test_the_simulation_is_repeatable_whatever_runs_beside_it():
    alone = simulate(100, 0, ("few",), processes=1)
    both = simulate(100, 0, ("seeds", "few"), processes=2)
    assert list(alone.columns) == list(COLUMNS)
    pd.testing.assert_frame_equal(alone, both[both["cell"] == "few"].reset_index(drop=True))
    assert not alone.equals(simulate(100, 1, ("few",), processes=1))
    ours = alone[(alone["method"] == "crossed") & (alone["quantity"] != "floor")]
    assert ours["coverage"].between(85, 100).all()
    figure = render_png(coverage_figure, both)
    assert figure == render_png(coverage_figure, both)


def test_the_null_of_different_runs_is_rejected_and_of_equal_ones_seldom():
    generator = np.random.default_rng(0)
    sizes = generator.integers(3, 9, 40)
    classes = generator.normal(size=(40, 1))
    runs = pd.DataFrame(classes + 0.1 * generator.normal(size=(40, 30)) + 0.05 * generator.normal(size=30))
    runs.columns = [str(seed) for seed in range(30)]
    table = runs.assign(**{"class": range(40), "queries": sizes})
    found = null_rejections(table, 300, seed=0).set_index(["method", "seeds"])["rejections"]
    assert (found["crossed"] < 11).all()
    assert found["seed_bootstrap", 3] > 15
    pd.testing.assert_series_equal(
        found, null_rejections(table, 300, seed=0).set_index(["method", "seeds"])["rejections"]
    )


def test_newcombe_s_interval_holds_where_the_bootstrap_does_not():
    table = simulate_improvement(500, 0).set_index(["method", "runs", "probability"])["coverage"]
    assert table["newcombe"].min() > 85
    assert table["bootstrap", 3, 0.95] < 50


def test_unknown_cells_are_named():
    with pytest.raises(SuiteError, match=r"--cells: no cell 'nowhere'; there are: seeds, "):
        simulate_cells(("seeds", "nowhere"), 50, 0, 1)


def test_the_command_names_them_too():
    from suite.cli import main

    result = CliRunner().invoke(main, ["validate-statistics", "--cells", "nowhere"])
    assert result.exit_code == 1
    assert "no cell 'nowhere'" in result.output
    assert CliRunner().invoke(main, ["validate-statistics", "--studies", "0"]).exit_code == 2
