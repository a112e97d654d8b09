"""Shared by all tests: one thread and deterministic algorithms, as in every process of the suite."""

import pytest
from hypothesis import settings

from suite.workers import compute_deterministically, use_one_thread

# Examples are drawn the same way each time, and no deadline: a busy machine is no failure.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")


def pytest_configure():
    use_one_thread()


@pytest.fixture(autouse=True, scope="session")
def _deterministic() -> None:
    compute_deterministically()
