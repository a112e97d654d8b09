"""One timed call, on a processor or on a GPU."""

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor

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
