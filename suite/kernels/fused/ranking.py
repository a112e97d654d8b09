"""Losses on ranks in linear memory: the plan, the kernels' launches, the heads and the gradients, in one place."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from suite.kernels.fused import launches
from suite.kernels.fused.plan import RankPlan, SlotBlock
from suite.kernels.fused.shares import of_everyone, own_rows
from suite.kernels.fused.step_functions import step_constants
from suite.kernels.fused.ties import tie_groups
from suite.kernels.graded_heads import GradedHead
from suite.kernels.heads import Head
from suite.kernels.sharing import query_share
from suite.kernels.steps import Step
from suite.kernels.sweep import Swept, scaled_gradients


@dataclass(frozen=True)
class FusedRanking:
    """A loss on ranks: steps, and the head that turns ranks into losses or, where relevance is graded, into gains.

    `self_ranked`: a query in its own gallery takes a place in the ranks though it is no positive.
    """

    positive_step: Step
    negative_step: Step
    head: Head | GradedHead
    graded: bool
    self_ranked: bool
    precision: str


def fused_rank_loss(queries: Tensor, references: Tensor | None, plan: RankPlan, ranking: FusedRanking) -> Swept:
    """The loss of queries (Q, D) whose gallery is `references` (G, D), or they themselves, and its count.

    Raises:
        RuntimeError: on differentiating the gradient again.
    """
    value, counts = _Ranking.apply(queries, references, plan, ranking, torch.is_grad_enabled())
    return Swept(value, counts)


class _Ranking(torch.autograd.Function):
    @staticmethod
    def forward(ctx, queries, references, plan, ranking, grad_enabled):
        own_gallery = references is None
        needed = [ctx.needs_input_grad[0], ctx.needs_input_grad[0 if own_gallery else 1]]
        needs_gradient = grad_enabled and any(needed)
        share = query_share()
        ranked_queries = queries.detach()[own_rows(len(queries))][plan.query_order]
        gallery = queries if own_gallery else references
        one_side = own_gallery and share is None
        ranked_gallery = ranked_queries if one_side else gallery.detach()[plan.gallery_order]
        with torch.autocast(queries.device.type, enabled=False):
            ranks = _Ranks(ranked_queries, ranked_gallery, plan, ranking)
            losses = ranks.losses(needs_gradient)
            totals = torch.stack([losses, losses.new_full((), plan.ranked)])
            if share is not None:
                share.add_up(totals)
            scale = 1.0 / totals[1].clamp(min=1.0)
            value = (totals[0] * scale).to(queries.dtype)
            if needs_gradient:
                gradients = of_everyone(*ranks.gradients(scale, *needed), queries, own_gallery)
                ctx.save_for_backward(queries, references, *gradients)
        counts = totals[1:]
        ctx.mark_non_differentiable(counts)
        return value, counts

    @staticmethod
    def backward(ctx, of_value, _of_counts):
        return *scaled_gradients(ctx.saved_tensors, of_value), None, None, None


class _Ranks:
    """The ranks of all slots, and what the head makes of them."""

    def __init__(self, queries: Tensor, gallery: Tensor, plan: RankPlan, ranking: FusedRanking):
        self.plan, self.head, self.graded = plan, ranking.head, ranking.graded
        steps = (ranking.positive_step, ranking.negative_step)
        relevances = None
        if ranking.graded:
            counts = _grade_counts(plan)
            self.ideal = ranking.head.ideal(counts, plan.widest).to(queries.dtype)
            relevances = ranking.head.relevances(counts)
            relevances = None if relevances is None else relevances.to(queries.dtype).contiguous()
        self.tensors = launches.RankTensors(
            queries,
            gallery,
            plan,
            None if all(step.continuous for step in steps) else tie_groups(gallery),
            relevances,
            *map(step_constants, steps),
            ranking.graded,
            ranking.self_ranked,
            ranking.precision,
        )
        self.scores = launches.slot_scores(self.tensors)

    def losses(self, needs_gradient: bool) -> Tensor:
        """The sum of the losses of all queries, float64; derivatives by the ranks are kept."""
        sums, self.slopes = launches.rank_sums(self.tensors, self.scores, needs_gradient)
        plus, extra = launches.slot_sums(self.tensors, self.scores)
        ranks = sums.add_(extra)
        self.of_plus, self.of_ranks = torch.zeros_like(plus), torch.zeros_like(ranks)
        total = self.scores.new_zeros((), dtype=torch.float64)
        for block in self.plan.blocks:
            turn = self._gains if self.graded else self._costs
            cost, of_plus, of_ranks = turn(block, block.view(plus), block.view(ranks))
            total += cost
            if of_plus is not None:
                block.view(self.of_plus).copy_(of_plus)
            block.view(self.of_ranks).copy_(of_ranks)
        return total

    def gradients(self, scale: Tensor, of_queries: bool, of_gallery: bool) -> tuple[Tensor | None, Tensor | None]:
        """Gradients of `scale` times the losses; where the gallery is the queries, one for both."""
        tensors, scale = self.tensors, scale.to(self.scores.dtype)
        of_plus, of_ranks = self.of_plus.mul_(scale), self.of_ranks.mul_(scale)
        of_scores = launches.slot_gradients(tensors, self.scores, of_plus, of_ranks, self.slopes)
        turns = [(of_queries, False), (False, of_gallery)]
        if tensors.gallery is tensors.queries:
            turns = [(True, True), (False, False)]
        return tuple(
            launches.embedding_gradients(tensors, self.scores, of_ranks, of_scores, *turn) if any(turn) else None
            for turn in turns
        )

    def _costs(self, block: SlotBlock, plus: Tensor, minus: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        valid = self._valid(block)
        plus = (plus + 1.0).masked_fill(~valid, 1.0)
        losses, of_plus, of_minus = self.head(plus, minus.masked_fill(~valid, 0.0), valid.sum(1), valid)
        return losses.sum(dtype=torch.float64), of_plus, of_minus

    def _gains(self, block: SlotBlock, plus: Tensor, rank: Tensor) -> tuple[Tensor, Tensor | None, Tensor]:
        valid = self._valid(block)
        grades = self._grades(block)
        rows = slice(block.start, block.stop)
        h_rank = None if self.tensors.relevances is None else plus + self.tensors.relevances[rows].gather(1, grades)
        rank = (rank + 1.0).masked_fill(~valid, 1.0)
        gains, of_rank, of_h_rank = self.head(rank, h_rank, grades, self.ideal[rows, None])
        cost = len(gains) - (gains * valid).sum(dtype=torch.float64)
        return cost, None if of_h_rank is None else -of_h_rank * valid, -of_rank * valid

    def _items(self, block: SlotBlock) -> Tensor:
        """(rows, width): the sorted gallery places of the slots of a block."""
        nth = torch.arange(block.width, device=self.scores.device, dtype=torch.int32)
        return self.plan.lows[-1, block.start : block.stop, None] + nth

    def _valid(self, block: SlotBlock) -> Tensor:
        """(rows, width) bool: which slots hold a positive."""
        rows, items = slice(block.start, block.stop), self._items(block)
        return (items < self.plan.highs[-1, rows, None]) & (items != self.plan.own[rows, None])

    def _grades(self, block: SlotBlock) -> Tensor:
        """(rows, width): relevance of the items in the slots, at least 1 where there is one."""
        rows, items = slice(block.start, block.stop), self._items(block)
        inside = (items >= self.plan.lows[:, rows, None]) & (items < self.plan.highs[:, rows, None])
        return inside.sum(0)


def _grade_counts(plan: RankPlan) -> Tensor:
    """(Q, L): positives of grades 1..L of each sorted query."""
    sizes = (plan.highs - plan.lows).long()
    smaller = torch.cat([torch.zeros_like(sizes[:1]), sizes[:-1]])
    # The finest class has the highest grade, and holds the query itself.
    counts = (sizes - smaller).flip(0).t().contiguous()
    counts[:, -1] -= ((plan.own >= 0) & (sizes[-1] > 0)).long()
    return counts
