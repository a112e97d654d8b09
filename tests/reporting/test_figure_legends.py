"""Long labels must not be cut: a legend lies within its figure, wide and narrow."""

import pandas as pd
import pytest

from suite.reporting import figures

LONG = "Sup-AP and calibration (ROADMAP)"


@pytest.fixture
def drawn():
    look = {f"loss{place}": figures.Look(f"{LONG} {place}", "#0072b2", "o") for place in range(5)}
    look["frozen"] = figures.Look("Frozen features", "#444444", "x", "--")
    rows = [
        {"loss": loss, "batch_size": size, "mean": 0.3, "low": 0.2, "high": 0.4}
        for loss in look
        if loss != "frozen"
        for size in (32, 128, 512)
    ]
    table = pd.DataFrame(rows)
    return lambda narrow: figures.scaling_figure({"mAP": (table, 0.2), "R@1": (table, 0.3)}, look, narrow)


@pytest.mark.parametrize("narrow", [False, True])
def test_a_legend_lies_within_its_figure(drawn, narrow):
    figure = drawn(narrow)
    figure.draw_without_rendering()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert len(legend.get_texts()) == 6
    assert box.width <= figure.bbox.width
    assert box.x0 >= 0
