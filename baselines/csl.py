"""CSL, the cross-level similarity loss (Sun et al., Dynamic Metric Learning, CVPR 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from suite.kernels.calling import Batch, check_number
from suite.kernels.centre_calling import CentreLoss
from suite.kernels.centres import cross_level_softplus
from suite.kernels.sweep import Swept

MARGINS = (0.25, 0.35, 0.45)


class CSLLoss(CentreLoss):
    """Keeps a query closer to its own centre than to those of other classes, by a margin that grows with level.

        sum over levels l, mean over queries, of
        softplus(log sum over centres c of another label at l of exp(scale cos(e_i, c))
                 + scale (margin_l - cos(e_i, c_y)))

    with one centre a finest class, y the query's. Embeddings and centres are L2-normalised inside.

    Args:
        num_classes: number of centres; labels at `level` are 0..num_classes-1.
        embedding_dim: D.
        hierarchy: (num_classes, levels) integers, a tensor or nested lists: row c has the labels of class c,
            finest (c itself) first. None: the finest level alone. Where a call's labels have coarser columns
            than `level`, they must say the same.
        margins: cosines, a level each, finest first; those beyond the last level are not used.
        scale: of the cosines.
        level: label column of the finest class numbers.
        seed: of the centres' start.
        block_bytes: upper limit of a block of scores in bytes, of which there are three; None: 64 MiB.

    Raises:
        ValueError: a setting that is none of the above, by its name.
    """

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        hierarchy: Tensor | Sequence[Sequence[int]] | None = None,
        margins: Sequence[float] = MARGINS,
        scale: float = 32.0,
        level: int = 0,
        seed: int = 0,
        block_bytes: int | None = None,
    ):
        super().__init__(num_classes, embedding_dim, level, seed, block_bytes)
        self.register_buffer("centre_labels", _hierarchy(hierarchy, self.num_classes))
        levels = self.centre_labels.shape[1]
        if not isinstance(margins, list | tuple) or len(margins) < levels:
            raise ValueError(f"margins: expected a list of at least {levels} numbers, one a level, found {margins!r}")
        self.margins = tuple(check_number("margins", margin) for margin in margins[:levels])
        self.scale = check_number("scale", scale, above=0.0)

    def prepare(self, embeddings: Tensor, labels: Tensor, ref_emb: Tensor | None, ref_labels: Tensor | None) -> Batch:
        batch = super().prepare(embeddings, labels, ref_emb, ref_labels)
        if labels.dim() == 2:
            given = labels[:, self.level :].to(self.centre_labels.device)
            known = self.centre_labels[batch.gallery.query_labels.to(given.device)]
            shared = min(given.shape[1], known.shape[1])
            differ = (given[:, :shared] != known[:, :shared]).any(0).nonzero()
            if len(differ):
                raise ValueError(
                    f"labels: shape {tuple(labels.shape)} differs from hierarchy at level {self.level + int(differ[0])}"
                )
        return batch

    def compute(self, batch: Batch) -> Swept:
        queries, centres, gallery = batch.normalised()
        labels = self.centre_labels.to(queries.device)
        return cross_level_softplus(
            queries, centres, gallery.query_labels, labels, self.margins, self.scale, self.block_bytes
        )


def _hierarchy(hierarchy: Any, num_classes: int) -> Tensor:
    """The labels of all centres, (num_classes, levels) int64. Raises ValueError."""
    finest = torch.arange(num_classes)
    if hierarchy is None:
        return finest[:, None]
    expected = f"hierarchy: expected ({num_classes}, levels) integers"
    try:
        labels = torch.as_tensor(hierarchy)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{expected}, found {type(hierarchy).__name__} that is no rectangle of numbers") from None
    shape = tuple(labels.shape)
    integers = not (labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool)
    if labels.dim() != 2 or shape[0] != num_classes or 0 in shape or not integers:
        raise ValueError(f"{expected}, found {labels.dtype} of shape {shape}")
    labels = labels.detach().cpu().long()
    wrong = (labels[:, 0] != finest).nonzero()
    if len(wrong):
        place = int(wrong[0])
        raise ValueError(
            f"hierarchy: row c has the labels of class c, c first, but row {place} of shape {shape} starts with "
            f"{int(labels[place, 0])}"
        )
    return labels.clone()
