"""One timed call and its memory, on a processor or on a GPU."""

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

SECONDS, MOST_ROUNDS = 0.5, 50


def synchronised(call: Callable[[], Tensor], device: torch.device) -> Callable[[], Tensor]:
    """`call`, which on a GPU returns only when its work is done."""
    if device.type != "cuda":
        return call

    def wait() -> Tensor:
        result = call()
        torch.cuda.synchronize(device)
        return result

    return wait


def seconds(call: Callable[[], Tensor]) -> float:
    """Wall-clock time of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def rounds_for(once: float, least: int) -> int:
    """How many rounds of `once` seconds fill about half a second: at least `least`, at most 50."""
    return max(least, min(MOST_ROUNDS, math.ceil(SECONDS / max(once, 1e-9))))


def peak_memory(call: Callable[[], Tensor], device: torch.device) -> int:
    """Most bytes that `call` held at once beyond what stood before it, as the device's allocator tells."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        return torch.cuda.max_memory_allocated(device) - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        call()
    held = peak = 0
    events = recorded.profiler.kineto_results.events()
    for event in sorted((event for event in events if event.name() == "[memory]"), key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak
