"""Hinges on all pairs, and their gradients: see `suite.kernels.hinge`."""

from __future__ import annotations

import triton
import triton.language as tl

from suite.kernels.fused.tiles import add_product, score_tile
from suite.kernels.fused.tuning import tuned_gradient, tuned_sweep


@triton.jit
def _similarity(tile, EUCLIDEAN: tl.constexpr, SAME_WITHIN: tl.constexpr):
    """`suite.kernels.similarity.similarity_and_slope` of a tile."""
    if EUCLIDEAN:
        squared = 2.0 - 2.0 * tile
        apart = squared > SAME_WITHIN
        distance = tl.sqrt(tl.where(apart, squared, 1.0))
        similar = tl.where(apart, -distance, 0.0)
        slope = tl.where(apart, 1.0 / distance, 0.0)
    else:
        similar = tile
        slope = tl.full(tile.shape, 1.0, tile.dtype)
    return similar, slope


@triton.jit
def _pairs(items, item_count, low, high, own, ACROSS: tl.constexpr):
    """Masks of the positives and the negatives of a tile whose queries are its rows, or its columns if ACROSS is 0."""
    item = tl.expand_dims(items, 1 - ACROSS)
    counted = (item < item_count) & (item != tl.expand_dims(own, ACROSS))
    inside = (item >= tl.expand_dims(low, ACROSS)) & (item < tl.expand_dims(high, ACROSS))
    return counted & inside, counted & (inside == 0)


@tuned_sweep
@triton.jit(do_not_specialize=["sizes"])
def hinge_sums_kernel(
    queries,
    gallery,
    lows,
    highs,
    own,
    sums,
    query_count,
    gallery_count,
    width,
    part_items,
    sizes,
    POS_BOUND: tl.constexpr,
    NEG_BOUND: tl.constexpr,
    EUCLIDEAN: tl.constexpr,
    SAME_WITHIN: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """sums[part, kind, query]: hinges of its positives, of its negatives, and how many of each are not zero."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    known = rows < query_count
    low = tl.load(lows + rows, mask=known, other=0)
    high = tl.load(highs + rows, mask=known, other=0)
    place = tl.load(own + rows, mask=known, other=-1)
    part = tl.program_id(1)
    begin = part * part_items
    positive_sum = tl.zeros((ROWS,), dtype=queries.dtype.element_ty)
    negative_sum = tl.zeros((ROWS,), dtype=queries.dtype.element_ty)
    positive_count = tl.zeros((ROWS,), dtype=queries.dtype.element_ty)
    negative_count = tl.zeros((ROWS,), dtype=queries.dtype.element_ty)
    for start in range(begin, tl.minimum(begin + part_items, gallery_count), COLUMNS):
        columns = start + tl.arange(0, COLUMNS)
        tile = score_tile(
            queries, gallery, rows, columns, query_count, gallery_count, width, ROWS, COLUMNS, DEPTH, PRECISION
        )
        similar, _ = _similarity(tile, EUCLIDEAN, SAME_WITHIN)
        positive, negative = _pairs(columns, gallery_count, low, high, place, 1)
        missing = POS_BOUND - similar
        beyond = similar - NEG_BOUND
        positive = positive & (missing > SAME_WITHIN / 2)
        negative = negative & (beyond > SAME_WITHIN / 2)
        positive_sum += tl.sum(tl.where(positive, missing, 0.0), 1)
        negative_sum += tl.sum(tl.where(negative, beyond, 0.0), 1)
        positive_count += tl.sum(positive.to(tl.int32), 1)
        negative_count += tl.sum(negative.to(tl.int32), 1)
    place = sums + part.to(tl.int64) * 4 * query_count + rows
    tl.store(place, positive_sum, mask=known)
    tl.store(place + query_count, negative_sum, mask=known)
    tl.store(place + 2 * query_count, positive_count, mask=known)
    tl.store(place + 3 * query_count, negative_count, mask=known)


@tuned_gradient
@triton.jit(do_not_specialize=["sizes"])
def hinge_gradients_kernel(
    left,
    right,
    lows,
    highs,
    own,
    scales,
    order,
    out,
    left_count,
    right_count,
    width,
    part_items,
    sizes,
    POS_BOUND: tl.constexpr,
    NEG_BOUND: tl.constexpr,
    EUCLIDEAN: tl.constexpr,
    SAME_WITHIN: tl.constexpr,
    OF_ROWS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
    SPAN: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """out[order] = d(loss) / d(scores) @ right, with scales[0] a positive that pays and scales[1] a negative.

    Each part of `right` has its own `out`.

    OF_ROWS: the rows `left` are queries, `right` their gallery; otherwise the other way round.
    """
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    span = tl.program_id(1) * SPAN + tl.arange(0, SPAN)
    known = rows < left_count
    of_positive = tl.load(scales)
    of_negative = tl.load(scales + 1)
    total = tl.zeros((ROWS, SPAN), dtype=left.dtype.element_ty)
    begin = tl.program_id(2) * part_items
    for start in range(begin, tl.minimum(begin + part_items, right_count), COLUMNS):
        columns = start + tl.arange(0, COLUMNS)
        there = columns < right_count
        tile = score_tile(left, right, rows, columns, left_count, right_count, width, ROWS, COLUMNS, DEPTH, PRECISION)
        similar, slope = _similarity(tile, EUCLIDEAN, SAME_WITHIN)
        if OF_ROWS:
            low = tl.load(lows + rows, mask=known, other=0)
            high = tl.load(highs + rows, mask=known, other=0)
            place = tl.load(own + rows, mask=known, other=-1)
            positive, negative = _pairs(columns, right_count, low, high, place, 1)
        else:
            low = tl.load(lows + columns, mask=there, other=0)
            high = tl.load(highs + columns, mask=there, other=0)
            place = tl.load(own + columns, mask=there, other=-1)
            positive, negative = _pairs(rows, left_count, low, high, place, 0)
        pays = tl.where(positive & (POS_BOUND - similar > SAME_WITHIN / 2), -of_positive, 0.0)
        gradient = tl.where(negative & (similar - NEG_BOUND > SAME_WITHIN / 2), of_negative, pays) * slope
        place = right + columns[:, None] * width + span[None, :]
        embeddings = tl.load(place, mask=there[:, None] & (span < width)[None, :], other=0.0)
        total = add_product(gradient, embeddings, total, PRECISION)
    place = tl.load(order + rows, mask=known, other=0)
    out += tl.program_id(2).to(tl.int64) * left_count * width
    place = out + place[:, None] * width + span[None, :]
    tl.store(place, total, mask=known[:, None] & (span < width)[None, :])
