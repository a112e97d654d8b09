"""Metrics of one query from the ranks of its relevant items; the definitions stand in `suite.evaluation.metrics`."""

from __future__ import annotations

import numpy as np

from suite.evaluation.compiled.compiling import compiled

# Columns of a level: number of positives, AP, mAP@R, then four a cut-off: R, P, true R, mAP.
LEVEL, CUT_OFF = 3, 4
# How many bits of a code are set: the levels an item shares with the query.
SHARED = np.array([code.bit_count() for code in range(256)], dtype=np.int64)


@compiled
def lay_out(values, codes, count, counts, order, strict, tally, ranks):
    """Put each run of tied relevant items in order, and give all their ranks.

    Args:
        values: (count,) scores, best first.
        codes: (count,) uint8, reordered within runs of equal score.
        count: relevant items.
        counts: (count,) how many items of the gallery have at least the score of each, or, `strict`, a higher one.
        order: all codes, the less relevant before the more.
        strict: whether at equal score the more relevant stands first, and the others last.
        tally: (256,) int64 zeros, and zeros again in the end.
        ranks: (count,) int64, written.
    """
    start = 0
    while start < count:
        stop = start + 1
        while stop < count and values[stop] == values[start]:
            stop += 1
        others = counts[start] - (start if strict else stop)
        for place in range(start, stop):
            ranks[place] = others + place + 1
        if stop - start > 1:
            for place in range(start, stop):
                tally[codes[place]] += 1
            place = start
            for step in range(len(order)):
                code = order[len(order) - 1 - step] if strict else order[step]
                while tally[code] > 0:
                    codes[place] = code
                    tally[code] -= 1
                    place += 1
        start = stop


@compiled
def measure(codes, ranks, count, levels, ks, depth, discounts, summed, out):
    """All metrics of a query.

    Args:
        codes: (count,) uint8, a bit a level that the item shares with the query.
        ranks: (count,) int64, ascending, from 1.
        count: relevant items.
        levels: levels to give metrics of.
        ks: cut-offs.
        depth: number of levels; 0 leaves NDCG, ASI and H_AP out.
        discounts: 1 / log2(1 + rank) from rank 1 on; `summed`: (len + 1,) their sums, from 0.
        out: written: `LEVEL + CUT_OFF * len(ks)` columns a level, then NDCG, ASI and H_AP.
    """
    width = LEVEL + CUT_OFF * len(ks)
    for place in range(len(levels)):
        _binary(codes, ranks, count, levels[place], ks, out[place * width : (place + 1) * width])
    if depth:
        tail = out[len(levels) * width :]
        if count:
            _hierarchical(codes, ranks, count, depth, discounts, summed, tail)
        else:
            tail[:] = 0.0


@compiled
def divide_by_cut_offs(total, ks, out):
    """Turn the sums in the columns of a level into means: hits (in `P`) and sums of precisions."""
    some = max(total, 1)
    out[0] = total
    out[1] /= some
    out[2] /= some
    for place in range(len(ks)):
        k, column = ks[place], LEVEL + CUT_OFF * place
        hits, least = out[column + 1], min(ks[place], some)
        out[column + 1] = hits / k
        out[column + 2] = hits / least if total else np.nan
        out[column + 3] /= least


@compiled
def _binary(codes, ranks, count, level, ks, out):
    out[:] = 0.0
    total = 0
    for place in range(count):
        total += (codes[place] >> level) & 1
    last = 0
    for place in range(len(ks)):
        last = max(last, ks[place])
    found = 0
    for place in range(count):
        if (codes[place] >> level) & 1:
            found += 1
            rank = ranks[place]
            precision = found / rank
            out[1] += precision
            if rank <= total:
                out[2] += precision
            if rank <= last:
                for cut in range(len(ks)):
                    if rank <= ks[cut]:
                        column = LEVEL + CUT_OFF * cut
                        out[column] = 1.0
                        out[column + 1] += 1.0
                        out[column + 3] += precision
    divide_by_cut_offs(total, ks, out)


@compiled
def graded(codes, count, depth):
    """What the graded metrics need before any rank: items of each number of shared levels, their H-AP relevance, and
    the lesser of each two relevances."""
    counts = np.zeros(depth + 1, np.int64)
    for place in range(count):
        counts[SHARED[codes[place]]] += 1
    relevance = np.zeros(depth + 1)
    for shared in range(1, depth + 1):
        relevance[shared] = shared / max(counts[shared], 1)
    lesser = np.zeros((depth + 1, depth + 1))
    for one in range(depth + 1):
        for other in range(depth + 1):
            lesser[one, other] = min(relevance[one], relevance[other])
    return counts, relevance, lesser


@compiled
def ideal_gain(counts, depth, summed):
    """The greatest discounted gain."""
    ideal, higher = 0.0, 0
    for shared in range(depth, 0, -1):
        ideal += (2.0**shared - 1.0) * (summed[higher + counts[shared]] - summed[higher])
        higher += counts[shared]
    return ideal


@compiled
def _hierarchical(codes, ranks, count, depth, discounts, summed, out):
    counts, relevance, lesser = graded(codes, count, depth)
    gains = 2.0 ** np.arange(depth + 1) - 1.0
    seen = np.zeros(depth + 1, np.int64)
    gained = hierarchical = weight = 0.0
    for place in range(count):
        shared, rank = SHARED[codes[place]], ranks[place]
        gained += gains[shared] * discounts[rank - 1]
        seen[shared] += 1
        hierarchical_rank = 0.0
        for other in range(1, depth + 1):
            hierarchical_rank += seen[other] * lesser[shared, other]
        hierarchical += hierarchical_rank / rank
        weight += relevance[shared]
    out[0] = gained / ideal_gain(counts, depth, summed)
    out[2] = hierarchical / weight

    # At each depth n the ideal order has one item more, and the ranking one or none: the share of each number of
    # levels is the lesser of what the two have there.
    wanted, top = np.zeros(depth + 1, np.int64), np.zeros(depth + 1, np.int64)
    grade, left, place, common, shares = depth, counts[depth], 0, 0, 0.0
    for n in range(1, count + 1):
        while left == 0:
            grade -= 1
            left = counts[grade]
        left -= 1
        wanted[grade] += 1
        common += top[grade] >= wanted[grade]
        if ranks[place] == n:
            shared = SHARED[codes[place]]
            top[shared] += 1
            common += top[shared] <= wanted[shared]
            place += 1
        shares += common / n
    out[1] = shares / count
