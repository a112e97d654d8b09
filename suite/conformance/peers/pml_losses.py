"""Losses and miners of pytorch-metric-learning."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from suite.conformance.cases import DIMENSIONS, Case
from suite.conformance.quantities import Outcome, Peer, Quantity, defined_centre_loss, defined_loss, loss_outcome
from suite.losses import create_loss

MARGIN = 0.2
MEMORY = 64


def _plain(name: str, **settings: Any) -> Callable[[Case], Outcome]:
    """The loss `name` on a case."""

    def theirs(case: Case) -> Outcome:
        from pytorch_metric_learning import losses

        loss = getattr(losses, name)(**settings)
        return loss_outcome(case, lambda e, y, r, z: loss(e, y, None, r, z))

    return theirs


def _cosine_contrastive(case: Case) -> Outcome:
    from pytorch_metric_learning import distances, losses

    loss = losses.ContrastiveLoss(pos_margin=0.9, neg_margin=0.6, distance=distances.CosineSimilarity())
    return loss_outcome(case, lambda e, y, r, z: loss(e, y, None, r, z))


def _mined(miner: str, **settings: Any) -> Callable[[Case], Outcome]:
    """TripletMarginLoss on the triplets that `miner` chooses."""

    def theirs(case: Case) -> Outcome:
        from pytorch_metric_learning import losses, miners

        loss, choose = losses.TripletMarginLoss(margin=MARGIN), getattr(miners, miner)(**settings)

        def call(embeddings: Tensor, labels: Tensor, references: Tensor | None, ref_labels: Tensor | None) -> Tensor:
            chosen = choose(embeddings, labels, references, ref_labels)
            return loss(embeddings, labels, chosen, references, ref_labels)

        return loss_outcome(case, call)

    return theirs


def _around_centres(name: str, parameter: str, **settings: Any) -> Callable[[Case], Outcome]:
    """The loss `name` around the case's class centres; its parameter `W` is (dimensions, classes)."""

    def theirs(case: Case) -> Outcome:
        from pytorch_metric_learning import losses

        centres = case.centres()
        loss = getattr(losses, name)(num_classes=len(centres), embedding_size=DIMENSIONS, **settings)
        transposed = parameter == "W"
        weight = nn.Parameter(centres.t().contiguous() if transposed else centres)
        setattr(loss, parameter, weight)
        return loss_outcome(case, lambda e, y, r, z: loss(e, y), weight, transposed)

    return theirs


def _defined_memory(case: Case) -> Outcome:
    return _remembered(case, create_loss("xbm", loss="contrastive", size=MEMORY))


def _memory(case: Case) -> Outcome:
    from pytorch_metric_learning import losses

    return _remembered(case, losses.CrossBatchMemory(losses.ContrastiveLoss(), DIMENSIONS, memory_size=MEMORY))


def _remembered(case: Case, loss: nn.Module) -> Outcome:
    """The loss of a batch when its gallery, or half as many other rows, have entered the memory."""
    half = len(case.labels) // 2
    if case.ref_emb is None:
        before, labels = case.embeddings[:half].flip(1), case.labels[:half, 0]
    else:
        before, labels = case.ref_emb, case.ref_labels[:, 0]
    loss(before, labels)
    return loss_outcome(case, lambda e, y, r, z: loss(e, y))


def _quantity(name: str, definition: str, settings: str, ours: Any, theirs: Any, own_gallery: bool = False) -> Quantity:
    return Quantity(name, definition, "loss", settings, ours, theirs, own_gallery=own_gallery)


PEER = Peer(
    "pytorch-metric-learning",
    "pytorch_metric_learning",
    (
        _quantity(
            "SmoothAPLoss",
            "smoothap",
            "temperature = tau 0.1; the query counts as its own positive (self_match positive)",
            defined_loss("smoothap", normalise=True, tau=0.1, self_match="positive"),
            _plain("SmoothAPLoss", temperature=0.1),
        ),
        _quantity(
            "FastAPLoss", "fastap", "10 bins", defined_loss("fastap", num_bins=10), _plain("FastAPLoss", num_bins=10)
        ),
        _quantity(
            "TripletMarginLoss",
            "triplet",
            f"all triplets, margin {MARGIN}",
            defined_loss("triplet", margin=MARGIN),
            _plain("TripletMarginLoss", margin=MARGIN),
        ),
        _quantity(
            "TripletMarginMiner semihard",
            "triplet",
            f"mining semihard, margin {MARGIN} in miner and loss",
            defined_loss("triplet", margin=MARGIN, mining="semihard"),
            _mined("TripletMarginMiner", margin=MARGIN, type_of_triplets="semihard"),
        ),
        _quantity(
            "BatchHardMiner",
            "triplet",
            f"mining batch_hard, margin {MARGIN}",
            defined_loss("triplet", margin=MARGIN, mining="batch_hard"),
            _mined("BatchHardMiner"),
        ),
        _quantity(
            "ContrastiveLoss",
            "contrastive",
            "euclidean, margins 0 and 1",
            defined_loss("contrastive"),
            _plain("ContrastiveLoss"),
        ),
        _quantity(
            "ContrastiveLoss cosine",
            "contrastive",
            "CosineSimilarity, margins 0.9 and 0.6",
            defined_loss("contrastive", distance="cosine", pos_margin=0.9, neg_margin=0.6),
            _cosine_contrastive,
        ),
        _quantity(
            "MultiSimilarityLoss",
            "multi_similarity",
            "alpha 2, beta 50, base 0.5",
            defined_loss("multi_similarity", alpha=2.0, beta=50.0, base=0.5),
            _plain("MultiSimilarityLoss", alpha=2.0, beta=50.0, base=0.5),
        ),
        _quantity(
            "SupConLoss",
            "supcon",
            "temperature 0.1",
            defined_loss("supcon", temperature=0.1),
            _plain("SupConLoss", temperature=0.1),
        ),
        _quantity(
            "ArcFaceLoss",
            "arcface",
            "scale 30, margin 0.5 rad (in degrees there)",
            defined_centre_loss("arcface", scale=30.0, margin=0.5),
            _around_centres("ArcFaceLoss", "W", scale=30.0, margin=math.degrees(0.5)),
            own_gallery=True,
        ),
        _quantity(
            "NormalizedSoftmaxLoss",
            "normalized_softmax",
            "temperature 0.05",
            defined_centre_loss("normalized_softmax", temperature=0.05),
            _around_centres("NormalizedSoftmaxLoss", "W", temperature=0.05),
            own_gallery=True,
        ),
        _quantity(
            "ProxyAnchorLoss",
            "proxy_anchor",
            "margin 0.1, alpha 32",
            defined_centre_loss("proxy_anchor", margin=0.1, alpha=32.0),
            _around_centres("ProxyAnchorLoss", "proxies", margin=0.1, alpha=32.0),
            own_gallery=True,
        ),
        _quantity(
            "CrossBatchMemory",
            "xbm",
            f"ContrastiveLoss, memory of {MEMORY} with the gallery or half a batch in it",
            _defined_memory,
            _memory,
        ),
    ),
)
