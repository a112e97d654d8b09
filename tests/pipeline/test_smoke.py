"""The real dvc.yaml on a few hundred drawn images, offline, in a copy of the project with its own settings."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

REPOSITORY = Path(__file__).parents[2]
COPIED = ("suite", "baselines", "tests/benchmarks", "dvc.yaml", "data.dvc", "pyproject.toml", "constraints.txt")
COPIED += ("Makefile", ".dvcignore")
RUNNING = re.compile(r"Running stage '([^']+)'")


class Pipeline:
    """A copy of the project in which DVC runs without git and without network."""

    def __init__(self, folder: Path):
        self.folder = folder
        for name in COPIED:
            source, target = REPOSITORY / name, folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        shutil.copytree(REPOSITORY / ".dvc" / "remote", folder / "embedded")
        # The environment that runs the tests stands in for the one that make would build.
        (folder / ".venv").symlink_to(sys.prefix)
        self.set((Path(__file__).parent / "smoke.yaml").read_text())
        self.run("dvc", "init", "--no-scm", "--quiet")
        self.run("dvc", "remote", "add", "--default", "embedded", "embedded", "--quiet")

    @property
    def params(self) -> str:
        return (self.folder / "params.yaml").read_text()

    def set(self, text: str) -> None:
        (self.folder / "params.yaml").write_text(text)

    def replace(self, old: str, new: str) -> None:
        assert old in self.params
        self.set(self.params.replace(old, new))

    def environment(self) -> dict[str, str]:
        binaries = str(Path(sys.executable).parent)
        return os.environ | {
            "PATH": binaries + os.pathsep + os.environ["PATH"],
            "PYTHONPATH": str(self.folder),
            "DVC_NO_ANALYTICS": "true",
            "DVC_SITE_CACHE_DIR": str(self.folder / "site-cache"),
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }

    def call(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, env=self.environment(), timeout=600
        )

    def run(self, *command: str) -> str:
        ended = self.call(*command)
        assert ended.returncode == 0, f"{command}: {ended.stdout[-3000:]}\n{ended.stderr[-3000:]}"
        return ended.stdout

    def reproduce(self) -> tuple[list[str], str]:
        """Run `make reproduce`, its environment taken as built; returns as `repro` does."""
        output = self.run("make", "--assume-old=.venv/installed", "reproduce")
        return RUNNING.findall(output), output

    def repro(self) -> tuple[list[str], str]:
        """Run `dvc repro`; returns the stages that ran and all it printed."""
        output = self.run("dvc", "repro")
        return RUNNING.findall(output), output


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    pipeline = Pipeline(tmp_path_factory.mktemp("pipeline"))
    # What an interrupted training leaves must not stand in the way.
    leftover = pipeline.folder / "artifacts" / "runs" / "emoji" / "supap" / ".unfinished"
    leftover.mkdir(parents=True)
    stages, output = pipeline.reproduce()
    assert stages[0] == "download@emoji"
    assert stages[-1] == "report"
    assert not leftover.exists()
    for line in ("reports/report.html", "reports/report.pdf", "artifacts/mlflow/mlflow.db"):
        assert line in output
        assert (pipeline.folder / line).is_file()
    return pipeline


def test_the_road_leads_from_data_to_reports(pipeline):
    reports = pipeline.folder / "reports"
    assert (reports / "report.pdf").read_bytes().startswith(b"%PDF")
    html = (reports / "report.html").read_text()
    runs = pd.read_csv(pipeline.folder / "artifacts" / "compare" / "runs.csv")
    assert set(runs["loss"]) == {"frozen", "random", "supap", "contrastive"}
    assert set(runs["status"]) == {"finished"}
    assert "Sup-AP" in html
    assert "Contrastive" in html
    assert set(runs.loc[runs["loss"] == "supap", "budget"]) == {"epochs", "steps"}
    compared = {path.stem: pd.read_csv(path) for path in (pipeline.folder / "artifacts" / "compare").glob("*.csv")}
    assert set(compared["gap"]["loss"]) == {"frozen", "random", "supap", "contrastive"}
    assert set(compared["gap"]["sampler"]) == {"m4", "random"}
    assert set(compared["gap"]["metric"]) == {"AP", "R_at_1", "NDCG", "H_AP"}
    assert set(compared["gap_training"]["epoch"]) == {0, 1, 2, 3}
    assert set(compared["ablations"]["loss"]) == {"supap", "contrastive"}
    assert set(compared["scaling_effect"]["quantity"]) == {"slope", "ends", "any"}
    benchmark = json.loads((pipeline.folder / "artifacts" / "benchmark" / "benchmark.json").read_text())
    assert {case["params"]["batch_size"] for case in benchmark["benchmarks"]} == {32}
    conformance = pd.read_csv(pipeline.folder / "artifacts" / "conformance" / "conformance.csv")
    assert set(conformance["case"]) >= {"equal", "unequal", "ties", "gallery"}
    assert "TripletMarginLoss" in html
    precision = pd.read_csv(pipeline.folder / "artifacts" / "benchmark" / "precision.csv")
    assert set(precision["loss"]) == {"smoothap", "supap"}


def test_a_second_repro_runs_nothing(pipeline):
    stages, output = pipeline.repro()
    assert stages == []
    assert "up to date" in output


def test_the_mlflow_store_comes_back_after_it_was_deleted(pipeline):
    assert pipeline.run("ranksuite", "mlflow", "sync").startswith("MLflow: 0 runs added")
    recorded = len(list((pipeline.folder / "artifacts" / "runs").rglob("run.json")))
    shutil.rmtree(pipeline.folder / "artifacts" / "mlflow")
    assert pipeline.run("ranksuite", "mlflow", "sync").startswith(f"MLflow: {recorded} runs added")


def test_a_changed_loss_trains_that_loss_then_its_measure_compare_and_report(pipeline):
    pipeline.replace("settings: {tau: 0.01}", "settings: {tau: 0.02}")
    stages, output = pipeline.repro()
    assert stages == ["train@emoji-supap", "measure@emoji-supap", "compare", "report"]
    assert "emoji supap: 5 runs trained, 0 recorded before, 0 failed" in output


def test_an_added_seed_trains_only_the_new_runs(pipeline):
    pipeline.replace("main: [0, 1]", "main: [0, 1, 2]")
    stages, output = pipeline.repro()
    assert {stage for stage in stages if stage.startswith("train")} == {
        "train@emoji-supap",
        "train@emoji-contrastive",
    }
    assert "emoji supap: 1 runs trained, 5 recorded before, 0 failed" in output
    assert "emoji contrastive: 1 runs trained, 2 recorded before, 0 failed" in output


def test_a_run_that_diverges_is_a_row_and_can_be_tried_again(pipeline):
    kept = pipeline.params
    pipeline.replace("{batch_size: 16, learning_rate: 1.0e-3}", "{batch_size: 16, learning_rate: 1.0e+25}")
    _, output = pipeline.repro()
    assert "1 failed" in output
    runs = pd.read_csv(pipeline.folder / "artifacts" / "compare" / "runs.csv")
    (failed,) = runs.loc[runs["status"] == "failed"].to_dict("records")
    assert (failed["loss"], failed["batch_size"]) == ("supap", 16)
    assert failed["error"]
    assert failed["error"] in (pipeline.folder / "reports" / "report.html").read_text()
    assert "1 failed runs forgotten" in pipeline.run("ranksuite", "retry", "emoji", "supap")
    stages, _ = pipeline.repro()
    assert "train@emoji-supap" in stages
    pipeline.set(kept)
    pipeline.repro()


@pytest.mark.parametrize(
    ("old", "new", "command", "message"),
    [
        (
            "study: smoke",
            "study: smoke\nsedes: [0]",
            ("compare",),
            "params.yaml: unknown key 'sedes': did you mean 'seeds'?",
        ),
        (
            "loss: supap\n",
            "loss: supapp\n",
            ("train", "emoji", "supap"),
            "unknown loss 'supapp': did you mean 'supap'?",
        ),
        (
            "{batch_size: 16,",
            "{batch_size: 512,",
            ("train", "emoji", "supap"),
            "batch size 512 needs 128 classes at 4 images",
        ),
        (
            "samples_per_class: 4",
            "samples_per_class: x",
            ("compare",),
            "params.yaml: training.samples_per_class:",
        ),
        ("minimum_styles:", "minimum_stiles:", ("build", "emoji"), "unknown key 'minimum_stiles'"),
        ("study: smoke", "study: [", ("compare",), "params.yaml: not valid YAML"),
    ],
)
def test_a_mistake_in_the_settings_is_one_line_and_leaves_the_outputs(pipeline, old, new, command, message):
    kept = pipeline.params
    before = (pipeline.folder / "artifacts" / "compare" / "runs.csv").read_bytes()
    pipeline.replace(old, new)
    ended = pipeline.call("ranksuite", *command)
    pipeline.set(kept)
    assert ended.returncode == 1
    assert message in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert (pipeline.folder / "artifacts" / "compare" / "runs.csv").read_bytes() == before


def test_a_wrong_command_line_is_a_usage_error(pipeline):
    assert pipeline.call("ranksuite", "train", "emoji").returncode == 2


def test_a_missing_embedded_object_is_named(pipeline):
    data = pipeline.folder / "data"
    data.rename(pipeline.folder / "elsewhere")
    ended = pipeline.call("ranksuite", "download", "emoji")
    (pipeline.folder / "elsewhere").rename(data)
    assert ended.returncode == 1
    assert "data/emoji_mini" in ended.stderr
    assert "dvc pull data.dvc" in ended.stderr


def test_a_disk_that_is_full_leaves_the_old_output_whole(pipeline):
    built = pipeline.folder / "artifacts" / "datasets" / "emoji"
    before = {path.name: path.read_bytes() for path in built.iterdir()}
    limited = f"ulimit -f 8; exec {sys.executable} -m suite.cli build emoji"
    ended = pipeline.call("bash", "-c", limited)
    assert ended.returncode == 1
    assert "File too large" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert {path.name: path.read_bytes() for path in built.iterdir()} == before
    assert not any(path.name.startswith(".emoji") for path in built.parent.iterdir())


def test_a_disk_that_fills_during_training_stops_it_with_one_line(pipeline):
    store = pipeline.folder / "artifacts" / "runs" / "emoji" / "supap"
    kept = pipeline.params
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    pipeline.replace("seeds: {main: [0, 1", "seeds: {main: [7, 0, 1")
    ended = pipeline.call(
        "bash", "-c", f"ulimit -f 24; exec {sys.executable} -m suite.cli train emoji supap --no-mlflow"
    )
    pipeline.set(kept)
    assert ended.returncode == 1
    assert "ranksuite: " in ended.stderr.strip().splitlines()[-1]
    assert "Traceback" not in ended.stderr
    assert {path: path.read_bytes() for path in store.rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_two_copies_give_identical_tables_bit_for_bit(tmp_path):
    tables = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        pipeline = Pipeline(tmp_path / name)
        pipeline.reproduce()
        compared = pipeline.folder / "artifacts" / "compare"
        tables.append({path.name: path.read_bytes() for path in sorted(compared.iterdir())})
    assert tables[0] == tables[1]
