"""Compiles the kernels of a module for a Hopper GPU, which need not be there, and prints what each became.

    python compiled_kernels.py ranks 232448

The number is that of the bytes of shared memory that a program may have. One JSON line a kernel and mode: kernel,
mode, shared (bytes a program), wgmma (matrix instructions).
"""

from __future__ import annotations

import importlib
import itertools
import json
import sys
from collections.abc import Iterator
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from suite.kernels.dispatch import PRECISIONS
from suite.kernels.fused.step_functions import step_constants
from suite.kernels.steps import HardStep, SigmoidStep, SupRankStep

SUPRANK = step_constants(SupRankStep(0.01, 100.0, 0.05, 0.5, 1.44))
SIGMOID = step_constants(SigmoidStep(0.01))
HARD = step_constants(HardStep())
PAIRS_OF_STEPS = ({"POSITIVE": HARD, "NEGATIVE": SUPRANK}, {"POSITIVE": SIGMOID, "NEGATIVE": SIGMOID})
TYPES = {"int": ("ties", "lows", "highs", "firsts", "own"), "long": ("order", "keys")}
NUMBERS = ("width", "part_items", "row_start", "row_stop", "sizes")


def each(**choices: Any) -> list[dict[str, Any]]:
    """All combinations of the values of some constants."""
    return [dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())]


def modes(kernel: str) -> Iterator[dict[str, Any]]:
    """The constants of a kernel in all that losses ask of it, those of the tuner left out."""
    products = each(PRECISION=PRECISIONS)
    if kernel == "row_keys_kernel":
        yield from each(ROWS=(32,), DEPTH=(32,))
    elif kernel == "slot_scores_kernel":
        yield from ({"ROWS": 32, "COLUMNS": 32, "DEPTH": 32} | product for product in products)
    elif kernel in ("slot_sums_kernel", "slot_gradients_kernel"):
        sizes = each(ROWS=(64, 1), RANKED=(4, 32))
        for steps, size in zip(PAIRS_OF_STEPS, (sizes[0], sizes[-1]), strict=True):
            for graded, weighted, levels in ((False, False, 1), (True, False, 3), (True, True, 3)):
                settings = {"GRADED": graded, "WEIGHTED": weighted, "LEVELS": levels, "ITEMS": size["RANKED"]}
                for more in each(SELF_RANKED=(False, True)):
                    yield steps | size | settings | more | {"TIES": steps["POSITIVE"] == HARD}
    elif kernel == "rank_sums_kernel":
        held = each(HELD=(True,), SLOTS=(4,)) + each(HELD=(False,), SLOTS=(16,))
        steps = each(STEP=(SUPRANK,), TIES=(True,)) + each(STEP=(SIGMOID,), TIES=(False,))
        for product, step, slots, slopes in itertools.product(products, steps, held, (True, False)):
            yield product | step | slots | {"SLOPES": slopes}
    elif kernel == "embedding_gradients_kernel":
        sides = [{"OF_ROWS": rows, "OF_COLUMNS": columns} for rows, columns in ((1, 1), (1, 0), (0, 1))]
        steps = each(STEP=(SUPRANK,), TIES=(True,)) + each(STEP=(SIGMOID,), TIES=(False,))
        for product, step, side in itertools.product(products, steps, sides):
            yield product | step | {name: bool(value) for name, value in side.items()}
    else:
        hinge = {"POS_BOUND": 0.9, "NEG_BOUND": 0.6, "SAME_WITHIN": 4e-6}
        sides = each(OF_ROWS=(True, False)) if kernel == "hinge_gradients_kernel" else [{}]
        for product, side, distance in itertools.product(products, sides, each(EUCLIDEAN=(True, False))):
            yield product | side | distance | hinge


def compiled(function: triton.JITFunction, constants: dict[str, Any], **options: int) -> Any:
    """A float32 kernel for compute capability 9.0; addresses are aligned to 16 bytes, as those of torch are."""
    signature = {}
    for name in function.arg_names:
        whole = name in NUMBERS or name.endswith("_count")
        pointer = next((f"*i{bits}" for kind, bits in (("int", 32), ("long", 64)) if name in TYPES[kind]), "*fp32")
        signature[name] = "constexpr" if name in constants else "i32" if whole else pointer
    aligned = [name for name in function.arg_names if signature[name].startswith("*") or name == "width"]
    attributes = {(function.arg_names.index(name),): [["tt.divisibility", 16]] for name in aligned}
    source = ASTSource(function, signature, constants, attributes)
    return triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)


def report(kernel: str, tuned: Any, most_shared: int) -> Iterator[dict[str, Any]]:
    """What each mode of a kernel became: with the first of the tuner's candidates whose shared memory is enough."""
    configs = getattr(tuned, "configs", [triton.Config({})])
    function = tuned.fn if hasattr(tuned, "configs") else tuned
    for mode in modes(kernel):
        for config in configs:
            options = {"num_warps": config.num_warps, "num_stages": config.num_stages}
            result = compiled(function, mode | config.kwargs, **options)
            if result.metadata.shared <= most_shared:
                break
        yield {
            "kernel": kernel,
            "mode": mode,
            "shared": result.metadata.shared,
            "wgmma": result.asm["ptx"].count("wgmma.mma_async"),
        }


def main(module: str, most_shared: int) -> None:
    kernels = vars(importlib.import_module(f"suite.kernels.fused.{module}"))
    for name, kernel in kernels.items():
        if name.endswith("_kernel"):
            for line in report(name, kernel, most_shared):
                print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
