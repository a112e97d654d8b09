"""Over data sets: ranks, their test, and the critical-difference diagram where there are data sets enough."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure as Plot
from synthetic import Study, make_study

from suite.reporting.across_section import across
from suite.reporting.comparison_figures import critical_difference_figure, joined
from suite.reporting.evidence import Evidence, read_evidence
from suite.reporting.looks import Look, looks
from suite.reporting.model import AP, Figure, Paragraph, Table
from suite.reporting.plates import render


def recorded(root: Path, *datasets: str, losses: int = 4) -> Evidence:
    study = Study(losses=losses, seeds=2, scaling=False, gap_extras=False, optional=False, datasets=datasets)
    return read_evidence(make_study(root, study), root, root.parent / "recipes")


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Evidence]:
    root = tmp_path_factory.mktemp("six") / "artifacts"
    return root, recorded(root, "one", "two", "three", "four", "five", "six")


def blocks(evidence: Evidence, kind: type) -> list:
    return [block for block in across(evidence, looks(evidence.params)) if isinstance(block, kind)]


def test_six_data_sets_have_a_diagram_of_the_recorded_ranks(six):
    root, evidence = six
    ranks = pd.read_parquet(root / "compare" / "friedman.parquet")
    ranks = ranks[ranks["metric"] == AP].sort_values("mean_rank", kind="stable")
    (figure,) = blocks(evidence, Figure)
    pd.testing.assert_frame_equal(figure.frame.reset_index(drop=True), ranks.reset_index(drop=True))
    assert "over 6 data sets" in figure.caption
    for row in ranks.itertuples():
        assert f"{evidence.label(row.loss)} {row.mean_rank:.2f}" in figure.alt
    assert f"Critical difference: {ranks['critical_difference'].iloc[0]:.2f}." in figure.alt
    assert "Friedman's test: p = " in blocks(evidence, Paragraph)[0].text


def test_ranks_in_the_table_are_those_of_the_recorded_means(six):
    root, evidence = six
    board = pd.read_parquet(root / "compare" / "leaderboard.parquet")
    board = board[(board["metric"] == AP) & (board["split"] == "test") & (board["loss"] != "frozen")]
    means = board.pivot(index="label", columns="dataset", values="mean")[list(evidence.params.datasets)]
    ranks = means.rank(ascending=False)
    (table,) = blocks(evidence, Table)
    for row in table.rows:
        assert [cell.value for cell in row[1:-1:2]] == list(means.loc[row[0].text])
        assert [cell.value for cell in row[2:-1:2]] == list(ranks.loc[row[0].text])
        assert row[-1].value == pytest.approx(ranks.loc[row[0].text].mean())
        assert [cell.runs.dataset for cell in row[1:-1:2]] == list(evidence.params.datasets)
    order = [row[-1].value for row in table.rows]
    assert order == sorted(order)


def test_few_data_sets_have_no_diagram_and_the_reason(tmp_path):
    for datasets in (("emoji",), ("emoji", "birds")):
        evidence = recorded(tmp_path / str(len(datasets)) / "artifacts", *datasets, losses=2)
        assert blocks(evidence, Figure) == []
        assert len(blocks(evidence, Table)) == len(datasets) - 1
        assert f"need five of them; this study has {len(datasets)}" in blocks(evidence, Paragraph)[0].text


def test_two_losses_have_ranks_but_no_test(tmp_path):
    evidence = recorded(tmp_path / "artifacts", *"abcde", losses=2)
    assert blocks(evidence, Figure) == []
    assert "There is no test of them" in blocks(evidence, Paragraph)[0].text


@given(st.lists(st.floats(1, 20), min_size=1, max_size=12), st.floats(0, 10))
def test_bars_join_all_ranks_within_the_difference_and_no_others(values: list[float], difference: float):
    ranks = np.sort(np.array(values))
    bars = joined(ranks, difference)
    for start, end in bars:
        assert end <= start + difference
    for low in range(len(ranks)):
        for high in range(low + 1, len(ranks)):
            under = any(start <= ranks[low] and ranks[high] <= end for start, end in bars)
            assert under == (ranks[high] <= ranks[low] + difference)
    assert not any(a <= c and d <= b for a, b in bars for c, d in bars if (a, b) != (c, d))


def test_nothing_of_the_diagram_is_cut_off_and_no_names_lie_on_another(six):
    evidence = six[1]
    longest = "Sup-AP + calibration, 0.3 and more"
    look = {key: Look(longest, one.colour, one.marker) for key, one in looks(evidence.params).items()}
    ranks = pd.DataFrame({"loss": list(evidence.params.losses), "mean_rank": [1.0, 1.5, 3.5, 4.0]})
    drawn = []

    def draw(*arguments) -> Plot:
        drawn.append(critical_difference_figure(*arguments))
        return drawn[-1]

    render(draw, ranks.assign(critical_difference=1.9), look)
    for figure in drawn:
        texts = [text for axes in figure.axes for text in axes.texts]
        boxes = [text.get_window_extent() for text in texts]
        assert [" ".join(text.get_text().split()) for text in texts].count(longest) == 4
        for box in boxes:
            assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
            assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1
        assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
