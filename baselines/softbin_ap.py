"""Average precision from quantised similarities (Revaud, Almazan, Rezende, de Souza, ICCV 2019)."""

from __future__ import annotations

from suite.kernels.calling import Batch, RetrievalLoss, check_integer, check_self_match
from suite.kernels.fastap import fast_ap
from suite.kernels.sweep import Swept


class SoftBinAPLoss(RetrievalLoss):
    """1 - mean over queries of average precision from a soft histogram of cosines over [-1, 1].

    With h+_m and h_m the triangular bins m = 1..num_bins of positives and of all items, the most similar first,

        AP_i = sum over m of precision_m * (recall_m - recall_(m-1))
             = sum over m of (h+_1 + ... + h+_m) / (h_1 + ... + h_m) * h+_m / |P_i|.

    The centres of the first and the last bin are 1 and -1. A squared distance of unit vectors is 2 - 2 cosine,
    so this is FastAP of num_bins - 1 bins. Embeddings are L2-normalised inside.

    Args:
        num_bins: bins of the histogram, at least 2.
        level: label column that says who is relevant.
        self_match: what a query is in its own batch: `exclude`, `positive` (as in the authors' code) or
            `rank_only`.
        block_bytes: upper limit of one buffer in bytes; None: see `RetrievalLoss`.

    Raises:
        ValueError: a setting that is none of the above, by its name.
    """

    def __init__(self, num_bins: int = 20, level: int = 0, self_match: str = "exclude", block_bytes: int | None = None):
        super().__init__(level, block_bytes)
        self.num_bins = check_integer("num_bins", num_bins, least=2)
        self.self_match = check_self_match(self_match)

    def compute(self, batch: Batch) -> Swept:
        queries, references, gallery = batch.normalised()
        return fast_ap(queries, references, gallery, self.num_bins - 1, self.block_bytes)
