"""A stage of dvc.yaml names every folder whose code it executes."""

import ast
from pathlib import Path, PurePosixPath

import pytest
import yaml

from suite.training.specification import imported_modules

REPOSITORY = Path(__file__).parents[2]
STAGES = {
    "download": "suite.datasets.stages",
    "build": "suite.datasets.stages",
    "embed": "suite.models.embed",
    "controls": "suite.stages.controls",
    "train": "suite.training.stage",
    "measure": "suite.stages.measure",
    "compare": "suite.statistics.tables",
    "benchmark": "suite.stages.benchmark",
    "conformance": "suite.conformance.run",
    "report": "suite.reporting.build",
}
# How settings are read, files written and names resolved: the results do not follow from these.
SHELL = frozenset(
    {
        "suite",
        "suite.config",
        "suite.errors",
        "suite.files",
        "suite.measuring_settings",
        "suite.registry",
        "suite.setting_types",
    }
)
# Controls and measures read heads; which loss trained them stands in the fingerprint.
LOSSES = ("suite.losses", "suite.kernels")


@pytest.mark.parametrize("stage", STAGES)
def test_code_dependencies_cover_what_the_stage_imports(stage):
    declared = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"][stage]["deps"]
    code = [PurePosixPath(path) for path in declared if path.startswith(("suite", "baselines"))]
    modules = imported_modules([STAGES[stage]], SHELL)
    uncovered = {
        module
        for module in modules
        if not (stage in ("controls", "measure") and module.startswith(LOSSES))
        and not any(PurePosixPath(module.replace(".", "/") + ".py").is_relative_to(path) for path in code)
    }
    # A package is its folder, not a file beside it.
    uncovered -= {module for module in uncovered if PurePosixPath(module.replace(".", "/")) in code}
    assert uncovered == set()


def test_the_benchmark_stage_covers_what_its_benchmarks_import():
    declared = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]["benchmark"]["deps"]
    trees = [ast.parse(path.read_text()) for path in sorted((REPOSITORY / "tests" / "benchmarks").glob("*.py"))]
    imports = [node.module for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    modules = imported_modules([module for module in imports if module.startswith("suite.")], SHELL)
    paths = [PurePosixPath(module.replace(".", "/")) for module in modules]
    assert "tests/benchmarks" in declared
    assert len(paths) > 3
    assert [path for path in paths if not any(path.is_relative_to(folder) for folder in declared)] == []
