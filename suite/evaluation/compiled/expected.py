"""Metrics of one query expected over the orders of tied items, all equally likely.

A run of n items of equal score that begins behind s others fills the ranks s + 1 to s + n; each of its items stands
at each of these with probability 1 / n, and, given that, each other one is before it with probability
(p - 1) / (n - 1) at the p-th. Precision, average precision and discounted gain follow in closed form (McSherry &
Najork, Computing Information Retrieval Performance Measures Efficiently in the Presence of Tied Scores, ECIR 2008),
and so does H-AP, as a sum over pairs of items. How many of m items are among the first q of the run is
hypergeometric: that gives the chance of any (R@k) and the expected lesser of their number and the ideal one (ASI).
"""

from __future__ import annotations

import math

import numpy as np

from suite.evaluation.compiled.compiling import compiled
from suite.evaluation.compiled.measuring import CUT_OFF, LEVEL, SHARED, divide_by_cut_offs, graded, ideal_gain

_NEGLIGIBLE = 1e-18


@compiled
def expect(values, codes, count, at_or_above, above, levels, ks, depth, summed, out):
    """All metrics of a query, as `measuring.measure` gives them.

    Args:
        values: (count,) scores of the relevant items, best first.
        codes: (count,) uint8, a bit a level that the item shares with the query.
        count: relevant items.
        at_or_above, above: (count,) items of the gallery with at least the score of each, and with a higher one.
        levels, ks, depth, summed, out: see `measuring.measure`.
    """
    width = LEVEL + CUT_OFF * len(ks)
    for place in range(len(levels)):
        part = out[place * width : (place + 1) * width]
        _binary(values, codes, count, at_or_above, above, levels[place], ks, part)
    if depth:
        tail = out[len(levels) * width :]
        tail[:] = 0.0
        if count:
            _hierarchical(values, codes, count, at_or_above, above, depth, summed, tail)
            tail[1] = _intersection(values, codes, count, at_or_above, above, depth)


@compiled
def _run_end(values, start, count):
    stop = start + 1
    while stop < count and values[stop] == values[start]:
        stop += 1
    return stop


@compiled
def _reciprocals(before, size, limit):
    """Sums of 1 / rank and of (p - 1) / rank over the places p of a run, of ranks up to the limit."""
    plain = weighted = 0.0
    for p in range(1, min(size, limit - before) + 1):
        plain += 1.0 / (before + p)
        weighted += (p - 1.0) / (before + p)
    return plain, weighted


@compiled
def _precisions(before, size, limit, found, members):
    """Expected sum of the precisions at the members of a run, of ranks up to the limit."""
    plain, weighted = _reciprocals(before, size, limit)
    return members / size * ((found + 1) * plain + (members - 1) / max(size - 1, 1) * weighted)


@compiled
def _binary(values, codes, count, at_or_above, above, level, ks, out):
    out[:] = 0.0
    total = 0
    for place in range(count):
        total += (codes[place] >> level) & 1
    found = start = 0
    while start < count:
        stop = _run_end(values, start, count)
        members = 0
        for place in range(start, stop):
            members += (codes[place] >> level) & 1
        if members:
            before = np.int64(above[start])
            size = np.int64(at_or_above[start]) - before
            out[1] += _precisions(before, size, before + size, found, members)
            out[2] += _precisions(before, size, total, found, members)
            for cut in range(len(ks)):
                inside = min(ks[cut] - before, size)
                if inside > 0:
                    column = LEVEL + CUT_OFF * cut
                    out[column] = 1.0 if found else 1.0 - _none(size, members, inside)
                    out[column + 1] += members * inside / size
                    out[column + 3] += _precisions(before, size, ks[cut], found, members)
            found += members
        start = stop
    divide_by_cut_offs(total, ks, out)


@compiled
def _none(size, members, drawn):
    """The chance that none of the members is among so many items drawn from a run."""
    chance = 1.0
    for i in range(drawn):
        chance *= max(size - members - i, 0) / (size - i)
    return chance


