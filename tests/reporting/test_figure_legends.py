"""Long labels must not be cut: a legend lies within its figure, wide and narrow."""

import pandas as pd
import pytest

from suite.reporting import scaling_figures
from suite.reporting.looks import Look

LONG = "Sup-AP and calibration (ROADMAP)"


@pytest.fixture
def drawn():
    look = {f"loss{place}": Look(f"{LONG} {place}", "#0072b2", "o") for place in range(5)}
    look["frozen"] = Look("Frozen features", "#444444", "x", "--")
    rows = [
        {"loss": loss, "metric": metric, "budget": "epochs", "batch_size": size, "mean": 0.3, "low": 0.2, "high": 0.4}
        for loss in look
        if loss != "frozen"
        for metric in ("level0/AP", "level0/R_at_1")
        for size in (32, 128, 512)
    ]
    floors = {"level0/AP": 0.2, "level0/R_at_1": 0.3}
    return lambda narrow: scaling_figures.scaling_figure(pd.DataFrame(rows), floors, look, narrow)


@pytest.mark.parametrize("narrow", [False, True])
def test_a_legend_lies_within_its_figure(drawn, narrow):
    figure = drawn(narrow)
    figure.draw_without_rendering()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert len(legend.get_texts()) == 6
    assert box.width <= figure.bbox.width
    assert box.x0 >= 0
