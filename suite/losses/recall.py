"""Surrogates of recall at k: with the SupRank step, with sigmoids, and RS@k."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from suite.kernels.calling import (
    Batch,
    RetrievalLoss,
    check_flag,
    check_integer,
    check_ks,
    check_ks_within,
    check_number,
    check_self_match,
)
from suite.kernels.capture import capturing
from suite.kernels.gallery import Gallery
from suite.kernels.heads import Head, RecallHead
from suite.kernels.mixing import PairMixing, positive_pairs
from suite.kernels.ranks import rank_loss
from suite.kernels.steps import SigmoidStep
from suite.kernels.sweep import Mixing, Swept
from suite.losses.simix import draw_alphas
from suite.losses.suprank import SupRankLoss

KS = (1, 2, 4, 8, 16)


class SupRecallLoss(SupRankLoss):
    """1 - mean over ks and queries of R@k_i, ranks by the SupRank step (Ramzi et al., TPAMI 2025).

    R@k_i = sum over positives j of sigma(k - rank_j) over min(k, |P_i|), sigma of temperature
    `k_temperature`.

    Args:
        ks: the cut-offs; none beyond the number of gallery items.
        k_temperature: temperature of the soft comparison of a rank with k.
        tau, rho, delta, start, offset, level, self_match, block_bytes: see `SupRankLoss`.

    Raises:
        ValueError: a setting that is none of the above, by its name.
    """

    def __init__(
        self,
        ks: Sequence[int] = KS,
        k_temperature: float = 1.0,
        tau: float = 0.01,
        rho: float = 100.0,
        delta: float = 0.05,
        start: float = 0.5,
        offset: float | None = 1.44,
        level: int = 0,
        self_match: str = "exclude",
        block_bytes: int | None = None,
    ):
        super().__init__(tau, rho, delta, start, offset, level, self_match, block_bytes)
        self.ks = check_ks("ks", ks)
        self.k_temperature = check_number("k_temperature", k_temperature, above=0.0)

    def head(self) -> Head:
        return RecallHead(self.ks, self.k_temperature, clip=False)

    def compute(self, batch: Batch) -> Swept:
        check_ks_within("ks", self.ks, batch.gallery)
        return super().compute(batch)


class SmoothRecallLoss(RetrievalLoss):
    """1 - mean over ks and queries of R@k_i, ranks by sigmoids alone.

        rank_ij = 1 + sum over items l != j of sigma((s_il - s_ij) / tau)
        R@k_i = sum over positives j of sigma((k - rank_ij) / k_temperature) / min(k, |P_i|)

    The surrogate of RS@k without its cut (see `RecallAtKLoss`). Embeddings are taken as they are: normalise
    them first.

    Args:
        ks: the cut-offs; none beyond the number of gallery items.
        k_temperature: temperature of the soft comparison of a rank with k.
        tau: temperature of the step.
        level: label column that says who is relevant.
        self_match: what a query is in its own batch: `exclude`, `positive` or `rank_only`.
        block_bytes: upper limit of one buffer in bytes; None: see `RetrievalLoss`.

    Raises:
        ValueError: a setting that is none of the above, by its name.
    """

    clip = False

    def __init__(
        self,
        ks: Sequence[int] = KS,
        k_temperature: float = 1.0,
        tau: float = 0.01,
        level: int = 0,
        self_match: str = "exclude",
        block_bytes: int | None = None,
    ):
        super().__init__(level, block_bytes)
        self.ks = check_ks("ks", ks)
        self.k_temperature = check_number("k_temperature", k_temperature, above=0.0)
        self.tau = check_number("tau", tau, above=0.0)
        self.self_match = check_self_match(self_match)

    def compute(self, batch: Batch) -> Swept:
        return self.rank(batch.queries, batch.references, batch.gallery)

    def rank(self, queries: Tensor, references: Tensor | None, gallery: Gallery, mixing: Mixing | None = None) -> Swept:
        """The loss of the ranks that the queries, or items mixed from them, give to their positives."""
        check_ks_within("ks", self.ks, gallery)
        step = SigmoidStep(self.tau)
        head = RecallHead(self.ks, self.k_temperature, self.clip)
        return rank_loss(queries, references, gallery, step, step, head, self.block_bytes, mixing)


class RecallAtKLoss(SmoothRecallLoss):
    """RS@k: `SmoothRecallLoss` with the sum cut at k before the division (Patel et al., CVPR 2022).

        R@k_i = min(k, sum over positives j of sigma((k - rank_ij) / k_temperature)) / min(k, |P_i|)

    A sum that is cut has no gradient. The authors' code corresponds to `self_match="rank_only"`.

    Args:
        ks, k_temperature, tau, level, self_match, block_bytes: see `SmoothRecallLoss`.
        simix: let a mix of every pair of positives at `level` join the batch (see `mix_positive_pairs`), with
            fresh weights a call. Similarities are mixed, not embeddings. Such a loss takes no `ref_emb`.
        seed: seed of the generator that draws those weights; its state is part of the state_dict.

    Raises:
        ValueError: a setting that is none of the above, by its name.
    """

    clip = True

    def __init__(
        self,
        ks: Sequence[int] = KS,
        k_temperature: float = 1.0,
        tau: float = 0.01,
        level: int = 0,
        self_match: str = "exclude",
        block_bytes: int | None = None,
        simix: bool = False,
        seed: int = 0,
    ):
        super().__init__(ks, k_temperature, tau, level, self_match, block_bytes)
        self.simix = check_flag("simix", simix)
        self.seed = check_integer("seed", seed, least=0)
        self.takes_references = not self.simix
        self.generator = torch.Generator().manual_seed(seed)

    def prepare(self, embeddings: Tensor, labels: Tensor, ref_emb: Tensor | None, ref_labels: Tensor | None) -> Batch:
        if self.simix and ref_emb is not None:
            found = f"shape {tuple(ref_emb.shape)}" if isinstance(ref_emb, Tensor) else type(ref_emb).__name__
            raise ValueError(f"ref_emb: {found} cannot be ranked with simix, whose virtual items join the batch")
        return super().prepare(embeddings, labels, ref_emb, ref_labels)

    def compute(self, batch: Batch) -> Swept:
        if not self.simix:
            return super().compute(batch)
        if capturing():
            raise RuntimeError("recall_at_k: simix pairs items on the host, and cannot be captured in a CUDA graph")
        labels = batch.gallery.query_labels
        alphas = draw_alphas(len(positive_pairs(labels)[0]), labels.device, self.generator)
        mixing = PairMixing(labels, alphas.to(batch.queries))
        gallery = Gallery(mixing.labels, mixing.labels, self.self_match)
        return self.rank(batch.queries[mixing.order], None, gallery, mixing)

    def get_extra_state(self) -> Tensor:
        return self.generator.get_state()

    def set_extra_state(self, state: Any) -> None:
        self.generator.set_state(state.cpu())
