"""Slots: the scores of each query's class, and what its items add to each other's ranks.

A slot is a pair of a query and an item of its coarsest class (see `suite.kernels.fused.plan`). Everything that happens
within a class needs the scores of the slots alone, so that the sweep over the gallery is left with items of relevance
0, which count against every slot alike.

For the slot j of a query, with x_k = s_k - s_j over the other slots k of the query:

    plus_j  = sum over positives k of positive_step(x_k), weighted by min(rel_k, rel_j) where relevances are given
    extra_j = relevance is binary: positive_step of the query itself, if it takes a place in the ranks
              else: sum over k of positive_step(x_k) if k is at least as relevant as j, else negative_step(x_k)
"""

from __future__ import annotations

import triton
import triton.language as tl

from suite.kernels.fused.step_functions import step_slope, step_value
from suite.kernels.fused.tiles import score_tile


@triton.jit
def slot_scores_kernel(
    queries,
    gallery,
    lows,
    highs,
    firsts,
    scores,
    query_count,
    gallery_count,
    width,
    part_items,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """scores[slot] = queries @ gallery; a program takes ROWS queries, and one part of the ranges of their classes."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    known = rows < query_count
    low = tl.load(lows + rows, mask=known, other=0)
    high = tl.load(highs + rows, mask=known, other=0)
    first = tl.load(firsts + rows, mask=known, other=0)
    begin = tl.min(tl.where(high > low, low, gallery_count), 0)
    end = tl.max(tl.where(high > low, high, 0), 0)
    part = tl.program_id(1) * part_items
    begin = tl.maximum(begin, part)
    end = tl.minimum(end, part + part_items)
    for start in range(begin, end, COLUMNS):
        columns = start + tl.arange(0, COLUMNS)
        tile = score_tile(
            queries, gallery, rows, columns, query_count, gallery_count, width, ROWS, COLUMNS, DEPTH, PRECISION
        )
        nth = columns[None, :] - low[:, None]
        inside = (nth >= 0) & (columns[None, :] < high[:, None])
        tl.store(scores + first[:, None] + nth, tile, mask=inside)


@triton.jit
def _load_rows(lows, highs, firsts, own, rows, known, query_count, LEVELS: tl.constexpr):
    """Of queries: their first slot, the begin of their class, the most slots that any has, and their own place."""
    first = tl.load(firsts + rows, mask=known, other=0)
    low = tl.load(lows + (LEVELS - 1) * query_count + rows, mask=known, other=0)
    high = tl.load(highs + (LEVELS - 1) * query_count + rows, mask=known, other=0)
    place = tl.load(own + rows, mask=known, other=-1)
    return first, low, tl.max(high - low, 0), place


@triton.jit
def _load_slots(
    scores,
    ties,
    lows,
    highs,
    relevances,
    rows,
    known,
    first,
    nth,
    query_count,
    LEVELS: tl.constexpr,
    WEIGHTED: tl.constexpr,
    TIES: tl.constexpr,
):
    """(ROWS, nth) scores, tie groups, grades and relevances of slots; a grade of 0 says that there is no slot."""
    coarse = (LEVELS - 1) * query_count
    low = tl.load(lows + coarse + rows, mask=known, other=0)
    item = low[:, None] + nth[None, :]
    grade = tl.zeros_like(item)
    for level in tl.static_range(LEVELS):
        level_low = tl.load(lows + level * query_count + rows, mask=known, other=0)
        level_high = tl.load(highs + level * query_count + rows, mask=known, other=0)
        grade += ((item >= level_low[:, None]) & (item < level_high[:, None])).to(tl.int32)
    there = grade > 0
    score = tl.load(scores + first[:, None] + nth[None, :], mask=there, other=0.0)
    tie = item
    if TIES:
        tie = tl.load(ties + item, mask=there, other=-1)
    relevance = score
    if WEIGHTED:
        relevance = tl.load(relevances + rows[:, None] * (LEVELS + 1) + grade, mask=there, other=0.0)
    return score, tie, grade, relevance


@triton.jit
def _pair_terms(
    x,
    ranked_grade,
    item_grade,
    ranked_relevance,
    item_relevance,
    counted,
    itself,
    POSITIVE: tl.constexpr,
    NEGATIVE: tl.constexpr,
    GRADED: tl.constexpr,
    WEIGHTED: tl.constexpr,
    SELF_RANKED: tl.constexpr,
    SLOPE: tl.constexpr,
):
    """What items add to `plus` and to `extra` of ranked slots, or the derivatives of both by x."""
    positive = step_slope(x, POSITIVE) if SLOPE else step_value(x, POSITIVE)
    others = counted & (itself == 0)
    ranking = counted
    if not SELF_RANKED:
        ranking = others
    if GRADED:
        negative = step_slope(x, NEGATIVE) if SLOPE else step_value(x, NEGATIVE)
        extra = tl.where((item_grade >= ranked_grade) | itself, positive, negative)
        extra = tl.where(ranking, extra, 0.0)
    else:
        extra = tl.where(ranking & itself, positive, 0.0)
    plus = tl.where(others, positive, 0.0)
    if WEIGHTED:
        plus = plus * tl.minimum(ranked_relevance, item_relevance)
    return plus, extra


@triton.jit(do_not_specialize=["row_start", "row_stop"])
def slot_sums_kernel(
    scores,
    ties,
    lows,
    highs,
    firsts,
    own,
    relevances,
    plus,
    extra,
    row_start,
    row_stop,
    query_count,
    LEVELS: tl.constexpr,
    POSITIVE: tl.constexpr,
    NEGATIVE: tl.constexpr,
    GRADED: tl.constexpr,
    WEIGHTED: tl.constexpr,
    SELF_RANKED: tl.constexpr,
    TIES: tl.constexpr,
    ROWS: tl.constexpr,
    RANKED: tl.constexpr,
    ITEMS: tl.constexpr,
):
    """`plus` and `extra` of every slot of a block; a program takes ROWS queries and RANKED of their slots."""
    rows = row_start + tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    known = rows < row_stop
    first, low, most, place = _load_rows(lows, highs, firsts, own, rows, known, query_count, LEVELS)
    ranked = tl.program_id(1) * RANKED + tl.arange(0, RANKED)
    score, tie, grade, relevance = _load_slots(
        scores, ties, lows, highs, relevances, rows, known, first, ranked, query_count, LEVELS, WEIGHTED, TIES
    )
    plus_total = tl.zeros_like(score)
    extra_total = tl.zeros_like(score)
    for start in range(0, most, ITEMS):
        items = start + tl.arange(0, ITEMS)
        item_score, item_tie, item_grade, item_relevance = _load_slots(
            scores, ties, lows, highs, relevances, rows, known, first, items, query_count, LEVELS, WEIGHTED, TIES
        )
        itself = (low[:, None] + items[None, :]) == place[:, None]
        x = item_score[:, None, :] - score[:, :, None]
        x = tl.where(item_tie[:, None, :] == tie[:, :, None], 0.0, x)
        counted = (item_grade[:, None, :] > 0) & (items[None, None, :] != ranked[None, :, None])
        more_plus, more_extra = _pair_terms(
            x,
            grade[:, :, None],
            item_grade[:, None, :],
            relevance[:, :, None],
            item_relevance[:, None, :],
            counted,
            itself[:, None, :],
            POSITIVE,
            NEGATIVE,
            GRADED,
            WEIGHTED,
            SELF_RANKED,
            False,
        )
        plus_total += tl.sum(more_plus, 2)
        extra_total += tl.sum(more_extra, 2)
    place = first[:, None] + ranked[None, :]
    there = grade > 0
    tl.store(plus + place, plus_total, mask=there)
    tl.store(extra + place, extra_total, mask=there)


@triton.jit(do_not_specialize=["row_start", "row_stop"])
def slot_gradients_kernel(
    scores,
    ties,
    lows,
    highs,
    firsts,
    own,
    relevances,
    of_plus,
    of_extra,
    slopes,
    of_scores,
    row_start,
    row_stop,
    query_count,
    LEVELS: tl.constexpr,
    POSITIVE: tl.constexpr,
    NEGATIVE: tl.constexpr,
    GRADED: tl.constexpr,
    WEIGHTED: tl.constexpr,
    SELF_RANKED: tl.constexpr,
    TIES: tl.constexpr,
    ROWS: tl.constexpr,
    RANKED: tl.constexpr,
    ITEMS: tl.constexpr,
):
    """d(loss) / d(scores) of every slot of a block, as the one that is ranked and as an item.

    `slopes` are the derivatives of what the sweep counts against a slot, by the differences; `of_plus` and `of_extra`
    those of the loss, 0 where a slot is not ranked.
    """
    rows = row_start + tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    known = rows < row_stop
    first, low, most, place = _load_rows(lows, highs, firsts, own, rows, known, query_count, LEVELS)
    ranked = tl.program_id(1) * RANKED + tl.arange(0, RANKED)
    score, tie, grade, relevance = _load_slots(
        scores, ties, lows, highs, relevances, rows, known, first, ranked, query_count, LEVELS, WEIGHTED, TIES
    )
    there = grade > 0
    slot = first[:, None] + ranked[None, :]
    own_plus = tl.load(of_plus + slot, mask=there, other=0.0)
    own_extra = tl.load(of_extra + slot, mask=there, other=0.0)
    total = -own_extra * tl.load(slopes + slot, mask=there, other=0.0)
    ranked_itself = (low[:, None] + ranked[None, :]) == place[:, None]
    for start in range(0, most, ITEMS):
        items = start + tl.arange(0, ITEMS)
        item_score, item_tie, item_grade, item_relevance = _load_slots(
            scores, ties, lows, highs, relevances, rows, known, first, items, query_count, LEVELS, WEIGHTED, TIES
        )
        item_there = item_grade > 0
        item_slot = first[:, None] + items[None, :]
        item_plus = tl.load(of_plus + item_slot, mask=item_there, other=0.0)
        item_extra = tl.load(of_extra + item_slot, mask=item_there, other=0.0)
        itself = (low[:, None] + items[None, :]) == place[:, None]
        x = item_score[:, None, :] - score[:, :, None]
        x = tl.where(item_tie[:, None, :] == tie[:, :, None], 0.0, x)
        both = item_there[:, None, :] & there[:, :, None] & (items[None, None, :] != ranked[None, :, None])
        plus_slope, extra_slope = _pair_terms(
            x,
            grade[:, :, None],
            item_grade[:, None, :],
            relevance[:, :, None],
            item_relevance[:, None, :],
            both,
            itself[:, None, :],
            POSITIVE,
            NEGATIVE,
            GRADED,
            WEIGHTED,
            SELF_RANKED,
            True,
        )
        total -= own_plus * tl.sum(plus_slope, 2) + own_extra * tl.sum(extra_slope, 2)
        plus_slope, extra_slope = _pair_terms(
            -x,
            item_grade[:, None, :],
            grade[:, :, None],
            item_relevance[:, None, :],
            relevance[:, :, None],
            both,
            ranked_itself[:, :, None],
            POSITIVE,
            NEGATIVE,
            GRADED,
            WEIGHTED,
            SELF_RANKED,
            True,
        )
        total += tl.sum(item_plus[:, None, :] * plus_slope + item_extra[:, None, :] * extra_slope, 2)
    tl.store(of_scores + slot, total, mask=there)
