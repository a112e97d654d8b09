"""The measure and controls stages on a small study: which heads are measured by what, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from study_settings import loss_entry, measure
from toy import COSINE, toy_params, write_toy

from suite.errors import SuiteError
from suite.stages.controls import controls_stage
from suite.stages.measure import measure_stage
from suite.statistics.measures import GAP_COLUMNS
from suite.training.data import load_head_data
from suite.training.head import initial_head
from suite.training.specification import specify
from suite.training.stage import train_stage
from suite.training.store import RunStore

SAMPLERS = {
    "m4": {"kind": "m_per_class", "samples_per_class": 4},
    "random": {"kind": "random", "batch_sizes": [32]},
    "near": {"kind": "hierarchical", "samples_per_class": 2, "super_classes": 2, "batch_sizes": [8]},
}


def params(samplers=SAMPLERS, rate=0.01):
    return toy_params(
        seeds={"main": [0, 1], "scaling": [0], "followed": [1]},
        workers={"processes": 1},
        measure=measure({"toy": [8, 24, 40]}, partitions=2, samplers=samplers, metrics=["AP", "H_AP"]),
        losses={"contrastive": loss_entry("contrastive", 16, 32, learning_rate=rate, settings=COSINE)},
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("artifacts")
    write_toy(root)
    train_stage(params(), "toy", "contrastive", root, None)
    return root


def test_every_run_is_measured_and_main_runs_also_otherwise(root):
    measure_stage(params(), "toy", "contrastive", root)
    table = pd.read_parquet(root / "measures" / "toy" / "contrastive" / "gap.parquet")
    assert list(table.columns) == list(GAP_COLUMNS)
    keys = ["train_batch_size", "seed", "epoch", "split", "sampler", "measure_batch_size"]
    found = {tuple(row) for row in table[keys].fillna({"epoch": -1}).to_numpy().tolist()}
    chosen = {
        (batch, seed, -1, "test", "m4", size) for batch, seed in ((16, 0), (16, 1), (32, 0)) for size in (8, 24, 40)
    }
    others = {(16, seed, -1, "test", name, size) for seed in (0, 1) for name, size in (("random", 32), ("near", 8))}
    train = {(16, seed, -1, "train", "m4", size) for seed in (0, 1) for size in (8, 24, 40)}
    # The smallest size, and the one nearest the main batch size of 16: of two as near the smaller.
    along = {(16, 1, epoch, "test", "m4", 8) for epoch in (0, 2, 4)}
    assert found == chosen | others | train | along
    # Each with two metrics and two partitions.
    assert len(table) == 4 * len(found)
    assert table["gap"].notna().all()
    kept = table[(table["seed"] == 1) & (table["measure_batch_size"] == 8) & (table["split"] == "test")]
    kept = kept[kept["sampler"] == "m4"].set_index(["epoch", "metric", "partition"])["gap"]
    run = RunStore(root / "runs", "toy", "contrastive").get(specify(params(), "toy", "contrastive", "toy-digest")[1])
    assert kept.loc[run.record["best_epoch"]].equals(kept.loc[pd.NA])


def test_the_head_that_training_starts_from_is_drawn_again(tmp_path):
    """A run whose steps are too small to count stays where it starts."""
    write_toy(tmp_path)
    still = params(rate=1e-12)
    train_stage(still, "toy", "contrastive", tmp_path, None)
    spec = specify(still, "toy", "contrastive", "toy-digest")[1]
    data = load_head_data(tmp_path, "toy")
    kept = RunStore(tmp_path / "runs", "toy", "contrastive").get(spec).snapshots()[2]
    every = slice(None)
    np.testing.assert_allclose(data.embed(initial_head(spec, data), every), data.embed(kept, every), atol=1e-6)


def test_controls_are_measured_as_runs_are(root):
    controls_stage(params(), "toy", root)
    folder = root / "controls" / "toy"
    table, whitened = (pd.read_parquet(folder / f"{name}.parquet") for name in ("gap", "whitened"))
    keys = ["loss", "seed", "split", "sampler", "measure_batch_size"]
    found = {tuple(row) for row in table[keys].to_numpy().tolist()}
    draws = (("frozen", 0), ("random", 0), ("random", 1))
    assert found == {
        (*draw, "test", name, size)
        for draw in draws
        for name, size in (("m4", 8), ("m4", 24), ("m4", 40), ("random", 32), ("near", 8))
    } | {("frozen", 0, "train", "m4", size) for size in (8, 24, 40)}
    assert whitened["strength"].nunique() == 4
    assert set(whitened["sampler"]) == {"m4"}


def test_a_size_that_no_batch_fills_names_its_key_and_leaves_the_last_measures(root):
    path = root / "measures" / "toy" / "contrastive" / "gap.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"what was measured before")
    large = SAMPLERS | {"near": SAMPLERS["near"] | {"batch_sizes": [64]}}
    message = (
        r"^params.yaml: measure.samplers.near.batch_sizes: batch size 64 needs 2 super-classes with 16 classes of at"
        r" least 2 images, there are 0 on the test classes of data set 'toy'"
    )
    with pytest.raises(SuiteError, match=message):
        measure_stage(params(large), "toy", "contrastive", root)
    assert path.read_bytes() == b"what was measured before"
