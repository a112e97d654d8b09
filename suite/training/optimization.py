"""Optimisers, learning-rate schedules and gradient scaling of a run, together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from suite.full_settings import Full, Schedule

OPTIMIZERS = {"adam": Adam, "adamw": AdamW, "sgd": SGD}
# Share of a learning rate that is left at a step, from 0.
Decay = Callable[[int], float]


def cosine(total: int, final: float = 0.0) -> Decay:
    """From 1 at step 0 down to `final` at step `total`: final + (1 - final) (1 + cos(pi t / total)) / 2."""
    return lambda step: final + (1.0 - final) * (1.0 + math.cos(math.pi * min(step, total) / total)) / 2.0


def stepwise(places: Sequence[int], factor: float) -> Decay:
    """`factor` to the power of the number of `places`, steps, that have been reached."""
    return lambda step: factor ** sum(step >= place for place in places)


def decay_of(schedule: Schedule, rate: float, total: int, steps_per_epoch: int) -> Decay:
    """What a schedule makes of a learning rate `rate` over a run of `total` steps."""
    if schedule.kind == "cosine":
        return cosine(total, min(1.0, schedule.minimum / rate))
    if schedule.kind == "step":
        return stepwise([epoch * steps_per_epoch for epoch in schedule.epochs], schedule.factor)
    return lambda step: 1.0


class Optimization:
    """One update of all parameters of a run: unscale, norm, clip, step, schedule.

    Args:
        optimizers: each with a decay a parameter group, whose names (`name` of the group) the learning rates are
            reported under.
        measured: parameters whose gradient norm is reported and clipped.
        clip_norm: largest norm of their gradient; None: not clipped.
        scaler: of half-precision gradients; None: none.
    """

    def __init__(
        self,
        optimizers: Sequence[tuple[Optimizer, list[Decay]]],
        measured: Sequence[nn.Parameter],
        clip_norm: float | None = None,
        scaler: torch.amp.GradScaler | None = None,
    ):
        self.optimizers = [optimizer for optimizer, _ in optimizers]
        self.schedules = [LambdaLR(optimizer, decays) for optimizer, decays in optimizers]
        self.measured, self.clip_norm = list(measured), clip_norm
        every = (one for optimizer in self.optimizers for group in optimizer.param_groups for one in group["params"])
        known = {id(parameter) for parameter in self.measured}
        self.others = [parameter for parameter in every if id(parameter) not in known]
        self.scaler = torch.amp.GradScaler("cpu", enabled=False) if scaler is None else scaler

    def zero_grad(self) -> None:
        """Forget all gradients, those of frozen parameters included."""
        for optimizer in self.optimizers:
            optimizer.zero_grad()

    def scale(self, value: Tensor) -> Tensor:
        """The loss as it is to be propagated back."""
        return self.scaler.scale(value)

    def step(self) -> float:
        """Update all parameters by their gradients and return the norm of the gradient before clipping.

        Under a gradient scaler a gradient that overflows is passed over, as is usual, until the scale is small.

        Raises:
            FloatingPointError: the norm is NaN or infinite; no parameter has been changed.
        """
        for optimizer in self.optimizers:
            self.scaler.unscale_(optimizer)
        norm, others = _norm(self.measured), _norm(self.others)
        overflows = not (math.isfinite(norm) and math.isfinite(others))
        if overflows and not (self.scaler.is_enabled() and self.scaler.get_scale() > 1.0):
            whose = "" if math.isfinite(others) else " of the loss's own parameters"
            raise FloatingPointError(f"the norm of the gradient{whose} is {others if whose else norm}")
        if self.clip_norm is not None and not overflows:
            torch.nn.utils.clip_grads_with_norm_(self.measured, self.clip_norm, torch.tensor(norm))
        for optimizer in self.optimizers:
            self.scaler.step(optimizer)
        self.scaler.update()
        for schedule in self.schedules:
            schedule.step()
        return norm

    def rates(self) -> dict[str, float]:
        """The learning rates of the next update, by the names of the groups."""
        return {group["name"]: group["lr"] for optimizer in self.optimizers for group in optimizer.param_groups}

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next update depends on, beside parameters and gradients."""
        return {
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "schedules": [
                {"last_epoch": schedule.last_epoch, "rates": schedule.get_last_lr()} for schedule in self.schedules
            ],
            "scaler": self.scaler.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken, with the same optimisers."""
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        for schedule, saved in zip(self.schedules, state["schedules"], strict=True):
            schedule.last_epoch, schedule._last_lr = saved["last_epoch"], list(saved["rates"])
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(state["scaler"])


def _norm(parameters: Sequence[nn.Parameter]) -> float:
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    return float(torch.nn.utils.get_total_norm(gradients)) if gradients else 0.0


def head_optimization(head: nn.Module, loss: nn.Module, rate: float, weight_decay: float, total: int) -> Optimization:
    """AdamW with a cosine schedule down to 0 for the head and the loss's own parameters."""
    parameters = [*head.parameters(), *loss.parameters()]
    groups = [{"params": parameters, "lr": rate, "name": "learning_rate"}]
    # Fused: at small batches the unfused update takes longer than loss and head together.
    optimizer = AdamW(groups, weight_decay=weight_decay, fused=True)
    return Optimization([(optimizer, [cosine(total)])], list(head.parameters()))


def full_optimization(
    full: Full,
    backbone: Sequence[nn.Parameter],
    head: Sequence[nn.Parameter],
    centres: Sequence[nn.Parameter],
    rate: float,
    total: int,
    steps_per_epoch: int,
    device: torch.device,
) -> Optimization:
    """The optimiser that `full` asks for: groups of backbone, head and class centres.

    Args:
        backbone, head: parameters of the network.
        centres: parameters of the loss; they are in the head's group unless `full.centres` gives them Adam of their
            own, whose rate falls as a cosine.
        rate: the backbone's learning rate; the head's is `full.optimizer.head_rate` times that.
        total, steps_per_epoch: length of the run in steps, and of an epoch. The cosine falls from step to step; step
            schedules fall at the ends of epochs.
        device: of the parameters.
    """
    settings, head_rate = full.optimizer, rate * full.optimizer.head_rate
    own = list(centres) if full.centres is not None else []
    of_head = [*head, *([] if full.centres is not None else centres)]
    groups = [
        {"params": list(backbone), "lr": rate, "name": "learning_rate"},
        {"params": of_head, "lr": head_rate, "name": "learning_rate_head"},
    ]
    arguments: dict[str, Any] = {"weight_decay": settings.weight_decay, "fused": True}
    if settings.kind == "sgd":
        arguments |= {"momentum": settings.momentum, "nesterov": settings.nesterov}
    decays = [decay_of(full.schedule, one, total, steps_per_epoch) for one in (rate, head_rate)]
    optimizers = [(OPTIMIZERS[settings.kind](groups, **arguments), decays)]
    if own:
        group = {"params": own, "lr": full.centres.learning_rate, "name": "learning_rate_centres"}
        optimizers.append((Adam([group], fused=True), [cosine(total, full.centres.final)]))
    scaler = torch.amp.GradScaler(device.type, enabled=full.precision == "float16")
    return Optimization(optimizers, [*backbone, *head], settings.clip_norm, scaler)
