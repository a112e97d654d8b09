"""Goals from a benchmark's record: the ratios, which bars are met, and what is printed."""

import pandas as pd
import pytest

from suite.benchmarking.amounts import amount
from suite.benchmarking.goals import GOALS, Goal, outcomes, sentences

MET = [
    ("supap", 512, 10.0, 2e6),
    ("pml_smoothap", 512, 6120.0, 188e6),
    ("supap", 4096, 500.0, 120e6),
    ("matrix_products", 4096, 250.0, 90e6),
    ("supap", 16384, 9100.0, 400e6),
    ("suphap", 1024, 40.0, 1e6),
    ("supap_coarse", 1024, 20.0, 1e6),
]


def recorded(cases):
    return pd.DataFrame(cases, columns=["loss", "batch_size", "median_ms", "peak_memory_bytes"])


def printed(cases):
    return sentences(outcomes(recorded(cases)))


def test_lines_say_ratio_and_bar():
    lines = printed(MET)
    assert lines[0] == (
        "supap at B 512: 612 times faster than pml_smoothap (bar 250), 94.0 times less extra memory (bar 50)"
    )
    assert "suphap at B 1024: 2.00 times the time of supap_coarse (bar 4)" in lines
    assert (
        "supap at B 4096: 2.00 times the time of matrix_products (bar 2.5), 120 MB of extra memory (bar 300)" in lines
    )
    assert "supap at B 16384: runs, 9.10 s" in lines


def test_what_was_not_measured_is_told_once():
    *others, last = printed(MET)
    assert last.startswith("not measured: smoothap at B 512, recall_at_k at B 512, fastap at B 512")
    assert last.count("suprecall at B 4096") == 1
    assert "MISSED" not in " ".join(others)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("pml_smoothap", 512, 2490.0, 188e6), "249 times faster than pml_smoothap (bar 250: MISSED)"),
        (("pml_smoothap", 512, 6120.0, 99e6), "49.5 times less extra memory (bar 50: MISSED)"),
        (("matrix_products", 4096, 199.0, 90e6), "2.51 times the time of matrix_products (bar 2.5: MISSED)"),
        (("supap", 4096, 500.0, 300e6), "300 MB of extra memory (bar 300: MISSED)"),
        (("supap_coarse", 1024, 9.0, 1e6), "4.44 times the time of supap_coarse (bar 4: MISSED)"),
    ],
)
def test_a_missed_bar_is_printed_as_missed(change, words):
    cases = [change if case[:2] == change[:2] else case for case in MET]
    text = " ".join(printed(cases))
    assert words in text
    assert text.count("MISSED") == 1


def test_memory_that_was_not_recorded_is_no_outcome():
    cases = [(loss, size, median, None) for loss, size, median, _ in MET]
    found = {(o.goal.loss, o.goal.batch_size, o.goal.kind): o for o in outcomes(recorded(cases))}
    assert found["supap", 512, "faster"].value == pytest.approx(612)
    for key in (("supap", 512, "leaner"), ("supap", 4096, "below")):
        assert found[key].value is None
        assert found[key].met is None


def test_a_ratio_at_its_bar_meets_it_and_a_limit_of_memory_is_strict():
    table = recorded([("a", 2, 1.0, 5e6), ("b", 2, 4.0, 20e6)])
    goals = [
        Goal("a", 2, "faster", 4, "b"),
        Goal("a", 2, "leaner", 4, "b"),
        Goal("b", 2, "within", 4, "a"),
        Goal("a", 2, "below", 5),
    ]
    assert [outcome.met for outcome in outcomes(table, goals)] == [True, True, True, False]


def test_the_goals_of_the_library_stand():
    bars = {(g.loss, g.batch_size, g.kind): g.bar for g in GOALS}
    assert len(bars) == len(GOALS)
    for loss in ("smoothap", "supap"):
        assert bars[loss, 512, "faster"] == 250
        assert bars[loss, 512, "leaner"] == 50
    for loss in ("supap", "suprecall", "recall_at_k"):
        assert bars[loss, 4096, "within"] == 2.5
        assert bars[loss, 4096, "below"] == 300
        assert (loss, 16384, "runs") in bars
    assert (bars["fastap", 512, "faster"], bars["triplet", 512, "faster"]) == (5, 12)
    assert bars["recall_at_k", 512, "faster"] == 60
    assert (bars["suphap", 1024, "within"], bars["supndcg", 1024, "within"]) == (4, 4)
    assert ("triplet", 4096, "runs") in bars


def test_amounts_have_the_digits_that_mean_something():
    assert [amount(value) for value in (12345.6, 612.3, 41.49, 2.309, 0.05)] == [
        "12,346",
        "612",
        "41.5",
        "2.31",
        "0.05",
    ]
