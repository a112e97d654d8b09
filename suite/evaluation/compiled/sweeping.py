"""One block of queries after the other: what is relevant, its ranks, its metrics."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from suite.evaluation.compiled.compiling import compiled
from suite.evaluation.compiled.counting import buckets_for, count_at_or_above, sort_relevant
from suite.evaluation.compiled.expected import expect
from suite.evaluation.compiled.measuring import lay_out, measure

WORST, BEST, MEAN = 0, 1, 2


class Rules(NamedTuple):
    """What is asked of every query.

    Attributes:
        ties: `WORST`, `BEST` or `MEAN`.
        levels: (l,) int64, levels to give metrics of.
        ks: (k,) int64, cut-offs.
        depth: number of levels, for NDCG, ASI and H_AP; 0 without these.
        order: all codes as int64, the less relevant before the more.
        discounts: (G,) 1 / log2(1 + rank).
        summed: (G + 1,) their sums, from 0.
    """

    ties: int
    levels: np.ndarray
    ks: np.ndarray
    depth: int
    order: np.ndarray
    discounts: np.ndarray
    summed: np.ndarray


class Labels(NamedTuple):
    """Relevance by shared labels.

    Attributes:
        queries: (Q, L) int32 codes; equal codes in a column are equal labels.
        items: (G, L) int32.
        used: (u,) int64, the levels that make an item relevant.
        members: (u, G) int32, gallery rows in order of their code at each such level.
        starts: (u, codes + 1) int64, where the members of each code begin.
        alone: whether gallery and queries are the same rows, and each is left out of its own ranking.
    """

    queries: np.ndarray
    items: np.ndarray
    used: np.ndarray
    members: np.ndarray
    starts: np.ndarray
    alone: bool


class Pairs(NamedTuple):
    """Relevance stated pair by pair.

    Attributes:
        items: (N,) int64 gallery rows, query by query.
        starts: (Q + 1,) int64, where those of each query begin.
        junk, junk_starts: the same of the items that are taken out of the ranking.
    """

    items: np.ndarray
    starts: np.ndarray
    junk: np.ndarray
    junk_starts: np.ndarray


class _Rooms(NamedTuple):
    values: np.ndarray
    codes: np.ndarray
    spare_values: np.ndarray
    spare_codes: np.ndarray
    counts: np.ndarray
    above: np.ndarray
    ranks: np.ndarray
    table: np.ndarray
    tally: np.ndarray


@compiled
def judge_labelled(scores, first, copies, originals, labels, rules, out):
    """Metrics of a block of queries whose relevant items share labels with them.

    Args:
        scores: (b, G), overwritten.
        first: query of the first row.
        copies, originals: gallery rows, and earlier ones that are equal to these.
        labels: what is relevant.
        rules: what is asked.
        out: (Q, columns) float64, the rows of the block are written.
    """
    rooms = _rooms(scores)
    for place in range(scores.shape[0]):
        row, query = scores[place], first + place
        row[copies] = row[originals]
        if labels.alone:
            row[query] = -np.inf
        count = _gather_labelled(row, query, labels, rooms)
        _count(row, count, rules.ties, rooms)
        judge_sorted_query(
            rooms.values, rooms.codes, count, rooms.counts, rooms.above, rules, rooms.tally, rooms.ranks, out[query]
        )


@compiled
def judge_stated(scores, first, copies, originals, pairs, rules, out):
    """Metrics of a block of queries whose relevant items are listed; arguments as of `judge_labelled`."""
    rooms = _rooms(scores)
    for place in range(scores.shape[0]):
        row, query = scores[place], first + place
        row[copies] = row[originals]
        count = _gather_stated(row, query, pairs, rooms)
        _count(row, count, rules.ties, rooms)
        judge_sorted_query(
            rooms.values, rooms.codes, count, rooms.counts, rooms.above, rules, rooms.tally, rooms.ranks, out[query]
        )


@compiled
def rank_stated(scores, first, copies, originals, pairs, order, ranks):
    """Ranks of the listed items of a block of queries, ascending, an item that is not relevant first at a tie.

    Args:
        scores, first, copies, originals, pairs: as of `judge_stated`.
        order: see `Rules`.
        ranks: (N,) int64 from 1, written where the queries of the block have their pairs.
    """
    rooms = _rooms(scores)
    for place in range(scores.shape[0]):
        row, query = scores[place], first + place
        row[copies] = row[originals]
        count = _gather_stated(row, query, pairs, rooms)
        _count(row, count, WORST, rooms)
        own = ranks[pairs.starts[query] : pairs.starts[query + 1]]
        lay_out(rooms.values, rooms.codes, count, rooms.counts, order, False, rooms.tally, own)


@compiled
def judge_sorted(values, codes, numbers, counts, above, rules, out):
    """Metrics of a block of queries whose relevant items are sorted and counted already.

    Args:
        values, codes, counts, above: (b, P), see `judge_sorted_query`; `codes` is reordered.
        numbers: (b,) relevant items of each.
        rules: what is asked.
        out: (b, columns) float64, written.
    """
    ranks, tally = np.empty(values.shape[1], np.int64), np.zeros(256, np.int64)
    for place in range(values.shape[0]):
        judge_sorted_query(
            values[place], codes[place], numbers[place], counts[place], above[place], rules, tally, ranks, out[place]
        )


@compiled
def judge_sorted_query(values, codes, count, counts, above, rules, tally, ranks, out):
    """Metrics of a query from the sorted scores of its relevant items, what they share with it, and how many items
    of the gallery have at least the score of each (`counts`; not read at `BEST`) and a higher one (`above`; not read
    at `WORST`)."""
    if rules.ties == MEAN:
        expect(values, codes, count, counts, above, rules.levels, rules.ks, rules.depth, rules.summed, out)
        return
    strict = rules.ties == BEST
    lay_out(values, codes, count, above if strict else counts, rules.order, strict, tally, ranks)
    measure(codes, ranks, count, rules.levels, rules.ks, rules.depth, rules.discounts, rules.summed, out)


@compiled
def _rooms(scores):
    items, dtype = scores.shape[1], scores.dtype
    return _Rooms(
        np.empty(items + 1, dtype),
        np.empty(items, np.uint8),
        np.empty(items + 1, dtype),
        np.empty(items, np.uint8),
        np.empty(items + 1, np.int32),
        np.empty(items + 1, np.int32),
        np.empty(items, np.int64),
        np.empty(buckets_for(items), np.int32),
        np.zeros(256, np.int64),
    )


@compiled
def _gather_labelled(row, query, labels, rooms):
    """Scores and shared levels of the relevant items; returns their number."""
    used, values, codes, count = labels.used, rooms.values, rooms.codes, 0
    # The coarsest level first: where levels nest, its members are all there are.
    for place in range(len(used) - 1, -1, -1):
        own = labels.queries[query, used[place]]
        for member in range(labels.starts[place, own], labels.starts[place, own + 1]):
            item = np.int64(labels.members[place, member])
            if labels.alone and item == query:
                continue
            code, known = 0, False
            for other in range(len(used)):
                if labels.items[item, used[other]] == labels.queries[query, used[other]]:
                    code |= 1 << used[other]
                    known |= other > place
            if not known:
                values[count], codes[count] = row[item], code
                count += 1
    return count


@compiled
def _gather_stated(row, query, pairs, rooms):
    """Scores of the listed items, junk taken out of the row; returns their number."""
    count = 0
    for place in range(pairs.starts[query], pairs.starts[query + 1]):
        rooms.values[count], rooms.codes[count] = row[pairs.items[place]], 1
        count += 1
    for place in range(pairs.junk_starts[query], pairs.junk_starts[query + 1]):
        row[pairs.junk[place]] = -np.inf
    return count


@compiled
def _count(row, count, ties, rooms):
    """Sort the relevant items and fill what the rule reads: how many items have at least each score, or more."""
    if count == 0:
        return
    values, bounds, table = rooms.values, rooms.spare_values, rooms.table
    lowest, scale = sort_relevant(values, rooms.codes, count, table, bounds, rooms.spare_codes)
    if ties != BEST:
        count_at_or_above(row, values, count, lowest, scale, table, rooms.counts)
    if ties != WORST:
        for place in range(count):
            bounds[place] = np.nextafter(values[place], values.dtype.type(np.inf))
        bounds[count] = -np.inf
        count_at_or_above(row, bounds, count, lowest, scale, table, rooms.above)
