"""The fused kernels on the device where there is one, else under Triton's interpreter (see tests/conftest.py)."""

import importlib.util

import pytest


@pytest.fixture(autouse=True, scope="session")
def _triton() -> None:
    if importlib.util.find_spec("triton") is None:
        pytest.skip("triton is not installed: pip install --constraint constraints.txt --editable '.[dev]'")
