"""Who is what to whom in a small batch: scores, masks, and means over them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Members(NamedTuple):
    """Scores (Q, G) and masks: positives, less relevant items, all items that take a place."""

    scores: Tensor
    positives: Tensor
    negatives: Tensor
    ranked: Tensor


def members(
    embeddings: Tensor, labels: Tensor, ref_emb: Tensor | None, ref_labels: Tensor | None, self_match: str
) -> Members:
    """Who is what to whom. Without a gallery of its own, query i is gallery item i and `self_match` says what
    it is.
    """
    queries = embeddings.double()
    gallery = queries if ref_emb is None else ref_emb.double()
    same = labels[:, None] == (labels if ref_labels is None else ref_labels)[None, :]
    itself = torch.zeros_like(same) if ref_emb is not None else torch.eye(len(labels), dtype=torch.bool)
    positives = same if self_match == "positive" else same & ~itself
    ranked = ~itself if self_match == "exclude" else torch.ones_like(same)
    return Members(queries @ gallery.t(), positives, ~same, ranked)


def normalised(embeddings: Tensor, labels: Tensor, ref_emb: Tensor | None, ref_labels: Tensor | None) -> Members:
    """`members` of L2-normalised embeddings; the query itself is not in the gallery."""
    normalise = torch.nn.functional.normalize
    gallery = None if ref_emb is None else normalise(ref_emb.double(), dim=1)
    return members(normalise(embeddings.double(), dim=1), labels, gallery, ref_labels, "exclude")


def mean_over_queries(values: Tensor, positives: Tensor) -> Tensor:
    """Mean of `values` (Q,) over the queries that have any of the `positives` (Q, G); 0 where none has."""
    known = positives.any(1)
    return values[known].mean() if bool(known.any()) else (values * 0).sum()


def mean_of_non_zero(values: Tensor) -> Tensor:
    """Mean over the values above zero; 0 where none is."""
    return values.sum() / (values > 0).sum().clamp_min(1)
