"""CUDA graphs: while one is captured no value may travel to the host."""

from __future__ import annotations

import torch


def capturing() -> bool:
    """Whether the current CUDA stream is being captured; checks that read values are left out then."""
    return torch.cuda.is_available() and torch.cuda.is_current_stream_capturing()
