"""Few queries against many items, whose parts are added up; and plans that serve again."""

import pytest
import torch
from drawn_batches import CLOSE, DEVICE, WIDE
from torch.nn.functional import normalize

from suite.kernels.dispatch import use_kernels
from suite.kernels.fused.plans import kept_plan
from suite.losses import create_loss

CPU = torch.device("cpu")
LABELS = torch.tensor([5, 5, 2, 2, 2, 9, 9, 7])[:, None]


@pytest.fixture(scope="module")
def launches():
    """The module, which needs Triton: not imported before the tests run, so that without it they are skipped."""
    from suite.kernels.fused import launches

    return launches


@pytest.mark.parametrize(("programs", "items"), [(1, 0), (1, 100), (1, 2100), (3, 5000), (100, 5000), (0, 3000)])
def test_parts_cover_all_items_in_whole_tiles(launches, programs, items):
    parts, part_items = launches.gallery_parts(programs, items, CPU)
    assert part_items % 256 == 0
    assert (parts - 1) * part_items <= items <= parts * part_items


def test_a_large_gradient_has_few_parts(launches):
    out, part_items = launches.gradient_parts(torch.empty(1 << 14, 256), torch.empty(1 << 14, 256))
    assert out.numel() <= 1 << 24
    assert out.shape[0] * part_items >= 1 << 14


@pytest.mark.parametrize("name", ["supap", "smoothap", "calibration"])
def test_many_items_in_parts_give_what_blocks_of_queries_give(launches, name):
    generator = torch.Generator().manual_seed(3)
    queries, items = (normalize(torch.randn(size, 8, generator=generator)).to(DEVICE, WIDE) for size in (9, 2100))
    labels, item_labels = torch.arange(9, device=DEVICE), torch.arange(2100, device=DEVICE) % 150
    assert launches.gallery_parts(1, 2100, queries.device)[0] > 1
    found = []
    for kernels in ("blockwise", "fused"):
        with use_kernels(kernels):
            leaves = [some.clone().requires_grad_() for some in (queries, items)]
            value = create_loss(name)(leaves[0], labels, ref_emb=leaves[1], ref_labels=item_labels)
            value.backward()
            found.append([value.detach(), *(leaf.grad for leaf in leaves)])
    for blockwise, fused in zip(*found, strict=True):
        assert (fused - blockwise).norm() <= CLOSE * blockwise.norm()


def test_classes_that_lie_alike_have_the_last_plan_again():
    places = torch.arange(len(LABELS))
    first, fits = kept_plan(LABELS, LABELS, places, False, None)
    assert fits is None
    renamed = LABELS * 3 + 1
    assert kept_plan(renamed, renamed, places, False, None)[0] is first


@pytest.mark.parametrize("change", ["another class", "two classes in one", "places"])
def test_classes_that_lie_otherwise_have_a_plan_of_their_own(change):
    places = torch.arange(len(LABELS))
    first, _ = kept_plan(LABELS, LABELS, places, False, None)
    other = LABELS.clone()
    if change == "another class":
        other[0] = 1
    elif change == "two classes in one":
        other[other == 9] = 5
    else:
        other = other.roll(1, 0)
    plan, _ = kept_plan(other, other, places, False, None)
    assert plan is not first
    assert (other[plan.gallery_order[plan.lows[0].long()]] == other[plan.query_order]).all()


def test_a_gallery_whose_items_change_class_has_a_plan_of_its_own():
    queries, items = torch.tensor([1, 2, 3])[:, None], torch.tensor([1, 1, 4, 3, 3])[:, None]
    first, _ = kept_plan(queries, items, None, False, None)
    assert kept_plan(queries, items, None, False, None)[0] is first
    found = torch.tensor([1, 1, 2, 3, 3])[:, None]
    plan, _ = kept_plan(queries, found, None, False, None)
    assert plan is not first
    assert plan.ranked == 3
