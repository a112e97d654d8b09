"""Rows are in one group where they are equal, and only there."""

import pytest
import torch
from drawn_batches import DEVICE
from hypothesis import given
from hypothesis import strategies as st

VALUES = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0**-20, -(2.0**-20), 1.0 + 2.0**-20]


def groups(rows):
    # The kernels are imported by the first test that runs on them.
    from suite.kernels.fused.ties import tie_groups

    return tie_groups(rows.to(DEVICE)).cpu()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(seed=st.integers(0, 10_000), count=st.integers(1, 40), width=st.sampled_from([1, 2, 3, 31, 33]))
def test_groups_are_equal_rows(dtype, seed, count, width):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.tensor(VALUES, dtype=dtype)[torch.randint(0, len(VALUES), (count, width), generator=generator)]
    rows = rows[torch.randint(0, count, (count,), generator=generator)]
    found = groups(rows)
    assert torch.equal(found[:, None] == found, (rows[:, None] == rows).all(2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_orders_and_signs_of_the_same_numbers_differ(dtype):
    rows = torch.tensor([[1.0, 2.0, 3.0], [2.0, 1.0, 3.0], [3.0, 2.0, 1.0], [-1.0, 2.0, -3.0]], dtype=dtype)
    rows = torch.cat([rows, -rows, rows.roll(1, 1)]).unique(dim=0)
    assert len(groups(rows).unique()) == len(rows)


def test_signed_zeros_are_one_number():
    found = groups(torch.tensor([[0.0, 1.0], [-0.0, 1.0], [1.0, 0.0]]))
    assert found[0] == found[1] != found[2]


def test_many_near_rows_all_differ():
    points = 1.0 + torch.arange(2000)[:, None] * 2.0**-23 * torch.tensor([1.0, -1.0])
    assert len(groups(points).unique()) == len(points)
