"""What the losses with class centres share: the parameter, its start, and the checks of a call."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from suite.kernels.calling import Batch, Indices, RetrievalLoss, check_integer, prepare
from suite.kernels.gallery import Gallery
from suite.kernels.sweep import Swept


class CentreLoss(RetrievalLoss):
    """Base of the losses that compare a batch with one learnt centre a class.

    A subclass gives `compute`: the `references` of its batch are the centres as they are, one a class, in the
    order of the classes. A class without items in the batch is still compared with. There is no other
    gallery, and no pair to choose: `ref_emb` and `indices_tuple` are refused.

    Args:
        num_classes: number of centres; labels at `level` are class numbers, 0..num_classes-1.
        embedding_dim: D.
        level: label column of the class numbers.
        seed: seed of the generator, the loss's own, that draws the centres: uniform in
            +-1 / sqrt(embedding_dim).
        block_bytes: upper limit in bytes of one block of (queries, classes) scores; None: 64 MiB.

    Attributes:
        weight: (num_classes, embedding_dim) parameter, the centres before normalisation. The loss is
            computed in float64 if the embeddings or the centres are, else in float32.
    """

    takes_references = False

    def __init__(
        self, num_classes: int, embedding_dim: int, level: int = 0, seed: int = 0, block_bytes: int | None = None
    ):
        super().__init__(level, block_bytes)
        self.num_classes = check_integer("num_classes", num_classes, least=1)
        self.embedding_dim = check_integer("embedding_dim", embedding_dim, least=1)
        self.seed = check_integer("seed", seed, least=0)
        bound = 1.0 / math.sqrt(self.embedding_dim)
        generator = torch.Generator().manual_seed(self.seed)
        centres = torch.empty(self.num_classes, self.embedding_dim).uniform_(-bound, bound, generator=generator)
        self.weight = nn.Parameter(centres)

    def prepare(self, embeddings: Tensor, labels: Tensor, ref_emb: Tensor | None, ref_labels: Tensor | None) -> Batch:
        """The checked batch, its classes int64, with the centres as references. Raises ValueError."""
        name = type(self).__name__
        if ref_emb is not None:
            found = f"shape {tuple(ref_emb.shape)}" if isinstance(ref_emb, Tensor) else type(ref_emb).__name__
            raise ValueError(f"ref_emb: {found} means nothing to {name}, whose gallery is its class centres")
        batch = prepare(embeddings, labels, None, ref_labels, self.level, self.self_match)
        if batch.queries.shape[1] != self.embedding_dim:
            raise ValueError(
                f"embeddings: shape {tuple(embeddings.shape)} does not fit embedding_dim {self.embedding_dim}"
            )
        classes = batch.gallery.query_labels.long()
        low, high = (int(bound) for bound in classes.aminmax())
        if low < 0 or high >= self.num_classes:
            raise ValueError(
                f"labels: shape {tuple(labels.shape)} holds {low if low < 0 else high} at level {self.level}; "
                f"{name} has the classes 0..{self.num_classes - 1}"
            )
        if not all(bool(bound.isfinite()) for bound in self.weight.detach().aminmax()):
            raise ValueError(f"weight: shape {tuple(self.weight.shape)} holds NaN or infinite values")
        dtype = torch.promote_types(batch.queries.dtype, self.weight.dtype)
        queries = batch.queries.to(dtype)
        places = torch.arange(self.num_classes, device=classes.device)
        return Batch(queries, self.weight.to(queries.device, dtype), Gallery(classes, places, None))

    def compute_indexed(self, batch: Batch, indices: Indices) -> Swept:
        raise ValueError(f"indices_tuple: {type(self).__name__} compares items with class centres; leave it out")
