"""Smooth-AP (Brown, Xie, Kalogeiton, Zisserman, ECCV 2020)."""

from __future__ import annotations

from suite.kernels.calling import Batch, RetrievalLoss, check_number, check_self_match
from suite.kernels.heads import AveragePrecisionHead
from suite.kernels.ranks import rank_loss
from suite.kernels.steps import SigmoidStep
from suite.kernels.sweep import Swept


class SmoothAPLoss(RetrievalLoss):
    """1 - mean over queries and their positives j of rank+_j / rank_j, both ranks with sigmoids.

    Embeddings are taken as they are: normalise them first.

    Args:
        tau: temperature of the sigmoid.
        level: label column that says who is relevant.
        self_match: what a query is in its own batch: `exclude`, `positive` (as in the authors' code) or
            `rank_only`.
        block_bytes: upper limit of one buffer in bytes; None: see `RetrievalLoss`.

    Raises:
        ValueError: a setting that is none of the above, by its name.
    """

    def __init__(self, tau: float = 0.01, level: int = 0, self_match: str = "exclude", block_bytes: int | None = None):
        super().__init__(level, block_bytes)
        self.tau = check_number("tau", tau, above=0.0)
        self.self_match = check_self_match(self_match)

    def compute(self, batch: Batch) -> Swept:
        step = SigmoidStep(self.tau)
        return rank_loss(
            batch.queries,
            batch.references,
            batch.gallery,
            step,
            step,
            AveragePrecisionHead(),
            self.block_bytes,
        )
