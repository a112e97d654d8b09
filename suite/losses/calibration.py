"""The pairwise calibration loss of ROADMAP (Ramzi et al., NeurIPS 2021)."""

from __future__ import annotations

from suite.kernels.calling import Batch, Indices, RetrievalLoss, check_number
from suite.kernels.hinge import indexed_pair_hinge, pair_hinge, pairs_of
from suite.kernels.sweep import Swept


class CalibrationLoss(RetrievalLoss):
    """Keeps the positives of all queries above one cosine, the negatives below another.

    Mean of max(0, pos_margin - s) over its non-zero positive pairs plus mean of max(0, s - neg_margin) over
    its non-zero negative pairs. Embeddings are L2-normalised inside; a query is not paired with itself.

    Args:
        pos_margin: cosine above which a positive pair costs nothing.
        neg_margin: cosine below which a negative pair costs nothing.
        level: label column that says who is relevant.
        block_bytes: upper limit of one buffer in bytes; None: see `RetrievalLoss`.

    Raises:
        ValueError: a setting that is none of the above, by its name.
    """

    def __init__(
        self, pos_margin: float = 0.9, neg_margin: float = 0.6, level: int = 0, block_bytes: int | None = None
    ):
        super().__init__(level, block_bytes)
        self.pos_margin = check_number("pos_margin", pos_margin)
        self.neg_margin = check_number("neg_margin", neg_margin)

    def compute(self, batch: Batch) -> Swept:
        queries, references, gallery = batch.normalised()
        return pair_hinge(queries, references, gallery, self.pos_margin, self.neg_margin, block_bytes=self.block_bytes)

    def compute_indexed(self, batch: Batch, indices: Indices) -> Swept:
        queries, references, _ = batch.normalised()
        gallery = queries if references is None else references
        return indexed_pair_hinge(queries, gallery, pairs_of(indices), self.pos_margin, self.neg_margin)
