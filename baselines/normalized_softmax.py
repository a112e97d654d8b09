"""Normalised softmax (Wang et al., NormFace, MM 2017; Zhai and Wu, BMVC 2019)."""

from __future__ import annotations

from suite.kernels.calling import Batch, check_number
from suite.kernels.centre_calling import CentreLoss
from suite.kernels.centres import centre_cross_entropy
from suite.kernels.sweep import Swept


class NormalizedSoftmaxLoss(CentreLoss):
    """Cross-entropy of cosines with class centres: mean of -log softmax(cos(e_i, c) / temperature)[y_i].

    Embeddings and centres are L2-normalised inside.

    Args:
        num_classes: number of centres; labels at `level` are 0..num_classes-1.
        embedding_dim: D.
        temperature: of the softmax.
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
        temperature: float = 0.05,
        level: int = 0,
        seed: int = 0,
        block_bytes: int | None = None,
    ):
        super().__init__(num_classes, embedding_dim, level, seed, block_bytes)
        self.temperature = check_number("temperature", temperature, above=0.0)

    def compute(self, batch: Batch) -> Swept:
        queries, centres, gallery = batch.normalised()
        scale = 1.0 / self.temperature
        return centre_cross_entropy(queries, centres, gallery.query_labels, scale, block_bytes=self.block_bytes)
