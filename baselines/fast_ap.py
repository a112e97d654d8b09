"""FastAP (Cakir, He, Xia, Kulis, Sclaroff, CVPR 2019)."""

from __future__ import annotations

from suite.kernels.calling import Batch, RetrievalLoss, check_integer
from suite.kernels.fastap import fast_ap
from suite.kernels.sweep import Swept


class FastAPLoss(RetrievalLoss):
    """1 - mean over queries of average precision from soft histograms of squared distances over [0, 4].

    Embeddings are L2-normalised inside; a query is not its own gallery item.

    Args:
        num_bins: bins of the histogram.
        level: label column that says who is relevant.
        block_bytes: upper limit of one buffer in bytes; None: see `RetrievalLoss`.

    Raises:
        ValueError: a setting that is none of the above, by its name.
    """

    def __init__(self, num_bins: int = 10, level: int = 0, block_bytes: int | None = None):
        super().__init__(level, block_bytes)
        self.num_bins = check_integer("num_bins", num_bins, least=1)

    def compute(self, batch: Batch) -> Swept:
        queries, references, gallery = batch.normalised()
        return fast_ap(queries, references, gallery, self.num_bins, self.block_bytes)
