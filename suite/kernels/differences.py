"""Steps summed over the score differences of one query's items to its ranked items, part by part.

The differences of some queries are a (queries, ranked, items) buffer of at most a given number of bytes, or of
one ranked item; it is overwritten by the derivative of the step, which the gradient needs next.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from suite.kernels.steps import Step
from suite.kernels.sweep import row_blocks, rows_within


class Workspace:
    """Two flat buffers that all chunks of a sweep share: fresh memory would cost more than the arithmetic."""

    def __init__(self) -> None:
        self._buffers: tuple[Tensor, Tensor] | None = None

    def take(self, like: Tensor, *shape: int) -> tuple[Tensor, Tensor]:
        """Two uninitialised buffers of `shape`, with the dtype and device of `like`."""
        size = 1
        for length in shape:
            size *= length
        if self._buffers is None or self._buffers[0].numel() < size:
            self._buffers = (like.new_empty(size), like.new_empty(size))
        first, second = self._buffers
        return first[:size].view(shape), second[:size].view(shape)


def column_parts(scores: Tensor, positives: int, limit: int) -> Iterator[slice]:
    """Slices of a chunk's columns of `positives`, such that a (queries, part, items) buffer keeps to `limit` bytes.

    Only a chunk of a single query can need more than one; a part holds at least one positive.

    Args:
        scores: (queries, items), the chunk's.
        positives: columns of the chunk.
        limit: bytes of a buffer.
    """
    for start, stop in row_blocks(positives, rows_within(limit, scores.numel() * scores.element_size(), positives)):
        yield slice(start, stop)


def lowest(dtype: torch.dtype) -> float:
    """A finite score below any other, with finite differences: it stands for items that do not count."""
    return torch.finfo(dtype).min * 1e-6


class StepSums:
    """sum over items k of weights_k step(items_k - ranked_j), for every ranked item j, and its gradient.

    Args:
        step: adds up the steps of a buffer of differences.
        items: (queries, items) scores; `lowest` where an item does not count.
        ranked: (queries, ranked) scores; -`lowest` where there is none.
        workspace: lends the buffers. They hold the derivative from `total` to `backward`.
        limit: bytes of a buffer.
        weights: (queries, items, channels), or None: one sum, of weight 1.
    """

    def __init__(
        self,
        step: Step,
        items: Tensor,
        ranked: Tensor,
        workspace: Workspace,
        limit: int,
        weights: Tensor | None = None,
    ):
        self.step, self.items, self.ranked = step, items, ranked
        self.workspace, self.weights = workspace, weights
        self.parts = list(column_parts(items, ranked.shape[1], limit))
        self.slopes: Tensor | None = None

    def total(self, needs_gradient: bool) -> Tensor:
        """The sums, (queries, ranked) or (queries, ranked, channels)."""
        sums = [self._accumulate(part, needs_gradient and len(self.parts) == 1) for part in self.parts]
        return sums[0] if len(sums) == 1 else torch.cat(sums, 1)

    def backward(self, of_sums: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients by `items` and by `ranked`, given the gradient by the sums; once, after `total`."""
        scaled = of_sums * self.step.slope
        if len(self.parts) == 1:
            return self._backward(self.slopes, scaled)
        # The parts were summed one after the other, and are computed once more.
        of_items, of_ranked = torch.zeros_like(self.items), torch.empty_like(self.ranked)
        for part in self.parts:
            self._accumulate(part, True)
            of_part, of_ranked[:, part] = self._backward(self.slopes, scaled[:, part])
            of_items += of_part
        return of_items, of_ranked

    def _accumulate(self, part: slice, needs_gradient: bool) -> Tensor:
        ranked = self.ranked[:, part]
        self.slopes, spare = self.workspace.take(self.items, *ranked.shape, self.items.shape[1])
        torch.sub(self.items[:, None, :], ranked[:, :, None], out=self.slopes)
        return self.step.accumulate(self.slopes, spare, needs_gradient, self._reduce)

    def _reduce(self, addends: Tensor) -> Tensor:
        return addends.sum(-1) if self.weights is None else torch.bmm(addends, self.weights)

    def _backward(self, slopes: Tensor, of_sums: Tensor) -> tuple[Tensor, Tensor]:
        if self.weights is None:
            return torch.bmm(of_sums[:, None, :], slopes)[:, 0], slopes.sum(-1).mul_(of_sums).neg_()
        slopes.mul_(torch.bmm(of_sums, self.weights.transpose(1, 2)))
        return slopes.sum(1), slopes.sum(2).neg_()
