"""Who is a positive of whom, block by block, and the positives gathered into few columns."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from suite.kernels.sweep import row_blocks, rows_within

SELF_MATCHES = ("exclude", "positive", "rank_only")


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

    def positives(self, start: int, rows: int) -> Tensor:
        """(rows, G) bool: the positives of the queries from `start` on."""
        positives = self.same_label(start, rows)
        if self.self_match in ("exclude", "rank_only"):
            positives.diagonal(start).fill_(False)
        return positives

    def same_label(self, start: int, rows: int) -> Tensor:
        """(rows, G) bool: the items of the query's class, the query itself included."""
        return self.query_labels[start : start + rows, None] == self.labels

    def has_positives(self) -> bool:
        """Whether any query has a positive."""
        classes, counts = torch.unique(self.labels, return_counts=True)
        known = torch.isin(self.query_labels, classes[counts > (self.self_match in ("exclude", "rank_only"))])
        return bool(known.any())


class Columns(NamedTuple):
    """The positives of some queries: row r of `items` lists the gallery places of one query's positives.

    `rows` places the queries in the block (a slice where they follow each other, else an index tensor);
    `items` is (queries, P), padded with place 0 where `valid` is False; `valid` is None if nothing is padded;
    `count` (queries,).
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


def gather_positives(positives: Tensor, pair_bytes: int, limit: int) -> Iterator[Columns]:
    """Split a block's queries that have positives into chunks of at most `limit` bytes.

    Queries with about as many positives share a chunk, so that unequal classes cost little padding.

    Args:
        positives: (block, G) bool.
        pair_bytes: bytes that a chunk's buffer takes for one (query, positive) pair.
        limit: bytes of a buffer; a chunk holds at least one query with all its positives.
    """
    row, items = positives.nonzero(as_tuple=True)
    # Counted from the few places found: the sum of a block of booleans takes as long as all else here.
    count = row.bincount(minlength=len(positives))
    least, most = (int(bound) for bound in count.aminmax())
    if most == 0:
        return
    if least == most:
        items = items.view(-1, most)
        for start, stop in row_blocks(len(items), rows_within(limit, pair_bytes * most, len(items))):
            yield Columns(slice(start, stop), items[start:stop], None, count[start:stop])
        return
    first = count.cumsum(0) - count
    order = count.argsort(stable=True)
    order = order[int((count == 0).sum()) :]
    widths = count[order].tolist()
    place = torch.arange(most, device=items.device)
    stop = len(order)
    while stop:
        width = widths[stop - 1]
        start = stop - rows_within(limit, pair_bytes * width, stop)
        # Queries with less than half as many positives as the chunk's largest wait for another chunk.
        start = max(start, bisect_left(widths, (width + 1) // 2, 0, stop))
        rows = order[start:stop]
        valid = place[:width] < count[rows, None]
        padded = torch.where(valid, first[rows, None] + place[:width], 0)
        yield Columns(rows, torch.where(valid, items[padded], 0), None if bool(valid.all()) else valid, count[rows])
        stop = start
