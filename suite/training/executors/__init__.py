"""Where the runs of a grid are trained: processes of this machine, or the nodes of a Ray cluster."""

from __future__ import annotations

from pathlib import Path

from suite.config import Workers
from suite.training.distributed import Ranks
from suite.training.executors.base import Ended, Event, Executor, Rows, Started
from suite.training.executors.ranks import RanksExecutor

__all__ = ["Ended", "Event", "Executor", "Rows", "Started", "open_executor"]


def open_executor(root: Path, workers: Workers, runs: int, ranks: Ranks | None = None) -> Executor:
    """The executor that `workers` names, for at most `runs` runs side by side, or that of the `ranks` of one run.

    Raises:
        SuiteError: Ray is asked for and is not installed, or no cluster answers.
    """
    if ranks is not None:
        return RanksExecutor(root, workers, ranks)
    if workers.executor == "ray":
        # Ray is an extra, and slow to import.
        from suite.training.executors.cluster import RayExecutor

        return RayExecutor(root, workers)
    from suite.training.executors.local import LocalExecutor

    return LocalExecutor(root, workers, runs)
