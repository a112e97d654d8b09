"""FastAP: average precision over a soft histogram of squared distances (Cakir et al., CVPR 2019).

With x = ||e_i - e_j||^2 / width of a bin, in [0, bins], item j gives bin m = 0..bins the weight
max(0, 1 - |x - m|). Summed up to bin m these triangles are clamp(m + 1 - x, 0, 1): cumulative histograms need
no triangle, and their derivative is -1 in the one bin floor(x).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from suite.kernels.gallery import Columns, Gallery
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
        # In the memory of the scores, which gives way to the gradient chunk by chunk.
        places = scores.mul_(-self.bins_per_score).add_(self.bins_per_score).clamp_(0.0, float(self.num_bins))
        sums, count = scores.new_zeros((), dtype=torch.float64), 0
        unranked = torch.ones(len(scores), dtype=torch.bool, device=scores.device)
        for columns in self.gallery.columns(start, len(scores), scores.element_size(), self.limit):
            sums += self._chunk(places, start, columns, needs_gradient)
            count += len(columns.count)
            unranked[columns.rows] = False
        if needs_gradient and bool(unranked.any()):
            places[unranked] = 0.0
        return BlockResult(sums, sums.new_tensor(float(count)), (places,) if needs_gradient else ())

    @property
    def bins_per_score(self) -> float:
        """Bins that a cosine spans: a squared distance is 2 - 2 s, its histogram goes to 4."""
        return self.num_bins / 2.0

    def _chunk(self, places: Tensor, start: int, columns: Columns, needs_gradient: bool) -> Tensor:
        """The sum of the losses of a chunk, whose places give way to the gradient by the scores."""
        rows, items, valid, positive_count = columns
        chunk = places[rows]
        x = chunk.gather(1, items)
        beyond = self.num_bins + 1.0
        # Taken off the sums instead, the weights of positives and query would leave a rounding error there, and 0
        # below items that lie just under an edge.
        highest = float(chunk.amax())
        chunk.scatter_(1, items, beyond)
        itself = self._itself(start, rows, places) if self.gallery.self_match == "exclude" else None
        if itself is not None:
            chunk.scatter_(1, itself, beyond)
        cumulative = self._cumulative(x if valid is None else x.masked_fill(~valid, beyond), float(x.amax()))
        total = self._cumulative(chunk, highest) + cumulative
        histogram = torch.diff(cumulative, dim=1, prepend=torch.zeros_like(cumulative[:, :1]))
        share = 1.0 / positive_count.to(places.dtype)[:, None]
        # Where a bin has any weight so far it is at least that of the positives, and no quotient exceeds 1.
        inverse = torch.where(total > 0, share / total, 0.0)
        precision = histogram * cumulative * inverse
        if needs_gradient:
            # d(cumulative) / d(place) is -1 in the item's bin, d(place) / d(score) is -bins_per_score.
            of_histogram = cumulative * inverse * -self.bins_per_score
            of_cumulative = of_histogram - histogram * inverse * self.bins_per_score
            of_cumulative[:, :-1] -= of_histogram[:, 1:]
            of_total = torch.where(total > 0, precision / total * self.bins_per_score, 0.0)
            of_items = of_cumulative.gather(1, x.long())
            # The positives return to their places, the query to any: it has no gradient.
            chunk.scatter_(1, items, x)
            if itself is not None:
                chunk.scatter_(1, itself, 0.0)
            gradient = torch.gather(of_total, 1, chunk.long(), out=chunk)
            # A padded place repeats a positive, to which it adds nothing.
            gradient.scatter_add_(1, items, of_items if valid is None else of_items * valid)
            if itself is not None:
                gradient.scatter_(1, itself, 0.0)
            if isinstance(rows, Tensor):
                places[rows] = gradient
        return (1.0 - precision.sum(1)).sum(dtype=torch.float64)

    def _itself(self, start: int, rows: slice | Tensor, places: Tensor) -> Tensor:
        """(queries, 1): where the queries of a chunk stand in the gallery that they are themselves."""
        return torch.arange(start, start + len(places), device=places.device)[rows][:, None]

    def _cumulative(self, places: Tensor, highest: float) -> Tensor:
        """(rows, num_bins + 1): weight of the items of a row in all bins up to each.

        An item beyond the last bin, at num_bins + 1, weighs nothing; all others are at `highest` at most.
        """
        sums = places.new_zeros(len(places), self.num_bins + 1)
        weights = torch.empty_like(places)
        # Only edges among the items need a pass over them: those below have nothing, those above everything.
        for place in range(int(places.amin()), self.num_bins + 1):
            torch.sub(place + 1, places, out=weights)
            torch.sum(weights.clamp_(0.0, 1.0), 1, out=sums[:, place])
            if place >= highest:
                sums[:, place + 1 :] = sums[:, place, None]
                break
        return sums
