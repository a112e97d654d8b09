"""Heads: from the ranks of a query's positives to the query's loss and its derivatives.

A head gets rank_plus and rank_minus, (queries, positives) each, whose sum is the rank; `valid` (same shape,
or None where all are) marks the places that hold a positive, `count` (queries,) how many do. Where invalid,
ranks are 1 + 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class HeadResult(NamedTuple):
    """A loss a query (queries,), and its derivatives by rank_plus and rank_minus, zero where invalid."""

    losses: Tensor
    of_plus: Tensor
    of_minus: Tensor


class Head(Protocol):
    """Turns the ranks of positives into losses."""

    def __call__(self, plus: Tensor, minus: Tensor, count: Tensor, valid: Tensor | None) -> HeadResult: ...


@dataclass(frozen=True)
class AveragePrecisionHead:
    """1 - AP_i with AP_i = mean over positives j of rank+_j / rank_j."""

    def __call__(self, plus: Tensor, minus: Tensor, count: Tensor, valid: Tensor | None) -> HeadResult:
        share = 1.0 / count.to(plus.dtype)[:, None]
        if valid is not None:
            share = share * valid
        inverse = 1.0 / (plus + minus)
        precision = plus * inverse
        weighted = share * inverse
        return HeadResult(1.0 - (share * precision).sum(1), weighted * (precision - 1.0), weighted * precision)


@dataclass(frozen=True)
class RecallHead:
    """1 - mean over k of R@k_i, with R@k_i = sum over positives j of sigma(k - rank_j) over min(k, |P_i|).

    `temperature` divides k - rank_j. With `clip` the sum is cut at k before the division, and has no gradient
    there (Patel et al., CVPR 2022).
    """

    ks: tuple[int, ...]
    temperature: float
    clip: bool

    def __call__(self, plus: Tensor, minus: Tensor, count: Tensor, valid: Tensor | None) -> HeadResult:
        # Filled in on the device: a copy from the host could not be captured in a CUDA graph.
        ks = torch.stack([plus.new_full((), k) for k in self.ks])
        inside = ((ks - (plus + minus)[..., None]) * (1.0 / self.temperature)).sigmoid_()
        slopes = inside - inside * inside
        if valid is not None:
            inside = inside * valid[..., None]
            slopes = slopes * valid[..., None]
        found = inside.sum(1)
        share = 1.0 / (torch.minimum(ks, count.to(plus.dtype)[:, None]) * len(self.ks))
        weight = share * (1.0 / self.temperature)
        if self.clip:
            weight = weight * (found <= ks)
            found = torch.minimum(found, ks)
        of_rank = (slopes * weight[:, None, :]).sum(-1)
        return HeadResult(1.0 - (found * share).sum(1), of_rank, of_rank)
