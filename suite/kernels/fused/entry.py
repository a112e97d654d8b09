"""From a loss of the blockwise kernels to its fused form: the same arguments, the plan of its labels, its share."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from suite.kernels.dispatch import precision_for
from suite.kernels.fused.hinging import FusedHinge, fused_hinge
from suite.kernels.fused.plan import RankPlan
from suite.kernels.fused.plans import kept_plan
from suite.kernels.fused.ranking import FusedRanking, fused_rank_loss
from suite.kernels.fused.shares import own_rows
from suite.kernels.gallery import Gallery
from suite.kernels.graded import GradedGallery
from suite.kernels.graded_heads import GradedHead
from suite.kernels.heads import Head
from suite.kernels.sharing import query_share
from suite.kernels.steps import Step
from suite.kernels.sweep import Mixing, Swept


class _Part(NamedTuple):
    """All queries, their gallery, the plan of this process's share, and whether the labels are those of the plan."""

    queries: Tensor
    references: Tensor | None
    plan: RankPlan
    fits: Tensor | None


@torch.compiler.disable
def ranked(
    queries: Tensor,
    references: Tensor | None,
    gallery: Gallery | GradedGallery,
    positive_step: Step,
    negative_step: Step,
    head: Head | GradedHead,
    mixing: Mixing | None = None,
) -> Swept:
    """`suite.kernels.ranks.rank_loss`, or `suite.kernels.graded.graded_rank_loss` for a graded gallery."""
    if mixing is not None:
        queries = mixing.embeddings(queries)
    graded = isinstance(gallery, GradedGallery)
    part = _part(queries, references, gallery, gallery.self_match == "positive")
    self_ranked = gallery.self_match == "rank_only"
    precision = precision_for(queries)
    ranking = FusedRanking(positive_step, negative_step, head, graded, self_ranked, precision)
    return _unless_other(fused_rank_loss(part.queries, part.references, part.plan, ranking), part.fits)


@torch.compiler.disable
def hinged(
    queries: Tensor, references: Tensor | None, gallery: Gallery, pos_bound: float, neg_bound: float, distance: str
) -> Swept:
    """`suite.kernels.hinge.pair_hinge`."""
    part = _part(queries, references, gallery, False)
    hinge = FusedHinge(pos_bound, neg_bound, distance == "euclidean", precision_for(queries))
    return _unless_other(fused_hinge(part.queries, part.references, part.plan, hinge), part.fits)


def _part(queries: Tensor, references: Tensor | None, gallery: Gallery | GradedGallery, counted: bool) -> _Part:
    labels = [gallery.query_labels, gallery.labels]
    if gallery.query_labels.dim() == 1:
        labels = [some[:, None] for some in labels]
    query_labels, gallery_labels = labels
    own = gallery.self_match is not None
    share = query_share()
    if share is None and references is None:
        gallery_labels = query_labels
    elif share is not None:
        query_labels = query_labels[own_rows(len(queries))]
    places = None
    if own:
        rows = own_rows(len(queries))
        places = torch.arange(rows.start, rows.stop, device=queries.device)
    plan, fits = kept_plan(query_labels, gallery_labels, places, counted, share and (share.rank, share.size))
    return _Part(queries, references, plan, fits)


def _unless_other(swept: Swept, fits: Tensor | None) -> Swept:
    """NaN, with NaN gradients, where a captured graph is replayed on labels of another structure."""
    if fits is None:
        return swept
    return Swept(swept.value * torch.where(fits, 1.0, torch.nan).to(swept.value), swept.counts)
