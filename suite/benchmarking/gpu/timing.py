"""Times of calls on a device, and the memory that they hold."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

from suite.benchmarking.gpu.study import Study


class Timing(NamedTuple):
    """Milliseconds of a call: median and quartiles over rounds, and how long the first one took, compiling included."""

    median_ms: float
    q1_ms: float
    q3_ms: float
    rounds: int
    first_ms: float


def timed(calls: Sequence[Callable[[], Any]], study: Study, device: torch.device) -> Timing:
    """Time calls that do the same on different inputs, in turn, each by itself.

    The first two calls do not count: they compile, tune and fill the allocator's memory.
    """
    first = _milliseconds(calls[0], device)
    again = _milliseconds(calls[-1], device)
    least, most = study.rounds
    rounds = max(least, min(most, int(1000 * study.seconds / max(again, 1e-3))))
    taken = [_milliseconds(calls[nth % len(calls)], device) for nth in range(rounds)]
    q1, median, q3 = statistics.quantiles(taken, n=4, method="inclusive")
    return Timing(median, q1, q3, rounds, first)


def _milliseconds(call: Callable[[], Any], device: torch.device) -> float:
    if device.type != "cuda":
        start = time.perf_counter()
        call()
        return 1000 * (time.perf_counter() - start)
    torch.cuda.synchronize(device)
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    call()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end)
