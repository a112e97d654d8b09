"""How much memory a call holds at once."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch.profiler import ProfilerActivity, profile

Result = TypeVar("Result")


def with_peak_memory(call: Callable[[], Result], device: torch.device | None = None) -> tuple[Result, int]:
    """What `call` returns, and the most bytes it held at once beyond what stood before it, as the allocator tells.

    Args:
        call: the call.
        device: where it computes; None is the processor.
    """
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        result = call()
        return result, torch.cuda.max_memory_allocated(device) - before
    # The profiler's library reads it when it is first used; it would write two lines of its own for every call.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        result = call()
    held = peak = 0
    events = recorded.profiler.kineto_results.events()
    for event in sorted((event for event in events if event.name() == "[memory]"), key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return result, peak


def most_held() -> int:
    """Bytes that this process has held at most so far.

    Linux tells it of the process alone; `getrusage` also counts what the process that started it held then.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM"))
        return 1024 * int(line.split()[1])
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
