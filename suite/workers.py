"""Processes that compute side by side, each on one thread, so that results never depend on how many there are."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from suite.errors import SuiteError


@contextmanager
def worker_pool(
    processes: int, initializer: Callable[..., None] | None = None, *arguments: Any
) -> Iterator[ProcessPoolExecutor]:
    """A pool of spawned single-threaded, deterministic processes; pending work is dropped if the body fails.

    Raises:
        SuiteError: a worker died without an answer (killed, or out of memory).
    """
    # Spawned, not forked: a forked child inherits torch's thread pools in an undefined state.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, _prepare, (initializer, arguments))
    try:
        yield pool
    except BrokenProcessPool:
        raise SuiteError(
            "a worker process died without an answer (killed, or out of memory): what was finished is kept; "
            "run again, with fewer workers.processes in params.yaml if memory ran out"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def parallel_map(function: Callable[[Any], Any], items: Iterable[Any], processes: int) -> list[Any]:
    """`[function(item) for item in items]` over worker processes, results in the order of the items."""
    items = list(items)
    if not items:
        return []
    with worker_pool(min(processes, len(items))) as pool:
        return list(pool.map(function, items))


def use_one_thread() -> None:
    """Tell OpenMP, OpenBLAS and MKL, of this process and its children, to use one thread; they read it when loaded.

    Processes run side by side instead, so results do not depend on the number of cores.
    """
    os.environ.update(single_thread_environment())


def single_thread_environment() -> dict[str, str]:
    """The environment variables that have OpenMP, OpenBLAS and MKL use one thread."""
    return {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}


def compute_deterministically() -> None:
    """One thread and deterministic algorithms: the same input gives the same bits on the same machine type."""
    import torch

    # cuBLAS reads it when CUDA is first used, and is deterministic with a workspace of its own alone.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


def prepare_worker() -> None:
    """Have this spawned process end with its parent, and compute on one thread, deterministically."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    compute_deterministically()


def _prepare(initializer: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    prepare_worker()
    if initializer is not None:
        initializer(*arguments)


def _end_with_parent() -> None:
    # A worker whose parent was killed would go on writing without the parent's lock.
    multiprocessing.parent_process().join()
    os._exit(1)
