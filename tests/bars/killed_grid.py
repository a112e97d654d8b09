"""The bar of interruption: a grid killed with -9 at 20 random moments ends as one that was never touched.

Run by `make bars`; pytest collects it only where it is named. A scratch DVC project holds the `train` stage of
`dvc.yaml` on drawn data: runs of heads, and end-to-end runs with a checkpoint every second. Round after round it is
started, by `dvc repro`, by `ranksuite train` or on a Ray cluster of two nodes, and workers, drivers, DVC itself and
nodes are killed. It takes some five minutes.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml
from ray.cluster_utils import Cluster
from study_settings import loss_entry, measure, settings
from toy_images import FULL, write_toy_images

REPOSITORY = Path(__file__).parents[2]
SEED = 20
KILLS = 20
# Between news of a run and the kill.
LONGEST_SECONDS = 4.0
# A slow machine is waited for, an endless wait is a failure.
PATIENCE_SECONDS = 300.0
# Runs of each loss.
RUNS = {"supap": 6, "contrastive": 6, "supap_images": 3, "contrastive_images": 3}
# By which words of its command line a process is known.
WORDS = {"worker": ("--multiprocessing-fork",), "driver": ("ranksuite", "train"), "dvc": ("dvc", "repro")}
# How the grid is started, and who is then killed, one after the other. A driver loses one worker at the most: a run
# that fails twice under one driver is recorded as failed. One that lost its DVC goes on, and the next round finds it at
# work.
ROUNDS = (
    *[("dvc", ("worker", "dvc"))] * 2,
    *[("dvc", ("dvc", "driver"))] * 2,
    *[("dvc", ("worker", "driver"))] * 2,
    ("dvc", ("driver",)),
    ("dvc", ("dvc",)),
    *[("train", ("worker", "driver"))],
    *[("ray", ("node", "driver"))] * 2,
)


def study(**workers: object) -> dict:
    """Settings of the grid: two losses of heads, two of whole networks."""
    cosine = {"distance": "cosine", "pos_margin": 1.0, "neg_margin": 0.5}
    entries = {
        "supap": loss_entry("supap", 12, 24, learning_rate=0.01),
        "contrastive": loss_entry("contrastive", 12, 24, learning_rate=0.01, settings=cosine),
    }
    images = {
        f"{name}_images": entry | {"protocol": "full", "batches": {"toy": [{"batch_size": 12, "learning_rate": 0.003}]}}
        for name, entry in entries.items()
    }
    training = settings()["training"] | {"epochs": 1500, "evaluations": 3, "samples_per_class": 4}
    return settings(
        study="killed",
        main_batch_size=12,
        seeds={"main": [0, 1, 2], "scaling": [0, 1, 2]},
        workers={"processes": 2, "checkpoint_seconds": 1.0} | workers,
        training=training,
        full={"toy": FULL | {"epochs": 150}},
        measure=measure({"toy": [12]}, partitions=2),
        datasets={"toy": {"builder": "emoji", "download": {}}},
        losses=entries | images,
    )


class Project:
    """A scratch project with drawn data and the `train` stage alone."""

    def __init__(self, folder: Path):
        self.folder = folder
        for name in ("suite", "baselines"):
            shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        root = folder / "artifacts"
        write_toy_images(root)
        features = root / "features" / "toy"
        features.mkdir(parents=True)
        generator = np.random.default_rng(7)
        np.save(features / "features.npy", generator.normal(size=(90, 12)).astype(np.float32))
        (features / "features.json").write_text(json.dumps({"digest": "toy-digest"}))
        stages = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
        (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"train": stages["train"]}}))
        self.configure()

    def configure(self, **workers: object) -> None:
        (self.folder / "params.yaml").write_text(yaml.safe_dump(study(**workers), sort_keys=False))

    def environment(self) -> dict[str, str]:
        return os.environ | {
            "PATH": str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"],
            "PYTHONPATH": str(self.folder),
            "DVC_NO_ANALYTICS": "true",
            "DVC_SITE_CACHE_DIR": str(self.folder / "site-cache"),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "RAY_USAGE_STATS_ENABLED": "0",
        }

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / "output.txt").open("ab") as output:
            return subprocess.Popen(
                command, cwd=self.folder, env=self.environment(), stdout=output, stderr=subprocess.STDOUT
            )

    def run(self, *command: str) -> None:
        process = self.start(*command)
        assert process.wait(PATIENCE_SECONDS) == 0, (self.folder / "output.txt").read_text()[-3000:]

    def journal(self) -> list[dict]:
        """The lines of all losses."""
        paths = sorted((self.folder / "artifacts" / "journal" / "toy").glob("*.jsonl"))
        return [json.loads(line) for path in paths for line in path.read_text().splitlines()]

    def unfinished(self) -> list[str]:
        """The losses that lack runs."""
        store = self.folder / "artifacts" / "runs" / "toy"
        lacking = [loss for loss, count in RUNS.items() if len(list(store.glob(f"{loss}/*/run.json"))) < count]
        assert lacking, "the grid was done too early"
        return lacking

    def runs(self) -> dict[str, bytes]:
        """The bytes of every file of the run store."""
        top = self.folder / "artifacts" / "runs"
        return {str(path.relative_to(top)): path.read_bytes() for path in sorted(top.rglob("*")) if path.is_file()}

    def processes(self, *words: str) -> list[psutil.Process]:
        """Those at work in this folder, whose command line has all of `words`."""
        return [process for process in psutil.process_iter() if self.alive(process, *words)]

    def alive(self, process: psutil.Process, *words: str) -> bool:
        """Whether it still is at work in this folder, with `words` in its command line."""
        try:
            if process.status() == psutil.STATUS_ZOMBIE or process.cwd() != str(self.folder):
                return False
            return set(words) <= set(" ".join(process.cmdline()).replace("/", " ").split())
        except psutil.Error:
            return False


class Rounds:
    """Starts the grid of a project again and again, and kills as planned."""

    def __init__(self, project: Project, cluster: Cluster, chance: random.Random):
        self.project, self.cluster, self.chance = project, cluster, chance
        self.killed: Counter[str] = Counter()

    def round(self, kind: str, victims: tuple[str, ...]) -> tuple[str, ...]:
        """One start, and its kills; returns the victims that are left, if the runs of its loss were done before."""
        if kind != "dvc" or "worker" in victims:
            self._clear()
        if kind == "ray":
            self.project.configure(executor="ray", address=self.cluster.address)
        else:
            self.project.configure()
        loss = self.chance.choice(self.project.unfinished())
        train, stage = ("ranksuite", "train", "toy", loss, "--no-mlflow"), ("dvc", "repro", f"train@toy-{loss}")
        process = self.project.start(*(stage if kind == "dvc" else train))
        for place, victim in enumerate(victims):
            seen, deadline = len(self.project.journal()), time.monotonic() + PATIENCE_SECONDS
            while len(self.project.journal()) == seen:
                if process.poll() is not None and not self.project.processes(*WORDS["driver"]):
                    return victims[place:]
                assert time.monotonic() < deadline, "nothing began"
                time.sleep(0.05)
            time.sleep(self.chance.uniform(0.0, LONGEST_SECONDS))
            if not self._kill(victim, f"{kind}, {loss}"):
                return victims[place:]
        # It may live on: the driver that was killed may have been the one of an earlier round.
        with suppress(subprocess.TimeoutExpired):
            process.wait(5.0)
        return ()

    def _clear(self) -> None:
        for victim in ("dvc", "driver"):
            while self.project.processes(*WORDS[victim]):
                self._kill(victim, "left from before")
        while self.project.processes(*WORDS["worker"]):
            time.sleep(0.1)

    def _kill(self, victim: str, where: str) -> bool:
        """Kill one of the victims that there are; False if there is none."""
        if victim == "node":
            node = self.chance.choice([node for node in self.cluster.list_all_nodes() if not node.head])
            os.kill(node.all_processes["raylet"][0].process.pid, signal.SIGKILL)
            self.cluster.remove_node(node, allow_graceful=False)
            self.cluster.add_node(num_cpus=1)
        else:
            alive = sorted(self.project.processes(*WORDS[victim]), key=lambda process: process.pid)
            if not alive:
                return False
            process = self.chance.choice(alive)
            process.kill()
            while self.project.alive(process):
                time.sleep(0.02)
        self.killed[victim] += 1
        events = Counter(line["event"] for line in self.project.journal())
        print(f"kill {self.killed.total():2d}: {victim} ({where}), {events['finished']} runs finished", flush=True)
        return True


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Cluster]:
    """A node that trains nothing, and two of one run each, with the code of the project."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "killed"))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()


