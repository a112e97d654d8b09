"""Surrogates of hierarchical average precision, H-AP (Ramzi et al., HAPPIER, ECCV 2022; TPAMI 2025)."""

from __future__ import annotations

from suite.kernels.calling import check_number
from suite.kernels.graded_heads import HierarchicalAPHead
from suite.losses.smooth import SmoothGradedLoss
from suite.losses.suprank import SupRankLoss


class SupHAPLoss(SupRankLoss):
    """1 - mean over queries of H-AP_i = sum over j of (H-rank_j / rank_j) over the sum of all rel_j.

        rel_j = (t_ij / (L - 1))^alpha / |items with exactly that t|, 0 where t_ij = 0
        H-rank_j = rel_j + sum over k != j of min(rel_k, rel_j) H(s_ik - s_ij)

    t_ij is the number of label columns from `level` on in which query and item agree, 0 to L; with one column
    this is average precision. In rank, items less relevant than j count with the SupRank step, the others exactly;
    H-rank is exact, and neither H has a gradient. Labels (B,) or (B, L). Embeddings are taken as they are:
    normalise them first.

    Args:
        alpha: exponent of the relevance; a large one leaves the finest level alone to matter.
        tau, rho, delta, start, offset, level, self_match, block_bytes: see `SupRankLoss`.

    Raises:
        ValueError: a setting that is none of the above, by its name.
    """

    graded = True

    def __init__(
        self,
        alpha: float = 1.0,
        tau: float = 0.01,
        rho: float = 100.0,
        delta: float = 0.05,
        start: float = 0.5,
        offset: float | None = 1.44,
        level: int = 0,
        self_match: str = "exclude",
        block_bytes: int | None = None,
    ):
        super().__init__(tau, rho, delta, start, offset, level, self_match, block_bytes)
        self.alpha = check_number("alpha", alpha, least=0.0)

    def head(self) -> HierarchicalAPHead:
        return HierarchicalAPHead(self.alpha)


class SmoothHAPLoss(SmoothGradedLoss):
    """`SupHAPLoss` with sigma_tau as the step for all items, in rank and H-rank.

    Args:
        alpha: exponent of the relevance.
        tau, level, self_match, block_bytes: see `SmoothGradedLoss`.

    Raises:
        ValueError: a setting that is none of the above, by its name.
    """

    def __init__(
        self,
        alpha: float = 1.0,
        tau: float = 0.01,
        level: int = 0,
        self_match: str = "exclude",
        block_bytes: int | None = None,
    ):
        super().__init__(tau, level, self_match, block_bytes)
        self.alpha = check_number("alpha", alpha, least=0.0)

    def head(self) -> HierarchicalAPHead:
        return HierarchicalAPHead(self.alpha)
