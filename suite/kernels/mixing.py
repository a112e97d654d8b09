"""SiMix on similarities: scores of mixed items from the scores of the items they are mixed from.

A virtual item is alpha x_i + (1 - alpha) x_j, so its score with anything is the same mixture of the scores of i
and j (Patel et al., CVPR 2022). No mixed embedding is made: with m items a class, a batch of B items costs
products of B x B x D and not of (B (m + 1) / 2)^2 x D.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

import torch
from torch import Tensor


def positive_pairs(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Positions (i, j), i < j, of all pairs of one class: classes ascending, pairs lexicographic.

    Args:
        labels: (B,) integers.
    """
    order = labels.argsort(stable=True)
    sizes = torch.unique_consecutive(labels[order], return_counts=True)[1]
    stops = sizes.cumsum(0).repeat_interleave(sizes)
    places = torch.arange(len(labels), device=labels.device)
    partners = stops - 1 - places
    first = places.repeat_interleave(partners)
    starts = partners.cumsum(0) - partners
    nth = torch.arange(len(first), device=labels.device) - starts.repeat_interleave(partners)
    return order[first], order[first + 1 + nth]


class PairMixing:
    """The items of a batch and a mix of every pair of one class, class by class (`suite.kernels.sweep.Mixing`).

    Args:
        labels: (B,) integers.
        alphas: (pairs,), the weights of the first item of each of `positive_pairs`.

    Attributes:
        order: (B,), the batch sorted by class: the queries of a sweep with this mixing are `embeddings[order]`.
        labels: (V,), those of all items, originals and virtual ones.
    """

    def __init__(self, labels: Tensor, alphas: Tensor):
        self.order = labels.argsort(stable=True)
        places = torch.empty_like(self.order)
        places[self.order] = torch.arange(len(labels), device=labels.device)
        first, second = positive_pairs(labels)
        everyone = torch.cat([labels, labels[first]])
        by_class = everyone.argsort(stable=True)
        self.labels = everyone[by_class]
        self.left = torch.cat([places, places[first]])[by_class]
        self.right = torch.cat([places, places[second]])[by_class]
        self.weight = torch.cat([alphas.new_ones(len(labels)), alphas])[by_class]
        self._originals = _bounds(labels[self.order])
        self._items = _bounds(self.labels)

    def blocks(self, limit: int, item_bytes: int) -> Iterator[tuple[int, int, int, int]]:
        """Bounds (start, stop) of blocks of the batch, and of their items, whole classes each.

        Args:
            limit: bytes of the scores of a block's items; a block holds at least one class.
            item_bytes: bytes of a score.
        """
        rows = max(1, limit // (len(self.labels) * item_bytes))
        first = 0
        while first < len(self._items) - 1:
            last = max(first + 1, bisect_right(self._items, self._items[first] + rows) - 1)
            yield self._originals[first], self._originals[last], self._items[first], self._items[last]
            first = last

    def embeddings(self, queries: Tensor) -> Tensor:
        """(V, D): all items, from the sorted batch (B, D), with a graph."""
        weight = self.weight[:, None]
        return weight * queries[self.left] + (1.0 - weight) * queries[self.right]

    def expand(self, scores: Tensor, start: int, stop: int) -> Tensor:
        """(stop - start, V) scores of the items from `start` to `stop`.

        Args:
            scores: (b, B), of the originals among them with the sorted batch.
            start, stop: bounds from `blocks`.
        """
        left, right, weight = self._rows(start, stop)
        rows = scores[left].mul_(weight).add_(scores[right].mul_(1.0 - weight))
        mixed = rows.index_select(1, self.left).mul_(self.weight)
        return mixed.add_(rows.index_select(1, self.right).mul_(1.0 - self.weight))

    def fold(self, gradient: Tensor, start: int, stop: int) -> Tensor:
        """(b, B): the gradient of `expand`, from that by the items' scores."""
        left, right, weight = self._rows(start, stop)
        originals = len(self.order)
        rows = gradient.new_zeros(len(gradient), originals)
        for side, share in ((self.left, self.weight), (self.right, 1.0 - self.weight)):
            rows.scatter_add_(1, side.expand(len(gradient), -1), gradient * share)
        total = gradient.new_zeros(int(right.max()) + 1, originals)
        return total.index_add_(0, left, rows * weight).index_add_(0, right, rows * (1.0 - weight))

    def _rows(self, start: int, stop: int) -> tuple[Tensor, Tensor, Tensor]:
        """Rows of a block that its items are mixed from, and the weight (items, 1) of the first."""
        left, right = self.left[start:stop], self.right[start:stop]
        offset = left.min()
        return left - offset, right - offset, self.weight[start:stop, None]


def _bounds(in_order: Tensor) -> list[int]:
    """Where the classes of sorted labels start, and the end."""
    sizes = torch.unique_consecutive(in_order, return_counts=True)[1]
    return [0, *sizes.cumsum(0).tolist()]
