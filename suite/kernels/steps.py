"""Step functions: what one gallery item adds to the rank of another, given their score difference."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

Reduce = Callable[[Tensor], Tensor]
"""Adds up the last dimension of a buffer, weighted or not."""


class Step(Protocol):
    """A step and its derivative, summed and computed in place.

    `differentiable` says whether it has a gradient, `continuous` whether it is continuous at 0, where its
    value is `at_zero`. The derivative is given up to the factor `slope`, so that a constant costs no pass over
    a block.
    """

    differentiable: bool
    continuous: bool
    at_zero: float
    slope: float

    def accumulate(self, differences: Tensor, spare: Tensor, needs_gradient: bool, reduce: Reduce) -> Tensor:
        """reduce(step(differences)).

        `differences` is overwritten: with the derivative over `slope` if `needs_gradient`, else with anything.
        `spare` has the same shape and is overwritten. `reduce` is linear and keeps none of what it is given.
        """
        ...


@dataclass(frozen=True)
class HardStep:
    """H(x) = 1 if x >= 0 else 0; no gradient."""

    differentiable = False
    continuous = False
    at_zero = 1.0
    slope = 0.0

    def accumulate(self, differences: Tensor, spare: Tensor, needs_gradient: bool, reduce: Reduce) -> Tensor:
        return reduce(torch.ge(differences, 0, out=spare))


@dataclass(frozen=True)
class SigmoidStep:
    """sigma_tau(x) = 1 / (1 + exp(-x / tau)), of Smooth-AP (Brown et al., ECCV 2020)."""

    tau: float

    differentiable = True
    continuous = True
    at_zero = 0.5

    @property
    def slope(self) -> float:
        return 1.0 / self.tau

    def accumulate(self, differences: Tensor, spare: Tensor, needs_gradient: bool, reduce: Reduce) -> Tensor:
        value = differences.mul_(1.0 / self.tau).sigmoid_()
        total = reduce(value)
        if needs_gradient:
            value.addcmul_(value, value, value=-1.0)
        return total


@dataclass(frozen=True)
class HeldSigmoidStep:
    """sigma_tau(x) up to delta, its value at delta beyond, and its derivative there: the smooth part of SupRank."""

    tau: float
    delta: float

    differentiable = True
    continuous = True
    at_zero = 0.5

    @property
    def slope(self) -> float:
        return 1.0 / self.tau

    @property
    def at_delta(self) -> float:
        """The value at delta."""
        return _sigmoid(self.delta / self.tau)

    @property
    def slope_at_delta(self) -> float:
        """The derivative given at delta and beyond."""
        return self.at_delta * (1.0 - self.at_delta) * self.slope

    def accumulate(self, differences: Tensor, spare: Tensor, needs_gradient: bool, reduce: Reduce) -> Tensor:
        value = differences.clamp_(max=self.delta).mul_(self.slope).sigmoid_()
        total = reduce(value)
        if needs_gradient:
            value.addcmul_(value, value, value=-1.0)
        return total


@dataclass(frozen=True)
class SupRankStep:
    """The upper bound H^- of the true step, for less relevant items (Ramzi et al., TPAMI 2025).

    sigma_tau(x) for x <= 0; sigma_tau(x) + start for 0 < x <= delta; rho (x - delta) + offset for x > delta.
    Its derivative is that of sigma_tau up to delta and rho beyond.
    """

    tau: float
    rho: float
    delta: float
    start: float
    offset: float

    differentiable = True
    continuous = False
    at_zero = 0.5

    @property
    def slope(self) -> float:
        return 1.0 / self.tau

    def accumulate(self, differences: Tensor, spare: Tensor, needs_gradient: bool, reduce: Reduce) -> Tensor:
        held = HeldSigmoidStep(self.tau, self.delta)
        ahead = None
        if self.start:
            ahead = reduce(torch.gt(differences, 0, out=spare)).mul_(self.start)
        excess = reduce(torch.sub(differences, self.delta, out=spare).clamp_(min=0))
        far = reduce(torch.gt(differences, self.delta, out=spare))
        # Beyond delta the sigmoid is held at its value there, which is then exchanged for the linear part.
        total = held.accumulate(differences, spare, needs_gradient, reduce)
        if ahead is not None:
            total.add_(ahead)
        total.add_(excess, alpha=self.rho).add_(far, alpha=self.offset - self.start - held.at_delta)
        if needs_gradient:
            differences.add_(spare, alpha=(self.rho - held.slope_at_delta) * self.tau)
        return total


def suprank_offset(tau: float, delta: float, start: float, offset: float | None) -> float:
    """The offset of a SupRankStep; None makes the step continuous at delta: sigma_tau(delta) + start."""
    return _sigmoid(delta / tau) + start if offset is None else offset


def _sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x > -700.0 else 0.0
