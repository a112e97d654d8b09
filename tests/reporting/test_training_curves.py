"""Training curves say what the recorded histories say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure as Plot
from synthetic import Study, make_study, settings

from suite.errors import SuiteError
from suite.reporting.evidence import Evidence, read_evidence
from suite.reporting.histories import CURVES, read_curves
from suite.reporting.looks import looks
from suite.reporting.model import Figure, Paragraph, Table
from suite.reporting.plates import render
from suite.reporting.training_curves_section import best_validations, over_seeds, training_curves
from suite.reporting.training_figures import validation_figure
from suite.statistics import t_interval

SCORE = "val/level0/AP"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Evidence]:
    root = tmp_path_factory.mktemp("curves") / "artifacts"
    params = make_study(root, Study(losses=3, seeds=3, failed=(("triplet", 1),), gap_extras=False, optional=False))
    return root, read_evidence(params, root, root.parent / "recipes")


def write_history(folder: Path, rows: list[tuple[int, int, float, float]]) -> Path:
    folder.mkdir(parents=True)
    table = pd.DataFrame(rows, columns=["step", "epoch", "loss", SCORE])
    table.assign(learning_rate=0.1).to_parquet(folder / "history.parquet", index=False)
    return folder / "history.parquet"


def of(evidence: Evidence, kind: type) -> list:
    return [block for block in section(evidence) if isinstance(block, kind)]


def section(evidence: Evidence) -> list:
    return training_curves(evidence, evidence.datasets[0], looks(evidence.params))


def test_every_epoch_has_the_mean_of_its_steps_and_a_validation_stands_where_it_was_made(study, tmp_path):
    _, evidence = study
    nan = float("nan")
    rows = [(1, 1, 0.9, nan), (2, 1, 0.7, nan), (3, 2, 0.5, nan), (4, 2, 0.3, 0.25), (5, 2, 0.1, nan), (6, 3, 0.2, 0.5)]
    write_history(tmp_path / "triplet" / "f", rows)
    run = {"loss": "triplet", "fingerprint": "f", "batch_size": 256, "seed": 0}
    runs = pd.DataFrame([run | {"status": "finished", "budget": "epochs", "role": "main"}])
    curves = read_curves(runs, tmp_path, evidence.params)
    means = curves.dropna(subset=["training_loss"])
    assert list(means["epoch"]) == [1, 2, 3]
    assert list(means["training_loss"]) == pytest.approx([0.8, 0.3, 0.2])
    judged = curves.dropna(subset=["validation"])
    assert list(judged["epoch"]) == pytest.approx([1 + 2 / 3, 3])
    assert list(judged["validation"]) == [0.25, 0.5]


def test_only_finished_runs_at_the_main_batch_size_are_read(study):
    root, evidence = study
    data = evidence.datasets[0]
    runs = pd.read_parquet(root / "compare" / "runs.parquet")
    main = runs[(runs["role"] == "main") & (runs["status"] == "finished")]
    assert set(data.curves["fingerprint"]) == set(main["fingerprint"])
    assert len(main) == 3 * 3 - 1
    lengths = data.curves.groupby("fingerprint")["validation"].count()
    assert set(lengths) == {6}


def test_a_damaged_history_is_named(study, tmp_path):
    _, evidence = study
    folder = tmp_path / "triplet" / "f"
    folder.mkdir(parents=True)
    (folder / "history.parquet").write_bytes(b"PAR1 and no more")
    run = {"loss": "triplet", "fingerprint": "f", "batch_size": 256, "seed": 0}
    runs = pd.DataFrame([run | {"status": "finished", "budget": "epochs", "role": "main"}])
    with pytest.raises(SuiteError, match=r"history\.parquet: no training history"):
        read_curves(runs, tmp_path, evidence.params)


def test_the_figures_have_the_mean_over_seeds_and_its_interval(study):
    _, evidence = study
    curves = evidence.datasets[0].curves
    drawn = {figure.name: figure.frame for figure in of(evidence, Figure)}
    for name, column in (("emoji-validation-curves", "validation"), ("emoji-training-loss", "training_loss")):
        frame = drawn[name]
        assert list(dict.fromkeys(frame["loss"])) == list(evidence.params.losses)
        for row in frame.itertuples():
            same = (curves["loss"] == row.loss) & (curves["epoch"] == row.epoch)
            values = curves.loc[same, column].dropna().to_numpy()
            assert len(values) == row.seeds == (2 if row.loss == "triplet" else 3)
            assert (row.mean, row.low, row.high) == pytest.approx([float(end) for end in t_interval(values)])


def test_the_table_has_the_epoch_of_the_best_validation(study):
    _, evidence = study
    (table,) = of(evidence, Table)
    curves = evidence.datasets[0].curves.dropna(subset=["validation"])
    for row, key in zip(table.rows, evidence.params.losses, strict=True):
        runs = [part for _, part in curves[curves["loss"] == key].groupby("seed")]
        epochs = [part.loc[part["validation"].idxmax(), "epoch"] for part in runs]
        assert row[2].text == str(len(runs))
        assert row[4].value == np.median(epochs)
        assert row[5].value == pytest.approx(np.mean([part["validation"].max() for part in runs]))
        assert (row[5].runs.loss, row[5].runs.batch_size, row[5].runs.budget) == (key, 256, "epochs")


def test_a_curve_that_turned_down_is_told_from_one_that_still_rises():
    rows = [("a", 32, 0, "f", 1.0, np.nan, 0.4), ("a", 32, 0, "f", 2.0, np.nan, 0.3), ("b", 32, 0, "g", 1.0, 0.1, 0.2)]
    best = best_validations(pd.DataFrame(rows, columns=list(CURVES)))
    assert best.to_dict("records") == [
        {"loss": "a", "batch_size": 32, "seed": 0, "best_epoch": 1, "best": 0.4, "last_epoch": 2, "last": 0.3},
        {"loss": "b", "batch_size": 32, "seed": 0, "best_epoch": 1, "best": 0.2, "last_epoch": 1, "last": 0.2},
    ]


def test_what_the_curves_cannot_tell_is_said(study):
    _, evidence = study
    data = evidence.datasets[0]
    assert "1 failed run left no curve" in of(evidence, Paragraph)[0].text

    def told(curves: pd.DataFrame) -> str:
        return of(replace(evidence, datasets=(replace(data, curves=curves),)), Paragraph)[0].text

    assert "cannot be told" in told(data.curves.iloc[:0])
    assert "No validation is on record" in told(data.curves.assign(validation=np.nan))
    assert "With one seed a loss there is no interval" in told(data.curves[data.curves["seed"] == 0])


def test_heads_and_whole_networks_have_panels_of_their_own(study):
    _, evidence = study
    table = over_seeds(evidence.datasets[0].curves, "validation")
    table = pd.concat([table, table[table["loss"] == "fastap"].assign(loss="recall_at_k", epoch=table["epoch"] / 6)])
    look = looks(settings(Study()))
    drawn = []

    def draw(*arguments) -> Plot:
        drawn.append(validation_figure(*arguments))
        return drawn[-1]

    for wholes, titles in (({"recall_at_k"}, ["Heads", "Whole network"]), (set(), [""])):
        wide, _ = render(draw, table, wholes, look)
        assert sorted(spot.text for spot in wide.spots) == sorted(
            f"{look[row.loss].label}, epoch {row.epoch:.3g}: {row.mean:.3f} [{row.low:.3f}, {row.high:.3f}]"
            for row in table.itertuples()
        )
        assert [[axes.get_title(loc="left") for axes in figure.axes] for figure in drawn] == [titles] * 2
        drawn.clear()
