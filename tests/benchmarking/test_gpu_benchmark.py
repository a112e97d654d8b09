"""The benchmark on a GPU: what it says without one, its batches, and all of it at small sizes under the interpreter."""

import csv
import json
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from suite.benchmarking.gpu.study import SIZES, Study, default_cases, drawn_labels

CASES = default_cases()
CPU = torch.device("cpu")
TITLES = [case.title for case in CASES]


@pytest.mark.skipif(torch.cuda.is_available(), reason="says so only where there is no device")
def test_without_a_device_it_says_so_in_one_line(tmp_path):
    command = [sys.executable, "-m", "suite.benchmarking.gpu", "--out", str(tmp_path / "out")]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith("benchmark-gpu: no CUDA device is here;")
    assert ended.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_titles_tell_cases_apart():
    assert len(set(TITLES)) == len(TITLES)


def test_chosen_sizes_leave_out_what_has_none_of_them():
    assert {size for case in CASES for size in case.sizes} == set(SIZES)
    assert [case.title for case in default_cases((65536,))] == [
        "supap", "smoothap", "calibration", "recall_at_k", "suprecall"
    ]  # fmt: skip


@pytest.mark.parametrize("size", [16, 64, 1024])
@pytest.mark.parametrize("kind", ["4 a class", "3 levels", "long tail", "power law"])
def test_labels_fill_the_batch_and_nobody_is_alone(kind, size):
    labels = drawn_labels(kind, size)
    assert len(labels) == size
    for column in labels.view(size, -1).t():
        counts = column.unique(return_counts=True)[1]
        assert counts.min() >= 2 or size == 16
        assert len(counts) > 1
    if kind == "3 levels":
        for finer, coarser in ((0, 1), (1, 2)):
            assert len(labels[:, [finer, coarser]].unique(dim=0)) == len(labels[:, finer].unique())
    if kind in ("long tail", "power law"):
        assert counts.max() == size // 4


@pytest.mark.parametrize("case", CASES, ids=TITLES)
def test_batches_are_unit_vectors_of_their_seed(case):
    batch, same, other = (case.draw(64, 8, seed, CPU) for seed in (1, 1, 2))
    for side in batch.inputs:
        torch.testing.assert_close(side.norm(dim=1), torch.ones(64))
        assert side.is_leaf
        assert side.requires_grad
    assert len(batch.inputs) == (2 if case.gallery else 1)
    assert torch.equal(batch.embeddings, same.embeddings)
    assert torch.equal(batch.labels, other.labels)
    assert not torch.equal(batch.embeddings, other.embeddings)
    assert batch.gradient_bytes == 4 * 64 * 8 * len(batch.inputs)


def test_mixed_items_take_more_steps_and_no_more_products():
    plain, mixed = (next(case for case in CASES if case.title == title) for title in ("recall_at_k", TITLES[-1]))
    of, with_mixing = plain.work(64, 8), mixed.work(64, 8)
    assert with_mixing.products == of.products
    # Four items a class and six pairs of them: 160 items with 9 positives each.
    assert (of.steps, with_mixing.steps) == (64 * 3 * 64, 160 * 9 * 160)


def small_study(*cases, sizes=(16,)):
    chosen = tuple(replace(case, sizes=sizes, precisions=case.precisions[:2]) for case in cases)
    return Study(
        chosen, dimensions=16, check_size=32, rounds=(2, 2), seconds=0.0, ceiling_mib=1, ceiling_rows=32,
        ceiling_rounds=4,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="the benchmark itself runs there")
def test_a_small_study_from_checks_to_bars(tmp_path):
    from suite.benchmarking.gpu.run import run

    lines = []
    cases = [case for case in CASES if "SiMix" not in case.title]
    assert run(small_study(*cases), CPU, tmp_path, 3, say=lines.append)
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert all(check["holds"] for check in found["checks"])
    named = {check["name"] for check in found["checks"]}
    assert {"blockwise against float64", "tf32x3 against float64", "bf16x3 against float64"} <= named
    assert {"same bits twice", "torch.compile gives what eager gives"} <= named
    assert all(rate > 0 for rate in found["rates"].values())
    with (tmp_path / "timings.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert {(row["loss"], row["kernels"]) for row in rows} == {
        (case.title, kernels) for case in cases for kernels in ("fused", "blockwise")
    }
    assert all(float(row["median_ms"]) > 0 and not row["obstacle"] for row in rows)
    assert len(rows) == len(found["timings"]) == len(cases) * 2 + 1
    assert lines[-1].startswith("MISSES  no shape slower than blockwise")
    assert [line for line in lines if line.startswith("supap ")]


@pytest.mark.skipif(torch.cuda.is_available(), reason="the benchmark itself runs there")
def test_no_timing_begins_when_time_is_up_and_a_broken_loss_hides_no_other(tmp_path):
    from suite.benchmarking.gpu.run import run

    calibration = next(case for case in CASES if case.name == "calibration")
    broken = replace(calibration, settings={"pos_margin": "none"})
    lines = []
    assert not run(small_study(calibration, broken), CPU, tmp_path, 3, stop=0.0, say=lines.append)
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert {timing["obstacle"] for timing in found["timings"]} == {"no time left"}
    kept = {(check["name"], check["holds"]) for check in found["checks"]}
    assert ("same bits twice", True) in kept
    assert ("same bits twice", False) in kept
