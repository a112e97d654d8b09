"""What the SupRank losses share: their step and its settings."""

from __future__ import annotations

from suite.kernels.calling import Batch, RetrievalLoss, check_number, check_self_match
from suite.kernels.graded import graded_rank_loss
from suite.kernels.graded_heads import GradedHead
from suite.kernels.heads import Head
from suite.kernels.ranks import rank_loss
from suite.kernels.steps import HardStep, SupRankStep, suprank_offset
from suite.kernels.sweep import Swept


class SupRankLoss(RetrievalLoss):
    """Base of the losses on ranks counted with the SupRank step; a subclass gives its head.

    Items less relevant than the one ranked take the step H^-, which does not vanish for badly ranked pairs;
    the others take H, without gradient (Ramzi et al., TPAMI 2025):

        H^-(x) = sigma_tau(x)               for x <= 0,
                 sigma_tau(x) + start       for 0 < x <= delta,
                 rho (x - delta) + offset   for x > delta.

    With the settings of the authors H^- falls at delta, from sigma_tau(delta) + start = 1.493 to offset =
    1.44; that is theirs, and kept. Both steps jump at 0, so equal gallery rows get equal scores bit by bit.

    Args:
        tau: temperature of the sigmoid.
        rho: slope of the step beyond `delta`.
        delta: score difference from which the step is linear.
        start: added to the sigmoid between 0 and `delta`.
        offset: the step just beyond `delta`; None makes it continuous there.
        level: label column that says who is relevant; for a graded loss, the finest one that it looks at.
        self_match: what a query is in its own batch: `exclude`, `positive` or `rank_only`.
        block_bytes: upper limit of one buffer in bytes; None: see `RetrievalLoss`.

    Raises:
        ValueError: a setting that is none of the above, by its name.
    """

    def __init__(
        self,
        tau: float = 0.01,
        rho: float = 100.0,
        delta: float = 0.05,
        start: float = 0.5,
        offset: float | None = 1.44,
        level: int = 0,
        self_match: str = "exclude",
        block_bytes: int | None = None,
    ):
        super().__init__(level, block_bytes)
        self.tau = check_number("tau", tau, above=0.0)
        self.rho = check_number("rho", rho, least=0.0)
        self.delta = check_number("delta", delta, least=0.0)
        self.start = check_number("start", start, least=0.0)
        self.offset = None if offset is None else check_number("offset", offset, least=0.0)
        self.self_match = check_self_match(self_match)

    def head(self) -> Head | GradedHead:
        """What the loss makes of the ranks."""
        raise NotImplementedError(f"{type(self).__name__} defines no head")

    def compute(self, batch: Batch) -> Swept:
        offset = suprank_offset(self.tau, self.delta, self.start, self.offset)
        step = SupRankStep(self.tau, self.rho, self.delta, self.start, offset)
        sweep = graded_rank_loss if self.graded else rank_loss
        return sweep(batch.queries, batch.references, batch.gallery, HardStep(), step, self.head(), self.block_bytes)
