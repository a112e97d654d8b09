"""What varies from one execution to the next (time, host, commit), kept apart from results."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from suite.files import write_json
from suite.training.specification import RunSpecification
from suite.training.trained import Trained

PACKAGES = ("torch", "timm", "numpy", "scipy", "pandas", "faiss-cpu", "faiss-gpu", "mlflow", "dvc", "resvg-py")


class Provenance:
    """Writes one JSON file a run under `artifacts/provenance/<data set>/<loss>`.

    Commit, packages and hardware are read once, when the training starts.
    """

    def __init__(self, root: Path, dataset: str, loss: str):
        self.directory = Path(root) / "provenance" / dataset / loss
        self.directory.mkdir(parents=True, exist_ok=True)
        self._surroundings = surroundings()

    def record(self, spec: RunSpecification, started: float, finished: float, trained: Trained | None) -> None:
        """Write when (seconds since the epoch; UTC in the file), where and on what a run was trained, at what cost.

        `trained` is None for a run that failed.
        """
        times = {"started": _utc(started), "finished": _utc(finished), "seconds": round(finished - started, 3)}
        if trained is not None:
            seconds = trained.step_seconds if math.isfinite(trained.step_seconds) else None
            telemetry = trained.telemetry.astype(object).where(trained.telemetry.notna(), None).to_dict("list")
            times |= {"step_seconds": seconds, "step_bytes": trained.step_bytes, "telemetry": telemetry}
        times["batch_size"] = spec.batch_size
        dependencies = {"dependencies": {"data": spec.data_digest, "code": spec.code_digest}}
        write_json(self.directory / f"{spec.fingerprint}.json", times | dependencies | self._surroundings)

    def memory_of(self, spec: RunSpecification) -> int:
        """The most bytes that a process held in a recorded run of this batch size; 0 where none is on record."""
        held = [0]
        for path in self.directory.glob("*.json"):
            record = json.loads(path.read_text(encoding="utf-8"))
            if record.get("batch_size") == spec.batch_size:
                held += (record.get("telemetry") or {}).get("memory_bytes", [])
        return max(held)

    def prune(self, keep: set[str]) -> None:
        """Remove the records of runs that are no longer kept."""
        for path in self.directory.glob("*.json"):
            if path.stem not in keep:
                path.unlink()


def surroundings() -> dict[str, Any]:
    """Commit, dirty flag, package versions and hardware of this execution."""
    commit = _git("rev-parse", "HEAD")
    # dvc.lock changes while a pipeline runs, so it does not count.
    changed = _git("status", "--porcelain", "--", ".", ":!dvc.lock")
    return {
        "commit": commit,
        "dirty": None if changed is None else bool(changed),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "hardware": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "system": platform.system(),
            "machine": platform.machine(),
        },
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.processor(),
    )


def _git(*arguments: str) -> str | None:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
