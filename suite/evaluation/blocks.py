"""Blocks of queries whose scores against a whole gallery can be held."""

from __future__ import annotations

from collections.abc import Iterator

# Scores held at a time; a block of queries is as many as fit, within reason for the matrix product.
_BLOCK_ELEMENTS = 1 << 20


def query_blocks(queries: int, gallery: int) -> Iterator[slice]:
    """Slices that cover the queries in order, each small enough for its scores to be held."""
    size = min(max(_BLOCK_ELEMENTS // gallery, 16), 1024)
    return (slice(start, min(start + size, queries)) for start in range(0, queries, size))
