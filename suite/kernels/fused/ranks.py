"""The sweep over the gallery: what items of other classes count against each slot, and what their scores gain by it.

Both kernels go over tiles of scores that are made on chip and left there. Per slot, `rank_sums_kernel` adds up
step(s_k - s_j) over all items k that are none of the query's class; `embedding_gradients_kernel` makes the tile again,
turns it into d(loss) / d(scores), and multiplies that with the other side's embeddings. No program adds to what another
one writes, so results do not depend on the order in which they run.
"""

from __future__ import annotations

import triton
import triton.language as tl

from suite.kernels.fused.step_functions import step_and_slope, step_slope
from suite.kernels.fused.tiles import add_product, score_tile
from suite.kernels.fused.tuning import tuned_gradient, tuned_sweep


@triton.jit
def _slot_difference(tile, item_ties, scores, ties, low, first, count, nth, ACROSS: tl.constexpr, TIES: tl.constexpr):
    """tile - score of the nth slot of each row, or of each column if ACROSS; 0 where the items are equal."""
    there = nth < count
    score = tl.load(scores + first + nth, mask=there, other=0.0)
    x = tile - tl.expand_dims(score, ACROSS)
    if TIES:
        tie = tl.load(ties + low + nth, mask=there, other=-1)
        x = tl.where(tl.expand_dims(tie, ACROSS) == tl.expand_dims(item_ties, 1 - ACROSS), 0.0, x)
    return x, there


