"""The interval over partitions: what it is, that it covers, and how many partitions a precision needs."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from suite.statistics.gap import decomposability_gap
from suite.statistics.gap_interval import gap_interval, partitions_needed
from suite.statistics.gap_samplers import Hierarchical, MPerClass, RandomBatches

COUNTS = (4, 8, 16, 32)


def learnt(generator, classes=24, width=8):
    """Embeddings with some structure: classes of three to eight images in super-classes of six classes."""
    fine = np.repeat(np.arange(classes), generator.integers(3, 9, classes))
    coarse = fine // 6
    centres = (
        generator.normal(size=(classes, width))
        + generator.normal(size=(classes // 6 + 1, width))[np.arange(classes) // 6]
    )
    return centres[fine] + 1.2 * generator.normal(size=(len(fine), width)), np.stack([fine, coarse], 1)


def table(values, **columns):
    keys = {"sampler": "m4", "measure_batch_size": 8, "metric": "AP"} | columns
    return pd.DataFrame({"partition": range(len(values)), "gap": values}).assign(**keys)


def test_it_is_the_t_interval_over_partitions_of_each_group():
    embeddings, labels = learnt(np.random.default_rng(0))
    found = decomposability_gap(
        embeddings, labels, {"m2": MPerClass(2, (8, 16)), "random": RandomBatches((32,))}, metrics=["AP", "NDCG"]
    )
    intervals = gap_interval(found, precision=0.01)
    assert intervals[["sampler", "measure_batch_size", "metric"]].to_numpy().tolist() == [
        [sampler, size, metric]
        for sampler, size in (("m2", 8), ("m2", 16), ("random", 32))
        for metric in ("AP", "NDCG")
    ]
    for row in intervals.itertuples():
        where = (found["sampler"] == row.sampler) & (found["measure_batch_size"] == row.measure_batch_size)
        values = found.loc[where & (found["metric"] == row.metric), "gap"]
        low, high = stats.t.interval(0.95, 7, values.mean(), stats.sem(values))
        np.testing.assert_allclose(
            [row.mean, row.low, row.high, row.partition_se], [values.mean(), low, high, stats.sem(values)]
        )
        assert row.partitions == 8
        assert row.partitions_needed == partitions_needed(values.to_numpy(), 0.01)


@given(
    values=st.lists(st.floats(-1, 1), min_size=2, max_size=12).filter(lambda found: np.std(found) > 1e-6),
    precision=st.floats(0.001, 1),
)
def test_as_many_partitions_as_needed_are_enough_and_one_fewer_is_not(values, precision):
    needed = partitions_needed(np.array(values), precision)

    def half(count):
        return stats.t.ppf(0.975, count - 1) * np.std(values, ddof=1) / np.sqrt(count)

    assert half(needed) <= precision
    assert needed == 2 or half(needed - 1) > precision


def test_what_cannot_be_told_is_null():
    alone = gap_interval(table([0.3])).iloc[0]
    assert alone["mean"] == 0.3
    assert alone[["low", "high", "partition_se", "partitions_needed"]].isna().all()
    assert gap_interval(table([0.3, 0.3]))["partitions_needed"].item() == 2
    assert partitions_needed(np.array([0.0, 1.0]), 1e-6) is None
    empty = gap_interval(table([np.nan, 0.2, 0.4])).iloc[0]
    assert (empty["partitions"], empty["mean"]) == (2, pytest.approx(0.3))


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"table": table([0.1, 0.2]).drop(columns="gap")}, "table: has no column 'gap'"),
        ({"table": pd.concat([table([0.1, 0.2])] * 2)}, "table: a partition stands there twice"),
        ({"table": table([0.1, 0.2]), "precision": 0.0}, "precision: expected a positive number, found 0.0"),
    ],
)
def test_bad_arguments_are_named(argument, message):
    with pytest.raises(ValueError, match=message):
        gap_interval(**argument)


def pool(sampler, metrics, partitions, seed=0):
    """Gaps of many independent partitions, (partitions,) a metric."""
    embeddings, labels = learnt(np.random.default_rng(seed))
    parts = [
        decomposability_gap(embeddings, labels, {"it": sampler}, partitions=1000, metrics=metrics, seed=number)
        for number in range(partitions // 1000)
    ]
    found = pd.concat(parts)
    return {metric: rows["gap"].to_numpy() for metric, rows in found.groupby("metric")}


@pytest.mark.slow
@pytest.mark.parametrize(
    "sampler",
    [MPerClass(2, (8,)), MPerClass(3, (48,)), RandomBatches((32,)), Hierarchical(2, 2, (8,))],
    ids=["m2", "m3", "random", "hierarchical"],
)
def test_the_interval_covers_the_expectation(sampler):
    """Disjoint sets of K partitions out of 64,000, whose mean stands for the expectation."""
    for values in pool(sampler, ("AP", "R_at_1", "NDCG", "H_AP"), 64_000).values():
        for count in COUNTS:
            studies = values[: len(values) // count * count].reshape(-1, count)
            half = stats.t.ppf(0.975, count - 1) * studies.std(1, ddof=1) / np.sqrt(count)
            covered = (np.abs(studies.mean(1) - values.mean()) <= half).mean()
            # 2,000 studies at 32 partitions: four standard deviations of their share are 0.02.
            assert 0.93 <= covered <= 0.97
