"""Contrastive loss (Hadsell, Chopra, LeCun, CVPR 2006), averaged over its non-zero pairs."""

from __future__ import annotations

from suite.kernels.calling import Batch, Indices, RetrievalLoss, check_choice, check_number
from suite.kernels.hinge import indexed_pair_hinge, pair_hinge, pairs_of
from suite.kernels.similarity import DISTANCES
from suite.kernels.sweep import Swept

# Margins of pytorch-metric-learning: distances for euclidean, similarities for cosine.
MARGINS = {"euclidean": (0.0, 1.0), "cosine": (1.0, 0.0)}


class ContrastiveLoss(RetrievalLoss):
    """Mean hinge of the positive pairs plus mean hinge of the negative pairs, each over its non-zero pairs.

    `euclidean`: max(0, d - pos_margin) and max(0, neg_margin - d); `cosine`: max(0, pos_margin - s) and
    max(0, s - neg_margin). Embeddings are L2-normalised inside; a query is not paired with itself.

    Args:
        pos_margin: in units of `distance`: a length between unit vectors, 0 to 2, for euclidean, a cosine, -1
            to 1, for cosine. None: 0 for euclidean, 1 for cosine.
        neg_margin: in the same unit. None: 1 for euclidean, 0 for cosine.
        distance: `euclidean` or `cosine`.
        level: label column that says who is relevant.
        block_bytes: upper limit of one buffer in bytes; None: see `RetrievalLoss`.

    Raises:
        ValueError: a setting that is none of the above, by its name.
    """

    def __init__(
        self,
        pos_margin: float | None = None,
        neg_margin: float | None = None,
        distance: str = "euclidean",
        level: int = 0,
        block_bytes: int | None = None,
    ):
        super().__init__(level, block_bytes)
        self.distance = check_choice("distance", distance, DISTANCES)
        defaults = MARGINS[self.distance]
        self.pos_margin = check_number("pos_margin", defaults[0] if pos_margin is None else pos_margin)
        self.neg_margin = check_number("neg_margin", defaults[1] if neg_margin is None else neg_margin)

    def compute(self, batch: Batch) -> Swept:
        queries, references, gallery = batch.normalised()
        return pair_hinge(queries, references, gallery, *self._bounds(), self.distance, self.block_bytes)

    def compute_indexed(self, batch: Batch, indices: Indices) -> Swept:
        queries, references, _ = batch.normalised()
        gallery = queries if references is None else references
        return indexed_pair_hinge(queries, gallery, pairs_of(indices), *self._bounds(), self.distance)

    def _bounds(self) -> tuple[float, float]:
        """The margins as similarities: minus the distance for euclidean."""
        sign = -1.0 if self.distance == "euclidean" else 1.0
        return sign * self.pos_margin, sign * self.neg_margin