@tuned_sweep
@triton.jit(do_not_specialize=["sizes"])
def rank_sums_kernel(
    queries,
    gallery,
    ties,
    lows,
    highs,
    firsts,
    scores,
    sums,
    slopes,
    query_count,
    gallery_count,
    slot_count,
    width,
    part_items,
    sizes,
    STEP: tl.constexpr,
    TIES: tl.constexpr,
    SLOPES: tl.constexpr,
    HELD: tl.constexpr,
    SLOTS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """sums[part, slot] += step(s_k - s_j), slopes likewise; a program takes ROWS queries and one part of the gallery.

    HELD: no query has more than SLOTS slots, and their sums stay in registers. Otherwise they are added to memory
    SLOTS at a time, which no other program reads or writes.
    """
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    known = rows < query_count
    low = tl.load(lows + rows, mask=known, other=0)
    high = tl.load(highs + rows, mask=known, other=0)
    first = tl.load(firsts + rows, mask=known, other=0)
    count = high - low
    most = tl.max(count, 0)
    nth = tl.arange(0, SLOTS)
    part = tl.program_id(1)
    sums += part.to(tl.int64) * slot_count
    slopes += part.to(tl.int64) * slot_count
    held_sums = tl.zeros((ROWS, SLOTS), dtype=queries.dtype.element_ty)
    held_slopes = tl.zeros((ROWS, SLOTS), dtype=queries.dtype.element_ty)
    begin = part * part_items
    end = tl.minimum(begin + part_items, gallery_count)
    if most > 0:
        for start in range(begin, end, COLUMNS):
            columns = start + tl.arange(0, COLUMNS)
            tile = score_tile(
                queries, gallery, rows, columns, query_count, gallery_count, width, ROWS, COLUMNS, DEPTH, PRECISION
            )
            item_ties = columns
            if TIES:
                item_ties = tl.load(ties + columns, mask=columns < gallery_count, other=-2)
            outside = (columns[None, :] < low[:, None]) | (columns[None, :] >= high[:, None])
            outside = outside & (columns < gallery_count)[None, :]
            for begin_slot in range(0, most, SLOTS):
                if not HELD:
                    held_sums = tl.zeros_like(held_sums)
                    held_slopes = tl.zeros_like(held_slopes)
                for slot in range(0, tl.minimum(SLOTS, most - begin_slot)):
                    x, _ = _slot_difference(
                        tile, item_ties, scores, ties, low, first, count, begin_slot + slot, 1, TIES
                    )
                    value, slope = step_and_slope(x, STEP)
                    chosen = (nth == slot)[None, :]
                    held_sums += tl.where(chosen, tl.sum(tl.where(outside, value, 0.0), 1)[:, None], 0.0)
                    if SLOPES:
                        held_slopes += tl.where(chosen, tl.sum(tl.where(outside, slope, 0.0), 1)[:, None], 0.0)
                if not HELD:
                    place = first[:, None] + begin_slot + nth[None, :]
                    there = (begin_slot + nth)[None, :] < count[:, None]
                    # Nothing is read before the first tile: a tuner runs a kernel many times.
                    before = there & (start + 0 * nth > begin)[None, :]
                    tl.store(sums + place, tl.load(sums + place, mask=before, other=0.0) + held_sums, mask=there)
                    if SLOPES:
                        earlier = tl.load(slopes + place, mask=before, other=0.0)
                        tl.store(slopes + place, earlier + held_slopes, mask=there)
                    # Another thread may hold this place in the next round.
                    tl.debug_barrier()
    if HELD:
        place = first[:, None] + nth[None, :]
        there = nth[None, :] < count[:, None]
        tl.store(sums + place, held_sums, mask=there)
        if SLOPES:
            tl.store(slopes + place, held_slopes, mask=there)


@triton.jit
def _add_score_gradients(
    total,
    tile,
    item_ties,
    items,
    ties,
    low,
    high,
    first,
    scores,
    of_sums,
    of_scores,
    STEP: tl.constexpr,
    TIES: tl.constexpr,
    ACROSS: tl.constexpr,
):
    """total + d(loss) / d(tile) from the rankings of its rows, or of its columns if ACROSS is 0."""
    count = high - low
    place = tl.expand_dims(items, 1 - ACROSS) - tl.expand_dims(low, ACROSS)
    outside = (place < 0) | (place >= tl.expand_dims(count, ACROSS))
    for nth in range(0, tl.max(count, 0)):
        x, there = _slot_difference(tile, item_ties, scores, ties, low, first, count, nth, ACROSS, TIES)
        of_sum = tl.load(of_sums + first + nth, mask=there, other=0.0)
        of_score = tl.load(of_scores + first + nth, mask=there, other=0.0)
        own = tl.where(place == nth, tl.expand_dims(of_score, ACROSS), 0.0)
        total += tl.where(outside, tl.expand_dims(of_sum, ACROSS) * step_slope(x, STEP), own)
    return total


@tuned_gradient
@triton.jit(do_not_specialize=["sizes"])
def embedding_gradients_kernel(
    left,
    right,
    ties,
    lows,
    highs,
    firsts,
    scores,
    of_sums,
    of_scores,
    order,
    out,
    left_count,
    right_count,
    width,
    part_items,
    sizes,
    STEP: tl.constexpr,
    TIES: tl.constexpr,
    OF_ROWS: tl.constexpr,
    OF_COLUMNS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
    SPAN: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """out[order[rows]] = d(loss) / d(scores) @ right; a program takes ROWS rows, SPAN of their dimensions,
    and one part of `right`, which has its own `out`.

    OF_ROWS: the rows `left` are queries, `right` their gallery. OF_COLUMNS: the other way round. Both: the queries are
    their own gallery, s_ik and s_ki are one product, and a tile serves both.
    """
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    span = tl.program_id(1) * SPAN + tl.arange(0, SPAN)
    known = rows < left_count
    if OF_ROWS:
        low = tl.load(lows + rows, mask=known, other=0)
        high = tl.load(highs + rows, mask=known, other=0)
        first = tl.load(firsts + rows, mask=known, other=0)
    row_ties = rows
    if TIES and OF_COLUMNS:
        row_ties = tl.load(ties + rows, mask=known, other=-2)
    total = tl.zeros((ROWS, SPAN), dtype=left.dtype.element_ty)
    begin = tl.program_id(2) * part_items
    for start in range(begin, tl.minimum(begin + part_items, right_count), COLUMNS):
        columns = start + tl.arange(0, COLUMNS)
        there = columns < right_count
        tile = score_tile(left, right, rows, columns, left_count, right_count, width, ROWS, COLUMNS, DEPTH, PRECISION)
        gradient = tl.zeros_like(tile)
        if OF_ROWS:
            column_ties = columns
            if TIES:
                column_ties = tl.load(ties + columns, mask=there, other=-2)
            gradient = _add_score_gradients(
                gradient, tile, column_ties, columns, ties, low, high, first, scores, of_sums, of_scores, STEP, TIES, 1
            )
        if OF_COLUMNS:
            column_low = tl.load(lows + columns, mask=there, other=0)
            column_high = tl.load(highs + columns, mask=there, other=0)
            column_first = tl.load(firsts + columns, mask=there, other=0)
            gradient = _add_score_gradients(
                gradient,
                tile,
                row_ties,
                rows,
                ties,
                column_low,
                column_high,
                column_first,
                scores,
                of_sums,
                of_scores,
                STEP,
                TIES,
                0,
            )
        place = right + columns[:, None] * width + span[None, :]
        embeddings = tl.load(place, mask=there[:, None] & (span < width)[None, :], other=0.0)
        total = add_product(gradient, embeddings, total, PRECISION)
    place = tl.load(order + rows, mask=known, other=0)
    out += tl.program_id(2).to(tl.int64) * left_count * width
    place = out + place[:, None] * width + span[None, :]
    tl.store(place, total, mask=known[:, None] & (span < width)[None, :])
