"""Who is a positive of whom: queries and gallery are sorted by class, so that a query's positives are neighbours.

Labels that nest (items of one class at a level are of one class at the next, coarser one) sort so that the classes of
every level are ranges of the gallery: the relevance of an item to a query is the number of the query's ranges that it
lies in. The items of the coarsest range are the query's *slots*; per slot the kernels keep a few numbers, and nothing
is padded but a query's slots to the next power of two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from suite.kernels.dispatch import MOST_NUMBERS
from suite.kernels.sweep import row_blocks

BLOCK_SLOTS = 1 << 22
"""Most slots of a block: heads take a few buffers of that size."""


class SlotBlock(NamedTuple):
    """Queries `start` to `stop` of the sorted ones, whose slots have one width and begin at `first`."""

    start: int
    stop: int
    width: int
    first: int

    def view(self, slots: Tensor) -> Tensor:
        """(..., stop - start, width) of slots (..., slots)."""
        rows = self.stop - self.start
        part = slots[..., self.first : self.first + rows * self.width]
        return part.view(*slots.shape[:-1], rows, self.width)


@dataclass(frozen=True)
class RankPlan:
    """Where everything lies, for the kernels that count ranks.

    Attributes:
        query_order: (Q,), the queries sorted by class, small classes first.
        gallery_order: (G,), the gallery likewise.
        lows, highs: (L, Q) int32, the sorted gallery places of each sorted query's class at each level, finest
            first; empty for a query without positives.
        firsts: (Q,) int32, where the slots of each sorted query begin: as many as its coarsest class has items.
        own: (Q,) int32, its own place in the sorted gallery, or -1 where it has none or is one of its positives.
        runs: (L, G), where the class of each sorted gallery item begins, at each level.
        blocks: the sorted queries with positives by width of slots, which covers all slots.
        slots: number of slots, padding included.
    """

    query_order: Tensor
    gallery_order: Tensor
    lows: Tensor
    highs: Tensor
    firsts: Tensor
    own: Tensor
    runs: Tensor
    blocks: tuple[SlotBlock, ...]
    slots: int

    @property
    def ranked(self) -> int:
        """Number of queries that have positives: the last ones."""
        return self.blocks[-1].stop - self.blocks[0].start if self.blocks else 0

    @property
    def widest(self) -> int:
        """The greatest number of slots of a query, rounded up to a power of two."""
        return max((block.width for block in self.blocks), default=1)


def rank_plan(query_labels: Tensor, labels: Tensor, own_places: Tensor | None, counted: bool) -> RankPlan:
    """The plan of labels (Q, L) and (G, L) that nest.

    Args:
        query_labels: of the queries, finest level first.
        labels: of the gallery; the very tensor `query_labels` where the queries are their own gallery.
        own_places: (Q,), the gallery place of each query, or None where queries are no gallery items.
        counted: a query in its own gallery is one of its positives.

    Raises:
        ValueError: more slots than the kernels count.
    """
    queries, device = len(query_labels), labels.device
    same = query_labels is labels
    everyone = labels if same else torch.cat([query_labels, labels])
    of_gallery = slice(0, None) if same else slice(queries, None)
    of_queries = slice(0, None) if same else slice(0, queries)
    order = torch.arange(len(everyone), device=device)
    for column in everyone.t():
        order = order[column[order].argsort(stable=True)]
    coarse = _dense(everyone[:, -1:], order)
    sizes = torch.bincount(coarse[of_gallery], minlength=len(everyone))
    # Small classes first: queries of one tile have about as many slots.
    order = order[sizes[coarse[order]].argsort(stable=True)]
    ids = torch.stack([_dense(everyone[:, level:], order) for level in range(everyone.shape[1])])
    gallery_ids, query_ids = ids[:, of_gallery], ids[:, of_queries]
    query_order = query_ids[0].argsort(stable=True)
    gallery_order = query_order if same else gallery_ids[0].argsort(stable=True)
    in_order, asked = gallery_ids[:, gallery_order].contiguous(), query_ids[:, query_order].contiguous()
    lows, highs = torch.searchsorted(in_order, asked), torch.searchsorted(in_order, asked, right=True)
    counts = highs[-1] - lows[-1]
    own = torch.full_like(counts, -1)
    if own_places is not None and not counted:
        places = torch.empty_like(gallery_order)
        places[gallery_order] = torch.arange(len(labels), device=device)
        own = places[own_places[query_order]]
    positives = counts - (own >= 0).long()
    known = positives > 0
    by_count = torch.where(known, counts, 0)
    resorted = by_count.argsort(stable=True)
    if not same:
        # Queries without positives may stand between others: they come first.
        query_order, by_count, own = query_order[resorted], by_count[resorted], own[resorted]
        lows, highs = lows[:, resorted], highs[:, resorted]
    highs = torch.where(by_count > 0, highs, lows)
    firsts, blocks, slots = _blocks(by_count)
    if slots > MOST_NUMBERS:
        raise ValueError(f"labels: {slots} pairs of one class are more than the fused kernels count; choose blockwise")
    as_int = [some.to(torch.int32).contiguous() for some in (lows, highs, firsts, own)]
    return RankPlan(query_order, gallery_order, *as_int, torch.searchsorted(in_order, in_order), blocks, slots)


def plan_fits(plan: RankPlan, query_labels: Tensor, labels: Tensor, own: bool) -> Tensor:
    """() bool: whether labels, which may be others than those of the plan, would give the same; nothing is read.

    Args:
        plan: made of labels of these shapes.
        query_labels: (Q, L).
        labels: (G, L).
        own: every query is an item of the gallery.
    """
    fits = torch.ones((), dtype=torch.bool, device=labels.device)
    for level, starts in enumerate(plan.runs):
        in_order = labels[plan.gallery_order, level]
        heads = in_order[starts]
        # Every class is one run: its labels are equal, and none comes back in a later run.
        distinct = heads.sort().values
        fits &= (in_order == heads).all()
        fits &= (distinct[1:] != distinct[:-1]).sum() == (starts[1:] != starts[:-1]).sum()
        if not own:
            asked = query_labels[plan.query_order, level]
            found = in_order[plan.lows[level].long().clamp(max=len(labels) - 1)] == asked
            there = plan.highs[level] > plan.lows[level]
            nearest = torch.searchsorted(distinct, asked).clamp(max=len(labels) - 1)
            fits &= torch.where(there, found, distinct[nearest] != asked).all()
    return fits


def _dense(columns: Tensor, order: Tensor) -> Tensor:
    """(N,), numbers 0, 1, ... in the order of the runs of equal rows of `columns` in `order`."""
    rows = columns[order]
    starts = torch.zeros(len(order), dtype=torch.long, device=order.device)
    starts[1:] = (rows[1:] != rows[:-1]).any(1)
    ids = torch.empty_like(starts)
    ids[order] = starts.cumsum(0)
    return ids


def _blocks(counts: Tensor) -> tuple[Tensor, tuple[SlotBlock, ...], int]:
    """Where the slots of each query begin, the blocks of equal width, and the number of slots, from sorted counts."""
    # Powers of two are exact in float64.
    widths = torch.where(counts > 0, 2.0 ** counts.clamp(min=1).double().log2().ceil(), 0.0).long()
    kinds, rows = torch.unique_consecutive(widths, return_counts=True)
    blocks, row, slot = [], 0, 0
    for width, size in zip(kinds.tolist(), rows.tolist(), strict=True):
        if width:
            for start, stop in row_blocks(size, max(1, BLOCK_SLOTS // width)):
                blocks.append(SlotBlock(row + start, row + stop, width, slot + start * width))
        row, slot = row + size, slot + width * size
    return widths.cumsum(0) - widths, tuple(blocks), slot
