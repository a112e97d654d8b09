"""Every number of the summary and of the tables is found again in the recorded tables, by a reading of its own."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from found_again import check_csv, check_paper, check_summary, check_tables, missing, read_summary
from recorded import Records
from synthetic import Study, make_study, write_trials

from suite.recipes import RECIPES
from suite.reporting import write_reports


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Records, Path]:
    folder = tmp_path_factory.mktemp("found")
    root, recipes = folder / "artifacts", folder / "recipes"
    params = make_study(root, Study(seeds=3, failed=(("triplet", 2),)))
    shutil.copytree(RECIPES / "validation", recipes / "validation")
    write_trials(recipes, params)
    write_reports(params, root, folder / "reports", recipes=recipes)
    return Records(params, root, recipes), folder / "reports"


def test_the_numbers_of_every_table_are_on_record(written: tuple[Records, Path]) -> None:
    records, reports = written
    problems, looked = check_tables(reports / "report.html", records)
    assert problems == []
    assert looked > 2000


def test_the_numbers_of_the_summary_are_on_record(written: tuple[Records, Path]) -> None:
    records, reports = written
    problems, looked = check_summary(reports / "report.html", records)
    assert problems == []
    assert looked > 40
    assert len(read_summary(reports / "report.html")) == 6


def test_the_paper_has_the_same_summary(written: tuple[Records, Path]) -> None:
    _, reports = written
    assert check_paper(reports / "report.html", reports / "report.pdf") == []


def test_the_numbers_behind_every_table_are_there(written: tuple[Records, Path]) -> None:
    _, reports = written
    assert check_csv(reports / "tables", reports / "report.html") == []


def test_a_number_that_is_not_on_record_is_noticed(written: tuple[Records, Path], tmp_path: Path) -> None:
    records, reports = written
    page = (reports / "report.html").read_text(encoding="utf-8")
    start = page.index('data-name="emoji-gap-comparison"')
    shown = re.compile(r"\+0\.\d{3}").search(page, start)
    told = re.compile(r"test mAP,? (0\.\d{3})").search(page)
    changed = page[: shown.start()] + "+0.999" + page[shown.end() :]
    changed = changed[: told.start(1)] + "0.999" + changed[told.end(1) :]
    (tmp_path / "report.html").write_text(changed, encoding="utf-8")
    problems, _ = check_tables(tmp_path / "report.html", records, "emoji-gap-comparison")
    assert len(problems) == 1
    assert problems[0].startswith("emoji-gap-comparison, row 1 (Contrastive), minus ")
    assert problems[0].endswith("+0.999")
    problems, _ = check_summary(tmp_path / "report.html", records)
    assert problems == ["summary, emoji-leaderboard, Which loss wins: 0.999"]


def test_a_value_of_another_row_is_noticed(written: tuple[Records, Path], tmp_path: Path) -> None:
    records, reports = written
    page = (reports / "report.html").read_text(encoding="utf-8")
    board = records.table("leaderboard", "emoji", split="test", metric="level0/AP").set_index("loss")["mean"]
    start = page.index('data-name="emoji-leaderboard"')
    mine, other = f"{board['supap']:.3f}", f"{board['contrastive']:.3f}"
    place = page.index(mine, start)
    (tmp_path / "report.html").write_text(page[:place] + other + page[place + 5 :], encoding="utf-8")
    problems, _ = check_tables(tmp_path / "report.html", records, "emoji-leaderboard")
    assert len(problems) == 1
    assert problems[0].endswith(other)


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("0.345 [0.328, 0.361]", []),
        ("−0.345", ["-0.345"]),
        ("0.346", ["0.346"]),
        ("4,929 images, R@1 and level0/AP", []),
        ("<0.001", []),
        ("4,930", ["4,930"]),
        ("3.67.1", []),
    ],
)
def test_a_number_is_one_that_the_recorded_value_rounds_to(text: str, lost: list[str]) -> None:
    assert missing(text, np.array([0.3449, 0.3281, 0.3611, 4929.0, 1e-5])) == lost
