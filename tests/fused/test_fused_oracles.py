"""The fused kernels give the values and gradients recorded from the authors' implementations."""

import pytest
from drawn_batches import CLOSE, DEVICE, WIDE
from recorded_losses import SIMIX_FILES, Setting, assert_recorded, assert_simix_recorded, cases

from suite.kernels.dispatch import use_kernels

FUSED = {
    "calibration",
    "contrastive",
    "recall_at_k",
    "smoothap",
    "smoothhap",
    "smoothndcg",
    "smoothrecall",
    "supap",
    "suphap",
    "supndcg",
    "suprecall",
}
SETTING = Setting(DEVICE, WIDE, max(CLOSE, 1e-6))
CASES = [case for case in cases() if case.values[1]["loss"] in FUSED]


def test_every_fused_loss_has_a_recorded_case():
    assert {case.values[1]["loss"] for case in CASES} == FUSED


@pytest.mark.parametrize(("file", "case"), CASES)
def test_value_and_gradients_are_the_recorded_ones(file, case):
    with use_kernels("fused"):
        assert_recorded(file, case, SETTING)


@pytest.mark.parametrize("file", SIMIX_FILES)
def test_simix_is_the_recorded_one(file):
    with use_kernels("fused"):
        assert_simix_recorded(file, SETTING)
