"""Shared by all tests: one thread and deterministic algorithms, as in every process of the suite."""

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

import pytest
from hypothesis import settings

from suite.workers import compute_deterministically

# Examples are drawn the same way each time, and no deadline: these machines are noisy.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")


@pytest.fixture(autouse=True, scope="session")
def _deterministic() -> None:
    compute_deterministically()
