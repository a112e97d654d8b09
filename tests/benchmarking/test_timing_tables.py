"""A benchmark's JSON as a table, and the exponents of growth."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suite.benchmarking.timings import COLUMNS, slope, slope_table, timing_table


def case(loss, size, median, **extra):
    stats = {"median": median, "q1": 0.9 * median, "q3": 1.2 * median, "rounds": 7}
    return {"params": {"loss": loss, "batch_size": size}, "stats": stats, "extra_info": extra}


def test_a_case_is_a_row_in_milliseconds():
    record = {"benchmarks": [case("supap", 512, 0.25, label="Sup-AP", family="AP", twin="", peak_memory_bytes=10)]}
    (row,) = timing_table(record).to_dict("records")
    assert row == {
        "loss": "supap",
        "label": "Sup-AP",
        "family": "AP",
        "twin": "",
        "batch_size": 512,
        "median_ms": 250.0,
        "q1_ms": pytest.approx(225),
        "q3_ms": pytest.approx(300),
        "rounds": 7,
        "peak_memory_bytes": 10.0,
    }


def test_bare_records_and_none_make_a_table():
    bare = {"params": {"loss": "supap", "batch_size": 8}, "stats": case("", 0, 1.0)["stats"]}
    other = {"params": None, "stats": bare["stats"]}
    table = timing_table({"benchmarks": [bare, other]})
    assert table[["loss", "label", "family", "twin"]].values.tolist() == [["supap", "supap", "Losses", ""]]
    assert table["peak_memory_bytes"].isna().all()
    assert list(timing_table(None).columns) == list(COLUMNS)
    assert timing_table(None).empty


@given(st.floats(-1, 4), st.floats(1e-3, 1e3), st.integers(2, 8))
def test_the_exponent_of_a_power_is_found(exponent, factor, count):
    sizes = 2.0 ** np.arange(7, 7 + count)
    assert slope(sizes, factor * sizes**exponent) == pytest.approx(exponent, abs=1e-9)


def test_a_slope_needs_two_positive_values():
    assert math.isnan(slope([512], [1.0]))
    assert math.isnan(slope([512, 1024], [1.0, float("nan")]))
    assert math.isnan(slope([512, 1024], [0.0, 1.0]))
    assert slope([512, 1024, 2048], [1.0, float("nan"), 4.0]) == pytest.approx(1.0)


def test_slopes_leave_out_small_batches_and_losses_of_one_size():
    cases = [case("a", size, 1e-6 * size**2, peak_memory_bytes=size) for size in (512, 1024, 2048)]
    cases += [case("a", 128, 5.0, peak_memory_bytes=10**9), case("peer", 256, 1.0), case("peer", 512, 1.0)]
    (row,) = slope_table(timing_table({"benchmarks": cases})).to_dict("records")
    assert (row["loss"], row["smallest"], row["largest"], row["sizes"]) == ("a", 512, 2048, 3)
    assert row["time_slope"] == pytest.approx(2.0)
    assert row["memory_slope"] == pytest.approx(1.0)
