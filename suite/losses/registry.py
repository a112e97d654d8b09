"""Names of losses: import strings, resolved when asked for, so that importing one loss imports no other."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from suite.registry import Registry

LOSSES = Registry(
    "loss",
    "ranksuite.losses",
    {
        "calibration": "suite.losses.calibration:CalibrationLoss",
        "combine": "suite.losses.combine:CombinedLoss",
        "proxy": "suite.losses.proxy:ProxyLoss",
        "recall_at_k": "suite.losses.recall:RecallAtKLoss",
        "smoothhap": "suite.losses.hierarchical_ap:SmoothHAPLoss",
        "smoothndcg": "suite.losses.ndcg:SmoothNDCGLoss",
        "smoothrecall": "suite.losses.recall:SmoothRecallLoss",
        "supap": "suite.losses.average_precision:SupAPLoss",
        "suphap": "suite.losses.hierarchical_ap:SupHAPLoss",
        "supndcg": "suite.losses.ndcg:SupNDCGLoss",
        "suprecall": "suite.losses.recall:SupRecallLoss",
        "arcface": "baselines.arcface:ArcFaceLoss",
        "blackbox_ap": "baselines.blackbox_ap:BlackboxAPLoss",
        "contrastive": "baselines.contrastive:ContrastiveLoss",
        "csl": "baselines.csl:CSLLoss",
        "fastap": "baselines.fast_ap:FastAPLoss",
        "multi_similarity": "baselines.multi_similarity:MultiSimilarityLoss",
        "normalized_softmax": "baselines.normalized_softmax:NormalizedSoftmaxLoss",
        "proxy_anchor": "baselines.proxy_anchor:ProxyAnchorLoss",
        "proxy_nca_pp": "baselines.proxy_nca_pp:ProxyNCAPPLoss",
        "smoothap": "baselines.smooth_ap:SmoothAPLoss",
        "softbin_ap": "baselines.softbin_ap:SoftBinAPLoss",
        "supcon": "baselines.supcon:SupConLoss",
        "triplet": "baselines.triplet:TripletLoss",
        "xbm": "baselines.xbm:XBMLoss",
    },
)


def list_losses() -> list[str]:
    """All registered names, sorted; entry points of group `ranksuite.losses` included."""
    return LOSSES.names()


def loss_import_string(name: str) -> str:
    """Where the loss `name` lives, as `package.module:Class`. Raises SuiteError for an unknown name."""
    return LOSSES.import_string(name)


def nested_losses(name: str, settings: Mapping[str, Any]) -> set[str]:
    """The registered names of the losses that a loss with these settings is made of, at any depth.

    A class that wraps others says which in a static method `parts(settings)`, pairs of a name and its settings.
    """
    parts = getattr(LOSSES.resolve(name), "parts", lambda _: [])(settings)
    return {part for part, _ in parts} | {inner for part, of in parts for inner in nested_losses(part, of)}


def complete_settings(name: str, settings: Mapping[str, Any], labels: Tensor, embedding_dim: int) -> dict[str, Any]:
    """`settings` with the sizes of class centres filled in where a loss needs them and they are not given.

    `num_classes` is the number of classes at the loss's level, `embedding_dim` that of the network. A class that wraps
    others says where theirs stand in a static method `completed(settings, labels, embedding_dim)`.

    Args:
        labels: (N, L) of the training images, the classes of each level 0, 1, ...; negative for none.
        embedding_dim: width of the embedding.
    """
    loss_class, known = LOSSES.resolve(name), dict(settings)
    if hasattr(loss_class, "completed"):
        return loss_class.completed(known, labels, embedding_dim)
    if {"num_classes", "embedding_dim"} <= set(inspect.signature(loss_class).parameters):
        return centre_sizes(labels, known.get("level") or 0, embedding_dim) | known
    return known


def centre_sizes(labels: Tensor, level: int, embedding_dim: int) -> dict[str, int]:
    """The settings of one centre a class: `labels` (N, L) at `level` are 0, 1, ..., or negative for none."""
    classes = int(labels[:, level].max()) + 1 if level < labels.shape[1] else 1
    return {"num_classes": classes, "embedding_dim": embedding_dim}


def create_loss(name: str, **settings: Any) -> nn.Module:
    """The loss `name` with its settings; its call is that of `RetrievalLoss.forward`.

    Raises:
        SuiteError: there is no loss of that name.
        ValueError: an unknown, missing or invalid setting; the message names loss and setting.
    """
    loss_class = LOSSES.resolve(name)
    parameters = inspect.signature(loss_class).parameters
    kinds = {parameter.kind for parameter in parameters.values()}
    takes = [key for key, value in parameters.items() if value.kind is not inspect.Parameter.VAR_KEYWORD]
    if inspect.Parameter.VAR_KEYWORD not in kinds:
        for setting in settings:
            if setting not in takes:
                raise ValueError(f"{name}: unknown setting '{setting}'; it takes: {', '.join(takes)}")
    for key in takes:
        if parameters[key].default is inspect.Parameter.empty and key not in settings:
            raise ValueError(f"{name}: setting '{key}' is required")
    try:
        return loss_class(**settings)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
