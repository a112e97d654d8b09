"""Three products of bfloat16 halves keep 16 bits of each operand; scores and what is made of them are as good."""

import pytest
import torch
from drawn_batches import DEVICE
from loss_catalogue import batch as a_batch
from loss_catalogue import value_and_gradients

from suite.kernels.dispatch import use_kernels
from suite.losses import create_loss

HALVES = 3 * 2.0**-17
"""Of each of two operands 2^-17 is lost, and the product of the two low halves is left out."""


def results(loss, precision=None, gallery=False):
    """Value and gradients, float64, of a precision of the fused kernels; None: of float64."""
    dtype = torch.float64 if precision is None else torch.float32
    points, labels = a_batch(24, 40, dtype=torch.float32)
    call = {}
    if gallery:
        items, their_labels = a_batch(37, 40, seed=1, dtype=torch.float32)
        call = {"ref_emb": items.abs().to(DEVICE, dtype), "ref_labels": their_labels.to(DEVICE)}
    with use_kernels("blockwise") if precision is None else use_kernels("fused", precision=precision):
        value, gradients = value_and_gradients(loss, points.abs().to(DEVICE, dtype), labels.to(DEVICE), **call)
    return value.double(), [gradient.double() for gradient in gradients]


@pytest.mark.parametrize("gallery", [False, True])
@pytest.mark.parametrize("margins", [(2.0, 1.0), (-1.0, -2.0)], ids=["positives", "negatives"])
def test_scores_and_products_of_a_loss_that_is_linear_in_them(margins, gallery):
    # All pairs of a kind pay their cosine, and numbers of one sign cancel nowhere but in the normalisation.
    loss = create_loss("calibration", pos_margin=margins[0], neg_margin=margins[1])
    value, gradients = results(loss, gallery=gallery)
    rough, of_rough = results(loss, "bf16x3", gallery=gallery)
    assert 0 < abs(rough - value) <= HALVES
    for found, exact in zip(of_rough, gradients, strict=True):
        assert 0 < (found - exact).norm() <= 2 * HALVES * exact.norm()


@pytest.mark.parametrize("name", ["smoothap", "supap", "recall_at_k"])
def test_a_sharp_step_makes_its_inverse_temperature_of_them(name):
    loss = create_loss(name, tau=0.01)
    value, gradients = results(loss)
    rough, of_rough = results(loss, "bf16x3")
    fine, of_fine = results(loss, "tf32x3")
    for found, of_found, bound in ((rough, of_rough, HALVES), (fine, of_fine, 2.0**-22)):
        assert abs(found - value) <= 2 * bound / 0.01 * value
        assert (of_found[0] - gradients[0]).norm() <= 2 * bound / 0.01 * gradients[0].norm()
    assert (of_fine[0] - gradients[0]).norm() < (of_rough[0] - gradients[0]).norm()
