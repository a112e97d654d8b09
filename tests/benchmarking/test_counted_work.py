"""What a loss must do and what the fused kernels do, counted: against counts by hand and the page that says it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from suite.benchmarking.counting import (
    H100,
    PRODUCTS,
    Tiles,
    Work,
    class_sizes,
    documented_count,
    done,
    floor_ms,
    times_ms,
    work,
)

PAGE = Path(__file__).parents[2] / "docs" / "fused.md"
LABELS = torch.tensor([3, 0, 3, 1, 3, 0])


def test_a_step_for_every_gallery_item_and_positive():
    of = work(LABELS, 8)
    positives = sum(int((label == LABELS).sum()) - 1 for label in LABELS)
    assert (of.steps, of.own) == (6 * positives, True)
    assert of.products == 3 * 2 * 6 * 6 * 8
    assert of.special == 2 * 2 * of.steps
    assert of.bytes == 2 * 4 * 6 * 8


def test_another_gallery_has_a_gradient_of_its_own_and_holds_no_query():
    gallery = torch.tensor([0, 0, 3, 7])
    of = work(LABELS, 8, gallery)
    assert of.steps == 4 * (3 * 1 + 2 * 2)
    assert of.products == 4 * 2 * 6 * 4 * 8
    assert of.bytes == 2 * 4 * (6 + 4) * 8


def test_a_positive_of_graded_labels_shares_the_coarsest_class():
    graded = torch.stack([torch.arange(6), LABELS], dim=1)
    assert class_sizes(graded, graded).tolist() == [3, 2, 3, 1, 3, 2]
    assert work(graded, 8) == work(LABELS, 8)


def test_a_hinge_takes_no_step():
    assert work(LABELS, 8, ranked=False).steps == 0
    assert done(work(LABELS, 8, ranked=False), slots=14).special == 0


@pytest.mark.parametrize(("span", "scores"), [(512, 1), (256, 2), (100, 6)])
def test_every_further_span_makes_the_scores_again(span, scores):
    of = work(torch.arange(4096) // 4, 512)
    does = done(of, 4 * 4096, Tiles(span=span))
    assert does.forward.products == of.product
    assert does.backward.products == (scores + 1) * of.product
    # A tile serves the rankings of its rows and of its columns.
    assert does.backward.special == 2 * scores * does.forward.special
    assert does.products >= of.products
    assert does.special >= of.special


def test_larger_tiles_load_less():
    of = work(torch.arange(4096) // 4, 512)
    small, large = (done(of, 4 * 4096, Tiles((rows, rows), (rows, rows))) for rows in (64, 128))
    assert large.on_chip_bytes == small.on_chip_bytes / 2


def test_the_floor_is_the_slowest_unit():
    of = work(torch.arange(4096) // 4, 512)
    for precision, (unit, factor) in PRODUCTS.items():
        taken = times_ms(of, H100, precision)
        assert taken["products"] == pytest.approx(1000 * factor * of.products / getattr(H100, unit))
        assert floor_ms(of, H100, precision) == taken["products"]
    assert floor_ms(of, replace(H100, special=1e9), "tf32") == pytest.approx(1000 * of.special / 1e9)
    assert floor_ms(of, replace(H100, memory=1e6), "tf32") == pytest.approx(1000 * of.bytes / 1e6)


def test_products_grow_with_all_sizes():
    assert Work(2, 3, 5, True, 7).product == 60


def test_the_page_states_the_counts():
    assert documented_count() in PAGE.read_text(encoding="utf-8")
