"""A study of one loss, of one seed, or with failed runs still has a report, and it says what cannot be concluded."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from found_again import check_paper, check_summary, check_tables
from recorded import Records
from report_pages import parse
from synthetic import Study, make_study, write_trials

from suite.recipes import RECIPES
from suite.reporting import write_reports


@pytest.mark.parametrize(
    ("study", "sentences"),
    [
        (Study(losses=1), ["only loss with finished runs", "There is no second loss to compare with."]),
        (
            Study(losses=3, seeds=1),
            [
                "one seed gives no interval",
                "2 are not told apart from it",
                "Of 2 other losses: 2 not told apart from it, from ",
                "Of 3 pairs none is decided. With one seed a loss, their order may be the luck of a run.",
                "luck of a run",
                "fewer than two equal seeds",
            ],
        ),
        (
            Study(losses=4, scaling=False, optional=False),
            [
                "Training batch size was not varied",
                "No benchmark is on record",
                "No simulation of the intervals and tests is on record",
                "there is no ablation to tell of",
            ],
        ),
        (
            Study(losses=4, seeds=2, steps=False, gap_extras=False),
            [
                "At equal steps nothing was trained",
                "The gap was measured under one sampler alone",
                "The gap was measured for AP alone",
                "No run was followed along training",
                "cannot be held against generalisation",
            ],
        ),
        (
            Study(
                losses=2,
                seeds=2,
                failed=tuple((key, seed) for key in ("contrastive", "triplet") for seed in (0, 1)),
            ),
            [
                "No run finished, so nothing can be concluded",
                "4 runs of 4 failed",
                "It was not measured at the main batch size.",
            ],
        ),
        (
            Study(losses=2, seeds=2, failed=(("triplet", 0), ("triplet", 1))),
            ["only loss with finished runs", "2 runs of 4 failed"],
        ),
        (
            Study(losses=3, seeds=2, failed=(("triplet", 1),), datasets=("emoji", "birds")),
            ["has the highest test mAP on both data sets", "The means are not over the same number of seeds"],
        ),
        (
            Study(losses=1, seeds=1, failed=(("contrastive", 0),), datasets=("emoji", "birds")),
            ["No data set has finished runs to rank.", "1 run of 1 failed"],
        ),
    ],
    ids=[
        "one-loss",
        "one-seed",
        "nothing-optional",
        "no-extras",
        "all-failed",
        "one-loss-failed",
        "one-run-failed",
        "nothing",
    ],
)
def test_what_cannot_be_concluded_is_said(study: Study, sentences: list[str], tmp_path: Path) -> None:
    root, destination, recipes = tmp_path / "artifacts", tmp_path / "reports", tmp_path / "recipes"
    params = make_study(root, study)
    if study.optional:
        shutil.copytree(RECIPES / "validation", recipes / "validation")
        for dataset in study.datasets:
            write_trials(recipes, params, dataset)
    write_reports(params, root, destination, recipes=recipes)
    page = parse(destination / "report.html")
    assert page.problems == []
    for sentence in sentences:
        assert sentence in " ".join(page.text.split())
    assert "nan" not in " ".join(cell["text"] for rows in page.tables.values() for row in rows for cell in row).split()
    records = Records(params, root, recipes)
    assert check_tables(destination / "report.html", records)[0] == []
    assert check_summary(destination / "report.html", records)[0] == []
    assert check_paper(destination / "report.html", destination / "report.pdf") == []
