"""Equal gallery rows, which a step that jumps must see as equal although their products are rounded differently."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from suite.kernels.fused.launches import on_device


def tie_groups(rows: Tensor) -> Tensor:
    """(N,) int32: rows (N, D) have the same number where all their numbers agree.

    Rows are told apart by a 64-bit sum of their scrambled bits: of N rows that differ, two share a number with a
    probability of about N^2 / 2^65. No value travels to the host.
    """
    keys = torch.empty(len(rows), dtype=torch.int64, device=rows.device)
    tile = 32
    with on_device(rows):
        row_keys_kernel[(triton.cdiv(len(rows), tile),)](rows, keys, len(rows), rows.shape[1], ROWS=tile, DEPTH=32)
    order = keys.argsort(stable=True)
    in_order = keys[order]
    starts = torch.zeros(len(rows), dtype=torch.int32, device=rows.device)
    starts[1:] = in_order[1:] != in_order[:-1]
    groups = torch.empty_like(starts)
    groups[order] = starts.cumsum(0, dtype=torch.int32)
    return groups


@triton.jit
def scrambled(bits):
    """A one-to-one map of 64-bit integers under which sums do not cancel: the finaliser of MurmurHash3."""
    # The shift is arithmetic: without the mask the sign would be lost.
    bits = (bits ^ ((bits >> 33) & 0x7FFFFFFF)) * -49064778989728563
    bits = (bits ^ ((bits >> 33) & 0x7FFFFFFF)) * -4265267296055464877
    return bits ^ ((bits >> 33) & 0x7FFFFFFF)


@triton.jit
def row_keys_kernel(rows, keys, row_count, width, ROWS: tl.constexpr, DEPTH: tl.constexpr):
    """keys[row]: the sum over its numbers of their bits and their place, scrambled together."""
    nth = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    total = tl.zeros((ROWS,), dtype=tl.int64)
    for start in range(0, width, DEPTH):
        depth = start + tl.arange(0, DEPTH)
        there = (nth < row_count)[:, None] & (depth < width)[None, :]
        numbers = tl.load(rows + nth[:, None] * width + depth[None, :], mask=there, other=0.0)
        # Zero has two signs, and is one number.
        numbers = tl.where(numbers == 0, 0.0, numbers)
        if rows.dtype.element_ty == tl.float64:
            bits = numbers.to(tl.int64, bitcast=True)
        else:
            bits = numbers.to(tl.int32, bitcast=True).to(tl.int64)
        places = scrambled(depth.to(tl.int64) + 1)
        total += tl.sum(tl.where(there, scrambled(bits ^ places[None, :]), 0), 1)
    tl.store(keys + nth, total, mask=nth < row_count)
