"""What half precision costs: the record's rows, and that float32 scores keep the ranks of the embeddings given."""

import pandas as pd
import pytest
import torch

from suite.benchmarking.batches import half_trained_batch
from suite.benchmarking.precision import precision_table
from suite.evaluation import per_query_metrics

ERRORS = ["ranks_changed", "value_error", "gradient_error"]
GIVEN = [f"{name}_given" for name in ERRORS]


@pytest.fixture(scope="module")
def table():
    return precision_table(batch_size=64).set_index(["loss", "embeddings", "scores"])


def test_every_dtype_is_there_and_low_ones_twice(table):
    ways = [("float64", "float64"), ("float32", "float32")]
    ways += [(low, scores) for low in ("bfloat16", "float16") for scores in ("float32", low)]
    assert list(table.index) == [(loss, *way) for loss in ("smoothap", "supap") for way in ways]
    assert not table.isna().any(axis=None)


def test_float64_is_the_reference_of_itself(table):
    assert (table.xs("float64", level="embeddings")[ERRORS + GIVEN] == 0).all(axis=None)


def test_float32_scores_leave_only_what_the_embeddings_lost(table):
    suite = table.xs("float32", level="scores")
    assert (suite["ranks_changed_given"] == 0).all()
    assert (suite[["value_error_given", "gradient_error_given"]] < 1e-4).all(axis=None)
    assert (suite.xs("bfloat16", level="embeddings")["gradient_error"] > 1e-3).all()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_scores_in_half_precision_change_ranks_and_gradients(table, dtype):
    for loss in ("smoothap", "supap"):
        low, high = table.loc[loss, dtype, dtype], table.loc[loss, dtype, "float32"]
        assert low["ranks_changed_given"] > 0
        assert low["value_error_given"] > 10 * high["value_error_given"]
        assert low["gradient_error_given"] > 100 * high["gradient_error_given"]


def test_the_record_is_the_same_each_time(table):
    pd.testing.assert_frame_equal(precision_table(batch_size=64).set_index(table.index.names), table, check_exact=True)


@pytest.mark.parametrize("hierarchical", [False, True])
def test_a_half_trained_batch_is_neither_settled_nor_random(hierarchical):
    embeddings, labels = half_trained_batch(512, hierarchical)
    assert embeddings.dtype == torch.float32
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(512))
    finest = labels[:, 0] if hierarchical else labels
    precision = per_query_metrics(embeddings.numpy(), finest.numpy())["level0/AP"].mean()
    assert 0.3 < precision < 0.8


def test_a_coarse_level_has_a_quarter_of_the_batch():
    for size in (32, 1024):
        _, labels = half_trained_batch(size, hierarchical=True)
        assert labels.shape == (size, 3)
        counts = [labels[:, level].bincount().unique().tolist() for level in range(3)]
        assert counts == [[4], [max(4, size // 16)], [size // 4]]
        # A class lies in one group of each coarser level.
        for level in (1, 2):
            pairs = labels[:, [level - 1, level]].unique(dim=0)
            assert len(pairs) == len(labels[:, level - 1].unique())
