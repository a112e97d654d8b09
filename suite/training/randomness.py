"""The states of every source of randomness, and seeds for what must not depend on them."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


def mixed_seed(*parts: int) -> int:
    """A seed of 63 bits that is a well-mixed function of non-negative integers, the same everywhere."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)


def capture_states() -> dict[str, Any]:
    """The states of Python's, NumPy's and torch's global generators, those of CUDA devices in use included.

    Made of tensors and plain containers, so that `torch.load(weights_only=True)` reads it back.
    """
    version, internal, spare = random.getstate()
    name, keys, place, has_gauss, gauss = np.random.get_state()
    return {
        "python": [version, list(internal), spare],
        "numpy": [name, torch.from_numpy(keys.astype(np.int64)), place, has_gauss, gauss],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
    }


def restore_states(states: dict[str, Any]) -> None:
    """Have every global generator go on where `capture_states` found it."""
    version, internal, spare = states["python"]
    random.setstate((version, tuple(internal), spare))
    name, keys, place, has_gauss, gauss = states["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), place, has_gauss, gauss))
    torch.set_rng_state(states["torch"])
    # There may be fewer GPUs than where the states were captured.
    for device, state in zip(range(torch.cuda.device_count()), states["cuda"], strict=False):
        torch.cuda.set_rng_state(state, device)
