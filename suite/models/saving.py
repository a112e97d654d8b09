"""How the tensors of a trained network are kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save as serialize
from torch import Tensor


def save_state(path: Path, state: Mapping[str, Tensor]) -> None:
    """Write the tensors of a network as safetensors."""
    # Written by Python itself: the library's own writer hides a full disk behind an error of its own.
    path.write_bytes(serialize({name: tensor.contiguous() for name, tensor in state.items()}))