def test_a_grid_killed_again_and_again_ends_as_one_never_touched(tmp_path: Path, cluster: Cluster):
    begun = time.monotonic()
    untouched = Project(tmp_path / "untouched")
    for loss in RUNS:
        untouched.run("ranksuite", "train", "toy", loss, "--no-mlflow")
    print(f"\nuntouched: {time.monotonic() - begun:.0f} s", flush=True)

    project, chance = Project(tmp_path / "killed"), random.Random(SEED)
    project.run("dvc", "init", "--no-scm", "--quiet")
    rounds, plan = Rounds(project, cluster, chance), list(ROUNDS)
    chance.shuffle(plan)
    for kind, victims in plan:
        while victims:
            victims = rounds.round(kind, victims)
    project.configure()
    project.run("dvc", "repro")

    journal = project.journal()
    finished: set[str] = set()
    for line in journal:
        assert line["event"] != "started" or line["fingerprint"] not in finished, "a finished run began again"
        finished |= {line["fingerprint"]} if line["event"] == "finished" else set()
    events = Counter(line["event"] for line in journal)
    print(f"killed: {dict(rounds.killed)}; {dict(events)}; {time.monotonic() - begun:.0f} s in all")
    assert rounds.killed.total() >= KILLS
    assert set(rounds.killed) == {"worker", "driver", "dvc", "node"}
    assert project.runs() == untouched.runs()
    assert list((project.folder / "artifacts" / "checkpoints").rglob("*.pt")) == []
