import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from toy import SETTINGS, toy_params

from suite.errors import SuiteError
from suite.training.specification import specify

REPOSITORY = Path(__file__).parents[2]
LOSSES = ("supap", "smoothap", "contrastive")


def fingerprints(params, name="supap", digest="d"):
    return [spec.fingerprint for spec in specify(params, "toy", name, digest)]


def test_runs_are_batch_sizes_times_their_seeds():
    specs = specify(toy_params(), "toy", "supap", "d")
    assert [(s.batch_size, s.seed, s.role) for s in specs] == [
        (16, 0, "main"),
        (16, 1, "main"),
        (32, 0, "scaling"),
    ]


def test_what_decides_the_result_changes_the_fingerprint():
    base = fingerprints(toy_params())
    assert len(set(base)) == 3
    assert fingerprints(toy_params()) == base
    assert not set(base) & set(fingerprints(toy_params(training=SETTINGS["training"] | {"epochs": 5})))
    assert not set(base) & set(fingerprints(toy_params(), digest="other data"))
    losses = SETTINGS["losses"] | {"supap": SETTINGS["losses"]["supap"] | {"settings": {"tau": 0.02}}}
    assert not set(base) & set(fingerprints(toy_params(losses=losses)))


def test_what_only_shows_the_result_does_not():
    losses = SETTINGS["losses"] | {"supap": SETTINGS["losses"]["supap"] | {"label": "another name"}}
    assert fingerprints(toy_params(study="other", losses=losses)) == fingerprints(toy_params())


def test_an_added_seed_keeps_the_runs_there_are():
    more = fingerprints(toy_params(seeds={"main": [0, 1, 2], "scaling": [0]}))
    assert set(fingerprints(toy_params())) < set(more)


def test_unknown_names_are_refused():
    with pytest.raises(SuiteError, match=r"params.yaml: no loss 'supa'; it has: supap, contrastive"):
        specify(toy_params(), "toy", "supa", "d")


def test_parameters_are_flat():
    for spec in specify(toy_params(), "toy", "supap", "d"):
        parameters = spec.parameters()
        assert parameters["loss_settings.tau"] == 0.05
        assert not any(isinstance(value, dict) for value in parameters.values())
        assert dataclasses.asdict(spec)["learning_rate"] == parameters["learning_rate"]


@pytest.fixture
def copied_code(tmp_path):
    """The suite's code in a folder of its own, to be edited."""
    for package in ("suite", "baselines"):
        shutil.copytree(REPOSITORY / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))

    def digests():
        code = "from suite.training.specification import code_digest\n"
        code += f"print(*[code_digest('suite.training.head', loss) for loss in {LOSSES}])"
        printed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
        return dict(zip(LOSSES, printed.stdout.split(), strict=True))

    return tmp_path, digests


def test_only_code_that_a_run_executes_changes_its_digest(copied_code):
    folder, digests = copied_code
    before = digests()
    assert len(set(before.values())) == len(LOSSES)

    # Comments, docstrings, and the registration of another loss.
    module = folder / "baselines" / "contrastive.py"
    module.write_text("# a comment\n" + module.read_text().replace('"""', '"""Changed. ', 1))
    registry = folder / "suite" / "losses" / "registry.py"
    registry.write_text(registry.read_text() + "\nEXTRA = 1\n")
    assert digests() == before

    module.write_text(module.read_text() + "\nEXTRA = 1\n")
    after = digests()
    assert {loss for loss in LOSSES if after[loss] != before[loss]} == {"contrastive"}

    head = folder / "suite" / "models" / "head.py"
    head.write_text(head.read_text() + "\nEXTRA = 1\n")
    assert not set(digests().values()) & set(after.values())
