"""The section on cost shows the recorded times, memory, slopes, ratios and precision, each loss in one look."""

import json
from dataclasses import replace

import pandas as pd
import pytest
from synthetic import Study, make_study

from suite.benchmarking.goals import outcomes
from suite.benchmarking.timings import FLOOR, slope_table, timing_table
from suite.reporting.evidence import read_evidence
from suite.reporting.looks import looks
from suite.reporting.model import Figure, Paragraph, Table
from suite.reporting.timing_figures import growth_figure, timed_looks
from suite.reporting.timings import timings


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    root = tmp_path_factory.mktemp("cost")
    return root, make_study(root, Study())


@pytest.fixture(scope="module")
def blocks(study):
    root, params = study
    return timings(read_evidence(params, root), looks(params))


@pytest.fixture(scope="module")
def recorded(study):
    return timing_table(json.loads((study[0] / "benchmark" / "benchmark.json").read_text()))


def named(blocks, kind):
    return {block.name: block for block in blocks if isinstance(block, kind)}


def test_two_figures_and_five_tables_stand_in_order(blocks):
    assert list(named(blocks, Figure)) == ["timings", "memory"]
    assert list(named(blocks, Table)) == ["goals", "slopes", "timings", "memory", "precision"]


@pytest.mark.parametrize(
    ("name", "column", "unit"), [("timings", "median_ms", 1), ("memory", "peak_memory_bytes", 1e6)]
)
def test_tables_hold_every_recorded_number(blocks, recorded, name, column, unit):
    table = named(blocks, Table)[name]
    known = recorded.dropna(subset=[column])
    sizes = [int(head.title.replace(",", "")) for head in table.columns[1:]]
    shown = [
        (row[0].text, size, cell.value)
        for row in table.rows
        for size, cell in zip(sizes, row[1:], strict=True)
        if cell.value is not None
    ]
    assert len(shown) == len(known)
    assert sorted(value for _, _, value in shown) == pytest.approx(sorted(known[column] / unit))
    assert (len(table.rows), sizes) == (recorded["loss"].nunique(), sorted(recorded["batch_size"].unique()))


def test_ratios_and_verdicts_are_those_of_the_record(blocks, recorded):
    table = named(blocks, Table)["goals"]
    found = [outcome for outcome in outcomes(recorded) if outcome.value is not None]
    assert [row[3].value for row in table.rows] == [outcome.value for outcome in found]
    assert [row[5].text for row in table.rows] == ["met" if outcome.met else "missed" for outcome in found]
    assert {row[5].text for row in table.rows} == {"met", "missed"}
    assert "time of pml fastap over its own" in [row[2].text for row in table.rows]


def test_slopes_say_over_which_sizes(blocks, recorded):
    table = named(blocks, Table)["slopes"]
    fitted = slope_table(recorded)
    assert [row[3].value for row in table.rows] == list(fitted["time_slope"])
    assert table.rows[0][1].text == "512 to 16,384"
    assert "least squares in log-log over the batch sizes of at least 512" in table.caption
    assert {row[4].text for row in table.rows} == {"1.00", "–"}


def test_one_sentence_says_what_precision_means(blocks):
    (sentence,) = (block.text for block in blocks if isinstance(block, Paragraph) and "Half precision" in block.text)
    assert "bfloat16 put 25.0 % of the positives in another rank" in sentence
    assert sentence.endswith("none.")
    assert len(named(blocks, Table)["precision"].rows) == 8


def test_device_and_threads_are_told(blocks):
    assert blocks[0].text.endswith("Recorded on: Some processor, 2 threads.")


def test_a_peer_looks_like_its_twin_and_panels_tell_losses_apart(study, recorded):
    look = looks(study[1])
    styles = timed_looks(recorded, look)
    assert list(styles) == list(recorded["loss"].unique())
    assert styles["supap"] == look["supap"]
    twin, peer = styles["smoothap"], styles["pml_smoothap"]
    assert (peer.colour, peer.marker, peer.hollow, peer.line) == (twin.colour, twin.marker, True, "--")
    extra = [{"loss": f"new{place}", "label": f"New {place}", "family": "Average precision"} for place in range(4)]
    grown = pd.concat([recorded, recorded.iloc[:0].assign(), pd.DataFrame(extra).assign(twin="", batch_size=128)])
    styles = timed_looks(grown, look)
    ours = grown[(grown["family"] == "Average precision") & (grown["twin"] == "")]["loss"].unique()
    assert len({styles[name].colour for name in ours}) == len(ours) == 8


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("value", ["median_ms", "peak_memory_bytes"])
def test_legends_cover_no_line_and_lie_within_the_figure(study, recorded, value, narrow):
    figure = growth_figure(recorded, value, timed_looks(recorded, looks(study[1])), narrow)
    figure.draw_without_rendering()
    assert len(figure.axes) == 5
    panels = [axes.get_window_extent() for axes in figure.axes]
    for axes in figure.axes:
        box = axes.get_legend().get_window_extent()
        assert not any(box.overlaps(panel) for panel in panels)
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.width
        lines = [line for line in axes.get_lines() if len(line.get_xdata())]
        assert len(lines) == len(axes.get_legend().get_texts())
        assert lines[-1].get_linestyle() == ":"


def test_a_record_of_before_and_none_are_shown_too(study, recorded):
    root, params = study
    evidence = read_evidence(params, root)
    bare = {"benchmarks": [dict(case, extra_info={}) for case in evidence.benchmark["benchmarks"]]}
    old = replace(evidence, benchmark=bare, precision=pd.DataFrame())
    assert list(named(timings(old, looks(params)), Figure)) == ["timings"]
    empty = replace(old, benchmark=None)
    (only,) = timings(empty, looks(params))
    assert "No benchmark is on record" in only.text
    assert FLOOR in set(recorded["loss"])
