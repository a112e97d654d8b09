"""Which kernels a loss runs on: blockwise on any device, or fused on a GPU."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import torch
from torch import Tensor

from suite.kernels.capture import capturing
from suite.kernels.fused.devices import obstacle

CHOICES = ("auto", "blockwise", "fused")
PRECISIONS = ("tf32x3", "bf16x3", "ieee", "tf32")
MOST_NUMBERS = 2**31 - 1
"""The fused kernels count with 32 bits."""

VARIABLE, PRECISION_VARIABLE = "RANKSUITE_KERNELS", "RANKSUITE_PRECISION"


class KernelChoice(NamedTuple):
    """One of `CHOICES`, and how fused kernels multiply float32 numbers: one of `PRECISIONS`."""

    kernels: str
    precision: str


_CHOICE: ContextVar[KernelChoice | None] = ContextVar("kernel_choice", default=None)


@contextmanager
def use_kernels(kernels: str = "auto", precision: str = "tf32x3") -> Iterator[None]:
    """Choose the kernels of the losses called inside; elsewhere RANKSUITE_KERNELS and RANKSUITE_PRECISION say.

    Args:
        kernels: `auto`: fused for float32 on a GPU where Triton is installed, else blockwise; `blockwise`; `fused`: on
            any device, without one under Triton's interpreter (TRITON_INTERPRET=1). A loss that has no fused form runs
            on its only kernel whatever is chosen: see docs/fused.md.
        precision: of the fused kernels' products: `tf32x3`, `bf16x3`, `ieee` or `tf32`, whose scores are too coarse
            for a temperature of 0.01. Float64 is multiplied as it is.

    Raises:
        ValueError: another name.
    """
    token = _CHOICE.set(_checked(kernels, precision, "kernels", "precision"))
    try:
        yield
    finally:
        _CHOICE.reset(token)


def kernel_choice() -> KernelChoice:
    """The choice in force. Raises ValueError where a variable holds another name."""
    chosen = _CHOICE.get()
    if chosen is not None:
        return chosen
    names = os.environ.get(VARIABLE, "auto"), os.environ.get(PRECISION_VARIABLE, "tf32x3")
    return _checked(*names, VARIABLE, PRECISION_VARIABLE)


def runs_fused(queries: Tensor, references: Tensor | None, nests: Callable[[], bool] | None = None) -> bool:
    """Whether a loss with a fused form runs on it.

    Args:
        queries: (Q, D).
        references: (G, D), or None when the queries are their own gallery.
        nests: tells whether the levels of the labels nest, without which there is no fused form; None: one level.

    Raises:
        ValueError: fused kernels are asked for where they cannot run.
    """
    kernels = kernel_choice().kernels
    if kernels == "blockwise":
        return False
    if kernels == "auto" and queries.device.type != "cuda":
        return False
    hindrance = obstacle(queries)
    if max(queries.numel(), 0 if references is None else references.numel()) > MOST_NUMBERS:
        hindrance = f"embeddings of more than {MOST_NUMBERS} numbers"
    # A captured graph is replayed on the labels it was planned for, and reads none now.
    if hindrance is None and nests is not None and not capturing() and not nests():
        hindrance = "the levels of the labels do not nest"
    if kernels == "fused" and hindrance is not None:
        raise ValueError(f"kernels: fused cannot be used here: {hindrance}; choose auto or blockwise")
    return hindrance is None


def precision_for(queries: Tensor) -> str:
    """How the fused kernels multiply these embeddings."""
    return "ieee" if queries.dtype == torch.float64 else kernel_choice().precision


def _checked(kernels: str, precision: str, kernels_name: str, precision_name: str) -> KernelChoice:
    for name, value, choices in ((kernels_name, kernels, CHOICES), (precision_name, precision, PRECISIONS)):
        if value not in choices:
            raise ValueError(f"{name}: expected one of {', '.join(choices)}, found {value!r}")
    return KernelChoice(kernels, precision)
