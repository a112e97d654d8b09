"""SupRank steps of many ranked items: the parts that are linear or constant from sorted scores.

H^-(x) is the sigmoid held at its value at delta, and start for each x > 0, and rho (x - delta) + a constant for each
x > delta. Only the first needs every pair of item and ranked item. How many items are ahead by more than 0 or delta,
and by how much in all, follow from the sorted items and their sums: G log G steps instead of P G.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from suite.kernels.differences import StepSums, Workspace
from suite.kernels.steps import HeldSigmoidStep, Step, SupRankStep

SORT_FROM = 96
"""Ranked items of a query from which a sort of its items takes less time than the passes it saves."""


def step_sums(step: Step, items: Tensor, ranked: Tensor, workspace: Workspace, limit: int) -> StepSums | SortedStepSums:
    """`StepSums` with weight 1, or the same sums from sorted items where that is faster and possible."""
    # Running sums of floating point numbers have no deterministic algorithm on a GPU.
    if isinstance(step, SupRankStep) and ranked.shape[1] >= SORT_FROM and items.device.type == "cpu":
        return SortedStepSums(step, items, ranked, workspace, limit)
    return StepSums(step, items, ranked, workspace, limit)


@dataclass
class _Ahead:
    """How many items are ahead of each ranked one by more than delta, and the sorted scores they must exceed."""

    far: Tensor
    bounds: Tensor
    order: Tensor


class SortedStepSums:
    """`StepSums` of a `SupRankStep` with weight 1; the arguments are the same."""

    def __init__(self, step: SupRankStep, items: Tensor, ranked: Tensor, workspace: Workspace, limit: int):
        self.step, self.items, self.ranked = step, items, ranked
        self.held = HeldSigmoidStep(step.tau, step.delta)
        self.pairs = StepSums(self.held, items, ranked, workspace, limit)
        self.ahead: _Ahead | None = None

    def total(self, needs_gradient: bool) -> Tensor:
        """The sums, (queries, ranked)."""
        step, size = self.step, self.items.shape[1]
        bounds = self.ranked + step.delta
        in_order = self.items.sort(-1).values
        behind = torch.searchsorted(in_order, bounds, right=True)
        far = (size - behind).to(bounds.dtype)
        # Sums of the scores from each place on, which cancel against the bounds: in float64.
        sums = torch.nn.functional.pad(in_order.double().flip(1).cumsum(1).flip(1), (0, 1))
        excess = (sums.gather(1, behind) - far.double() * bounds).to(bounds.dtype)
        if needs_gradient:
            self.ahead = _Ahead(far, *bounds.sort(-1))
        total = self.pairs.total(needs_gradient)
        if step.start:
            total.add_(size - torch.searchsorted(in_order, self.ranked, right=True), alpha=step.start)
        return total.add_(excess, alpha=step.rho).add_(far, alpha=step.offset - step.start - self.held.at_delta)

    def backward(self, of_sums: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients by `items` and by `ranked`, given the gradient by the sums; once, after `total`."""
        of_items, of_ranked = self.pairs.backward(of_sums)
        ahead, slope = self.ahead, self.step.rho - self.held.slope_at_delta
        of_ranked.addcmul_(of_sums, ahead.far, value=-slope)
        # An item takes part in the linear step of every ranked item whose bound it exceeds.
        sums = torch.nn.functional.pad(of_sums.gather(1, ahead.order).cumsum(1), (1, 0))
        return of_items.add_(sums.gather(1, torch.searchsorted(ahead.bounds, self.items)), alpha=slope), of_ranked
