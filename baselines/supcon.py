"""Supervised contrastive loss (Khosla et al., NeurIPS 2020)."""

from __future__ import annotations

from suite.kernels.calling import Batch, Indices, RetrievalLoss, check_number
from suite.kernels.hinge import pairs_of
from suite.kernels.logsumexp import ChosenPairs, supervised_contrast
from suite.kernels.sweep import Swept


class SupConLoss(RetrievalLoss):
    """Cross-entropy of a query's positives among all items of the batch, averaged over both (L_out of the paper).

        -(1 / |P_i|) sum over j in P_i of log(exp(s_ij / t) / sum over k != i of exp(s_ik / t))

    s is the cosine: embeddings are L2-normalised inside. With pairs chosen by a miner, the items k are the
    chosen ones. The mean is over the queries with positives, also over those whose loss is 0 to the last digit.
    Positives compete with each other, too: where no item is less relevant, the loss is not 0.

    Args:
        temperature: t, in units of cosine.
        level: label column that says who is relevant.
        block_bytes: upper limit of one buffer in bytes; None: see `RetrievalLoss`.

    Raises:
        ValueError: a setting that is none of the above, by its name.
    """

    def __init__(self, temperature: float = 0.1, level: int = 0, block_bytes: int | None = None):
        super().__init__(level, block_bytes)
        self.temperature = check_number("temperature", temperature, above=0.0)

    def compute(self, batch: Batch) -> Swept:
        queries, references, gallery = batch.normalised()
        return supervised_contrast(queries, references, gallery, self.temperature, self.block_bytes)

    def compute_indexed(self, batch: Batch, indices: Indices) -> Swept:
        queries, references, gallery = batch.normalised()
        pairs = ChosenPairs.of(pairs_of(indices), gallery)
        return supervised_contrast(queries, references, pairs, self.temperature, self.block_bytes)
