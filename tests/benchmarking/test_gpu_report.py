"""The table and the bars of a benchmark on a GPU, from records alone."""

import re
from dataclasses import replace

import pytest

from suite.benchmarking.gpu.checks import Check
from suite.benchmarking.gpu.report import Record, bar_lines, check_lines, timing_lines

FUSED = Record("supap", 4096, "fused", "tf32x3", True, 0.5, median_ms=1.0, extra_bytes=30_000_000)
BLOCKWISE = replace(FUSED, kernels="blockwise", precision="", median_ms=6.0)
GRAPH = replace(FUSED, kernels="graph", median_ms=0.8)
LARGE = replace(FUSED, batch_size=65536, floor_ms=80.0, median_ms=160.0, extra_bytes=600_000_000)


def first_words(records):
    return [line.split("  ")[0] for line in bar_lines(records)]


def test_a_line_holds_the_three_ways_of_a_case():
    header, line = timing_lines([FUSED, GRAPH, BLOCKWISE])
    assert re.split(r"  +", header) == [
        "loss", "B", "precision", "blockwise ms", "fused ms", "faster", "graph ms", "floor ms", "x floor", "MB"
    ]  # fmt: skip
    assert line.split() == ["supap", "4,096", "tf32x3", "6.00", "1.00", "6.00", "0.80", "0.50", "2.00", "30"]


def test_what_did_not_run_says_why():
    _, line = timing_lines([FUSED, replace(BLOCKWISE, median_ms=None, obstacle="too long")])
    assert "too long" in line
    assert line.split()[-4:] == ["-", "0.50", "2.00", "30"]


def test_a_precision_stands_beside_its_own_graph_and_the_one_blockwise_time():
    other = replace(FUSED, precision="bf16x3", median_ms=0.5)
    _, _, line = timing_lines([FUSED, GRAPH, other, BLOCKWISE])
    assert line.split()[2:7] == ["bf16x3", "6.00", "0.50", "12.0", "-"]


def test_all_bars_hold():
    assert first_words([FUSED, BLOCKWISE, LARGE]) == ["holds"] * 4


@pytest.mark.parametrize(
    ("records", "missed"),
    [
        ([FUSED, replace(BLOCKWISE, median_ms=4.9), LARGE], 0),
        ([FUSED, BLOCKWISE, replace(LARGE, extra_bytes=2_000_000_000)], 1),
        ([FUSED, BLOCKWISE, replace(LARGE, median_ms=201.0)], 2),
        ([replace(FUSED, median_ms=1.3), replace(BLOCKWISE, median_ms=6.6), LARGE], 2),
        ([FUSED, BLOCKWISE, LARGE, replace(FUSED, batch_size=64), replace(BLOCKWISE, batch_size=64, median_ms=0.9)], 3),
    ],
)
def test_a_bar_is_missed_alone(records, missed):
    assert [nth for nth, word in enumerate(first_words(records)) if word != "holds"] == [missed]


def test_the_worst_value_comes_first():
    better = [replace(FUSED, loss="smoothap", median_ms=0.5), replace(BLOCKWISE, loss="smoothap")]
    assert bar_lines([FUSED, BLOCKWISE, *better])[0].endswith("blockwise: supap at 4,096 6.00, smoothap at 4,096 12.0")


def test_ten_percent_slower_than_blockwise_is_within_the_bar():
    small = [replace(FUSED, batch_size=1024, median_ms=1.1), replace(BLOCKWISE, batch_size=1024, median_ms=1.0)]
    assert first_words([FUSED, BLOCKWISE, LARGE, *small])[3] == "holds"


def test_other_kinds_of_batches_are_only_compared_with_blockwise():
    tail = replace(FUSED, loss="supap, long tail", fours=False, median_ms=9.0)
    assert (
        first_words([FUSED, BLOCKWISE, LARGE, tail, replace(tail, kernels="blockwise", median_ms=10.0)])
        == ["holds"] * 4
    )


def test_coarser_precisions_hold_no_bar():
    coarse = [replace(FUSED, precision="tf32"), replace(LARGE, precision="tf32")]
    assert first_words([*coarse, BLOCKWISE]) == ["not measured"] * 4


def test_a_shape_that_breaks_misses_its_bars():
    broken = replace(LARGE, median_ms=None, extra_bytes=None, obstacle="out of memory")
    lines = bar_lines([FUSED, BLOCKWISE, broken])
    assert [line.split("  ")[0] for line in lines] == ["holds", "MISSES", "MISSES", "MISSES"]
    assert "supap at 65,536: out of memory" in lines[1]


def test_failing_checks_are_named():
    good, bad = Check("same bits twice", "supap", True, "equal"), Check("autocast", "supap", False, "off by 1.0e-03")
    assert check_lines([good, bad]) == ["FAILS  autocast, supap: off by 1.0e-03", "1 of 2 checks hold"]
