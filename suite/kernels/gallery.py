"""Who is a positive of whom, block by block, and the positives gathered into few columns."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from suite.kernels.sweep import row_blocks, rows_within

SELF_MATCHES = ("exclude", "positive", "rank_only")


class Columns(NamedTuple):
    """The positives of some queries: row r of `items` lists the gallery places of one query's positives.

    `rows` places the queries in the block (a slice where they follow each other, else an index tensor);
    `items` is (queries, P), padded with the query's first positive where `valid` is False; `valid` is None if
    nothing is padded; `count` (queries,).
    """

    rows: slice | Tensor
    items: Tensor
    valid: Tensor | None
    count: Tensor

    def add_to(self, block: Tensor, values: Tensor) -> None:
        """Add `values` (queries, P) to the entries of `block` (block, G) that belong to these positives."""
        row = torch.arange(len(block), device=block.device)[self.rows][:, None].expand_as(self.items)
        if self.valid is None:
            block[row, self.items] += values
        else:
            block[row[self.valid], self.items[self.valid]] += values[self.valid]


@dataclass(frozen=True)
class Gallery:
    """Labels of queries (Q,) and gallery (G,), and what a query is that stands in its own gallery.

    `self_match` is None where no query is its own gallery item; otherwise item i of the gallery is query i
    and `exclude`: not in the gallery; `positive`: one of its positives; `rank_only`: in every rank, no
    positive.
    """

    query_labels: Tensor
    labels: Tensor
    self_match: str | None

    @property
    def without_self(self) -> bool:
        """Whether a query stands in its own gallery and is none of its positives."""
        return self.self_match in ("exclude", "rank_only")

    def positives(self, start: int, rows: int) -> Tensor:
        """(rows, G) bool: the positives of the queries from `start` on."""
        positives = self.same_label(start, rows)
        if self.without_self:
            positives.diagonal(start).fill_(False)
        return positives

    def same_label(self, start: int, rows: int) -> Tensor:
        """(rows, G) bool: the items of the query's class, the query itself included."""
        return self.query_labels[start : start + rows, None] == self.labels

    def has_positives(self) -> bool:
        """Whether any query has a positive."""
        return bool((self._members.counts > 0).any())

    def columns(self, start: int, rows: int, pair_bytes: int, limit: int) -> Iterator[Columns]:
        """The positives of the queries from `start` on, in chunks: see `gather_positives`.

        Found through the sorted labels, without a (rows, G) mask.
        """
        block = slice(start, start + rows)
        order, firsts, counts, places = self._members
        for chunk, width, count in _chunks(counts[block], pair_bytes, limit):
            nth = torch.arange(width, device=order.device)
            valid = nth < count[:, None]
            padded = torch.where(valid, nth, 0)
            if places is not None:
                padded = padded + (padded >= places[block][chunk][:, None])
            items = order[firsts[block][chunk][:, None] + padded]
            yield Columns(chunk, items, None if bool(valid.all()) else valid, count)

    @cached_property
    def _members(self) -> _Members:
        order = self.labels.argsort(stable=True)
        in_order = self.labels[order]
        firsts = torch.searchsorted(in_order, self.query_labels)
        counts = torch.searchsorted(in_order, self.query_labels, right=True) - firsts
        if not self.without_self:
            return _Members(order, firsts, counts, None)
        places = torch.empty_like(order)
        places[order] = torch.arange(len(order), device=order.device)
        return _Members(order, firsts, counts - 1, places - firsts)


class _Members(NamedTuple):
    """Gallery places by class: those of query q's class start at `firsts[q]` in `order`.

    `counts` are the positives of each query, `places` the query's own place in its class, to be passed over, or
    None.
    """

    order: Tensor
    firsts: Tensor
    counts: Tensor
    places: Tensor | None


class AllPositives(NamedTuple):
    """Gallery places of a block's positives, query by query, as `all_positives` finds them."""

    items: Tensor
    firsts: Tensor
    counts: Tensor

    def of(self, rows: slice | Tensor) -> tuple[Tensor, Tensor | None]:
        """Items (queries, P) of some queries that have positives, and which are valid, as in `Columns`."""
        count = self.counts[rows]
        nth = torch.arange(int(count.max()), device=self.items.device)
        valid = nth < count[:, None]
        items = self.items[self.firsts[rows][:, None] + torch.where(valid, nth, 0)]
        return items, None if bool(valid.all()) else valid


def all_positives(positives: Tensor) -> AllPositives:
    """The positives marked in a (block, G) mask."""
    rows, items = positives.nonzero(as_tuple=True)
    # Counted from the few places found: the sum of a block of booleans takes as long as all else here.
    counts = rows.bincount(minlength=len(positives))
    return AllPositives(items, counts.cumsum(0) - counts, counts)


def gather_positives(positives: Tensor, pair_bytes: int, limit: int) -> Iterator[Columns]:
    """Split a block's queries that have positives into chunks of at most `limit` bytes.

    Queries with about as many positives share a chunk, so that unequal classes cost little padding.

    Args:
        positives: (block, G) bool.
        pair_bytes: bytes that a chunk's buffer takes for one (query, positive) pair.
        limit: bytes of a buffer; a chunk holds at least one query with all its positives.
    """
    everyone = all_positives(positives)
    for rows, _, count in _chunks(everyone.counts, pair_bytes, limit):
        yield Columns(rows, *everyone.of(rows), count)


def _chunks(counts: Tensor, pair_bytes: int, limit: int) -> Iterator[tuple[slice | Tensor, int, Tensor]]:
    """Rows of a chunk, the most positives that any of them has, and how many each has."""
    least, most = (int(bound) for bound in counts.aminmax())
    if most == 0:
        return
    if least == most:
        for start, stop in row_blocks(len(counts), rows_within(limit, pair_bytes * most, len(counts))):
            yield slice(start, stop), most, counts[start:stop]
        return
    order = counts.argsort(stable=True)
    order = order[int((counts == 0).sum()) :]
    widths = counts[order].tolist()
    stop = len(order)
    while stop:
        width = widths[stop - 1]
        start = stop - rows_within(limit, pair_bytes * width, stop)
        # Queries with less than half as many positives as the chunk's largest wait for another chunk.
        start = max(start, bisect_left(widths, (width + 1) // 2, 0, stop))
        rows = order[start:stop]
        yield rows, width, counts[rows]
        stop = start
