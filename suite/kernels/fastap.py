"""FastAP: average precision over a soft histogram of squared distances (Cakir et al., CVPR 2019).

With x = ||e_i - e_j||^2 / width of a bin, in [0, bins], item j gives bin m = 0..bins the weight
max(0, 1 - |x - m|). Summed up to bin m these triangles are clamp(m + 1 - x, 0, 1): cumulative histograms need
no triangle, and their derivative is -1 in the one bin floor(x).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from suite.kernels.gallery import Gallery, gather_positives
from suite.kernels.sweep import BLOCK_BYTES, BlockResult, Swept, sweep


def fast_ap(
    queries: Tensor,
    references: Tensor | None,
    gallery: Gallery,
    num_bins: int = 10,
    block_bytes: int | None = None,
) -> Swept:
    """Mean over queries with positives of 1 - FastAP_i = 1 - (1 / |P_i|) sum over m of h+_m H+_m / H_m.

    h+ is the histogram of positives, H+ and H the cumulative ones of positives and of all items.

    Args:
        queries: (Q, D), L2-normalised, float32 or float64.
        references: (G, D), L2-normalised, or None when the queries are their own gallery.
        gallery: labels of both; a query is not its own gallery item.
        num_bins: bins over the squared distances [0, 4]; the histogram has num_bins + 1 triangles.
        block_bytes: upper limit of one work buffer in bytes.

    Returns:
        The loss, and the number of queries in its mean.
    """
    limit = BLOCK_BYTES if block_bytes is None else block_bytes
    return sweep(queries, references, _FastAPBlock(gallery, num_bins, limit), block_bytes=block_bytes)


@dataclass(frozen=True)
class _FastAPBlock:
    gallery: Gallery
    num_bins: int
    limit: int

    def __call__(self, scores: Tensor, start: int, needs_gradient: bool) -> BlockResult:
        rows, size = scores.shape
        places = ((2.0 - 2.0 * scores) * (self.num_bins / 4.0)).clamp_(0.0, float(self.num_bins))
        own = self.gallery.self_match is not None
        if own:
            # Beyond the last bin the query weighs nothing. Taken off the sums instead, its weight would leave a
            # rounding error there, and 0 below items that lie just under an edge.
            places.diagonal(start).fill_(self.num_bins + 1.0)
        edges = range(1, self.num_bins + 2)
        everyone = torch.stack([(edge - places).clamp_(0.0, 1.0).sum(1) for edge in edges], 1)
        if own:
            places.diagonal(start).zero_()
        gradient = torch.zeros_like(scores) if needs_gradient else None
        sums, count = scores.new_zeros((), dtype=torch.float64), 0
        pair_bytes = (self.num_bins + 1) * scores.element_size() + size
        for block_rows, items, valid, positives in gather_positives(
            self.gallery.positives(start, rows), pair_bytes, self.limit
        ):
            x = places[block_rows].gather(1, items)
            steps = self._cumulative(x)
            if valid is not None:
                steps = steps * valid[..., None]
            cumulative, total = steps.sum(1), everyone[block_rows]
            histogram = torch.diff(cumulative, dim=1, prepend=torch.zeros_like(cumulative[:, :1]))
            share = 1.0 / positives.to(scores.dtype)[:, None]
            # A bin without positives adds nothing, whatever stands below the line; with one, total >= histogram.
            inverse = torch.where(histogram * cumulative > 0, share / total, 0.0)
            precision = histogram * cumulative * inverse
            sums += (1.0 - precision.sum(1)).sum(dtype=torch.float64)
            count += len(items)
            if gradient is None:
                continue
            of_histogram = -cumulative * inverse
            of_cumulative = of_histogram - histogram * inverse
            of_cumulative[:, :-1] -= of_histogram[:, 1:]
            of_total = torch.where(inverse > 0, precision / total, 0.0)
            bins = places[block_rows].floor().long()
            gradient[block_rows] = of_total.gather(1, bins)
            own_bins = x.floor().long()
            of_items = of_cumulative.gather(1, own_bins)
            row = torch.arange(rows, device=x.device)[block_rows][:, None].expand_as(items)
            if valid is None:
                gradient[row, items] += of_items
            else:
                gradient[row[valid], items[valid]] += of_items[valid]
        if gradient is None:
            return BlockResult(sums, sums.new_tensor(float(count)), ())
        if own:
            gradient.diagonal(start).fill_(0.0)
        # d(cumulative) / d(place) is -1 in the item's bin, d(place) / d(score) is -num_bins / 2.
        return BlockResult(sums, sums.new_tensor(float(count)), (gradient.mul_(self.num_bins / 2.0),))

    def _cumulative(self, places: Tensor) -> Tensor:
        """(..., num_bins + 1): weight of an item in all bins up to each."""
        edges = torch.arange(1, self.num_bins + 2, dtype=places.dtype, device=places.device)
        return (edges - places[..., None]).clamp_(0.0, 1.0)
