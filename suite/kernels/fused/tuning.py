"""Shapes of tiles: the candidates that Triton's tuner times on a device, once a kind of call, and keeps on disk.

The shape of a tile says in which order a sum is added up. Under deterministic algorithms it is therefore fixed: a
timing may turn out otherwise elsewhere, or another day.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import triton
from triton.runtime import Autotuner

from suite.kernels.fused.devices import interpreted

# Warps and pipeline stages mean nothing to the interpreter; its tiles are small, so that small tests have several.
_INTERPRETED = (32, 32, 32, 1, 1)

# (rows, columns, depth, warps, stages): shapes that a Hopper compiler keeps in its 255 registers a thread.
_SWEEPS = (
    (128, 128, 32, 8, 3),
    (128, 64, 32, 8, 3),
    (64, 128, 32, 8, 3),
    (64, 64, 32, 4, 3),
    (64, 64, 64, 4, 3),
)
# The same, and the dimensions of the gradient that a program holds. All dimensions in one program would spare it the
# scores of further spans, but 512 of them beside a tile do not fit the registers.
_GRADIENTS = (
    (64, 32, 32, 8, 2, 256),
    (64, 64, 32, 8, 2, 256),
    (64, 32, 64, 8, 2, 256),
    (64, 64, 32, 8, 2, 128),
    (64, 32, 32, 8, 2, 128),
    (128, 32, 32, 8, 2, 128),
    (64, 32, 32, 4, 2, 64),
)


def _config(shape: tuple[int, ...]) -> triton.Config:
    rows, columns, depth, warps, stages, *span = shape
    names = {"ROWS": rows, "COLUMNS": columns, "DEPTH": depth} | ({"SPAN": span[0]} if span else {})
    return triton.Config(names, num_warps=warps, num_stages=stages)


def _fitting(configs: list[triton.Config], arguments: dict[str, Any], **_: Any) -> list[triton.Config]:
    """Those that hold no more dimensions than there are, or the ones that hold the fewest."""
    spans = [config.kwargs["SPAN"] for config in configs]
    most = max(triton.next_power_of_2(arguments["width"]), min(spans))
    return [config for config, span in zip(configs, spans, strict=True) if span <= most]


def tuned_sweep(kernel: Callable) -> Callable:
    """A kernel with (ROWS, COLUMNS, DEPTH) found by timing, by the rounded sizes that it is called with."""
    shapes = (_INTERPRETED,) if interpreted() else _SWEEPS
    return triton.autotune([_config(shape) for shape in shapes], key=_key(kernel), cache_results=True)(kernel)


def tuned_gradient(kernel: Callable) -> Callable:
    """A kernel with SPAN dimensions a program as well."""
    shapes = ((*_INTERPRETED, 32),) if interpreted() else _GRADIENTS
    tuner = triton.autotune(
        [_config(shape) for shape in shapes],
        key=_key(kernel),
        prune_configs_by={"early_config_prune": _fitting},
        cache_results=True,
    )
    return tuner(kernel)


def _key(kernel: Callable) -> list[str]:
    known = ("sizes", "width", "SLOTS", "HELD", "OF_ROWS", "OF_COLUMNS", "PRECISION", "STEP", "TIES")
    return [name for name in known if name in kernel.arg_names]


def launch(kernel: Autotuner, grid: Callable, *arguments: Any, **constants: Any) -> None:
    """Run a tuned kernel, whose `grid` depends on its shape of tiles."""
    if interpreted() or torch.are_deterministic_algorithms_enabled():
        named = dict(zip(kernel.arg_names, arguments, strict=False))
        shape = kernel.early_config_prune(kernel.configs, named)[0] if kernel.early_config_prune else kernel.configs[0]
        kernel.fn[grid](*arguments, **constants, **shape.all_kwargs())
    else:
        kernel[grid](*arguments, **constants)


def sizes(*numbers: int) -> int:
    """One number for sizes that share their shapes of tiles: all powers of two above them."""
    code = 0
    for number in numbers:
        code = code * 64 + max(0, number - 1).bit_length()
    return code
