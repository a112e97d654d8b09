"""What the device can do, measured: copies, readings of the L2 cache, matrix products, exponentials."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from suite.benchmarking.counting import NUMBER_BYTES, Rates
from suite.benchmarking.gpu.study import Study
from suite.benchmarking.gpu.timing import timed

THREADS, NUMBERS = 128, 1024
"""A program's threads, and the numbers that they hold."""

L2_NUMBERS = 1 << 22
"""16 MiB, which a Hopper's cache holds and one multiprocessor's does not."""


@triton.jit
def exponentials_kernel(numbers, rounds, NUMBERS: tl.constexpr):
    """numbers = exp2(-exp2(-...)), which stays within (0, 1]."""
    place = numbers + tl.program_id(0) * NUMBERS + tl.arange(0, NUMBERS)
    x = tl.load(place)
    for _ in range(rounds):
        x = tl.exp2(-x)
    tl.store(place, x)


@triton.jit
def readings_kernel(numbers, sums, count, rounds, NUMBERS: tl.constexpr):
    """A program reads `rounds` parts of `numbers`, past its own multiprocessor's cache."""
    program = tl.program_id(0)
    total = tl.zeros((NUMBERS,), dtype=tl.float32)
    for turn in range(rounds):
        # Programs begin far apart and pass over everything.
        start = ((program + turn) * NUMBERS) % count
        total += tl.load(numbers + start + tl.arange(0, NUMBERS), cache_modifier=".cg")
    tl.store(sums + program, tl.sum(total, 0))


def measured_rates(study: Study, device: torch.device) -> tuple[Rates, float]:
    """The rates of a device, and bytes a second from its L2 cache."""
    products = {
        unit: _product_rate(study, device, dtype, allow_tf32)
        for unit, dtype, allow_tf32 in (
            ("tf32", torch.float32, True),
            ("bf16", torch.bfloat16, False),
            ("ieee", torch.float32, False),
        )
    }
    special, l2 = _kernel_rates(study, device)
    return Rates(**products, special=special, memory=_copy_rate(study, device)), l2


def _copy_rate(study: Study, device: torch.device) -> float:
    """Bytes a second, read and written."""
    source = torch.randn(study.ceiling_mib * 2**20 // NUMBER_BYTES, device=device)
    target = torch.empty_like(source)
    taken = timed([lambda: target.copy_(source)], study, device).median_ms
    return 2 * NUMBER_BYTES * source.numel() / (taken / 1000)


def _kernel_rates(study: Study, device: torch.device) -> tuple[float, float]:
    """Exponentials a second, and bytes a second from the L2 cache."""
    programs, rounds = 32 * _multiprocessors(device), study.ceiling_rounds
    numbers, sums = torch.rand(programs * NUMBERS, device=device), torch.empty(programs, device=device)
    count = min(L2_NUMBERS, len(numbers))
    options = {"NUMBERS": NUMBERS, "num_warps": THREADS // 32}
    exponentials = timed([lambda: exponentials_kernel[(programs,)](numbers, rounds, **options)], study, device)
    readings = timed([lambda: readings_kernel[(programs,)](numbers, sums, count, rounds, **options)], study, device)
    done = programs * NUMBERS * rounds
    return done / (exponentials.median_ms / 1000), NUMBER_BYTES * done / (readings.median_ms / 1000)


def _product_rate(study: Study, device: torch.device, dtype: torch.dtype, allow_tf32: bool) -> float:
    size = study.ceiling_rows
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(left)
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = allow_tf32
    try:
        taken = timed([lambda: torch.mm(left, right, out=out)], study, device).median_ms
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
    return 2.0 * size**3 / (taken / 1000)


def _multiprocessors(device: torch.device) -> int:
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 1
