"""The `benchmark` stage: pytest-benchmark times the losses, and half precision is held against float64."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from suite.benchmarking.precision import precision_table
from suite.config import Params
from suite.errors import SuiteError
from suite.files import atomic_directory

SUITE = Path("tests/benchmarks")


def benchmark_stage(params: Params, root: Path) -> None:
    """Write `artifacts/benchmark/benchmark.json` and `precision.csv`.

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
        command += ["--benchmark-group-by=param:batch_size", "--benchmark-columns=min,median,rounds"]
        command += [f"--benchmark-json={target / 'benchmark.json'}"]
        if subprocess.run(command, env=_environment()).returncode != 0:
            raise SuiteError(f"{SUITE}: a benchmark failed; its output stands above")
        precision_table().to_csv(target / "precision.csv", index=False, lineterminator="\n")


def _environment() -> dict[str, str]:
    """That of this process, without the settings of a pytest around it, and without its limit to one thread.

    Runs of a study stand side by side on one thread each; a benchmark stands alone and may use every core.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYTEST_") and not name.endswith("_NUM_THREADS")
    }
