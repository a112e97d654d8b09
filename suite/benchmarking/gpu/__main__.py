"""python -m suite.benchmarking.gpu --out DIR: check and time the fused kernels on a CUDA device."""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from functools import partial
from pathlib import Path

import torch

from suite.benchmarking.gpu.study import SIZES, Study, default_cases
from suite.errors import SuiteError
from suite.kernels.fused.devices import obstacle


def main() -> int:
    """Returns the exit status: 1 without a device, or where a check fails."""
    parser = argparse.ArgumentParser(prog="python -m suite.benchmarking.gpu", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("artifacts/benchmark_gpu"), help="a directory for the numbers")
    parser.add_argument("--sizes", type=int, nargs="+", choices=SIZES, default=SIZES, help="batch sizes")
    parser.add_argument("--losses", nargs="+", metavar="NAME", help="of the losses timed; all if left out")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="after which no further timing begins")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31), help="of all inputs; fresh if left out")
    asked = parser.parse_args()
    stop = time.monotonic() + 60 * asked.minutes
    try:
        device = _device()
        study = Study(_named(asked.sizes, asked.losses))
    except SuiteError as error:
        print(f"benchmark-gpu: {error}", file=sys.stderr)
        return 1
    # Triton is imported only where there is something for it to run on.
    from suite.benchmarking.gpu.run import run

    return 0 if run(study, device, asked.out, asked.seed, stop, partial(print, flush=True)) else 1


def _device() -> torch.device:
    if not torch.cuda.is_available():
        raise SuiteError("no CUDA device is here; run it on a machine that has one, with a torch built for CUDA")
    device = torch.device("cuda", torch.cuda.current_device())
    hindrance = obstacle(torch.empty(0, device=device))
    if hindrance:
        raise SuiteError(f"the fused kernels cannot run: {hindrance}")
    return device


def _named(sizes: list[int], losses: list[str] | None) -> tuple:
    cases = default_cases(sizes)
    if losses is None:
        return cases
    known = {case.name for case in cases}
    for name in losses:
        if name not in known:
            raise SuiteError(f"--losses: '{name}' is not timed at these sizes; choose from {', '.join(sorted(known))}")
    return tuple(case for case in cases if case.name in losses)


if __name__ == "__main__":
    sys.exit(main())
