"""MLflow's pages over a synced store, in a browser: the list of runs, and runs compared."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from browsing import watched
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from store_contents import stored
from tracking_servers import Server, synced_server

from suite.reporting.links import run_link
from suite.reporting.model import Runs

pytestmark = pytest.mark.slow
WAIT = 60_000
NAMES = [f"emoji-{loss}-256-{seed}" for loss in ("smoothap", "supap") for seed in (0, 1)]
# Its own server has no users, and the page asks; a layout that takes two rounds is no fault.
EXPECTED = ("users/current", "ResizeObserver loop")


@pytest.fixture(scope="module")
def served(tmp_path_factory, params, describe, record_run) -> Iterator[tuple[Path, Server]]:
    """A synced store of two losses, served."""
    root = tmp_path_factory.mktemp("compared")
    for loss, value in (("supap", 0.41), ("smoothap", 0.38)):
        for seed in (0, 1):
            record_run(root, describe(loss, seed=seed), **{"test/level0/AP": value + seed / 100})
    with synced_server(root, params) as server:
        yield root, server


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page that keeps to this machine and whose errors end the test."""
    page = chromium.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(WAIT)
    with watched(page, lambda url: not url.startswith("http") or url.startswith("http://127.0.0.1"), EXPECTED):
        yield page
    page.close()


def compare(page: Page, root: Path, server: Server) -> None:
    """Open the page that compares all runs below the study's."""
    runs = [run for name, run in stored(root).items() if name in NAMES]
    ids, experiments = [run.info.run_id for run in runs], [runs[0].info.experiment_id]
    page.goto(
        f"{server.address}/#/compare-runs?runs={quote(json.dumps(ids))}&experiments={quote(json.dumps(experiments))}"
    )
    expect(page.get_by_text(f"Comparing {len(runs)} Runs")).to_be_visible(timeout=WAIT)


def wait_until_drawn(page: Page) -> None:
    """Until the plot, whose marks are pixels of a canvas and no elements, shows something that is not grey."""
    deadline = time.monotonic() + WAIT / 1000
    while True:
        pixels = np.asarray(Image.open(io.BytesIO(page.locator(".js-plotly-plot").first.screenshot())).convert("RGB"))
        if (np.ptp(pixels.astype(int), axis=2) > 60).sum() > 50:
            return
        assert time.monotonic() < deadline, "the plot stays empty"
        time.sleep(0.5)


def test_a_link_of_a_report_lists_its_runs_by_name(served, page) -> None:
    _, server = served
    page.goto(run_link("trial", Runs("emoji", "supap"), server.address))
    for name in NAMES:
        expect(page.get_by_text(name, exact=True)).to_have_count(1 if "supap" in name else 0, timeout=WAIT)


def test_the_study_lists_every_run_in_order(served, page) -> None:
    _, server = served
    page.goto(f"{server.address}/runs?study=trial")
    expect(page.get_by_text(NAMES[-1], exact=True)).to_be_visible(timeout=WAIT)
    shown = [text for text in page.get_by_role("link").all_inner_texts() if text in NAMES]
    assert shown == NAMES


def test_runs_are_compared_in_parallel_coordinates_and_in_a_scatter_plot(served, page) -> None:
    root, server = served
    compare(page, root, server)
    axes = page.locator(".js-plotly-plot .axis-title")
    expect(axes.first).to_be_visible(timeout=WAIT)
    assert "loss" in axes.all_text_contents()
    wait_until_drawn(page)
    page.get_by_text("Scatter Plot").click()
    for axis, value in (("X-axis:", "seed"), ("Y-axis:", "test/level0/AP")):
        page.get_by_role("combobox", name=axis).click()
        page.get_by_role("option").get_by_text(value, exact=True).first.click()
    expect(page.locator(".js-plotly-plot .xtitle")).to_have_text("seed", timeout=WAIT)
    expect(page.locator(".js-plotly-plot .ytitle")).to_have_text("test/level0/AP", timeout=WAIT)
    wait_until_drawn(page)
