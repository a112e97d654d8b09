"""Pages in a real browser, whose faults end the test; without a browser the tests that need one are skipped by name."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def browser() -> Iterator[Browser]:
    """The installed Chromium, without a window."""
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@contextmanager
def watched(page: Page, allowed: Callable[[str], bool], known: tuple[str, ...] = ()) -> Iterator[Page]:
    """A page that may not complain, nor ask for an address that is not allowed.

    Args:
        page: to be watched from here to the end of the context.
        allowed: whether an address may be asked for.
        known: pieces of complaints that are no fault.
    """
    complaints: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(f"{said.text} {said.location}") if said.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    yield page
    assert [one for one in complaints if not any(piece in one for piece in known)] == []
    assert [url for url in asked if not allowed(url)] == []
