"""ProxyNCA++ (Teh, DeVries, Taylor, ECCV 2020)."""

from __future__ import annotations

from suite.kernels.calling import Batch, check_number
from suite.kernels.centre_calling import CentreLoss
from suite.kernels.centres import centre_cross_entropy
from suite.kernels.sweep import Swept


class ProxyNCAPPLoss(CentreLoss):
    """Softmax over minus the squared distances to class centres, all on a sphere of radius `scale`.

        loss = mean over queries of -log softmax(-||scale e_i - scale c||^2)[y_i]

    Embeddings and centres are L2-normalised inside, so ||scale e - scale c||^2 = 2 scale^2 (1 - e . c): the
    paper's temperature is 1 / scale^2.

    Args:
        num_classes: number of centres; labels at `level` are 0..num_classes-1.
        embedding_dim: D.
        scale: radius of the sphere.
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
        scale: float = 3.0,
        level: int = 0,
        seed: int = 0,
        block_bytes: int | None = None,
    ):
        super().__init__(num_classes, embedding_dim, level, seed, block_bytes)
        self.scale = check_number("scale", scale, above=0.0)

    def compute(self, batch: Batch) -> Swept:
        queries, centres, gallery = batch.normalised()
        # The constant -2 scale^2 of all logits leaves the softmax.
        scale = 2.0 * self.scale**2
        return centre_cross_entropy(queries, centres, gallery.query_labels, scale, block_bytes=self.block_bytes)
