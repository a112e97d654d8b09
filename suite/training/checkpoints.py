"""Checkpoints of a run: whole or not there, the last two kept, read without trusting their pickles.

They lie in `checkpoints/DATASET/LOSS/FINGERPRINT` below the artifacts folder, outside of what DVC owns, and go when
the run is recorded.
"""

from __future__ import annotations

import logging
import pickle
import time
from pathlib import Path
from typing import Any

import torch

from suite.files import atomic_file, remove

logger = logging.getLogger(__name__)

KEPT = 2


class Checkpoints:
    """The checkpoints of one run.

    Args:
        directory: of this run alone; made when the first one is written.
        seconds: least time between two that are not asked for by name (`due`).
        writes: whether this process writes them; of several that train one run, one does.
    """

    def __init__(self, directory: Path, seconds: float = 300.0, writes: bool = True):
        self.directory, self.seconds, self.writes = Path(directory), seconds, writes
        self._written = time.monotonic()

    def due(self) -> bool:
        """Whether the last one is `seconds` old."""
        return time.monotonic() - self._written >= self.seconds

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Write the state after `step` updates, and remove all but the last two."""
        if not self.writes:
            return
        # Through Python's own file: a full disk then raises OSError, as everywhere.
        with atomic_file(self.directory / f"step-{step:09d}.pt") as temporary, temporary.open("wb") as stream:
            torch.save(state, stream)
        # Hidden ones are what a process left that was killed while it wrote.
        for path in [*self._paths()[:-KEPT], *self.directory.glob(".step-*.pt")]:
            path.unlink()
        self._written = time.monotonic()

    def exist(self) -> bool:
        """Whether there is one."""
        return bool(self._paths())

    def latest(self) -> dict[str, Any] | None:
        """The state of the newest checkpoint that can be read, on the processor; None if there is none.

        A file that a machine's crash left damaged is passed over: the one before it is whole.
        """
        for path in reversed(self._paths()):
            try:
                return torch.load(path, map_location="cpu", weights_only=True)
            except (RuntimeError, EOFError, ValueError, KeyError, OSError, pickle.UnpicklingError) as error:
                logger.warning("%s: cannot be read (%s); the one before it is taken", path, type(error).__name__)
        return None

    def _paths(self) -> list[Path]:
        return sorted(self.directory.glob("step-*.pt"))


def checkpoints_directory(root: Path, dataset: str, loss: str, fingerprint: str) -> Path:
    """Where the checkpoints of a run lie below the artifacts folder `root`."""
    return Path(root) / "checkpoints" / dataset / loss / fingerprint


def prune_checkpoints(root: Path, dataset: str, loss: str, keep: set[str]) -> None:
    """Remove the checkpoints of runs whose fingerprints are not in `keep`."""
    for directory in (Path(root) / "checkpoints" / dataset / loss).glob("*"):
        if directory.name not in keep:
            remove(directory)
