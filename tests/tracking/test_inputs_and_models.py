"""Data sets as inputs of runs, and the best network of each as a registered model."""

from __future__ import annotations

import json
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from recorded_networks import DIM, NETWORK, SIZE, WIDTH
from store_contents import files, stored

from suite.errors import SuiteError
from suite.models.head import load_head
from suite.models.network import load_network
from suite.tracking import LiveTracker, SyncResult, prepare_store, sync
from suite.tracking.models import best_record
from suite.tracking.record import Record

NAME = "trial-emoji"


def described_inputs(root: Path, run: str) -> dict[str, dict[str, str]]:
    """What the store says of a run's inputs, by their context."""
    described = {}
    for one in stored(root)[run].inputs.dataset_inputs:
        (context,) = (tag.value for tag in one.tags if tag.key == "mlflow.data.context")
        described[context] = dict(one.dataset)
    return described


def write_card(root: Path, homepage: str = "https://example.org", **counts: dict[str, object]) -> None:
    """The card of a built data set."""
    path = root / "datasets" / "emoji" / "card.json"
    path.parent.mkdir(parents=True)
    about = {"title": "Emoji", "licence": "free", "homepage": homepage, "levels": ["emoji", "group"]}
    path.write_text(json.dumps(about | {"counts": counts}), encoding="utf-8")


def counted(images: int, classes: int) -> dict[str, object]:
    """The counts of a split."""
    return {"images": images, "classes": classes, "levels": {"emoji": classes, "group": 2}}


def registered(root: Path) -> mlflow.entities.model_registry.ModelVersion:
    """The version of the registered model that is the best now."""
    client = MlflowClient(tracking_uri=prepare_store(root))
    return client.get_model_version_by_alias(NAME, "best")


