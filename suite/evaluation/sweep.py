"""Sweeps over blocks of queries: scores from one matrix product, then ranks and metrics query by query.

Threads take blocks in turn, as many threads as torch is set to use. Every product is computed by one thread and every
block has the same size whatever their number, so results are the same bit by bit. Embeddings on another device than
the CPU go through `suite.evaluation.tensors`, which counts with tensor operations and measures here: compiled loops
do not run there, and on the CPU they take a fraction of the time and memory of tensor operations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch

from suite.evaluation import tensors
from suite.evaluation.compiled.measuring import CUT_OFF, LEVEL
from suite.evaluation.compiled.sweeping import (
    BEST,
    MEAN,
    WORST,
    Labels,
    Pairs,
    Rules,
    judge_labelled,
    judge_stated,
    rank_stated,
)
from suite.evaluation.scoring import Given, Products

TIES = {"worst": WORST, "best": BEST, "mean": MEAN}
# Scores that a thread holds at a time, and the fewest and most queries in a block.
_BLOCK_ELEMENTS, _LEAST, _MOST = 1 << 24, 16, 512


class Asked(NamedTuple):
    """What is asked of every query: the order at ties, levels, cut-offs, and the number of all levels if the graded
    metrics are wanted, else 0."""

    ties: str
    levels: tuple[int, ...]
    ks: tuple[int, ...]
    depth: int

    @property
    def columns(self) -> int:
        """Numbers a query."""
        return len(self.levels) * (LEVEL + CUT_OFF * len(self.ks)) + (3 if self.depth else 0)

    def rules(self, items: int) -> Rules:
        """The same as arrays, for a gallery of so many items."""
        discounts = 1.0 / np.log2(np.arange(2, items + 2))
        summed = np.concatenate([[0.0], np.cumsum(discounts)])
        levels, ks = np.array(self.levels, dtype=np.int64), np.array(self.ks, dtype=np.int64)
        return Rules(TIES[self.ties], levels, ks, self.depth, less_relevant_first(), discounts, summed)


def less_relevant_first() -> np.ndarray:
    """All codes of shared levels: the fewer levels the earlier, and at equal numbers by the code."""
    return np.array(sorted(range(256), key=lambda code: (code.bit_count(), code)), dtype=np.int64)


def shared_labels(query_codes: np.ndarray, item_codes: np.ndarray, used: tuple[int, ...], alone: bool) -> Labels:
    """Relevance by labels.

    Args:
        query_codes, item_codes: (L, Q) and (L, G) int32 of `encode_labels`.
        used: levels that make an item relevant.
        alone: whether gallery and queries are the same rows.
    """
    most = 1 + max(int(query_codes.max()), int(item_codes.max()))
    members = np.stack([np.argsort(item_codes[level], kind="stable") for level in used]).astype(np.int32)
    sizes = np.stack([np.bincount(item_codes[level], minlength=most) for level in used])
    starts = np.concatenate([np.zeros((len(used), 1), dtype=np.int64), np.cumsum(sizes, axis=1)], axis=1)
    queries, items = np.ascontiguousarray(query_codes.T), np.ascontiguousarray(item_codes.T)
    return Labels(queries, items, np.array(used, dtype=np.int64), members, starts, alone)


def stated_pairs(pairs: np.ndarray, queries: int, junk: np.ndarray | None = None) -> Pairs:
    """Relevance by (N, 2) pairs of query and gallery row, `junk` taken out of the ranking; a repeat counts once."""
    sides = []
    for listed in (pairs, np.empty((0, 2), dtype=np.int64) if junk is None else junk):
        distinct = np.unique(listed.astype(np.int64, copy=False), axis=0).reshape(-1, 2)
        starts = np.searchsorted(distinct[:, 0], np.arange(queries + 1))
        sides += [np.ascontiguousarray(distinct[:, 1]), starts.astype(np.int64)]
    return Pairs(*sides)


def judge_queries(source: Products | Given, relevance: Labels | Pairs, asked: Asked) -> np.ndarray:
    """(Q, columns) float64 metrics of every query, the columns in the order of `compiled.measuring`."""
    queries, items = source.shape
    rules, out = asked.rules(items), np.empty((queries, asked.columns))
    if source.device.type != "cpu":
        tensors.judge_queries(source, relevance, rules, out, block_size(items))
        return out
    judge = judge_labelled if isinstance(relevance, Labels) else judge_stated

    def run(scores: np.ndarray, first: int) -> None:
        judge(scores, first, source.copies, source.originals, relevance, rules, out)

    _sweep(source, run)
    return out


def rank_pairs(source: Products | Given, pairs: Pairs) -> np.ndarray:
    """(N,) int64 ranks from 1 of the listed items, ascending within each query; ties count against them."""
    if source.device.type != "cpu":
        return tensors.rank_pairs(source, pairs, block_size(source.shape[1]))
    order, ranks = less_relevant_first(), np.empty(len(pairs.items), dtype=np.int64)

    def run(scores: np.ndarray, first: int) -> None:
        rank_stated(scores, first, source.copies, source.originals, pairs, order, ranks)

    _sweep(source, run)
    return ranks


def block_size(items: int) -> int:
    """Queries whose scores against so many items are held at a time."""
    return min(max(_BLOCK_ELEMENTS // items, _LEAST), _MOST)


def _sweep(source: Products | Given, run: Callable[[np.ndarray, int], None]) -> None:
    queries, items = source.shape
    size, threads = block_size(items), torch.get_num_threads()
    firsts = iter(range(0, queries, size))

    def work(_: int) -> None:
        scores = torch.empty((min(size, queries), items), dtype=source.dtype)
        # One iterator for all threads: a thread takes the next block when it is done with its last.
        for first in firsts:
            block = scores[: min(size, queries - first)]
            source.fill(first, block)
            run(block.numpy(), first)

    threads = min(threads, -(-queries // size))
    # A product split over threads rounds otherwise, so one thread takes it even where it is the only one at work.
    with one_thread_each():
        if threads == 1:
            work(0)
            return
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(threads)))


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let each matrix product take one thread: the blocks are what runs side by side."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
