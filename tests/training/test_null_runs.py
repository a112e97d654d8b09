"""The runs of the real null: trained once, kept as class means, split at random."""

import numpy as np
import pandas as pd
import pytest
from toy import toy_params, write_toy

from suite.errors import SuiteError
from suite.validation.null import read_null, train_null, write_null


@pytest.fixture
def root(tmp_path):
    write_toy(tmp_path / "artifacts")
    return tmp_path / "artifacts"


@pytest.mark.slow
def test_runs_are_trained_once_and_leave_their_class_means(root):
    runs = train_null(toy_params(), root, "toy", "supap", 3)
    assert list(runs.columns) == ["class", "queries", "0", "1", "2"]
    assert runs["queries"].tolist() == [6] * 12
    store = root / "null" / "toy" / "supap"
    tables = [pd.read_parquet(path) for path in store.glob("*/queries.parquet")]
    means = sorted(table["level0/AP"].mean() for table in tables)
    np.testing.assert_allclose(sorted(np.average(runs[["0", "1", "2"]], axis=0)), means, rtol=1e-5)
    written = {path: path.stat().st_mtime_ns for path in store.glob("*/run.json")}
    again = train_null(toy_params(), root, "toy", "supap", 3)
    assert again.equals(runs)
    assert {path: path.stat().st_mtime_ns for path in store.glob("*/run.json")} == written
    write_null(root / "runs.parquet", runs)
    assert read_null(root / "runs.parquet").equals(runs)


def test_a_loss_that_is_not_trained_at_the_main_size_is_named(root):
    with pytest.raises(SuiteError, match=r"losses\.contrastive\.batches: no batch size 32 on toy"):
        train_null(toy_params(main_batch_size=32), root, "toy", "contrastive", 2)