def load(root: Path, reference: str) -> mlflow.pyfunc.PyFuncModel:
    """A registered model of the store under `root`, as a user loads it."""
    uri = prepare_store(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        return mlflow.pyfunc.load_model(f"models:/{NAME}{reference}")


@pytest.mark.parametrize("live", [True, False], ids=["live", "from records"])
def test_a_run_has_its_data_sets_as_inputs(tmp_path, params, describe, record_run, live: bool) -> None:
    splits = {"train": counted(50, 5), "val": counted(20, 4), "query": counted(7, 3), "gallery": counted(30, 6)}
    write_card(tmp_path, **splits)
    run = describe()
    if live:
        with LiveTracker(tmp_path) as tracker:
            tracker.start(run)
            tracker.finish(run["fingerprint"], record_run(tmp_path, run))
    else:
        record_run(tmp_path, run)
        sync(params, tmp_path)
    found = described_inputs(tmp_path, "emoji-supap-256-0")
    assert {context: (one["name"], one["digest"]) for context, one in found.items()} == {
        context: (f"emoji-{context}", run["data_digest"][:32]) for context in ("train", "validation", "test")
    }
    assert json.loads(found["train"]["profile"]) == {"num_rows": 50, "images": 50, "classes": 5, "emoji": 5, "group": 2}
    test = json.loads(found["test"]["profile"])
    assert (test["num_rows"], test["query_classes"], test["gallery_images"]) == (37, 3, 30)
    columns = json.loads(found["test"]["schema"])["mlflow_colspec"]
    assert [column["name"] for column in columns] == ["features", "emoji", "group"]
    assert json.loads(found["test"]["source"])["url"] == "https://example.org"


def test_data_that_is_not_built_here_is_an_input_by_name_and_digest(tmp_path, params, describe, record_run) -> None:
    record_run(tmp_path, describe() | {"data_digest": "e" * 64})
    sync(params, tmp_path)
    found = described_inputs(tmp_path, "emoji-supap-256-0")
    assert {one["digest"] for one in found.values()} == {"e" * 32}
    assert all("profile" not in one or not one["profile"] for one in found.values())


def test_a_registered_head_gives_the_embeddings_of_the_recorded_one(tmp_path, params, describe, record_run) -> None:
    directory = record_run(tmp_path, describe(seed=1), **{"val/level0/AP": 0.7})
    record_run(tmp_path, describe(seed=0))
    record_run(tmp_path, describe(seed=0, batch_size=32), **{"val/level0/AP": 0.9})
    assert sync(params, tmp_path) == SyncResult(created=3, registered=1)
    features = np.random.default_rng(0).standard_normal((70, WIDTH)).astype(np.float32)
    expected = load_head(directory / "head.safetensors")(torch.from_numpy(features)).detach().numpy()
    for reference in ("/1", "@best"):
        model = load(tmp_path, reference)
        found = model.predict(features)
        assert (found.dtype, found.tobytes()) == (np.float32, expected.tobytes())
    taken, given = model.metadata.signature.inputs.inputs[0], model.metadata.signature.outputs.inputs[0]
    assert (taken.shape, given.shape) == ((-1, WIDTH), (-1, DIM))
    with pytest.raises(mlflow.MlflowException, match="shape"):
        model.predict(features[:, 1:])
    version, run = registered(tmp_path), stored(tmp_path)["emoji-supap-256-1"]
    assert (version.run_id, version.tags["fingerprint"]) == (run.info.run_id, describe(seed=1)["fingerprint"])
    (output,) = run.outputs.model_outputs
    logged = MlflowClient(tracking_uri=prepare_store(tmp_path)).get_logged_model(output.model_id)
    assert (logged.artifact_location, logged.status) == (version.source, "READY")


@pytest.mark.slow
def test_a_registered_network_embeds_images_as_the_suite_does(tmp_path, params, describe, record_run) -> None:
    directory = record_run(tmp_path, describe() | {"protocol": "full"})
    sync(params, tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (70, 3, SIZE, SIZE), dtype=np.uint8)
    network = load_network(directory / "network.safetensors", NETWORK, SIZE)
    # As judging does: 64 images at a time.
    expected = torch.cat([network.embed(chunk) for chunk in torch.from_numpy(images).split(64)]).numpy()
    found = load(tmp_path, "@best").predict(images)
    assert (found.dtype, found.tobytes()) == (np.float32, expected.tobytes())


def test_a_version_is_made_only_where_the_best_run_changes(tmp_path, params, describe, record_run) -> None:
    record_run(tmp_path, describe(seed=0))
    assert sync(params, tmp_path).registered == 1
    record_run(tmp_path, describe(seed=1), **{"val/level0/AP": 0.4})
    assert sync(params, tmp_path).registered == 0
    record_run(tmp_path, describe("smoothap"), **{"val/level0/AP": 0.6})
    assert sync(params, tmp_path).registered == 1
    version = registered(tmp_path)
    assert (int(version.version), version.tags["loss"]) == (2, "smoothap")
    assert sync(params, tmp_path) == SyncResult(kept=3)


def test_the_best_is_of_the_compared_finished_main_runs(params) -> None:
    def record(loss: str, seed: int, value: float, role: str = "main", status: str = "finished") -> Record:
        return Record({"loss": loss, "seed": seed, "role": role, "status": status}, {"val/level0/AP": value})

    good = record("smoothap", 0, 0.5)
    others = [record("supap", 0, 0.9, "scaling"), record("supap", 1, 0.9, status="failed"), record("gone", 0, 0.9)]
    assert best_record(params, [*others, record("smoothap", 1, 0.5), good]) is good
    # Equal: the loss that stands first in params.yaml.
    first = record("supap", 5, 0.5)
    assert best_record(params, [good, first]) is first
    assert best_record(params, others) is None


def test_a_network_that_cannot_be_read_is_named(tmp_path, params, describe, record_run) -> None:
    directory = record_run(tmp_path, describe())
    (directory / "head.safetensors").write_bytes(b"no tensors")
    with pytest.raises(SuiteError, match=r"head\.safetensors: not a readable network"):
        sync(params, tmp_path)


def test_the_studys_run_shows_settings_means_tables_and_reports(tmp_path, params, describe, record_run) -> None:
    root = tmp_path / "artifacts"
    for seed in (0, 1):
        record_run(root, describe(seed=seed))
    (root / "compare").mkdir()
    (root / "compare" / "leaderboard.csv").write_text("loss,mean\nsupap,0.45\n")
    (tmp_path / "params.yaml").write_text("study: trial\n")
    figures = tmp_path / "reports" / "figures"
    figures.mkdir(parents=True)
    for name in ("main", "gap"):
        (figures / f"{name}.svg").write_text("<svg/>")
    (tmp_path / "reports" / "report.html").write_text("<p>Report</p>")
    sync(params, root)
    parent = stored(root)["trial"]
    assert set(files(parent)) == {
        "settings/params.yaml",
        "tables/leaderboard.csv",
        "report/report.html",
        "figures/main.svg",
        "figures/gap.svg",
        "summary/means.json",
        "summary/queries-emoji.json",
    }
    means = json.loads(files(parent)["summary/means.json"].read_text())
    row = dict(zip(means["columns"], means["data"][0], strict=True))
    assert (row["loss"], row["seeds"], row["test/level0/AP"]) == ("supap", 2, pytest.approx(0.45))
    queries = json.loads(files(parent)["summary/queries-emoji.json"].read_text())
    assert queries == {"columns": ["item", "supap"], "data": [[3, 0.25], [4, 0.625]]}
    assert "| Supap | 0.4500 (2) |" in parent.data.tags["mlflow.note.content"]
    assert (parent.data.tags["losses"], parent.data.tags["seeds"]) == ("supap, smoothap", "0, 1")

    # A figure that changes comes anew, one that is gone goes, and nothing else is written.
    (figures / "main.svg").write_text("<svg>2</svg>")
    (figures / "gap.svg").unlink()
    table = files(parent)["tables/leaderboard.csv"].stat().st_mtime_ns
    sync(params, root)
    again = files(stored(root)["trial"])
    assert again["figures/main.svg"].read_text() == "<svg>2</svg>"
    assert "figures/gap.svg" not in again
    assert again["tables/leaderboard.csv"].stat().st_mtime_ns == table
