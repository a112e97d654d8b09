"""The whole table, computed once."""

import pandas as pd
import pytest

from suite.conformance.run import write_conformance


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("conformance")
    write_conformance(folder)
    return folder


@pytest.fixture(scope="session")
def table(written):
    return pd.read_parquet(written / "conformance.parquet")
