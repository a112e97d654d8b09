"""The steps of `suite.kernels.steps` and their derivatives, element by element on chip.

A step comes as a tuple of constants, the same for a whole kernel: its kind, 1 / tau, rho, delta, start, offset.
"""

from __future__ import annotations

import triton
import triton.language as tl

from suite.kernels.steps import HardStep, SigmoidStep, Step, SupRankStep

SIGMOID, SUPRANK, HARD = tl.constexpr(0), tl.constexpr(1), tl.constexpr(2)


def step_constants(step: Step) -> tuple[int, float, float, float, float, float]:
    """A step of `suite.kernels.steps` for a kernel."""
    if isinstance(step, SupRankStep):
        return SUPRANK.value, step.slope, step.rho, step.delta, step.start, step.offset
    if isinstance(step, SigmoidStep):
        return SIGMOID.value, step.slope, 0.0, 0.0, 0.0, 0.0
    if isinstance(step, HardStep):
        return HARD.value, 0.0, 0.0, 0.0, 0.0, 0.0
    raise TypeError(f"{type(step).__name__} has no fused form")


@triton.jit
def sigmoid(x):
    """1 / (1 + exp(-x)); the exponent is held below the overflow, where the quotient is 0 all the same."""
    return 1.0 / (1.0 + tl.exp2(tl.minimum(x * -1.4426950408889634, 120.0)))


@triton.jit
def step_value(x, STEP: tl.constexpr):
    """step(x)."""
    value, _ = step_and_slope(x, STEP)
    return value


@triton.jit
def step_slope(x, STEP: tl.constexpr):
    """The derivative of the step at x; none at its jumps."""
    _, slope = step_and_slope(x, STEP)
    return slope


@triton.jit
def step_and_slope(x, STEP: tl.constexpr):
    """step(x) and its derivative, from one exponential; what is not used is not computed."""
    if STEP[0] == HARD:
        value = (x >= 0).to(x.dtype)
        slope = tl.zeros_like(x)
    else:
        value = sigmoid(x * STEP[1])
        slope = (value - value * value) * STEP[1]
        if STEP[0] == SUPRANK:
            near = x <= STEP[3]
            beyond = STEP[2] * (x - STEP[3]) + STEP[5]
            value = tl.where(x <= 0, value, tl.where(near, value + STEP[4], beyond))
            slope = tl.where(near, slope, STEP[2])
    return value, slope
