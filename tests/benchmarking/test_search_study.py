"""The study of recall against speed: its table, its words, its figure, and the command on tiny galleries."""

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from suite.benchmarking.search import (
    COLUMNS,
    Searched,
    data_set_features,
    drawn_embeddings,
    fastest,
    search_study,
    sentences,
)
from suite.cli import main
from suite.errors import SuiteError
from suite.reporting.search_figure import search_figure


@pytest.fixture(scope="module")
def table():
    return search_study([drawn_embeddings(900, 40, 32), drawn_embeddings(300, 40, 32)], k=5, rounds=2)


@pytest.fixture
def artifacts(tmp_path, monkeypatch):
    """A working folder with the features of 120 images of a data set."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "artifacts" / "features" / "photos"
    folder.mkdir(parents=True)
    features = 3 * np.random.default_rng(0).normal(size=(120, 16)).astype(np.float32)
    np.save(folder / "features.npy", features)
    return features


def test_the_table_holds_each_kind_over_its_knob(table):
    assert list(table.columns) == list(COLUMNS)
    for _, part in table.groupby("gallery"):
        flat, ivf, hnsw = (part[part["kind"] == kind] for kind in ("flat", "ivf", "hnsw"))
        assert len(flat) == 1
        assert flat[["recall", "speedup"]].iloc[0].tolist() == [1.0, 1.0]
        assert flat[["nprobe", "ef_search", "nlist", "M"]].isna().all(axis=None)
        assert ivf["nprobe"].tolist()[:3] == [1, 2, 4]
        assert hnsw["ef_search"].tolist()[:2] == [8, 16]
        for curve in (ivf, hnsw):
            assert curve["recall"].iloc[-1] >= 0.999
            assert (curve["recall"].iloc[:-1] < 0.999).all()
    # The index holds four bytes a number, and little beside them where it is flat.
    flat = table[table["kind"] == "flat"]
    assert (flat["index_bytes"] - 4 * flat["gallery"] * flat["dimensions"]).between(0, 200).all()
    assert (table["fastest_ms"] <= table["median_ms"]).all()
    np.testing.assert_allclose(table["queries_per_second"], 40 / (table["fastest_ms"] / 1000))


def test_all_but_the_times_repeats(table):
    again = search_study([drawn_embeddings(300, 40, 32)], k=5, rounds=1)
    kept = ["source", "gallery", "kind", "nlist", "nprobe", "M", "ef_search", "recall", "index_bytes"]
    first = table.loc[table["gallery"] == 300, kept].reset_index(drop=True)
    pd.testing.assert_frame_equal(again[kept], first)


def test_drawn_embeddings_are_unit_vectors_and_queries_lie_near_their_class():
    drawn = drawn_embeddings(2000, 50, 64)
    np.testing.assert_allclose(np.linalg.norm(drawn.gallery, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(drawn.gallery, drawn_embeddings(2000, 50, 64).gallery)
    scores = np.sort(drawn.query @ drawn.gallery.T, axis=1)
    # The nearest items are of the query's class; the bulk is not.
    assert scores[:, -1].mean() > scores.mean() + 0.5


def test_queries_of_a_data_set_leave_its_gallery(artifacts, tmp_path):
    searched = data_set_features(tmp_path / "artifacts", "photos", 20)
    assert (searched.query.shape, searched.gallery.shape) == ((20, 16), (100, 16))
    unit = artifacts / np.linalg.norm(artifacts, axis=1, keepdims=True)
    both = np.concatenate([searched.query, searched.gallery])
    np.testing.assert_allclose(np.sort(both, axis=0), np.sort(unit, axis=0), atol=1e-6)


def test_the_fastest_setting_of_enough_recall_is_told(table):
    row = table[table["gallery"] == 300].iloc[0]
    made = pd.DataFrame(
        [
            {**row, "kind": "flat", "recall": 1.0, "queries_per_second": 1000.0, "speedup": 1.0},
            {**row, "kind": "ivf", "nprobe": 2, "recall": 0.9, "queries_per_second": 9000.0, "speedup": 9.0},
            {**row, "kind": "ivf", "nprobe": 4, "recall": 0.96, "queries_per_second": 4000.0, "speedup": 4.0},
            {**row, "kind": "ivf", "nprobe": 8, "recall": 0.99, "queries_per_second": 2000.0, "speedup": 2.0},
            {**row, "kind": "hnsw", "ef_search": 8, "recall": 0.94, "queries_per_second": 9000.0, "speedup": 9.0},
        ]
    )
    assert fastest(made, 0.95)[["kind", "recall"]].to_numpy().tolist() == [["flat", 1.0], ["ivf", 0.96]]
    made["build_seconds"], made["index_bytes"] = 1.5, 2e6
    assert list(sentences(made, 0.95)) == [
        "drawn, 300 items: flat: recall@5 1.000, 1,000 queries a second, 1 times flat; built in 1.5 s, 2 MB",
        "drawn, 300 items: ivf, nprobe 4: recall@5 0.960, 4,000 queries a second, 4 times flat; built in 1.5 s, 2 MB",
    ]


@pytest.mark.parametrize("narrow", [False, True])
def test_the_figure_has_a_panel_a_gallery_and_a_curve_a_kind(table, narrow):
    figure = search_figure(table, narrow)
    assert [axes.get_title() for axes in figure.axes] == [
        "900 drawn embeddings, 32-d",
        "300 drawn embeddings, 32-d",
    ]
    for axes, (_, part) in zip(figure.axes, table.groupby("gallery", sort=False), strict=True):
        curves = {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}
        assert list(curves) == ["flat (exact)", "ivf, nprobe", "hnsw, ef_search"]
        hnsw = part[part["kind"] == "hnsw"]
        np.testing.assert_allclose(curves["hnsw, ef_search"].get_ydata(), hnsw["queries_per_second"])
        missed = curves["hnsw, ef_search"].get_xdata()
        np.testing.assert_allclose(missed, np.maximum(1 - hnsw["recall"], 4e-4))
        left, right = axes.get_xlim()
        assert left > right
        assert {text.get_text() for text in axes.texts} >= {str(value) for value in hnsw["ef_search"]}


def test_the_command_writes_table_and_figure(artifacts, tmp_path):
    arguments = ["search-study", "--dataset", "photos", "--size", "200", "--size", "60", "--dimensions", "8"]
    arguments += ["--queries", "20", "-k", "3", "--rounds", "1"]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    folder = tmp_path / "artifacts" / "search"
    assert sorted(path.name for path in folder.iterdir()) == [
        f"search.{kind}" for kind in ("csv", "parquet", "png", "svg")
    ]
    table = pd.read_parquet(folder / "search.parquet")
    assert table[["source", "gallery"]].drop_duplicates().to_numpy().tolist() == [
        ["photos", 100],
        ["drawn", 200],
        ["drawn", 60],
    ]
    assert len(pd.read_csv(folder / "search.csv")) == len(table)
    assert result.output.splitlines()[0].startswith("photos, 100 items: flat: recall@3 1.000, ")
    with Image.open(folder / "search.png") as image:
        assert image.width > 1000


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["--dataset", "nowhere"],
            "ranksuite: artifacts/features/nowhere/features.npy: not found; run `ranksuite embed",
        ),
        (
            ["--dataset", "photos", "--queries", "120"],
            "ranksuite: --queries: 120 of the 120 images of data set 'photos'",
        ),
        (["--size", "5", "--queries", "2"], "ranksuite: -k: 10 is beyond the 5 items of the gallery 'drawn'"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(artifacts, tmp_path, arguments, line):
    result = CliRunner().invoke(main, ["search-study", "--size", "50", "--dimensions", "4", *arguments])
    assert result.exit_code == 1
    assert result.output.startswith(line)
    assert result.output.count("\n") == 1
    assert not (tmp_path / "artifacts" / "search").exists()


def test_a_gallery_shorter_than_k_is_refused():
    small = Searched("small", np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32))
    with pytest.raises(SuiteError, match="-k: 4 is beyond the 3 items of the gallery 'small'"):
        search_study([drawn_embeddings(20, 5, 3), small], k=4)
