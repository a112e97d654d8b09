"""Losses on ranks with graded relevance: one sweep for every loss that adds up over a query's positives.

The relevance t_ik of item k to query i is the number of label columns in which they agree, 0..L. For every
positive j (t_ij >= 1), with differences x_k = s_ik - s_ij,
    rank_j = 1 + sum over k != j at least as relevant as j of positive_step(x_k)
               + sum over k less relevant than j of negative_step(x_k)
    H-rank_j = rel_j + sum over positives k != j of min(rel_k, rel_j) positive_step(x_k)
and a head turns both into what j adds to the loss. Positives are taken grade by grade: those of one grade share
who is less relevant, so that each costs what it costs where relevance is binary.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from suite.kernels.differences import StepSums, Workspace, lowest
from suite.kernels.dispatch import runs_fused
from suite.kernels.gallery import Columns, Gallery, all_positives, gather_positives
from suite.kernels.graded_heads import GradedHead
from suite.kernels.sorted_steps import step_sums
from suite.kernels.steps import Step
from suite.kernels.sweep import BLOCK_BYTES, BlockResult, Swept, sweep


@dataclass(frozen=True)
class GradedGallery:
    """Labels of queries (Q, L) and gallery (G, L), and what a query is that stands in its own gallery.

    `self_match` as in `suite.kernels.gallery.Gallery`. Levels need not nest.
    """

    query_labels: Tensor
    labels: Tensor
    self_match: str | None

    @property
    def levels(self) -> int:
        """The greatest relevance."""
        return self.labels.shape[1]

    def relevance(self, start: int, rows: int) -> Tensor:
        """(rows, G) uint8: in how many columns the queries from `start` on agree with each item, 0..L."""
        queries = self.query_labels[start : start + rows]
        total = (queries[:, :1] == self.labels[:, 0]).to(torch.uint8)
        for level in range(1, self.levels):
            total += queries[:, level, None] == self.labels[:, level]
        return total

    def nests(self) -> bool:
        """Whether items that agree in one column agree in all later ones."""
        everyone = self.labels if self.self_match is not None else torch.cat([self.query_labels, self.labels])
        columns = range(self.levels)
        classes = [len(torch.unique(everyone[:, column])) for column in columns]
        return classes == [len(torch.unique(everyone[:, column:], dim=0)) for column in columns]

    def has_positives(self) -> bool:
        """Whether any query has a positive."""
        columns = zip(self.query_labels.t().contiguous(), self.labels.t().contiguous(), strict=True)
        return any(Gallery(*column, self.self_match).has_positives() for column in columns)


def graded_rank_loss(
    queries: Tensor,
    references: Tensor | None,
    gallery: GradedGallery,
    positive_step: Step,
    negative_step: Step,
    head: GradedHead,
    block_bytes: int | None = None,
) -> Swept:
    """1 - the mean over the queries that have positives of the sum of what `head` lets each positive gain.

    Args:
        queries: (Q, D), float32 or float64.
        references: (G, D), or None when the queries are their own gallery.
        gallery: labels of both, and what the query itself is. A `rank_only` query takes `positive_step`.
        positive_step: step for items at least as relevant as the one ranked.
        negative_step: step for less relevant items.
        head: from ranks to gains.
        block_bytes: upper limit of one work buffer in bytes (never less than one row of scores); None: tuned to
            the cache.

    Returns:
        The loss, and the number of queries in its mean.
    """
    if runs_fused(queries, references, gallery.nests):
        from suite.kernels.fused.entry import ranked

        return ranked(queries, references, gallery, positive_step, negative_step, head)
    limit = BLOCK_BYTES if block_bytes is None else block_bytes
    block = _GradedBlock(gallery, positive_step, negative_step, head, limit)
    exact_ties = not (positive_step.continuous and negative_step.continuous)
    return sweep(queries, references, block, block_bytes=block_bytes, exact_ties=exact_ties)


@dataclass
class _GradedBlock:
    gallery: GradedGallery
    positive_step: Step
    negative_step: Step
    head: GradedHead
    limit: int
    workspace: Workspace = field(default_factory=Workspace)

    def __call__(self, scores: Tensor, start: int, needs_gradient: bool) -> BlockResult:
        relevance = self.gallery.relevance(start, len(scores))
        grades, itself = relevance, None
        if self.gallery.self_match in ("exclude", "rank_only"):
            grades = relevance.clone()
            grades.diagonal(start).zero_()
        if self.gallery.self_match == "rank_only":
            if self.positive_step.differentiable:
                # Both steps are the same here: the query counts among the less relevant.
                relevance = grades
            else:
                itself = scores.diagonal(start).clone()
        masks = [grades == grade for grade in range(1, self.gallery.levels + 1)]
        counts = torch.stack([mask.count_nonzero(1) for mask in masks], 1)
        block = _Block(scores, relevance, grades, itself, self.head, counts)
        gradient = torch.zeros_like(scores) if needs_gradient else None
        gained = scores.new_zeros((), dtype=torch.float64)
        pair_bytes = scores.shape[1] * scores.element_size()
        for grade, mask in enumerate(masks, 1):
            for columns in gather_positives(mask, pair_bytes, self.limit):
                gained += self._chunk(block, grade, columns, gradient)
        known = counts.any(1).count_nonzero().double()
        return BlockResult(known - gained, known, () if gradient is None else (gradient,))

    def _chunk(self, block: _Block, grade: int, columns: Columns, gradient: Tensor | None) -> Tensor:
        """What the positives of one grade of some queries gain; its negative gradient joins that of the block."""
        rows, items, valid, _ = columns
        low = lowest(block.scores.dtype)
        scores = block.scores[rows]
        own = scores.gather(1, items)
        # As an item to be ranked a padded place is above all others: no step is taken.
        high = own if valid is None else own.masked_fill(~valid, -low)
        less_relevant = scores.masked_fill(block.relevance[rows] >= grade, low)
        peers, lows, weights = block.positives(rows, grade, low)

        among_positives = StepSums(self.positive_step, lows, high, Workspace(), self.limit, weights)
        among_others = step_sums(self.negative_step, less_relevant, high, self.workspace, self.limit)
        needs_gradient = gradient is not None
        plus = among_positives.total(needs_gradient)
        # The sum over k != j is the sum over all positives less the step at 0.
        alone = 1.0 - self.positive_step.at_zero
        rank = (plus if weights is None else plus[..., 0]) + alone + among_others.total(needs_gradient)
        if block.itself is not None:
            rank += block.itself[rows][:, None] >= high
        if valid is not None:
            rank.masked_fill_(~valid, 1.0)
        h_rank = None
        if weights is not None:
            h_rank = plus[..., 1] + alone * block.relevances[rows, grade, None]

        gains, of_rank, of_h_rank = self.head(rank, h_rank, grade, block.ideal[rows, None])
        if valid is not None:
            gains, of_rank = gains * valid, of_rank * valid
        if gradient is not None:
            of_scores, of_items = among_others.backward(of_rank)
            if self.positive_step.differentiable:
                if weights is not None:
                    of_rank = torch.stack([of_rank, of_h_rank if valid is None else of_h_rank * valid], -1)
                of_lows, of_high = among_positives.backward(of_rank)
                of_scores.scatter_add_(1, peers, of_lows)
                of_items += of_high
            gradient[rows] -= of_scores.scatter_add_(1, items, of_items)
        return gains.sum(dtype=torch.float64)


class _Block:
    """What the chunks of a block share: its scores, relevances, and the positives of all grades."""

    def __init__(
        self,
        scores: Tensor,
        relevance: Tensor,
        grades: Tensor,
        itself: Tensor | None,
        head: GradedHead,
        counts: Tensor,
    ):
        self.scores, self.relevance, self.grades, self.itself = scores, relevance, grades, itself
        self.ideal = head.ideal(counts, int(counts.sum(1).max())).to(scores.dtype)
        relevances = head.relevances(counts)
        self.relevances = None if relevances is None else relevances.to(scores.dtype)
        self.everyone = all_positives(grades > 0)

    def positives(self, rows: slice | Tensor, grade: int, low: float) -> tuple[Tensor, Tensor, Tensor | None]:
        """Gallery places (queries, K) of all positives, their scores, and the weights of their steps.

        The weights (queries, K, 2) are those in rank and in H-rank. Where no H-rank is asked for there are none, and
        positives less relevant than `grade` have the score `low`, as padded places have.
        """
        places, valid = self.everyone.of(rows)
        scores = self.scores[rows].gather(1, places)
        if valid is not None:
            scores.masked_fill_(~valid, low)
        grades = self.grades[rows].gather(1, places)
        if self.relevances is None:
            return places, scores.masked_fill_(grades < grade, low), None
        relevances = self.relevances[rows]
        lesser = relevances.gather(1, grades.long()).minimum(relevances[:, grade, None])
        return places, scores, torch.stack([(grades >= grade).to(scores.dtype), lesser], -1)
