"""The losses as they are printed: float64, plain autograd, (Q, G, G) tensors. For small inputs and for tests.

Every function takes embeddings (Q, D) and labels (Q,), an optional gallery `ref_emb` (G, D) and `ref_labels`
(G,), and returns a scalar; it can be differentiated as often as autograd allows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

Step = Callable[[Tensor], Tensor]


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


def sigmoid_step(tau: float) -> Step:
    """sigma_tau."""
    return lambda x: torch.sigmoid(x / tau)


def hard_step(x: Tensor) -> Tensor:
    """H."""
    return (x >= 0).to(x.dtype)


def suprank_step(
    tau: float = 0.01,
    rho: float = 100.0,
    delta: float = 0.05,
    start: float = 0.5,
    offset: float | None = 1.44,
) -> Step:
    """H^- of SupRank."""
    at_delta = float(torch.sigmoid(torch.tensor(delta / tau, dtype=torch.float64))) + start

    def step(x: Tensor) -> Tensor:
        sigmoid = torch.sigmoid(x / tau)
        linear = rho * (x - delta) + (at_delta if offset is None else offset)
        return torch.where(x <= 0, sigmoid, torch.where(x <= delta, sigmoid + start, linear))

    return step


def ranks(who: Members, positive_step: Step, negative_step: Step) -> tuple[Tensor, Tensor]:
    """rank and rank+ of every gallery item j of every query i, (Q, G) each."""
    differences = who.scores[:, None, :] - who.scores[:, :, None]
    others = ~torch.eye(who.scores.shape[1], dtype=torch.bool)
    steps = torch.where(who.negatives[:, None, :], negative_step(differences), positive_step(differences))
    rank = 1 + (steps * (others & who.ranked[:, None, :])).sum(2)
    plus = 1 + (positive_step(differences) * (others & who.positives[:, None, :])).sum(2)
    return rank, plus


def _mean_over_queries(values: Tensor, who: Members) -> Tensor:
    """Mean over the queries that have positives; 0 where none has."""
    known = who.positives.any(1)
    return values[known].mean() if bool(known.any()) else (values * 0).sum()


def average_precision_loss(
    embeddings: Tensor,
    labels: Tensor,
    positive_step: Step,
    negative_step: Step,
    ref_emb: Tensor | None = None,
    ref_labels: Tensor | None = None,
    self_match: str = "exclude",
) -> Tensor:
    """1 - mean_i AP_i. Two sigmoids give Smooth-AP, H and H^- give Sup-AP, H twice the true AP."""
    who = members(embeddings, labels, ref_emb, ref_labels, self_match)
    rank, plus = ranks(who, positive_step, negative_step)
    precision = (plus / rank * who.positives).sum(1) / who.positives.sum(1).clamp_min(1)
    return _mean_over_queries(1 - precision, who)


def recall_loss(
    embeddings: Tensor,
    labels: Tensor,
    positive_step: Step,
    negative_step: Step,
    ks: tuple[int, ...] = (1, 2, 4, 8, 16),
    k_temperature: float = 1.0,
    clip: bool = False,
    ref_emb: Tensor | None = None,
    ref_labels: Tensor | None = None,
    self_match: str = "exclude",
) -> Tensor:
    """1 - mean over ks and queries of R@k_i; with `clip` the sum over positives is cut at k (RS@k)."""
    who = members(embeddings, labels, ref_emb, ref_labels, self_match)
    rank, _ = ranks(who, positive_step, negative_step)
    recalls = []
    for k in ks:
        found = (torch.sigmoid((k - rank) / k_temperature) * who.positives).sum(1)
        recalls.append((found.clamp_max(k) if clip else found) / who.positives.sum(1).clamp(1, k))
    return _mean_over_queries(1 - torch.stack(recalls).mean(0), who)


def _similarity(scores: Tensor, distance: str) -> Tensor:
    if distance == "cosine":
        return scores
    squared = (2 - 2 * scores).clamp_min(0)
    return -torch.where(squared > 0, squared, torch.nan).sqrt().nan_to_num(0.0)


def _normalised(embeddings: Tensor, labels: Tensor, ref_emb: Tensor | None, ref_labels: Tensor | None) -> Members:
    normalise = torch.nn.functional.normalize
    gallery = None if ref_emb is None else normalise(ref_emb.double(), dim=1)
    return members(normalise(embeddings.double(), dim=1), labels, gallery, ref_labels, "exclude")


def _mean_of_non_zero(values: Tensor) -> Tensor:
    return values.sum() / (values > 0).sum().clamp_min(1)


def pair_hinge_loss(
    embeddings: Tensor,
    labels: Tensor,
    pos_bound: float,
    neg_bound: float,
    distance: str = "cosine",
    ref_emb: Tensor | None = None,
    ref_labels: Tensor | None = None,
) -> Tensor:
    """Mean non-zero hinge of positive pairs plus mean non-zero hinge of negative pairs, on similarities."""
    who = _normalised(embeddings, labels, ref_emb, ref_labels)
    similar = _similarity(who.scores, distance)
    positive = (pos_bound - similar[who.positives]).clamp_min(0)
    negative = (similar[who.negatives] - neg_bound).clamp_min(0)
    return _mean_of_non_zero(positive) + _mean_of_non_zero(negative)


def triplet_loss(
    embeddings: Tensor,
    labels: Tensor,
    margin: float,
    mining: str = "all",
    distance: str = "euclidean",
    ref_emb: Tensor | None = None,
    ref_labels: Tensor | None = None,
) -> Tensor:
    """Mean non-zero max(0, u_an - u_ap + margin) over all, semi-hard or batch-hard triplets."""
    who = _normalised(embeddings, labels, ref_emb, ref_labels)
    similar = _similarity(who.scores, distance)
    if mining == "batch_hard":
        whole = who.positives.any(1) & who.negatives.any(1)
        farthest = similar.masked_fill(~who.positives, torch.inf).amin(1)[whole]
        nearest = similar.masked_fill(~who.negatives, -torch.inf).amax(1)[whole]
        return _mean_of_non_zero((nearest - farthest + margin).clamp_min(0))
    differences = similar[:, None, :] - similar[:, :, None]
    chosen = who.positives[:, :, None] & who.negatives[:, None, :]
    if mining == "semihard":
        chosen = chosen & (differences < 0)
    return _mean_of_non_zero((differences[chosen] + margin).clamp_min(0))


def fast_ap_loss(
    embeddings: Tensor,
    labels: Tensor,
    num_bins: int = 10,
    ref_emb: Tensor | None = None,
    ref_labels: Tensor | None = None,
) -> Tensor:
    """1 - mean_i (1 / |P_i|) sum over bins of h+ H+ / H, triangular bins over squared distances [0, 4]."""
    who = _normalised(embeddings, labels, ref_emb, ref_labels)
    places = (2 - 2 * who.scores) * num_bins / 4
    edges = torch.arange(num_bins + 1, dtype=places.dtype)
    triangles = (1 - (places[..., None] - edges).abs()).clamp_min(0)
    positive = (triangles * who.positives[..., None]).sum(1)
    everyone = (triangles * who.ranked[..., None]).sum(1).cumsum(1)
    filled = positive > 0
    precision = torch.where(filled, positive * positive.cumsum(1) / torch.where(filled, everyone, 1.0), 0.0)
    return _mean_over_queries(1 - precision.sum(1) / who.positives.sum(1).clamp_min(1), who)
