"""Ranking metrics with blackbox differentiation (Rolinek, Musil, Paulus, Vlastelica, Michaelis, Martius, CVPR 2020)."""

from __future__ import annotations

from suite.kernels.blackbox import OBJECTIVES, blackbox_rank_loss
from suite.kernels.calling import Batch, RetrievalLoss, check_choice, check_number, check_self_match
from suite.kernels.sweep import Swept


class BlackboxAPLoss(RetrievalLoss):
    """A function of exact ranks r, averaged over queries; its gradient comes from ranks of perturbed scores.

        dL_i / ds := (r(s + interpolation * dL_i / dr) - r(s)) / interpolation

    which is the slope of a piecewise linear interpolation of L_i, not the derivative of its value. L_i is

        ap:              1 - mean over positives j of rank+_j / rank_j, with no gradient through rank+;
        log_recall:      mean over positives j of log(1 + n_j), n_j the negatives ranked before j;
        loglog_recall:   mean over positives j of log(1 + log(1 + n_j)).

    Ranks count from 1. The authors divide them by the length of the list and perturb with the derivative of the
    mean over the batch; for a batch ranked among itself the two factors cancel, so that `interpolation` is theirs,
    and here it means the same at every batch size and in a weighted sum. Embeddings are taken as they are:
    normalise them first.

    Args:
        interpolation: lambda of the paper. The larger, the smoother and the less faithful.
        margin: scores of positives are lowered and those of negatives raised by half of it before they are
            ranked, in the value too.
        objective: `ap`, `log_recall` or `loglog_recall`.
        level: label column that says who is relevant.
        self_match: what a query is in its own batch: `exclude`, `positive` (as in the authors' code) or
            `rank_only`.
        block_bytes: upper limit of one buffer in bytes; None: see `RetrievalLoss`.

    Raises:
        ValueError: a setting that is none of the above, by its name.
    """

    def __init__(
        self,
        interpolation: float = 4.0,
        margin: float = 0.02,
        objective: str = "ap",
        level: int = 0,
        self_match: str = "exclude",
        block_bytes: int | None = None,
    ):
        super().__init__(level, block_bytes)
        self.interpolation = check_number("interpolation", interpolation, above=0.0)
        self.margin = check_number("margin", margin, least=0.0)
        self.objective = check_choice("objective", objective, OBJECTIVES)
        self.self_match = check_self_match(self_match)

    def compute(self, batch: Batch) -> Swept:
        return blackbox_rank_loss(
            batch.queries,
            batch.references,
            batch.gallery,
            self.interpolation,
            self.margin,
            self.objective,
            self.block_bytes,
        )
