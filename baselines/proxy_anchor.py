"""Proxy-Anchor (Kim, Kim, Cho, Kwak, CVPR 2020)."""

from __future__ import annotations

from suite.kernels.calling import Batch, check_number
from suite.kernels.centre_calling import CentreLoss
from suite.kernels.centres import proxy_anchor
from suite.kernels.sweep import Swept


class ProxyAnchorLoss(CentreLoss):
    """Every class centre pulls its items of the batch and pushes all others, the hardest most.

        mean over centres c with positives of log(1 + sum over i in c of exp(-alpha (cos(e_i, c) - margin)))
        + mean over all centres of log(1 + sum over i not in c of exp(alpha (cos(e_i, c) + margin)))

    Embeddings and centres are L2-normalised inside.

    Args:
        num_classes: number of centres; labels at `level` are 0..num_classes-1.
        embedding_dim: D.
        margin: a cosine.
        alpha: how much harder items weigh more.
        level: label column of the class numbers.
        seed: of the centres' start.
        block_bytes: upper limit of a block of scores in bytes; None: 64 MiB.

    Raises:
        ValueError: a setting that is none of the above, by its name.
    """

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        margin: float = 0.1,
        alpha: float = 32.0,
        level: int = 0,
        seed: int = 0,
        block_bytes: int | None = None,
    ):
        super().__init__(num_classes, embedding_dim, level, seed, block_bytes)
        self.margin = check_number("margin", margin)
        self.alpha = check_number("alpha", alpha, above=0.0)

    def compute(self, batch: Batch) -> Swept:
        queries, centres, gallery = batch.normalised()
        return proxy_anchor(queries, centres, gallery.query_labels, self.margin, self.alpha, self.block_bytes)
