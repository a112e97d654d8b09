"""The `benchmark` stage: pytest-benchmark times the loss kernels; its JSON feeds the report."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from suite.config import Params
from suite.errors import SuiteError
from suite.files import atomic_directory

SUITE = Path("tests/benchmarks")


def benchmark_stage(params: Params, root: Path) -> None:
    """Write `artifacts/benchmark/benchmark.json`.

    Raises:
        SuiteError: the benchmarks are not there or one of them fails.
    """
    if not SUITE.is_dir():
        raise SuiteError(f"{SUITE}: not found; run ranksuite from the folder that holds dvc.yaml")
    sizes = ",".join(str(size) for size in params.benchmark.batch_sizes)
    with atomic_directory(root / "benchmark") as target:
        # --no-header and no cache: nothing is written but the JSON.
        command = [
            sys.executable, "-m", "pytest", str(SUITE), "--benchmark-only", f"--batch-sizes={sizes}",
            f"--benchmark-json={target / 'benchmark.json'}", "-p", "no:cacheprovider", "-o", "addopts=-q",
        ]  # fmt: skip
        if subprocess.run(command).returncode != 0:
            raise SuiteError(f"{SUITE}: a benchmark failed; its output stands above")
