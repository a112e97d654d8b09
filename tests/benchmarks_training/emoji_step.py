"""One end-to-end step on the built emoji at 64 px; run as a script it prints what memory a process held at most.

    python tests/benchmarks_training/emoji_step.py BATCH_SIZE

Two numbers of bytes: of the whole process, and how much of that came with the steps.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from suite.benchmarking.memory import most_held
from suite.config import Batch, PlannedRun, load_params
from suite.errors import SuiteError
from suite.training.full import FullRun
from suite.training.loop import Place
from suite.training.protocols import data_digest, load_run_data
from suite.training.specification import specification
from suite.workers import compute_deterministically

# Eight a class: with four, the training classes do not fill a batch of 4,096.
SAMPLES = 8
CHUNK = 128


def emoji_run(batch_size: int, chunk_size: int | None, root: Path = Path("artifacts")) -> FullRun:
    """A run of Sup-AP on the emoji of `params.yaml`, as built under `root`."""
    raw = load_params().model_dump(mode="json")
    if "emoji" not in raw["full"]:
        raise SuiteError("params.yaml: full.emoji is what this benchmark trains with; put it back")
    raw["full"]["emoji"] |= {"chunk_size": chunk_size, "sampling": {"samples_per_class": SAMPLES}}
    raw["losses"]["supap_full"]["batches"] = {"emoji": [{"batch_size": batch_size, "learning_rate": 1e-4}]}
    params = load_params().model_validate(raw)
    planned = PlannedRun("epochs", Batch(batch_size=batch_size, learning_rate=1e-4), 0, "scaling")
    digest = data_digest(params, "emoji", "supap_full", root)
    spec = specification(params, "emoji", "supap_full", planned, digest)
    return FullRun(spec, load_run_data(root, spec))


def take_steps(run: FullRun, steps: int) -> float:
    """Take steps; returns the last loss."""
    for place, batch in run.batches(Place(1, 1, 0), steps):
        run.optimization.zero_grad()
        value = run.gradient(place, batch)
        run.optimization.step()
    return value


if __name__ == "__main__":
    torch.manual_seed(0)
    compute_deterministically()
    run = emoji_run(int(sys.argv[1]), CHUNK)
    before = most_held()
    take_steps(run, 2)
    after = most_held()
    print(after, after - before)
