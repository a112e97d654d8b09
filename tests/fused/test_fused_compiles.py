"""Every kernel compiles for a Hopper GPU in all its modes, on its matrix units and within its shared memory."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "compiled_kernels.py"
FOLDER = Path(__file__).parents[2] / "suite" / "kernels" / "fused"
MODULES = ["ties", *(pytest.param(name, marks=pytest.mark.slow) for name in ("hinges", "ranks", "slots"))]
SHARED = 227 * 1024
"""Bytes that a program can have on compute capability 9.0."""

SWEEPS = ("rank_sums_kernel", "embedding_gradients_kernel", "hinge_sums_kernel", "hinge_gradients_kernel")


def kernels(module):
    return set(re.findall(r"^def (\w+_kernel)\(", (FOLDER / f"{module}.py").read_text(), re.MULTILINE))


def test_every_module_with_kernels_is_compiled():
    compiled = {getattr(module, "values", (module,))[0] for module in MODULES}
    assert compiled == {path.stem for path in FOLDER.glob("*.py") if kernels(path.stem)}


@pytest.mark.parametrize("module", MODULES)
def test_kernels_compile(module, tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    result = subprocess.run(
        [sys.executable, SCRIPT, module, str(SHARED)],
        env=environment | {"TRITON_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert {line["kernel"] for line in lines} == kernels(module)
    for line in lines:
        assert line["shared"] <= SHARED, line
        if line["kernel"] in SWEEPS:
            # Without a matrix unit float32 is multiplied number by number, which is what ieee asks for.
            assert (line["wgmma"] > 0) == (line["mode"]["PRECISION"] != "ieee"), line
