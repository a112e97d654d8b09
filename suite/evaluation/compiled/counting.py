"""The relevant items of one query, sorted by score, and how many items of the gallery stand at or above each.

Only the relevant items are sorted. Their range of scores is cut into equal buckets, several a relevant item, and a
table holds how many relevant items lie in the buckets above each; an item of the gallery looks its bucket up and is
compared exactly with the few relevant items inside it. The bucket is a weakly monotone function of the score in
floating point too, so that the counts are exact whatever the rounding.
"""

from __future__ import annotations

import numpy as np

from suite.evaluation.compiled.compiling import compiled

# Up to so many relevant items, one pass of comparisons over the gallery for each is faster than the table.
FEW = 64
# Buckets a relevant item, and of all: the table has to stay in the nearest caches.
_BUCKETS_EACH, _MOST_BUCKETS = 16, 1 << 17
# Buckets fuller than this are sorted and searched by halves.
_FULL = 16


@compiled
def buckets_for(items):
    """Size of the table for at most so many relevant items."""
    return min(_BUCKETS_EACH * items, _MOST_BUCKETS) + 2


@compiled
def sort_relevant(values, codes, count, table, spare_values, spare_codes):
    """Sort by score, best first, carrying the codes along.

    Args:
        values: (count + 1 or more,) scores, sorted in place; -inf is put behind the last.
        codes: (count,) uint8, what each shares with the query.
        count: relevant items.
        table: (buckets_for(count) or more,) int32; filled for `count_at_or_above` if there are more than `FEW`.
        spare_values, spare_codes: as the first two.

    Returns:
        The lowest score, and buckets a unit of score.
    """
    lowest = highest = values[0]
    for place in range(1, count):
        lowest, highest = min(lowest, values[place]), max(highest, values[place])
    values[count] = -np.inf
    scale = values.dtype.type(0)
    if count > FEW:
        buckets = min(_BUCKETS_EACH * count, _MOST_BUCKETS)
        # All in one bucket where the range is too narrow for floating point.
        if highest > lowest:
            scale = values.dtype.type(buckets) / (highest - lowest)
            if not np.isfinite(scale):
                scale = values.dtype.type(0)
        table[: buckets + 2] = 0
        for place in range(count):
            table[np.int64((values[place] - lowest) * scale)] += 1
        run = np.int32(0)
        fullest = np.int32(0)
        for bucket in range(buckets + 1, -1, -1):
            inside = table[bucket]
            fullest = max(fullest, inside)
            table[bucket] = run
            run += inside
        for place in range(count):
            spare_values[place], spare_codes[place] = values[place], codes[place]
        for place in range(count):
            bucket = np.int64((spare_values[place] - lowest) * scale)
            target = table[bucket]
            values[target], codes[target] = spare_values[place], spare_codes[place]
            table[bucket] = target + 1
        if fullest > _FULL:
            for bucket in range(buckets + 1):
                if table[bucket] - table[bucket + 1] > _FULL:
                    _heap_sort(values, codes, table[bucket + 1], table[bucket])
    for place in range(1, count):
        value, code, target = values[place], codes[place], place
        while target > 0 and values[target - 1] < value:
            values[target], codes[target] = values[target - 1], codes[target - 1]
            target -= 1
        values[target], codes[target] = value, code
    return lowest, scale


@compiled
def count_at_or_above(row, bounds, count, lowest, scale, table, counts):
    """How many scores of the row are at or above each bound.

    Args:
        row: (G,) scores, -inf at items to leave out.
        bounds: (count + 1,) the sorted scores of the relevant items, or the next greater number of each (then the
            counts are of scores strictly above them), -inf behind the last.
        count: relevant items.
        lowest, scale, table: what `sort_relevant` gave and filled.
        counts: (count + 1,) int32, written.
    """
    if count <= FEW:
        for place in range(count):
            bound, above = bounds[place], 0
            for item in range(row.shape[0]):
                above += row[item] >= bound
            counts[place] = above
        return
    counts[: count + 1] = 0
    # In the type of the scores, as when the table was filled: else a score on the edge of a bucket could change sides.
    low, step, highest = row.dtype.type(lowest), row.dtype.type(scale), bounds[0]
    for item in range(row.shape[0]):
        score = row[item]
        if score >= low:
            place = np.int64(0)
            if score < highest:
                bucket = np.int64((score - low) * step)
                place = np.int64(table[bucket + 1])
                if bounds[place] > score:
                    place = _first_not_above(bounds, place + 1, np.int64(table[bucket]), score)
            counts[place] += 1
    for place in range(1, count):
        counts[place] += counts[place - 1]


@compiled
def _first_not_above(bounds, place, end, score):
    """The first place from `place` on whose bound is not above the score; `end` is one at most."""
    while end - place > _FULL:
        middle = (place + end) // 2
        if bounds[middle] > score:
            place = middle + 1
        else:
            end = middle
    while place < end and bounds[place] > score:
        place += 1
    return place


@compiled
def _heap_sort(values, codes, start, stop):
    """Sort a range, best first, in place: a heap has no bad case."""
    size = stop - start
    for root in range(size // 2 - 1, -1, -1):
        _sift(values, codes, start, root, size)
    for last in range(size - 1, 0, -1):
        a, b = start, start + last
        values[a], values[b] = values[b], values[a]
        codes[a], codes[b] = codes[b], codes[a]
        _sift(values, codes, start, 0, last)


@compiled
def _sift(values, codes, start, root, size):
    value, code = values[start + root], codes[start + root]
    while 2 * root + 1 < size:
        child = 2 * root + 1
        if child + 1 < size and values[start + child + 1] < values[start + child]:
            child += 1
        if values[start + child] >= value:
            break
        values[start + root], codes[start + root] = values[start + child], codes[start + child]
        root = child
    values[start + root], codes[start + root] = value, code
