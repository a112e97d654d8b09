"""The table of benchmark cases is whole, its peers compute what they stand for, and a run ends with its goals."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize

from suite.benchmarking.goals import GOALS
from suite.benchmarking.memory import with_peak_memory
from suite.benchmarking.timings import FLOOR, timing_table
from suite.config import load_params
from suite.losses import create_loss, list_losses, loss_import_string

REPOSITORY = Path(__file__).parents[2]
BENCHMARKS = REPOSITORY / "tests" / "benchmarks"


@pytest.fixture
def load(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


def test_every_loss_of_the_project_is_timed(load):
    ours = load("loss_cases").OURS
    timed = {case.registered or name for name, case in ours.items()}
    own = {name for name in list_losses() if loss_import_string(name).startswith(("suite.", "baselines."))}
    assert own - timed == set()


def test_every_goal_is_a_case_at_its_batch_size(load):
    cases = load("loss_cases").CASES
    sizes = load_params(REPOSITORY / "params.yaml").benchmark.batch_sizes
    for goal in GOALS:
        for name in filter(None, (goal.loss, goal.other)):
            assert goal.batch_size in cases[name].sizes(sizes), (name, goal)


def test_peers_name_a_loss_that_is_timed(load):
    module = load("loss_cases")
    assert {case.twin for name, case in module.PEERS.items() if name != FLOOR} <= set(module.OURS)
    assert module.PEERS[FLOOR].family == ""
    assert all(case.family for name, case in module.CASES.items() if name != FLOOR)


def test_available_cases_are_built_for_their_batch(load):
    module = load("loss_cases")
    for name, case in module.available().items():
        if case.make is None:
            embeddings, labels = load("suite.benchmarking.batches").half_trained_batch(32, case.hierarchical)
            assert bool(module.build(name, 32)(embeddings.requires_grad_(), labels).isfinite()), name


def points(count=24, dimensions=8):
    generator = torch.Generator().manual_seed(3)
    drawn = torch.randn(count, dimensions, generator=generator, dtype=torch.float64)
    return normalize(drawn, dim=1).requires_grad_(), torch.arange(count) // 4


def test_the_loop_over_queries_computes_what_the_kernel_does(load):
    embeddings, labels = points()
    values, gradients = [], []
    for loss in (load("peer_losses").LoopRecallAtK(), create_loss("recall_at_k", self_match="rank_only")):
        value = loss(embeddings, labels)
        values.append(value.detach())
        gradients.extend(torch.autograd.grad(value, embeddings))
    torch.testing.assert_close(*values)
    torch.testing.assert_close(*gradients)
    assert bool(gradients[0].any())


def test_the_floor_is_three_products(load):
    embeddings, labels = points()
    load("peer_losses").MatrixProducts()(embeddings, labels).backward()
    scores = embeddings.detach() @ embeddings.detach().t()
    torch.testing.assert_close(embeddings.grad, scores @ embeddings.detach() + scores.t() @ embeddings.detach())


def test_peak_memory_is_the_most_held_at_once():
    def call():
        first = torch.empty(1 << 18)
        second = torch.empty(1 << 18)
        del first, second
        return torch.empty(1 << 17)

    kept, peak = with_peak_memory(call, torch.device("cpu"))
    assert kept.shape == (1 << 17,)
    assert 2 << 20 <= peak < (2 << 20) + 4096


def test_rounds_fill_half_a_second_within_bounds(load):
    rounds_for = load("measuring").rounds_for
    assert [rounds_for(once, 2) for once in (1e-6, 0.1, 0.3, 20.0)] == [50, 5, 2, 2]
    assert rounds_for(20.0, 1) == 1


def test_a_run_records_its_cases_and_ends_with_the_goals(tmp_path):
    record = tmp_path / "benchmark.json"
    command = [sys.executable, "-m", "pytest", str(BENCHMARKS), f"--confcutdir={BENCHMARKS}", "-p", "no:cacheprovider"]
    command += [
        "-o",
        "addopts=-q",
        "--benchmark-only",
        "--batch-sizes=16",
        "--device=cpu",
        f"--benchmark-json={record}",
    ]
    command += ["-k", "supap or contrastive or matrix_products"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["PYTHONPATH"] = str(REPOSITORY)
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "goals: ratios of medians of this run" in done.stdout
    assert "not measured: smoothap at B 512" in done.stdout
    table = timing_table(json.loads(record.read_text())).set_index("loss")
    assert set(table.index) == {"supap", "contrastive", FLOOR}
    assert table.loc["supap", "label"] == "Sup-AP"
    assert table.loc[FLOOR, "family"] == ""
    assert (table["peak_memory_bytes"] > 0).all()
    assert (table["median_ms"] > 0).all()
