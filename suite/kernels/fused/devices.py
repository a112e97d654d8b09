"""Where the fused kernels can run: on a CUDA device, or on a CPU under Triton's interpreter."""

from __future__ import annotations

import importlib.util
import os

import torch
from torch import Tensor


def interpreted() -> bool:
    """Whether Triton's interpreter stands in for a device: it is chosen before the kernels are first imported."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def obstacle(tensor: Tensor) -> str | None:
    """Why the fused kernels cannot take a tensor, in words; None if they can."""
    if importlib.util.find_spec("triton") is None:
        return "triton is not installed"
    if interpreted():
        return None
    if tensor.device.type == "cuda" and torch.version.hip is None:
        if torch.cuda.get_device_capability(tensor.device) < (8, 0):
            return "a GPU older than Ampere has none of their matrix units"
        return "float64 is multiplied blockwise on a GPU" if tensor.dtype == torch.float64 else None
    return f"embeddings on {_name(tensor)} need Triton's interpreter, TRITON_INTERPRET=1"


def _name(tensor: Tensor) -> str:
    return "rocm" if tensor.device.type == "cuda" else tensor.device.type
