"""Threads of one process that share the queries of a loss, as the ranks of a distributed run do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from torch import Tensor

from suite.kernels.sharing import QueryShare, shared_queries


class Meeting:
    """Threads that add up tensors as ranks do. One computes at a time: Triton's interpreter serves no more."""

    def __init__(self, size: int):
        self.barrier, self.tensors, self.turn = threading.Barrier(size), [None] * size, threading.Lock()

    def run(self, work: Callable[[], Any]) -> list[Any]:
        """What `work` gives to each of them; the first failure of any."""
        with ThreadPoolExecutor(len(self.tensors)) as pool:
            futures = [pool.submit(self._take_part, rank, work) for rank in range(len(self.tensors))]
        for future in futures:
            if future.exception() and not isinstance(future.exception(), threading.BrokenBarrierError):
                raise future.exception()
        return [future.result() for future in futures]

    def _take_part(self, rank: int, work: Callable[[], Any]) -> Any:
        def add_up(tensor: Tensor) -> None:
            self.tensors[rank] = tensor.clone()
            self._meet()
            tensor.copy_(sum(self.tensors))
            self._meet()

        with self.turn:
            try:
                with shared_queries(QueryShare(rank, len(self.tensors), add_up)):
                    return work()
            except BaseException:
                self.barrier.abort()
                raise

    def _meet(self) -> None:
        self.turn.release()
        try:
            self.barrier.wait(timeout=60)
        finally:
            self.turn.acquire()
