"""One sweep over blocks of queries gives a loss and its gradient with respect to the embeddings.

A loss on similarities is a weighted sum of means, `sum over terms t of sum_t / count_t`, whose sums and
counts add up over queries. The sweep computes the scores of a block of queries with the whole gallery, hands
them to a block function, and turns the d(sum_t)/d(scores) that it returns into gradients of both embeddings,
so that nothing outlives a block but a buffer of gradients of bounded size.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from suite.kernels.sharing import QueryShare, query_share

BLOCK_BYTES = 2 << 20
"""Default size of one work buffer: a few of them stay in the caches of current processors."""

SCORE_BYTES = 4 << 20
"""Default size of a block of scores: large enough for matrix products to run at full speed."""

GRADIENT_BYTES = 64 << 20
"""Default size of a term's buffer of d(sum) / d(scores): a tall one makes its matrix products run at full speed."""


class BlockResult(NamedTuple):
    """What a block of queries adds to the loss.

    `sums` and `counts` have one entry a term; `gradients` holds d(sums[t]) / d(scores), one (block, gallery)
    tensor a term, or is empty when no gradient was asked for.
    """

    sums: Tensor
    counts: Tensor
    gradients: tuple[Tensor, ...]


class Block(Protocol):
    """A block function: from scores (block, gallery) of the queries from row `start` on to their terms.

    The scores are its to overwrite; its first gradient may stand in their place.
    """

    def __call__(self, scores: Tensor, start: int, needs_gradient: bool) -> BlockResult: ...


class Swept(NamedTuple):
    """A loss with its graph, and the count (float64) behind the mean of each of its terms."""

    value: Tensor
    counts: Tensor


class Mixing(Protocol):
    """Items made from others, whose scores are the same mixture of scores (see `suite.kernels.mixing`)."""

    def embeddings(self, queries: Tensor) -> Tensor:
        """The items themselves, for kernels that do not mix scores."""
        ...

    def blocks(self, limit: int, item_bytes: int) -> Iterator[tuple[int, int, int, int]]:
        """Bounds (start, stop) of blocks of queries, and of the items made from them."""
        ...

    def expand(self, scores: Tensor, start: int, stop: int) -> Tensor:
        """Scores of the items `start` to `stop` with all items, from those of the queries they are made from."""
        ...

    def fold(self, gradient: Tensor, start: int, stop: int) -> Tensor:
        """The gradient of `expand`."""
        ...


def sweep(
    queries: Tensor,
    references: Tensor | None,
    block: Block,
    weights: tuple[float, ...] = (1.0,),
    block_bytes: int | None = None,
    exact_ties: bool = False,
    mixing: Mixing | None = None,
) -> Swept:
    """The loss `sum_t weights[t] * sum_t / count_t` of all scores `queries @ references.T`.

    Args:
        queries: (Q, D), float32 or float64.
        references: (G, D) of the same dtype, or None when the queries are their own gallery.
        block: gives the terms of a block of scores.
        weights: one weight a term. A term with count 0 is 0.
        block_bytes: upper limit of the bytes of one block of scores (never less than one query); None:
            `SCORE_BYTES` of scores and `GRADIENT_BYTES` of gradients.
        exact_ties: give equal gallery rows equal scores, bit by bit, for block functions that jump at a tie:
            a matrix product rounds one row differently at different places.
        mixing: items to rank in the place of queries that are their own gallery.

    Under `suite.kernels.sharing.shared_queries` each process sweeps its part of the queries, and has the loss, counts
    and gradients of all.

    Raises:
        RuntimeError: on differentiating the gradient again.
    """
    settings = (weights, block_bytes, exact_ties, mixing, torch.is_grad_enabled())
    value, counts = _Sweep.apply(queries, references, block, *settings)
    return Swept(value, counts)


