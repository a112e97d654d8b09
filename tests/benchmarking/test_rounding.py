"""The emulated products of the matrix units: their roundings, which of them keep ranks, and the page."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from suite.benchmarking.batches import half_trained_batch
from suite.benchmarking.rounding import (
    GROUP,
    documented_rounding,
    emulated_scores,
    rounding_table,
    to_bf16,
    to_tf32,
)

PAGE = Path(__file__).parents[2] / "docs" / "fused.md"


@given(st.floats(2.0**-100, 2.0**100, width=32), st.sampled_from([-1.0, 1.0]))
def test_tf32_is_the_nearest_number_of_eleven_bits(number, sign):
    given_number = torch.tensor([sign * number], dtype=torch.float32)
    rounded = to_tf32(given_number).item()
    unit = 2.0 ** (torch.tensor(number).log2().floor().item() - 10)
    assert abs(rounded - given_number.item()) <= unit / 2 * (1 + 1e-6)
    assert (torch.tensor([rounded]).view(torch.int32) & 0x1FFF).item() == 0


def test_numbers_in_two_parts_are_nearly_whole():
    numbers = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    for rounded, bits in ((to_tf32, 22), (to_bf16, 16)):
        high = rounded(numbers)
        low = rounded(numbers - high)
        assert ((high.double() + low.double() - numbers.double()).abs() <= 2.0**-bits * numbers.abs()).all()


@pytest.mark.parametrize("precision", GROUP)
def test_scores_of_numbers_that_every_unit_holds_are_exact(precision):
    # Small integers fit the narrowest mantissa, and so do their sums a float32.
    numbers = torch.randint(-8, 9, (12, 40), generator=torch.Generator().manual_seed(1)).float()
    assert torch.equal(emulated_scores(numbers, precision), numbers @ numbers.t())


def test_two_parts_are_better_than_one():
    embeddings, _ = half_trained_batch(32, dimensions=64)
    exact = embeddings.double() @ embeddings.double().t()
    errors = {name: (emulated_scores(embeddings, name) - exact).norm().item() for name in GROUP}
    assert max(errors["ieee"], errors["tf32x3"]) < errors["bf16x3"] / 5 < errors["tf32"] / 25 < errors["bf16"] / 50


def test_only_precisions_in_two_parts_are_good_to_a_hundred_thousandth():
    for row in rounding_table(batch_size=64):
        assert (row.largest < 1e-5) == (row.precision in ("ieee", "tf32x3", "bf16x3"))


@pytest.mark.slow
def test_the_page_states_the_table():
    assert documented_rounding() in PAGE.read_text(encoding="utf-8")
