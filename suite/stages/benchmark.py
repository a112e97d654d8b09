"""The `benchmark` stage: pytest-benchmark times the loss kernels; its JSON feeds the report."""

from __future__ import annotations

import os
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
        # The benchmarks alone, without what the other tests need; nothing is written but the JSON.
        command = [sys.executable, "-m", "pytest", str(SUITE), "-p", "no:cacheprovider", "-o", "addopts=-q"]
        command += ["--benchmark-only", f"--batch-sizes={sizes}", f"--confcutdir={SUITE}"]
        command += [f"--benchmark-json={target / 'benchmark.json'}"]
        # Settings of a pytest that surrounds this one (its options, its workers) are not meant for the benchmarks.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        if subprocess.run(command, env=environment).returncode != 0:
            raise SuiteError(f"{SUITE}: a benchmark failed; its output stands above")
