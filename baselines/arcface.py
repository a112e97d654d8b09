"""ArcFace (Deng, Guo, Xue, Zafeiriou, CVPR 2019)."""

from __future__ import annotations

import math

from suite.kernels.calling import Batch, check_number
from suite.kernels.centre_calling import CentreLoss
from suite.kernels.centres import centre_cross_entropy
from suite.kernels.sweep import Swept


class ArcFaceLoss(CentreLoss):
    """Cross-entropy of scaled cosines with class centres, the angle to the own centre widened by a margin.

        z_ic = scale cos(t_ic),  z_iy = scale cos(t_iy + margin)
        loss = mean over queries of -log softmax(z_i)[y_i]

    Where t_iy + margin exceeds pi, z_iy is scale (cos(t_iy) - margin sin(margin)), which goes on falling.
    Embeddings and centres are L2-normalised inside.

    Args:
        num_classes: number of centres; labels at `level` are 0..num_classes-1.
        embedding_dim: D.
        scale: of the cosines.
        margin: in radians, 0 or more, less than pi.
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
        scale: float = 30.0,
        margin: float = 0.5,
        level: int = 0,
        seed: int = 0,
        block_bytes: int | None = None,
    ):
        super().__init__(num_classes, embedding_dim, level, seed, block_bytes)
        self.scale = check_number("scale", scale, above=0.0)
        self.margin = check_number("margin", margin, least=0.0)
        if self.margin >= math.pi:
            raise ValueError(f"margin: expected radians, less than pi, found {margin!r}")

    def compute(self, batch: Batch) -> Swept:
        queries, centres, gallery = batch.normalised()
        return centre_cross_entropy(
            queries, centres, gallery.query_labels, self.scale, self.margin, block_bytes=self.block_bytes
        )
