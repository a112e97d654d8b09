"""The losses give the recorded values and gradients."""

import pytest
from recorded_losses import SIMIX_FILES, assert_recorded, assert_simix_recorded, cases

from suite.losses import list_losses

REQUIRED = {
    "arcface",
    "calibration",
    "contrastive",
    "fastap",
    "proxy",
    "proxy_nca_pp",
    "multi_similarity",
    "recall_at_k",
    "smoothap",
    "smoothrecall",
    "supap",
    "supcon",
    "suprecall",
    "triplet",
}


def test_the_losses_with_recorded_cases_are_registered():
    assert set(list_losses()) >= REQUIRED


@pytest.mark.parametrize(("file", "case"), list(cases()))
def test_value_and_gradients_are_the_recorded_ones(file, case):
    assert_recorded(file, case)


@pytest.mark.parametrize("file", SIMIX_FILES)
def test_simix_is_the_recorded_one(file):
    assert_simix_recorded(file)
