"""Sup-AP: average precision from ranks that bound the true ones (Ramzi et al., TPAMI 2025)."""

from __future__ import annotations

from suite.kernels.heads import AveragePrecisionHead, Head
from suite.losses.suprank import SupRankLoss


class SupAPLoss(SupRankLoss):
    """1 - mean over queries of AP_i, AP_i = mean over positives j of rank+_j / rank_j.

    rank counts less relevant items with the SupRank step, rank+ is exact and has no gradient. With start >=
    0.5, offset >= 1 and no positive tied with a negative the loss is never below 1 - AP. Embeddings are taken
    as they are: normalise them first. Settings: see `SupRankLoss`.
    """

    def head(self) -> Head:
        return AveragePrecisionHead()
