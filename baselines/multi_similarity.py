"""Multi-Similarity loss (Wang, Han, Huang, Dong, Scott, CVPR 2019)."""

from __future__ import annotations

from suite.kernels.calling import Batch, Indices, RetrievalLoss, check_number
from suite.kernels.hinge import pairs_of
from suite.kernels.logsumexp import ChosenPairs, multi_similarity
from suite.kernels.sweep import Swept


class MultiSimilarityLoss(RetrievalLoss):
    """Mean over the queries of a batch of two soft hinges on cosines, of their positives and of their negatives.

        log(1 + sum over j in P_i of exp(-alpha (s_ij - base))) / alpha
        + log(1 + sum over k in N_i of exp(beta (s_ik - base))) / beta

    All pairs count: the mining of the paper is left to a miner. A query without positives, or without
    negatives, stays in the mean. Embeddings are L2-normalised inside; a query is not paired with itself.

    Args:
        alpha: sharpness for positives, per unit of cosine.
        beta: sharpness for negatives, per unit of cosine.
        base: cosine at which a pair begins to cost.
        level: label column that says who is relevant.
        block_bytes: upper limit of one buffer in bytes; None: see `RetrievalLoss`.

    Raises:
        ValueError: a setting that is none of the above, by its name.
    """

    def __init__(
        self,
        alpha: float = 2.0,
        beta: float = 50.0,
        base: float = 0.5,
        level: int = 0,
        block_bytes: int | None = None,
    ):
        super().__init__(level, block_bytes)
        self.alpha = check_number("alpha", alpha, above=0.0)
        self.beta = check_number("beta", beta, above=0.0)
        self.base = check_number("base", base)

    def compute(self, batch: Batch) -> Swept:
        queries, references, gallery = batch.normalised()
        return multi_similarity(queries, references, gallery, self.alpha, self.beta, self.base, self.block_bytes)

    def compute_indexed(self, batch: Batch, indices: Indices) -> Swept:
        queries, references, gallery = batch.normalised()
        pairs = ChosenPairs.of(pairs_of(indices), gallery)
        return multi_similarity(queries, references, pairs, self.alpha, self.beta, self.base, self.block_bytes)