def rows_within(limit: int, row_bytes: int, rows: int) -> int:
    """How many of `rows` rows of `row_bytes` bytes stay within `limit` bytes: at least one."""
    return max(1, min(rows, limit // max(1, row_bytes)))


def row_blocks(rows: int, size: int) -> Iterator[tuple[int, int]]:
    """Bounds (start, stop) of consecutive blocks of at most `size` rows, of nearly equal length."""
    blocks = -(-rows // size)
    for index in range(blocks):
        yield rows * index // blocks, rows * (index + 1) // blocks


def _repeats(rows: Tensor) -> tuple[Tensor, Tensor] | tuple[None, None]:
    """Places of the rows that repeat an earlier one, and of the first of each; None twice if none does."""
    # Rows that all differ in their first number, as nearly always, cost no more than a sort of that.
    column = rows[:, 0].sort().values
    if not bool((column[1:] == column[:-1]).any()):
        return None, None
    _, groups, sizes = torch.unique(rows, dim=0, return_inverse=True, return_counts=True)
    firsts = groups.argsort(stable=True)[sizes.cumsum(0) - sizes][groups]
    copies = (firsts != torch.arange(len(rows), device=rows.device)).nonzero()[:, 0]
    return copies, firsts[copies]


class _Gradients:
    """Gradients of the sums of all terms with respect to queries and gallery.

    d(sums) / d(scores) gather in one buffer a term, of `tall` queries, the first of which also lends its rows to
    the scores. A full buffer is turned into gradients of the embeddings. The first query seen is `first`.
    """

    def __init__(self, queries: Tensor, references: Tensor | None, terms: int, tall: int, first: int):
        self.queries, self.references = queries, queries if references is None else references
        self.own_gallery = references is None
        self.buffers = [queries.new_empty(tall, len(self.references)) for _ in range(terms)]
        self.embeddings: list[tuple[Tensor, Tensor]] = []
        self.start = self.stop = first

    def rows(self, start: int, stop: int) -> Tensor:
        """The place of the scores of the queries from `start` to `stop`, which follow those seen last."""
        if stop - self.start > len(self.buffers[0]):
            self._flush()
        self.stop = stop
        return self.buffers[0][start - self.start : stop - self.start]

    def add(self, start: int, stop: int, gradients: tuple[Tensor, ...]) -> None:
        """Take in d(sums) / d(scores) of the queries from `start` to `stop`."""
        for buffer, gradient in zip(self.buffers, gradients, strict=True):
            place = buffer[start - self.start : stop - self.start]
            if place.data_ptr() != gradient.data_ptr():
                place.copy_(gradient)

    def _flush(self) -> None:
        if not self.embeddings:
            for _ in self.buffers:
                of_queries = torch.zeros_like(self.queries)
                of_references = of_queries if self.own_gallery else torch.zeros_like(self.references)
                self.embeddings.append((of_queries, of_references))
        rows = slice(self.start, self.stop)
        for buffer, (of_queries, of_references) in zip(self.buffers, self.embeddings, strict=True):
            gradient = buffer[: self.stop - self.start]
            of_references.addmm_(gradient.t(), self.queries[rows])
            of_queries[rows].addmm_(gradient, self.references)
        self.start = self.stop

    def total(self, scales: list[float]) -> tuple[Tensor, Tensor | None]:
        """Gradients of the scaled sum of all terms by the queries, and by the gallery unless that is they."""
        if not self.embeddings and self.stop - self.start == len(self.queries):
            # One buffer held all queries: the terms are weighted before any matrix product.
            gradient = _weighted(self.buffers, scales)
            if self.own_gallery:
                # s_ij and s_ji are one product: a single matrix product instead of two.
                return _add_transpose(gradient) @ self.queries, None
            return gradient @ self.references, gradient.t() @ self.queries
        self._flush()
        of_queries = _weighted([of_queries for of_queries, _ in self.embeddings], scales)
        return of_queries, None if self.own_gallery else _weighted([of for _, of in self.embeddings], scales)


def _mixed_blocks(
    mixing: Mixing, limit: int, item_bytes: int, share: QueryShare | None
) -> list[tuple[int, int, int, int]]:
    """The blocks of made items that fall to this process."""
    if share is None:
        return list(mixing.blocks(limit, item_bytes))
    # Smaller blocks, so that there is one for each.
    blocks = list(mixing.blocks(limit // share.size, item_bytes))
    first, last = share.part(len(blocks))
    return blocks[first:last]


def _weighted(tensors: list[Tensor], scales: list[float]) -> Tensor:
    """The scaled sum of `tensors`, in the memory of the first."""
    total = tensors[0].mul_(scales[0])
    for tensor, scale in zip(tensors[1:], scales[1:], strict=True):
        total.add_(tensor, alpha=scale)
    return total


def _add_transpose(square: Tensor, tile: int = 512) -> Tensor:
    """square + its transpose, in place, tile by tile: both of a pair of tiles stay in the cache."""
    size = len(square)
    for top in range(0, size, tile):
        rows = slice(top, top + tile)
        for left in range(top, size, tile):
            columns = slice(left, left + tile)
            upper, lower = square[rows, columns], square[columns, rows]
            total = upper + lower.t()
            upper.copy_(total)
            if left > top:
                lower.copy_(total.t())
    return square


class _Sweep(torch.autograd.Function):
    @staticmethod
    def forward(ctx, queries, references, block, weights, block_bytes, exact_ties, mixing, grad_enabled):
        gallery = queries if references is None else references
        needs_gradient = grad_enabled and any(ctx.needs_input_grad[:2])
        row_bytes = len(gallery) * queries.element_size()
        limit = SCORE_BYTES if block_bytes is None else block_bytes
        share = query_share()
        first, last = (0, len(queries)) if share is None else share.part(len(queries))
        size = rows_within(limit, row_bytes, last - first)
        tall = size
        if needs_gradient and block_bytes is None:
            tall = rows_within(max(GRADIENT_BYTES, limit), row_bytes, last - first)
        if mixing is None:
            bounds = row_blocks(last - first, size) if last > first else ()
            blocks = [(first + start, first + stop) * 2 for start, stop in bounds]
        else:
            blocks = _mixed_blocks(mixing, limit, queries.element_size(), share)
            first = blocks[0][0] if blocks else 0
            tall = max(tall, *(stop - start for start, stop, *_ in blocks), 0)
        gradients = _Gradients(queries, references, len(weights), tall, first) if needs_gradient else None
        scratch = None if needs_gradient else queries.new_empty(tall, len(gallery))
        sums = torch.zeros(len(weights), dtype=torch.float64, device=queries.device)
        counts = torch.zeros_like(sums)
        copies, originals = _repeats(gallery) if exact_ties else (None, None)
        with torch.autocast(queries.device.type, enabled=False):
            for start, stop, made, made_stop in blocks:
                place = scratch[: stop - start] if gradients is None else gradients.rows(start, stop)
                scores = torch.mm(queries[start:stop], gallery.t(), out=place)
                if copies is not None:
                    scores[:, copies] = scores[:, originals]
                if mixing is not None:
                    scores = mixing.expand(scores, made, made_stop)
                result = block(scores, made, needs_gradient)
                sums += result.sums
                counts += result.counts
                if gradients is not None:
                    parts = result.gradients
                    if mixing is not None:
                        parts = tuple(mixing.fold(gradient, made, made_stop) for gradient in parts)
                    gradients.add(start, stop, parts)
            if share is not None:
                share.add_up(sums)
                share.add_up(counts)
            pairs = zip(weights, counts.tolist(), strict=True)
            scales = [weight / count if count else 0.0 for weight, count in pairs]
            value = (sums * sums.new_tensor(scales)).sum().to(queries.dtype)
            if gradients is not None:
                totals = gradients.total(scales)
                if share is not None:
                    # A gallery without a gradient, such as a memory, may be far larger than the batch.
                    for total, needed in zip(totals, ctx.needs_input_grad[:2], strict=True):
                        if total is not None and needed:
                            share.add_up(total)
                ctx.save_for_backward(queries, references, *totals)
        ctx.mark_non_differentiable(counts)
        return value, counts

    @staticmethod
    def backward(ctx, of_value, _of_counts):
        return *scaled_gradients(ctx.saved_tensors, of_value), None, None, None, None, None, None


def scaled_gradients(saved: tuple[Tensor | None, ...], of_value: Tensor) -> list[Tensor | None]:
    """Gradients by queries and gallery, times that of the loss.

    Args:
        saved: queries, gallery, and the gradient by each, or None.
        of_value: (), the gradient by the loss.
    """
    pairs = zip(saved[:2], saved[2:], strict=True)
    return [None if gradient is None else once(gradient * of_value, embeddings) for embeddings, gradient in pairs]


def once(gradient: Tensor, embeddings: Tensor) -> Tensor:
    """A gradient that depends on the embeddings in a way that nothing recorded: its own backward refuses.

    Under create_graph, what was recorded would pass for the whole second derivative.
    """
    return _Once.apply(gradient, embeddings) if torch.is_grad_enabled() else gradient


class _Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx, gradient, _embeddings):
        return gradient.clone()

    @staticmethod
    def backward(ctx, _of_gradient):
        raise RuntimeError(
            "this loss has no second derivative: its gradient is computed together with its value; "
            "use suite.kernels.reference for double backward on small inputs"
        )