@compiled
def _hierarchical(values, codes, count, at_or_above, above, depth, summed, out):
    """NDCG and H-AP."""
    counts, relevance, lesser = graded(codes, count, depth)
    seen, inside = np.zeros(depth + 1, np.int64), np.zeros(depth + 1, np.int64)
    gained = hierarchical = weight = 0.0
    start = 0
    while start < count:
        stop = _run_end(values, start, count)
        before = np.int64(above[start])
        size = np.int64(at_or_above[start]) - before
        inside[:] = 0
        for place in range(start, stop):
            inside[SHARED[codes[place]]] += 1
        plain, weighted = _reciprocals(before, size, before + size)
        discount = (summed[before + size] - summed[before]) / size
        for shared in range(1, depth + 1):
            if inside[shared]:
                first, others = relevance[shared], -lesser[shared, shared]
                for other in range(1, depth + 1):
                    first += seen[other] * lesser[shared, other]
                    others += inside[other] * lesser[shared, other]
                gained += inside[shared] * (2.0**shared - 1.0) * discount
                hierarchical += inside[shared] / size * (first * plain + others / max(size - 1, 1) * weighted)
                weight += inside[shared] * relevance[shared]
        seen += inside
        start = stop
    out[0] = gained / ideal_gain(counts, depth, summed)
    out[2] = hierarchical / weight


@compiled
def _intersection(values, codes, count, at_or_above, above, depth):
    """ASI."""
    counts = graded(codes, count, depth)[0]
    shares, higher = 0.0, 0
    for grade in range(depth, 0, -1):
        if counts[grade]:
            shares += _grade_intersection(values, codes, count, at_or_above, above, grade, higher, counts[grade])
            higher += counts[grade]
    return shares / count


@compiled
def _grade_intersection(values, codes, count, at_or_above, above, grade, higher, total):
    """Sum over the depths n of the expected number of items of a grade that the top n and the ideal one have in
    common, divided by n. The ideal order has them behind `higher` others."""
    shares, found, start, n = 0.0, 0, 0, 1
    while n <= count:
        # Ranks up to the next run hold no relevant item, and what is found stays.
        before = np.int64(above[start]) if start < count else count
        while n <= min(before, count):
            shares += min(found, max(min(n - higher, total), 0)) / n
            n += 1
        if start < count:
            stop = _run_end(values, start, count)
            size = np.int64(at_or_above[start]) - before
            inside = 0
            for place in range(start, stop):
                inside += SHARED[codes[place]] == grade
            while n <= min(before + size, count):
                wanted = max(min(n - higher, total), 0)
                shares += (min(found, wanted) + _lesser(size, inside, n - before, max(wanted - found, 0))) / n
                n += 1
            found += inside
            start = stop
    return shares


@compiled
def _lesser(size, members, drawn, bound):
    """E[min(X, bound)], X the members among so many items drawn from a run: hypergeometric."""
    mean = drawn * members / size
    lowest, highest = max(drawn + members - size, 0), min(drawn, members)
    if bound <= lowest:
        return float(bound)
    if bound >= highest:
        return mean
    # Of the two tails beside the bound the one that falls from there on.
    step = -1 if bound < mean else 1
    value = bound + step
    chance = math.exp(_choices(members, value) + _choices(size - members, drawn - value) - _choices(size, drawn))
    missed = 0.0
    while lowest <= value <= highest and chance * size > _NEGLIGIBLE:
        missed += abs(value - bound) * chance
        if step < 0:
            chance *= value * (size - members - drawn + value) / ((members - value + 1.0) * (drawn - value + 1.0))
        else:
            chance *= (members - value) * (drawn - value) / ((value + 1.0) * (size - members - drawn + value + 1.0))
        value += step
    return bound - missed if step < 0 else mean - missed


@compiled
def _choices(items, chosen):
    """log of the binomial coefficient."""
    return math.lgamma(items + 1.0) - math.lgamma(chosen + 1.0) - math.lgamma(items - chosen + 1.0)
