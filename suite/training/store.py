"""The run store: one directory a run, named by its fingerprint, renamed into place when the run has ended."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
from torch import nn

from suite.config import NETWORK_FILES
from suite.errors import SuiteError
from suite.files import atomic_directory, remove, write_json
from suite.full_settings import Full
from suite.models.head import EmbeddingHead, load_head, load_snapshots, save_snapshots
from suite.models.saving import save_state
from suite.training.specification import RunSpecification
from suite.training.trained import Trained

LOCK_WAIT_SECONDS = 300
RESULTS = ("history.parquet", "metrics.json")
SNAPSHOTS = "snapshots.safetensors"


@dataclass(frozen=True)
class RecordedRun:
    """A run that has ended, read from its directory."""

    directory: Path
    record: dict[str, Any]
    spec: RunSpecification

    @property
    def finished(self) -> bool:
        """True if it ended well, False if it is recorded as failed."""
        return self.record["status"] == "finished"

    def metrics(self) -> dict[str, float]:
        """The means of `metrics.json`."""
        return json.loads((self.directory / "metrics.json").read_text(encoding="utf-8"))

    def network(self) -> nn.Module:
        """The network chosen on validation: of the protocol `head` its head, else the whole."""
        path = self.directory / NETWORK_FILES[self.spec.protocol]
        if self.spec.protocol == "head":
            return load_head(path)
        # timm is slow to import, and heads do without it.
        from suite.models.network import load_network

        full = Full.model_validate(self.spec.full)
        return load_network(path, full.network, full.images.size)

    def snapshots(self) -> dict[int, EmbeddingHead]:
        """The head at every validation, by epoch; empty for a run that was not followed."""
        path = self.directory / SNAPSHOTS
        return load_snapshots(path, self.network()) if path.is_file() else {}


class RunStore:
    """The runs of one data set and loss under `base / dataset / loss`.

    Args:
        base: the store's top, `artifacts/runs` or `artifacts/tuning`.
        dataset: data set's name.
        loss: the loss's key in `params.yaml`.
    """

    def __init__(self, base: Path, dataset: str, loss: str):
        self.directory = Path(base) / dataset / loss

    def get(self, spec: RunSpecification) -> RecordedRun | None:
        """The ended run of this specification, or None if there is none or part of it is gone."""
        directory = self.directory / spec.fingerprint
        if not (directory / "run.json").is_file():
            return None
        run = RecordedRun(directory, json.loads((directory / "run.json").read_text(encoding="utf-8")), spec)
        files = [
            *RESULTS,
            NETWORK_FILES[spec.protocol],
            *(["queries.parquet"] if spec.test else []),
            *([SNAPSHOTS] if spec.followed else []),
        ]
        whole = not run.finished or all((directory / name).is_file() for name in files)
        return run if whole else None

    def record_finished(self, spec: RunSpecification, trained: Trained) -> None:
        """Write a finished run, whole or not at all."""
        with atomic_directory(self.directory / spec.fingerprint) as target:
            save_state(target / NETWORK_FILES[spec.protocol], trained.state)
            if trained.snapshots:
                save_snapshots(target / SNAPSHOTS, trained.snapshots)
            trained.history.to_parquet(target / "history.parquet", index=False)
            if trained.queries is not None:
                trained.queries.to_parquet(target / "queries.parquet", index=False)
            write_json(target / "metrics.json", trained.metrics)
            ended = {
                "status": "finished",
                "error": None,
                "epochs": trained.epochs,
                "steps": trained.steps,
                "best_epoch": trained.best_epoch,
            }
            write_json(target / "run.json", describe(spec) | ended)

    def record_failed(self, spec: RunSpecification, error: str) -> None:
        """Write a run that stopped on an error: its description and the error, nothing that looks like a result."""
        with atomic_directory(self.directory / spec.fingerprint) as target:
            write_json(
                target / "run.json",
                describe(spec)
                | {"status": "failed", "error": error, "epochs": None, "steps": None, "best_epoch": None},
            )

    def refresh(self, spec: RunSpecification) -> None:
        """Bring how a recorded run is shown (study, label, role) in line with `params.yaml`."""
        recorded = self.get(spec)
        if recorded is not None and recorded.record | describe(spec) != recorded.record:
            write_json(recorded.directory / "run.json", recorded.record | describe(spec))

    def prune(self, keep: Iterable[str]) -> list[str]:
        """Remove runs whose fingerprints are not in `keep`; returns the removed fingerprints."""
        return _remove_except(self.directory, set(keep))

    def forget_failed(self) -> list[str]:
        """Remove the records of failed runs, so that the next training runs them again."""
        if not self.directory.is_dir():
            return []
        records = {
            path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in self.directory.glob("*/run.json")
        }
        return _remove_except(
            self.directory, {name for name, record in records.items() if record["status"] != "failed"}
        )


def describe(spec: RunSpecification) -> dict[str, Any]:
    """The part of `run.json` that is known before the run."""
    shown = (
        "study",
        "dataset",
        "label",
        "budget",
        "batch_size",
        "seed",
        "protocol",
        "role",
        "learning_rate",
        "data_digest",
        "code_digest",
    )
    return {key: getattr(spec, key) for key in shown} | {
        "loss": spec.name,
        "fingerprint": spec.fingerprint,
        "parameters": spec.parameters(),
    }


@contextmanager
def store_lock(root: Path, wait: float = LOCK_WAIT_SECONDS) -> Iterator[None]:
    """Hold the one lock that guards the run store; wait for its holder, then refuse.

    Raises:
        SuiteError: another process holds it after `wait` seconds.
    """
    path = Path(root) / ".runs.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        print(f"{path}: another training holds the run store; waiting up to {wait:.0f} s", flush=True)
        try:
            lock.acquire(timeout=wait)
        except filelock.Timeout:
            raise SuiteError(
                f"{path}: another training still holds the run store after {wait:.0f} s; wait for it or end it"
            ) from None
    try:
        yield
    finally:
        lock.release()


def _remove_except(directory: Path, keep: set[str]) -> list[str]:
    if not directory.is_dir():
        return []
    # Hidden entries are half-written leftovers of a killed process: nobody else writes while the lock is held.
    stale = [path for path in sorted(directory.iterdir()) if path.name not in keep]
    for path in stale:
        remove(path)
    return [path.name for path in stale if not path.name.startswith(".")]
