"""Triplet margin loss (Schroff, Kalenichenko, Philbin, CVPR 2015, and its minings)."""

from __future__ import annotations

from suite.kernels.calling import Batch, Indices, RetrievalLoss, check_choice, check_number
from suite.kernels.similarity import DISTANCES
from suite.kernels.sweep import Swept
from suite.kernels.triplet import MININGS, indexed_triplet_hinge, triplet_hinge, triplets_of


class TripletLoss(RetrievalLoss):
    """Mean of max(0, d_ap - d_an + margin) over the triplets where it is not zero.

    Embeddings are L2-normalised inside; an anchor is not its own positive.

    Args:
        margin: in units of the distance.
        mining: `all`; `semihard`: d_ap < d_an <= d_ap + margin; `batch_hard`: an anchor's farthest positive
            and nearest negative. Triplets given in a call replace the mining.
        distance: `euclidean`, or `cosine` (1 - s).
        level: label column that says who is relevant.
        block_bytes: upper limit of one buffer in bytes; None: see `RetrievalLoss`.

    Raises:
        ValueError: a setting that is none of the above, by its name.
    """

    def __init__(
        self,
        margin: float = 0.05,
        mining: str = "all",
        distance: str = "euclidean",
        level: int = 0,
        block_bytes: int | None = None,
    ):
        super().__init__(level, block_bytes)
        self.margin = check_number("margin", margin, least=0.0)
        self.mining = check_choice("mining", mining, MININGS)
        self.distance = check_choice("distance", distance, DISTANCES)

    def compute(self, batch: Batch) -> Swept:
        queries, references, gallery = batch.normalised()
        return triplet_hinge(queries, references, gallery, self.margin, self.mining, self.distance, self.block_bytes)

    def compute_indexed(self, batch: Batch, indices: Indices) -> Swept:
        queries, references, _ = batch.normalised()
        gallery = queries if references is None else references
        return indexed_triplet_hinge(queries, gallery, triplets_of(indices), self.margin, self.distance)
