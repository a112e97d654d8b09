"""The inner loop of the decomposability gap: every batch a query stands in, judged from one row of scores.

For a query, its relevant items are sorted once, and every other item is given its slot: how many relevant items
stand above it. A batch of B items then costs B look-ups and one pass over the relevant items, whatever the set's size.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from suite.compiling import compiler

# The arguments of M: all or the batch's positives, and all or the batch's negatives (capitals are all).
WHOLE, FEW_NEGATIVES, FEW_POSITIVES, BATCH = range(4)
SETTINGS = 4
# Places of the metrics; recall at each cut-off follows.
AVERAGE_PRECISION, GAIN, RECALL = range(3)

_compiled = compiler(Path(__file__).parent, error_model="numpy")

# Buckets a relevant item.
_BUCKETS = 16
_SIGN = np.uint32(0x80000000)
_GRADE = np.uint64(28)
_ITEM = np.uint64((1 << 28) - 1)


@_compiled
def sweep(distances, first, codes, batch_of, members, starts, ks, discounts, totals, counts):
    """Add the metrics of a block of queries in each of their batches to what was added before.

    The item of grade t shares t of the L rows of `codes` with the query; it is relevant if t > 0. At equal distance
    the item of the lower grade stands first. With one row of codes the hierarchical AP is the AP.

    Args:
        distances: (b, N) float32, negated scores of the queries with all items, without -0.0.
        first: the item that is the first of these queries; the others follow it.
        codes: (L, N) int32 labels.
        batch_of: (N, draws) int32, the batch an item stands in, -1 for none.
        members: int32 items of all batches, one batch after the other.
        starts: (batches + 1,) int64, where each begins.
        ks: (k,) int64 cut-offs of the recall.
        discounts: (N,) float64, 1 / log2(1 + rank) from rank 1.
        totals: (batches, 2 + k, 4) float64, added to: sums over queries of AP (or H-AP), NDCG, recall, for each of
            `WHOLE`, `FEW_NEGATIVES`, `FEW_POSITIVES` and `BATCH`.
        counts: (batches,) int64, added to: queries with a relevant item in the batch; the others are left out.
    """
    depth, items = codes.shape
    bits = distances.view(np.uint32)
    grades = np.empty(items, np.uint8)
    keys = np.empty(items, np.uint64)
    near = np.empty(items, np.float32)
    agree = np.empty(items, np.int64)
    slots = np.empty(items, np.int32)
    buckets = np.empty(_BUCKETS * items + 2, np.int32)
    above_all = np.empty(items + 1, np.int64)
    weights, gained = np.empty(items, np.float64), np.empty(items, np.float64)
    histogram = np.zeros(items + 1, np.int32)
    kept = np.zeros(items, np.bool_)
    everywhere, some = np.zeros(depth + 1, np.int64), np.zeros(depth + 1, np.int64)
    seen = np.zeros(depth + 1, np.int64)
    summed = np.zeros(items + 1)
    summed[1:] = np.cumsum(discounts)
    gains = 2.0 ** np.arange(depth + 1) - 1.0

    for row in range(len(distances)):
        query = first + row
        if batch_of[query].max() < 0:
            continue
        found = _relevant(bits[row], codes, query, grades, keys)
        if not found:
            continue
        everywhere[:] = 0
        for place in range(found):
            item = np.int64(keys[place] & _ITEM)
            near[place], agree[place] = distances[row, item], grades[item]
            everywhere[agree[place]] += 1
        _slots(distances[row], grades, near[:found], buckets, slots, above_all)
        # Neither the query itself nor what stands below every relevant item counts: both have the last slot.
        slots[query] = found
        for place in range(found):
            slots[np.int64(keys[place] & _ITEM)] = -1 - place

        full_relevance, full_weight = _relevance(everywhere)
        full_ideal = _ideal(everywhere, gains, summed)
        seen[:] = 0
        precision, gain = 0.0, 0.0
        for place in range(found):
            seen[agree[place]] += 1
            weights[place], gained[place] = _hierarchical(seen, agree[place], full_relevance), gains[agree[place]]
            rank = place + 1 + above_all[place]
            precision += weights[place] / rank
            gain += gained[place] * discounts[rank - 1]
        whole_precision, whole_gain = precision / full_weight, gain / full_ideal

        for draw in range(batch_of.shape[1]):
            batch = batch_of[query, draw]
            if batch < 0:
                continue
            some[:] = 0
            inside = 0
            for member in range(starts[batch], starts[batch + 1]):
                slot = slots[members[member]]
                if slot >= 0:
                    histogram[slot] += 1
                else:
                    kept[-1 - slot] = True
                    some[agree[-1 - slot]] += 1
                    inside += 1
            if not inside:
                histogram[: found + 1] = 0
                continue
            relevance, weight = _relevance(some)
            seen[:] = 0
            best, above, taken = -1, 0, 0
            top_above, best_above = histogram[0], 0
            few_negatives_precision, few_negatives_gain = 0.0, 0.0
            few_positives_precision, few_positives_gain = 0.0, 0.0
            batch_precision, batch_gain = 0.0, 0.0
            for place in range(found):
                above += histogram[place]
                rank = place + 1 + above
                few_negatives_precision += weights[place] / rank
                few_negatives_gain += gained[place] * discounts[rank - 1]
                if kept[place]:
                    kept[place] = False
                    if best < 0:
                        best, best_above = place, above
                    grade = agree[place]
                    seen[grade] += 1
                    taken += 1
                    own = _hierarchical(seen, grade, relevance)
                    few_positives_precision += own / (taken + above_all[place])
                    few_positives_gain += gained[place] * discounts[taken + above_all[place] - 1]
                    batch_precision += own / (taken + above)
                    batch_gain += gained[place] * discounts[taken + above - 1]
            histogram[: found + 1] = 0
            ideal = _ideal(some, gains, summed)

            counts[batch] += 1
            total = totals[batch]
            total[AVERAGE_PRECISION, WHOLE] += whole_precision
            total[AVERAGE_PRECISION, FEW_NEGATIVES] += few_negatives_precision / full_weight
            total[AVERAGE_PRECISION, FEW_POSITIVES] += few_positives_precision / weight
            total[AVERAGE_PRECISION, BATCH] += batch_precision / weight
            total[GAIN, WHOLE] += whole_gain
            total[GAIN, FEW_NEGATIVES] += few_negatives_gain / full_ideal
            total[GAIN, FEW_POSITIVES] += few_positives_gain / ideal
            total[GAIN, BATCH] += batch_gain / ideal
            for cutoff in range(len(ks)):
                # The best positive has as many items above it as there are negatives.
                total[RECALL + cutoff, WHOLE] += above_all[0] < ks[cutoff]
                total[RECALL + cutoff, FEW_NEGATIVES] += top_above < ks[cutoff]
                total[RECALL + cutoff, FEW_POSITIVES] += above_all[best] < ks[cutoff]
                total[RECALL + cutoff, BATCH] += best_above < ks[cutoff]


@_compiled
def _relevant(bits, codes, query, grades, keys):
    """Grade every item; sort the relevant ones by distance, then grade, into `keys`. Returns how many there are."""
    grades[:] = 0
    for level in range(len(codes)):
        labels, own = codes[level], codes[level, query]
        for item in range(len(labels)):
            grades[item] += labels[item] == own
    found = 0
    for item in range(len(grades)):
        if grades[item] and item != query:
            # As unsigned integers, floats sort by value once the negative ones are turned over.
            raw = bits[item]
            ordered = np.uint64(~raw if raw & _SIGN else raw | _SIGN)
            keys[found] = (ordered << np.uint64(32)) | (np.uint64(grades[item]) << _GRADE) | np.uint64(item)
            found += 1
    keys[:found].sort()
    return found


@_compiled
def _slots(distances, grades, near, buckets, slots, above):
    """The slot of every item that is not relevant: how many relevant items stand strictly above it.

    `near`: ascending distances of the relevant items. `above` gets, for each, the other items at or above it. Buckets
    of equal width leave a binary search few places to look at, none in most.
    """
    found = len(near)
    low, span = np.float64(near[0]), np.float64(near[found - 1]) - np.float64(near[0])
    count = _BUCKETS * found
    scale = count / span if span > 0.0 else 0.0
    buckets[: count + 1] = 0
    for place in range(found):
        buckets[min(np.int64((near[place] - low) * scale), count - 1) + 1] += 1
    for bucket in range(count):
        buckets[bucket + 1] += buckets[bucket]
    above[: found + 1] = 0
    farthest = near[found - 1]
    for item in range(len(distances)):
        if grades[item]:
            continue
        distance = distances[item]
        if distance > farthest:
            slots[item] = found
            continue
        left = 0
        if distance > near[0]:
            bucket = min(np.int64((distance - low) * scale), count - 1)
            left, right = buckets[bucket], buckets[bucket + 1]
            while left < right:
                middle = (left + right) >> 1
                if near[middle] < distance:
                    left = middle + 1
                else:
                    right = middle
        slots[item] = left
        above[left] += 1
    for place in range(1, found):
        above[place] += above[place - 1]


@_compiled
def _relevance(counts):
    """rel of each grade, t over the items of exactly that grade, and the sum of rel over the items."""
    relevance, weight = np.zeros(len(counts)), 0.0
    for grade in range(1, len(counts)):
        if counts[grade]:
            relevance[grade] = grade / counts[grade]
            weight += grade
    return relevance, weight


@_compiled
def _hierarchical(seen, grade, relevance):
    """H-rank of an item: min(rel of each item up to it, its own rel), summed; `seen` counts them by grade."""
    total = 0.0
    for other in range(1, len(seen)):
        total += seen[other] * min(relevance[other], relevance[grade])
    return total


@_compiled
def _ideal(counts, gains, summed):
    """The greatest DCG of so many items a grade; `summed[n]` is the sum of the first n discounts."""
    total, higher = 0.0, 0
    for grade in range(len(counts) - 1, 0, -1):
        total += gains[grade] * (summed[higher + counts[grade]] - summed[higher])
        higher += counts[grade]
    return total
