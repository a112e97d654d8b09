"""Surrogates of NDCG over all label levels (Ramzi et al., TPAMI 2025)."""

from __future__ import annotations

from suite.kernels.graded_heads import NDCGHead
from suite.losses.smooth import SmoothGradedLoss
from suite.losses.suprank import SupRankLoss


class SupNDCGLoss(SupRankLoss):
    """1 - mean over queries of DCG_i over its ideal value, DCG_i = sum over j of (2^t_ij - 1) / log2(1 + rank_j).

    t_ij is the number of label columns from `level` on in which query and item agree, 0 to L. Items less relevant
    than j count with the SupRank step, the others exactly and without gradient. Labels (B,) or (B, L).
    Embeddings are taken as they are: normalise them first. Settings: see `SupRankLoss`.
    """

    graded = True

    def head(self) -> NDCGHead:
        return NDCGHead()


class SmoothNDCGLoss(SmoothGradedLoss):
    """`SupNDCGLoss` with sigma_tau as the step for all items. Settings: see `SmoothGradedLoss`."""

    def head(self) -> NDCGHead:
        return NDCGHead()
