"""Tiles of scores and their products on the matrix units: what every fused kernel begins or ends with.

Float32 operands are multiplied in one of four ways:

    ieee     float32 multiplications, no matrix unit; the only one for float64 (whose matrix units are exact).
    tf32x3   each operand as the sum of two tf32 numbers, three products: as good as float32.
    bf16x3   each operand as the sum of two bfloat16 numbers, three products: 16 bits of each operand.
    tf32     one product of 11 bits of each operand: ranks of scores closer than about 1e-4 change.

`docs/fused.md` states the error of each against float64.
"""

from __future__ import annotations

import triton
import triton.language as tl

from suite.kernels.fused.devices import interpreted

# The interpreter keeps bfloat16 as raw bits, which its matrix product would take for integers.
_WIDEN = tl.constexpr(interpreted())


@triton.jit
def halves(numbers):
    """Two bfloat16 tensors whose sum is a float32 one up to 2^-17 of it."""
    high = numbers.to(tl.bfloat16)
    low = (numbers - high.to(tl.float32)).to(tl.bfloat16)
    if _WIDEN:
        return high.to(tl.float32), low.to(tl.float32)
    else:
        return high, low


@triton.jit
def add_product(left, right, total, PRECISION: tl.constexpr):
    """total + left @ right, small terms first."""
    if PRECISION == "bf16x3":
        left_high, left_low = halves(left)
        right_high, right_low = halves(right)
        total = tl.dot(left_low, right_high, total)
        total = tl.dot(left_high, right_low, total)
        total = tl.dot(left_high, right_high, total)
    else:
        total = tl.dot(left, right, total, input_precision=PRECISION)
    return total


@triton.jit
def score_tile(
    left,
    right,
    rows,
    columns,
    row_count,
    column_count,
    width,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """(ROWS, COLUMNS) of left[rows] @ right[columns].T, zero beyond either; both are contiguous, `width` wide."""
    total = tl.zeros((ROWS, COLUMNS), dtype=left.dtype.element_ty)
    row_start = left + rows[:, None] * width
    column_start = right + columns[None, :] * width
    for start in range(0, width, DEPTH):
        depth = start + tl.arange(0, DEPTH)
        known = depth < width
        row_part = tl.load(row_start + depth[None, :], mask=(rows < row_count)[:, None] & known[None, :], other=0.0)
        column_part = tl.load(
            column_start + depth[:, None], mask=(columns < column_count)[None, :] & known[:, None], other=0.0
        )
        total = add_product(row_part, column_part, total, PRECISION)
    return total
