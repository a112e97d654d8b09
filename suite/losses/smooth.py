"""What the graded losses on smooth ranks share: their step and its settings."""

from __future__ import annotations

from suite.kernels.calling import Batch, RetrievalLoss, check_number, check_self_match
from suite.kernels.graded import graded_rank_loss
from suite.kernels.graded_heads import GradedHead
from suite.kernels.steps import SigmoidStep
from suite.kernels.sweep import Swept


class SmoothGradedLoss(RetrievalLoss):
    """Base of the graded losses whose ranks count every item with sigma_tau; a subclass gives its head.

    Args:
        tau: temperature of the sigmoid.
        level: the finest label column that the loss looks at.
        self_match: what a query is in its own batch: `exclude`, `positive` or `rank_only`.
        block_bytes: upper limit of one buffer in bytes; None: see `RetrievalLoss`.

    Raises:
        ValueError: a setting that is none of the above, by its name.
    """

    graded = True

    def __init__(self, tau: float = 0.01, level: int = 0, self_match: str = "exclude", block_bytes: int | None = None):
        super().__init__(level, block_bytes)
        self.tau = check_number("tau", tau, above=0.0)
        self.self_match = check_self_match(self_match)

    def head(self) -> GradedHead:
        """What the loss makes of the ranks."""
        raise NotImplementedError(f"{type(self).__name__} defines no head")

    def compute(self, batch: Batch) -> Swept:
        step = SigmoidStep(self.tau)
        return graded_rank_loss(
            batch.queries, batch.references, batch.gallery, step, step, self.head(), self.block_bytes
        )
