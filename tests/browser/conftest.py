"""A report of two data sets, written once, and pages that show it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from browsing import watched
from playwright.sync_api import Browser, Page

from suite.recipes import RECIPES
from suite.reporting import write_reports

# The drawn study is that of the reports' own tests.
sys.path.append(str(Path(__file__).parents[1] / "reporting"))
from synthetic import Study, make_study, write_trials


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the report."""
    folder = tmp_path_factory.mktemp("a report")
    study = Study(seeds=3, failed=(("triplet", 2),), datasets=("emoji", "landmarks"))
    params, recipes = make_study(folder / "artifacts", study), folder / "recipes"
    shutil.copytree(RECIPES / "validation", recipes / "validation")
    for dataset in study.datasets:
        write_trials(recipes, params, dataset)
    write_reports(params, folder / "artifacts", folder / "reports", recipes=recipes)
    return folder / "reports"


@pytest.fixture
def show(chromium: Browser, report: Path) -> Iterator[Callable[..., Page]]:
    """Opens the page at a width and in a colour scheme; it may ask for itself alone and must not complain."""
    address = (report / "report.html").as_uri()
    with ExitStack() as stack:

        def open_page(width: int = 1400, scheme: str = "light") -> Page:
            page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            stack.callback(page.close)
            # Pictures and downloads are made within the page.
            stack.enter_context(watched(page, lambda url: url == address or url.startswith(("data:", "blob:"))))
            page.goto(address)
            return page

        yield open_page
