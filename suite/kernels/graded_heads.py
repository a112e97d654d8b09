"""Graded heads: from the ranks of a query's positives to what each of them gains.

A positive of grade g gains a share of 1, the value of an ideal ranking; the loss of the query is 1 less all
gains. `counts` (queries, L) are a query's positives of grades 1..L.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class GradedResult(NamedTuple):
    """Gains (queries, positives), and their derivatives by rank and by H-rank (None where it takes none)."""

    gains: Tensor
    of_rank: Tensor
    of_h_rank: Tensor | None


class GradedHead(Protocol):
    """Turns the ranks of positives into gains."""

    def ideal(self, counts: Tensor, most: int) -> Tensor:
        """(queries,) float64: the value of the ideal ranking; 1 where there are no positives.

        No query has more than `most` positives.
        """
        ...

    def relevances(self, counts: Tensor) -> Tensor | None:
        """(queries, L + 1) float64: rel of items of grades 0..L; None where the head takes no H-rank."""
        ...

    def __call__(self, rank: Tensor, h_rank: Tensor | None, grade: int | Tensor, ideal: Tensor) -> GradedResult:
        """Gains of positives of one grade, or of the grade given for each."""
        ...


@lru_cache(maxsize=64)
def _discount_sums(most: int, device: torch.device) -> Tensor:
    """(most + 1,) float64: sums of the discounts of the first 0, 1, ... places.

    Summed on the CPU, since running sums have no deterministic algorithm on a GPU; kept, since a copy to a device could
    not be captured in a CUDA graph.
    """
    places = torch.arange(1, most + 1, dtype=torch.float64)
    return torch.cat([places.new_zeros(1), (1.0 / torch.log2(1.0 + places)).cumsum(0)]).to(device)


@dataclass(frozen=True)
class NDCGHead:
    """(2^g - 1) / log2(1 + rank) over the ideal DCG."""

    def ideal(self, counts: Tensor, most: int) -> Tensor:
        # An ideal ranking lists the highest grade first: each grade takes the next places.
        last = counts.flip(1).cumsum(1).flip(1)
        discounts = _discount_sums(1 << most.bit_length(), counts.device)
        gains = 2.0 ** torch.arange(1, counts.shape[1] + 1, dtype=torch.float64, device=counts.device) - 1.0
        value = ((discounts[last] - discounts[last - counts]) * gains).sum(1)
        return torch.where(value > 0, value, 1.0)

    def relevances(self, counts: Tensor) -> None:
        return None

    def __call__(self, rank: Tensor, h_rank: Tensor | None, grade: int | Tensor, ideal: Tensor) -> GradedResult:
        discount = 1.0 / torch.log2(1.0 + rank)
        gains = (2.0**grade - 1.0) / ideal * discount
        return GradedResult(gains, -gains * discount / ((1.0 + rank) * math.log(2.0)), None)


@dataclass(frozen=True)
class HierarchicalAPHead:
    """H-rank / rank over the sum of all rel; rel of grade g is (g / (L - 1))^alpha over the items of that grade.

    A factor common to a query's grades cancels: its highest one takes the place of L - 1, so that no alpha makes all
    of them vanish.
    """

    alpha: float

    def _grades(self, counts: Tensor) -> Tensor:
        grades = torch.arange(1, counts.shape[1] + 1, dtype=torch.float64, device=counts.device)
        highest = (grades * (counts > 0)).amax(1, keepdim=True).clamp(min=1.0)
        return (grades / highest).clamp(max=1.0) ** self.alpha

    def ideal(self, counts: Tensor, most: int) -> Tensor:
        value = (self._grades(counts) * (counts > 0)).sum(1)
        return torch.where(value > 0, value, 1.0)

    def relevances(self, counts: Tensor) -> Tensor:
        return torch.nn.functional.pad(self._grades(counts) / counts.clamp(min=1), (1, 0))

    def __call__(self, rank: Tensor, h_rank: Tensor | None, grade: int | Tensor, ideal: Tensor) -> GradedResult:
        of_h_rank = 1.0 / (ideal * rank)
        gains = h_rank * of_h_rank
        return GradedResult(gains, -gains / rank, of_h_rank)
