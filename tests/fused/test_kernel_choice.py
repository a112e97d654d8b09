"""Which kernels a loss runs on: by itself, by force, and where the forced ones cannot run."""

import os
import subprocess
import sys

import pytest
import torch
from drawn_batches import DEVICE
from loss_catalogue import batch, make

from suite.kernels.dispatch import MOST_NUMBERS, KernelChoice, kernel_choice, precision_for, runs_fused, use_kernels
from suite.kernels.fused.plan import rank_plan
from suite.losses import create_loss

CALL = """
import sys, torch
from suite.losses import create_loss
points, labels = torch.eye(6)[:, :4] + 0.1, torch.arange(6) // 2
create_loss("supap")(points, labels)
create_loss("calibration")(points, labels)
print("fused" if "suite.kernels.fused.entry" in sys.modules else "blockwise")
"""
CROSSED = torch.stack([torch.arange(12) // 4, torch.arange(12) % 3], 1)


def python(program, **variables):
    """A process of its own on the CPU, without the interpreter unless `variables` say so."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RANKSUITE_", "TRITON_"))}
    return subprocess.run(
        [sys.executable, "-c", program],
        env=kept | {"CUDA_VISIBLE_DEVICES": "", **variables},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("variables", "kernels"),
    [
        ({}, "blockwise"),
        ({"TRITON_INTERPRET": "1"}, "blockwise"),
        ({"TRITON_INTERPRET": "1", "RANKSUITE_KERNELS": "blockwise"}, "blockwise"),
        ({"TRITON_INTERPRET": "1", "RANKSUITE_KERNELS": "fused"}, "fused"),
    ],
)
def test_a_cpu_takes_the_blockwise_kernels_unless_told_otherwise(variables, kernels):
    result = python(CALL, **variables)
    assert result.stdout.strip() == kernels, result.stderr


def test_the_kernels_are_imported_when_a_loss_first_runs_on_them():
    program = "import sys, suite.losses, suite.kernels.ranks, suite.kernels.graded, suite.kernels.hinge\n"
    program += "print(sorted(name for name in sys.modules if name.startswith('suite.kernels.fused.')))"
    # The one that tells whether they could run.
    assert python(program).stdout.strip() == "['suite.kernels.fused.devices']"


def test_fused_kernels_without_a_device_are_refused_in_one_line():
    result = python(CALL, RANKSUITE_KERNELS="fused")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        "ValueError: kernels: fused cannot be used here: embeddings on cpu need Triton's interpreter, "
        "TRITON_INTERPRET=1; choose auto or blockwise"
    )


def test_fused_kernels_without_triton_are_refused_in_one_line():
    # A finder in front of all others hides the package, as if it were not installed.
    program = "import sys, importlib.util as util; find = util.find_spec\n"
    program += "util.find_spec = lambda name, *more: None if name == 'triton' else find(name, *more)\n"
    result = python(program + CALL, RANKSUITE_KERNELS="fused", TRITON_INTERPRET="1")
    assert result.stderr.splitlines()[-1] == (
        "ValueError: kernels: fused cannot be used here: triton is not installed; choose auto or blockwise"
    )
    assert python(program + CALL).stdout.strip() == "blockwise"


@pytest.mark.parametrize("name", ["smoothhap", "supndcg"])
def test_levels_that_cross_have_blockwise_kernels_alone(name):
    points = batch(12)[0].float().to(DEVICE)
    labels = CROSSED.to(DEVICE)
    with use_kernels("auto"):
        value = create_loss(name)(points, labels)
    with use_kernels("blockwise"):
        assert create_loss(name)(points, labels) == value
    message = r"^kernels: fused cannot be used here: the levels of the labels do not nest; choose auto or blockwise$"
    with use_kernels("fused"), pytest.raises(ValueError, match=message):
        create_loss(name)(points, labels)


@pytest.mark.parametrize("name", ["fastap", "triplet", "supcon"])
def test_a_loss_without_a_fused_form_runs_all_the_same(name):
    points, labels = batch()
    with use_kernels("fused"):
        value = make(name)(points, labels)
    assert value == make(name)(points, labels)


def test_the_innermost_choice_holds_and_ends(monkeypatch):
    monkeypatch.setenv("RANKSUITE_KERNELS", "blockwise")
    monkeypatch.setenv("RANKSUITE_PRECISION", "ieee")
    assert kernel_choice() == KernelChoice("blockwise", "ieee")
    with use_kernels("fused", precision="bf16x3"):
        assert kernel_choice() == KernelChoice("fused", "bf16x3")
        with pytest.raises(ZeroDivisionError), use_kernels():
            assert kernel_choice() == KernelChoice("auto", "tf32x3")
            raise ZeroDivisionError
        assert kernel_choice() == KernelChoice("fused", "bf16x3")
        assert precision_for(torch.ones(1)) == "bf16x3"
        assert precision_for(torch.ones(1).double()) == "ieee"
    assert kernel_choice() == KernelChoice("blockwise", "ieee")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"kernels": "triton"}, r"kernels: expected one of auto, blockwise, fused, found 'triton'"),
        ({"precision": "fp16"}, r"precision: expected one of tf32x3, bf16x3, ieee, tf32, found 'fp16'"),
    ],
)
def test_other_names_are_refused(names, message):
    with pytest.raises(ValueError, match=f"^{message}$"), use_kernels(**names):
        pass


@pytest.mark.parametrize("variable", ["RANKSUITE_KERNELS", "RANKSUITE_PRECISION"])
def test_other_names_in_the_variables_are_refused(monkeypatch, variable):
    monkeypatch.setenv(variable, "quick")
    points, labels = batch()
    with pytest.raises(ValueError, match=rf"^{variable}: expected one of .*, found 'quick'$"):
        create_loss("supap")(points, labels)


def test_more_numbers_than_the_kernels_count_are_refused():
    many = torch.ones(1, device=DEVICE).expand(2**16, 2**15)
    few = torch.ones(2, 2, device=DEVICE)
    with use_kernels("fused"):
        for pair in ((many, None), (few, many)):
            with pytest.raises(ValueError, match=f"embeddings of more than {MOST_NUMBERS} numbers"):
                runs_fused(*pair)
        assert runs_fused(few, None)
    labels = torch.zeros(2**15 + 1, 1, dtype=torch.long)
    with pytest.raises(ValueError, match=r"labels: \d+ pairs of one class are more than the fused kernels count"):
        rank_plan(labels, labels, None, False)
