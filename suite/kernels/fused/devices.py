"""Where the fused kernels can run: on a CUDA device, or on a CPU under Triton's interpreter."""

from __future__ import annotations

import importlib.util
import os

from torch import Tensor


def interpreted() -> bool:
    """Whether Triton's interpreter stands in for a device: it is chosen before the kernels are first imported."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def obstacle(tensor: Tensor) -> str | None:
    """Why the fused kernels cannot take a tensor, in words; None if they can."""
    if importlib.util.find_spec("triton") is None:
        return "triton is not installed"
    if interpreted() or tensor.device.type == "cuda":
        return None
    return f"embeddings on {tensor.device.type} need Triton's interpreter, TRITON_INTERPRET=1"
