"""Sorting and counting with tensor operations, for scores on a device that compiled loops do not reach.

Block by block as in `suite.evaluation.compiled`: the relevant items of a query are sorted, the others looked up among
them. What is left are (b, P) arrays of the relevant items, which go through the same measuring as on the CPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from suite.evaluation.compiled.sweeping import BEST, WORST, Labels, Pairs, Rules, judge_sorted

if TYPE_CHECKING:
    from suite.evaluation.scoring import Given, Products


class Counted(NamedTuple):
    """The relevant items of a block of queries, best first, padded at the end of each row.

    Attributes:
        values: (b, P) scores, -inf where padded.
        codes: (b, P) uint8, a bit a level that the item shares with its query.
        numbers: (b,) int64, relevant items.
        counts: (b, P) int64, items of the gallery with at least the score of each.
        above: (b, P) int64, with a higher one.
    """

    values: np.ndarray
    codes: np.ndarray
    numbers: np.ndarray
    counts: np.ndarray
    above: np.ndarray


def judge_queries(
    source: Products | Given, relevance: Labels | Pairs, rules: Rules, out: np.ndarray, size: int
) -> None:
    """Write the (Q, columns) metrics of every query, `size` queries at a time."""
    for first in range(0, source.shape[0], size):
        counted = _count_block(source, relevance, first, size, rules.ties)
        rows = out[first : first + size]
        judge_sorted(counted.values, counted.codes, counted.numbers, counted.counts, counted.above, rules, rows)


def rank_pairs(source: Products | Given, pairs: Pairs, size: int) -> np.ndarray:
    """(N,) int64 ranks from 1 of the listed items, ascending within each query; ties count against them."""
    ranks = []
    for first in range(0, source.shape[0], size):
        counted = _count_block(source, pairs, first, size, WORST)
        place = np.arange(counted.values.shape[1])
        # Items at or above an item, less the relevant ones among them: the last of its equals stands behind all.
        last = np.stack([np.searchsorted(-row, -row, side="right") for row in counted.values]).reshape(
            counted.counts.shape
        )
        found = counted.counts - last + place + 1
        ranks.append(found[place < counted.numbers[:, None]])
    return np.concatenate(ranks).astype(np.int64)


def _count_block(source: Products | Given, relevance: Labels | Pairs, first: int, size: int, ties: int) -> Counted:
    queries, items = source.shape
    scores = torch.empty((min(size, queries - first), items), dtype=source.dtype, device=source.device)
    source.fill(first, scores)
    if len(source.copies):
        copies, originals = (torch.from_numpy(rows).to(scores.device) for rows in (source.copies, source.originals))
        scores[:, copies] = scores[:, originals]
    shared = _shared(relevance, first, scores)
    positives = shared.nonzero()
    rows, columns = positives[:, 0], positives[:, 1]
    numbers = torch.bincount(rows, minlength=len(scores))
    width = int(numbers.max())
    place = torch.arange(len(rows), device=rows.device) - torch.repeat_interleave(numbers.cumsum(0) - numbers, numbers)
    values = torch.full((len(scores), width), -torch.inf, dtype=scores.dtype, device=scores.device)
    values[rows, place] = scores[rows, columns]
    codes = torch.zeros(values.shape, dtype=torch.uint8, device=scores.device)
    codes[rows, place] = shared[rows, columns]
    values, order = values.sort(dim=1, descending=True)
    codes = codes.gather(1, order)
    negated = -scores
    none = torch.zeros(values.shape, dtype=torch.int64, device=scores.device)
    counts = none if ties == BEST else _at_or_above(values, negated)
    above = none if ties == WORST else _at_or_above(values.nextafter(values.new_tensor(torch.inf)), negated)
    return Counted(*(part.cpu().numpy() for part in (values, codes, numbers, counts, above)))


def _shared(relevance: Labels | Pairs, first: int, scores: Tensor) -> Tensor:
    """(b, G) uint8, a bit a level that query and item share; scores of items to leave out become -inf."""
    rows, device = len(scores), scores.device
    shared = torch.zeros(scores.shape, dtype=torch.uint8, device=device)
    if isinstance(relevance, Labels):
        for level in relevance.used.tolist():
            own = torch.from_numpy(relevance.queries[first : first + rows, level]).to(device)
            theirs = torch.from_numpy(relevance.items[:, level]).to(device)
            shared |= (own[:, None] == theirs[None]).to(torch.uint8) << level
        if relevance.alone:
            itself = torch.arange(rows, device=device)
            shared[itself, first + itself], scores[itself, first + itself] = 0, -torch.inf
    else:
        for listed, starts, junk in (
            (relevance.items, relevance.starts, False),
            (relevance.junk, relevance.junk_starts, True),
        ):
            bounds = starts[first : first + rows + 1]
            owner = torch.from_numpy(np.repeat(np.arange(rows), np.diff(bounds))).to(device)
            item = torch.from_numpy(listed[bounds[0] : bounds[-1]]).to(device)
            if junk:
                scores[owner, item] = -torch.inf
            else:
                shared[owner, item] = 1
    return shared


def _at_or_above(bounds: Tensor, negated: Tensor) -> Tensor:
    """(b, P) int64: how many of a row's (b, G) negated scores are at or above each of its bounds, which descend."""
    rows, width = bounds.shape
    slots = torch.searchsorted(-bounds, negated).add_(torch.arange(rows, device=bounds.device)[:, None] * (width + 1))
    return torch.bincount(slots.ravel(), minlength=rows * (width + 1)).view(rows, width + 1)[:, :width].cumsum(1)
