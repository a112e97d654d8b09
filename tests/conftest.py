"""Shared by all tests: one thread and deterministic algorithms, as in every process of the suite."""

import os
from collections.abc import Iterator

import pytest
import torch
from browsing import browser
from hypothesis import settings
from playwright.sync_api import Browser

from suite.workers import compute_deterministically, use_one_thread

# Examples are drawn the same way each time, and no deadline: a busy machine is no failure.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")

# Triton chooses between its interpreter and a device when it is first imported, by whichever test.
if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")


def pytest_configure():
    use_one_thread()


@pytest.fixture(autouse=True, scope="session")
def _deterministic() -> None:
    compute_deterministically()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for a module's tests, closed after them: while it is open, no second one and no event loop can be."""
    with browser() as opened:
        yield opened
