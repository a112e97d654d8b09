"""Equal gallery rows, which a step that jumps must see as equal although their products are rounded differently."""

from __future__ import annotations

import torch
from torch import Tensor


def tie_groups(rows: Tensor) -> Tensor:
    """(N,) int32: rows (N, D) have the same number where all their bits agree (0.0 and -0.0 count as one).

    Rows are told apart by a 64-bit sum of their bits with fixed weights: of N rows that differ, two share a
    number with a probability of about N^2 / 2^65. No value travels to the host.
    """
    # Zero has two bit patterns; adding zero leaves one.
    bits = (rows + 0.0).view(torch.int32 if rows.dtype == torch.float32 else torch.int64).long()
    weights = _scrambled(torch.arange(1, rows.shape[1] + 1, device=rows.device)) | 1
    keys = (_scrambled(bits) * weights).sum(1)
    order = keys.argsort(stable=True)
    in_order = keys[order]
    starts = torch.zeros(len(rows), dtype=torch.int32, device=rows.device)
    starts[1:] = in_order[1:] != in_order[:-1]
    groups = torch.empty_like(starts)
    groups[order] = starts.cumsum(0, dtype=torch.int32)
    return groups


def _scrambled(bits: Tensor) -> Tensor:
    """A one-to-one map of 64-bit integers under which sums of few bits no longer cancel (the finaliser of MurmurHash3)."""
    for factor in (-49064778989728563, -4265267296055464877):
        bits = (bits ^ (bits >> 33)) * factor
    return bits ^ (bits >> 33)
