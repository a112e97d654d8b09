"""Queries of a batch shared out among processes that all hold the whole batch.

A loss is a weighted sum of means over queries (`suite.kernels.sweep`). Each process sweeps its own queries against the
whole gallery; sums, counts and gradients of the embeddings are then added up over the processes, so that every one has
the loss and the gradient of the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from torch import Tensor


class QueryShare(NamedTuple):
    """One process's part of the queries.

    Attributes:
        rank: of this process, from 0.
        size: number of processes.
        add_up: replaces a tensor, in place, by its sum over all processes, the same bits on each. Every process calls
            it equally often with tensors of the same shapes.
    """

    rank: int
    size: int
    add_up: Callable[[Tensor], None]

    def part(self, items: int) -> tuple[int, int]:
        """Bounds (start, stop) of this process's part of `items` items; the parts follow each other by rank."""
        return items * self.rank // self.size, items * (self.rank + 1) // self.size


_SHARE: ContextVar[QueryShare | None] = ContextVar("query_share", default=None)


@contextmanager
def shared_queries(share: QueryShare) -> Iterator[None]:
    """Have the losses called inside sweep this process's share of their queries."""
    token = _SHARE.set(share)
    try:
        yield
    finally:
        _SHARE.reset(token)


def query_share() -> QueryShare | None:
    """The share that is in force; None: a loss sweeps all queries itself."""
    return _SHARE.get()
