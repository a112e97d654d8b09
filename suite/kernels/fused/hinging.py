"""The pair hinge in linear memory: launches and gradients of `suite.kernels.fused.hinges`."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import triton
from torch import Tensor

from suite.kernels.fused.hinges import hinge_gradients_kernel, hinge_sums_kernel
from suite.kernels.fused.launches import gallery_parts, gradient_grid, gradient_parts, on_device, total
from suite.kernels.fused.plan import RankPlan
from suite.kernels.fused.shares import of_everyone, own_rows
from suite.kernels.fused.tuning import launch, sizes
from suite.kernels.sharing import query_share
from suite.kernels.similarity import same_within
from suite.kernels.sweep import Swept, scaled_gradients


@dataclass(frozen=True)
class FusedHinge:
    """The bounds of `suite.kernels.hinge.pair_hinge`, its distance, and how float32 products are made."""

    pos_bound: float
    neg_bound: float
    euclidean: bool
    precision: str


def fused_hinge(queries: Tensor, references: Tensor | None, plan: RankPlan, hinge: FusedHinge) -> Swept:
    """The loss of queries (Q, D) against `references` (G, D) or themselves, and the counts of its two means.

    Raises:
        RuntimeError: on differentiating the gradient again.
    """
    value, counts = _Hinge.apply(queries, references, plan, hinge, torch.is_grad_enabled())
    return Swept(value, counts)


class _Hinge(torch.autograd.Function):
    @staticmethod
    def forward(ctx, queries, references, plan, hinge, grad_enabled):
        own_gallery = references is None
        share = query_share()
        one_side = own_gallery and share is None
        wanted = (ctx.needs_input_grad[0], not one_side and ctx.needs_input_grad[0 if own_gallery else 1])
        needed = [grad_enabled and want for want in wanted]
        gallery = queries if own_gallery else references
        sides = [queries.detach()[own_rows(len(queries))][plan.query_order]]
        sides.append(sides[0] if one_side else gallery.detach()[plan.gallery_order])
        with torch.autocast(queries.device.type, enabled=False):
            totals = _sums(*sides, plan, hinge)
            if share is not None:
                share.add_up(totals)
            sums, counts = totals[:2], totals[2:]
            scales = 1.0 / counts.clamp(min=1.0)
            value = (sums * scales).sum().to(queries.dtype)
            if any(needed):
                # Where both sides are one, s_ik and s_ki are one number, and pay twice.
                scales = (scales * (2.0 if one_side else 1.0)).to(queries.dtype)
                gradients = [
                    _gradient(sides, plan, hinge, scales, of_queries) if need else None
                    for of_queries, need in zip((True, False), needed, strict=True)
                ]
                ctx.save_for_backward(queries, references, *of_everyone(*gradients, queries, own_gallery))
        ctx.mark_non_differentiable(counts)
        return value, counts

    @staticmethod
    def backward(ctx, of_value, _of_counts):
        return *scaled_gradients(ctx.saved_tensors, of_value), None, None, None


def _sums(queries: Tensor, gallery: Tensor, plan: RankPlan, hinge: FusedHinge) -> Tensor:
    """(4,) float64: hinges of positives and of negatives, and how many of each are not zero."""
    parts, part_items = gallery_parts(triton.cdiv(len(queries), 128), len(gallery), queries.device)
    sums = queries.new_zeros(parts, 4, len(queries))
    with on_device(queries):
        launch(
            hinge_sums_kernel,
            lambda shape: (triton.cdiv(len(queries), shape["ROWS"]), parts),
            queries,
            gallery,
            plan.lows[-1],
            plan.highs[-1],
            plan.own,
            sums,
            len(queries),
            len(gallery),
            queries.shape[1],
            part_items,
            sizes(len(queries), len(gallery)),
            **_constants(queries, hinge),
        )
    return sums.sum((0, 2), dtype=torch.float64)


def _gradient(sides: list[Tensor], plan: RankPlan, hinge: FusedHinge, scales: Tensor, of_queries: bool) -> Tensor:
    """Gradients by the queries or by the gallery, in the order in which they came."""
    left, right = sides if of_queries else reversed(sides)
    out, part_items = gradient_parts(left, right)
    with on_device(left):
        launch(
            hinge_gradients_kernel,
            gradient_grid(out),
            left,
            right,
            plan.lows[-1],
            plan.highs[-1],
            plan.own,
            scales,
            plan.query_order if of_queries else plan.gallery_order,
            out,
            len(left),
            len(right),
            left.shape[1],
            part_items,
            sizes(len(left), len(right)),
            OF_ROWS=of_queries,
            **_constants(left, hinge),
        )
    return total(out)


def _constants(side: Tensor, hinge: FusedHinge) -> dict[str, float | bool | str]:
    return {
        "POS_BOUND": hinge.pos_bound,
        "NEG_BOUND": hinge.neg_bound,
        "EUCLIDEAN": hinge.euclidean,
        "SAME_WITHIN": same_within(side.dtype),
        "PRECISION": hinge.precision,
    }
