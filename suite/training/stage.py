"""The `train` stage: the runs of one data set and loss, with their provenance, live in MLflow."""

from __future__ import annotations

from pathlib import Path

from suite.config import PARAMS, Params
from suite.errors import SuiteError
from suite.training.checkpoints import prune_checkpoints
from suite.training.data import load_studied
from suite.training.distributed import Ranks
from suite.training.grid import GridOutcome, Tracker, run_grid
from suite.training.protocols import check_batch_norm, data_digest, run_sampler
from suite.training.provenance import Provenance
from suite.training.specification import RunSpecification, specify
from suite.training.store import RunStore, store_lock


def recorded_specifications(params: Params, dataset: str, name: str, root: Path) -> list[RunSpecification]:
    """The runs `params.yaml` asks of one data set and loss, as built and embedded under `root`; there may be none."""
    params.dataset(dataset)
    if not params.runs(dataset, name):
        return []
    return specify(params, dataset, name, data_digest(params, dataset, name, root))


def train_stage(
    params: Params, dataset: str, name: str, root: Path, tracker: Tracker | None, ranks: Ranks | None = None
) -> GridOutcome:
    """Train what is missing, drop what `params.yaml` no longer names.

    Args:
        params: the study.
        dataset, name: data set and loss.
        root: the artifacts folder.
        tracker: a live view of the runs.
        ranks: of which this process is the first, that share every batch (`suite.training.executors.ranks.follow` is
            what the others do); None: runs are trained as `params.workers` says.

    Raises:
        SuiteError: settings the loss refuses, a batch size no sampler can fill, the store held by another process.
    """
    specs = recorded_specifications(params, dataset, name, root)
    check_trainable(specs, root, dataset)
    store = RunStore(root / "runs", dataset, name)
    store.directory.mkdir(parents=True, exist_ok=True)
    provenance = Provenance(root, dataset, name)
    kept = {spec.fingerprint for spec in specs}
    with store_lock(root):
        store.prune(kept)
        provenance.prune(kept)
        # A run that is recorded needs none: a driver killed between the two left them.
        prune_checkpoints(root, dataset, name, {spec.fingerprint for spec in specs if not _finished(store, spec)})
        return run_grid(specs, store, root, params.workers, tracker, provenance, ranks)


def _finished(store: RunStore, spec: RunSpecification) -> bool:
    run = store.get(spec)
    return run is not None and run.finished


def check_trainable(specs: list[RunSpecification], root: Path, dataset: str) -> None:
    """Refuse, before anything is trained, what has nothing to train on and a batch size that no sampler can fill."""
    labels, split, _ = load_studied(root, dataset)
    for spec in specs:
        try:
            check_batch_norm(spec)
            run_sampler(spec, labels[split == "train"])
        except SuiteError as error:
            raise SuiteError(f"{PARAMS}: losses.{spec.name}: {error}") from None
