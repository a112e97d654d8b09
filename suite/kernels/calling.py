"""The calling convention of every loss built on the kernels: the checks and the module around a kernel."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from suite.kernels.capture import capturing
from suite.kernels.gallery import SELF_MATCHES, Gallery
from suite.kernels.graded import GradedGallery
from suite.kernels.similarity import normalise
from suite.kernels.sweep import Swept

Indices = tuple[Tensor, ...]


class Batch(NamedTuple):
    """A checked call: embeddings in the dtype of the arithmetic, labels at one level, or from one on.

    `references` is None when the queries are their own gallery.
    """

    queries: Tensor
    references: Tensor | None
    gallery: Gallery | GradedGallery

    def normalised(self) -> Batch:
        """The batch with all embeddings L2-normalised."""
        references = None if self.references is None else normalise(self.references)
        return Batch(normalise(self.queries), references, self.gallery)


class RetrievalLoss(nn.Module):
    """Base of the losses: settings in the constructor, the call of pytorch-metric-learning.

    A subclass gives `compute`, and `compute_indexed` if pairs or triplets chosen by a miner mean something to
    it.

    Args:
        level: the column of the labels that says who is relevant; 0 is the finest. Labels (B,) have level 0
            alone. To a loss whose class says `graded`, relevance is the number of columns from `level` on that
            agree.
        block_bytes: upper limit in bytes of one buffer, never less than one row of scores; None: work buffers of 2
            MiB, tuned to the cache, and up to 64 MiB of gradients by scores a term of the loss.
    """

    self_match = "exclude"
    graded = False
    takes_references = True

    def __init__(self, level: int = 0, block_bytes: int | None = None):
        super().__init__()
        self.level = check_integer("level", level, least=0)
        self.block_bytes = None if block_bytes is None else check_integer("block_bytes", block_bytes, least=1)
        self._warned = False

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        indices_tuple: Indices | None = None,
        ref_emb: Tensor | None = None,
        ref_labels: Tensor | None = None,
    ) -> Tensor:
        """The loss of a batch, a scalar with a graph.

        Half and bfloat16 embeddings, also under autocast, are computed on in float32.

        Args:
            embeddings: (B, D), floating point.
            labels: (B,) or (B, L), integers, the finest level first.
            indices_tuple: (anchors, positives, negatives) or (anchors, positives, anchors, negatives) of a
                miner, for the losses of pairs and triplets.
            ref_emb: (G, D), another gallery; None, or the very tensor `embeddings`: the batch is its own
                gallery. A copy is another gallery, in which a query meets itself; pytorch-metric-learning passes
                over it where `ref_labels` is the very tensor `labels`.
            ref_labels: (G,) or (G, L), required with `ref_emb`.

        Raises:
            ValueError: an argument that is none of the above, with its name and shape; items of one class only, or
                settings that do not fit the batch.
        """
        batch = self.prepare(embeddings, labels, ref_emb, ref_labels)
        with torch.autocast(embeddings.device.type, enabled=False):
            if indices_tuple is None:
                result = self.compute(batch)
            else:
                result = self.compute_indexed(batch, check_indices(indices_tuple, batch))
        if not self._warned and not capturing() and not bool(result.counts.any()) and not batch.gallery.has_positives():
            self._warned = True
            warnings.warn(
                f"{type(self).__name__}: no query of the batch has a positive, so the loss is 0; "
                "draw at least two items of a class",
                stacklevel=2,
            )
        return result.value

    def prepare(self, embeddings: Tensor, labels: Tensor, ref_emb: Tensor | None, ref_labels: Tensor | None) -> Batch:
        """The checked batch that the loss is computed on. Raises ValueError."""
        batch = prepare(embeddings, labels, ref_emb, ref_labels, self.level, self.self_match, self.graded)
        everyone = (batch.gallery.query_labels, batch.gallery.labels)
        if capturing():
            return batch
        if all(bool((some == everyone[0][0]).all()) for some in everyone) and batch.gallery.has_positives():
            raise ValueError(
                f"labels: shape {tuple(labels.shape)} holds one class only at level {self.level}, so that no item "
                f"is less relevant than another; {type(self).__name__} compares items of different classes"
            )
        return batch

    def compute(self, batch: Batch) -> Swept:
        """The loss of a checked batch, and the counts behind its means."""
        raise NotImplementedError(f"{type(self).__name__} defines no compute")

    def compute_indexed(self, batch: Batch, indices: Indices) -> Swept:
        """The loss of the chosen pairs or triplets of a checked batch."""
        raise ValueError(f"indices_tuple: {type(self).__name__} is defined on whole rankings; leave it out")

    def extra_repr(self) -> str:
        names = [name for name in inspect.signature(type(self)).parameters if hasattr(self, name)]
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in names)


def prepare(
    embeddings: Tensor,
    labels: Tensor,
    ref_emb: Tensor | None,
    ref_labels: Tensor | None,
    level: int,
    self_match: str,
    graded: bool = False,
) -> Batch:
    """Check the tensors of a call and bring them into the form the kernels take. Raises ValueError.

    Relevance is binary, agreement at `level`, or graded: the number of columns from `level` on that agree.
    """
    bound = _check_embeddings("embeddings", embeddings)
    query_labels = _labels_at("labels", labels, "embeddings", embeddings, level, graded)
    if ref_emb is None and ref_labels is not None:
        raise ValueError(f"ref_labels: given with shape {tuple(ref_labels.shape)}, but there is no ref_emb")
    own_gallery = ref_emb is None or ref_emb is embeddings
    dtype = working_dtype(embeddings)
    references, gallery_labels, ref_bound = None, query_labels, bound
    if ref_emb is not None and not (own_gallery and ref_labels is None):
        if ref_labels is None:
            raise ValueError(f"ref_labels: required with ref_emb of shape {tuple(ref_emb.shape)}")
        ref_bound = _check_embeddings("ref_emb", ref_emb)
        if ref_emb.shape[1] != embeddings.shape[1]:
            raise ValueError(
                f"ref_emb: shape {tuple(ref_emb.shape)} and embeddings {tuple(embeddings.shape)} differ in dimension"
            )
        gallery_labels = _labels_at("ref_labels", ref_labels, "ref_emb", ref_emb, level, graded)
        if gallery_labels.shape[1:] != query_labels.shape[1:]:
            raise ValueError(
                f"ref_labels: shape {tuple(ref_labels.shape)} and labels {tuple(labels.shape)} differ in levels"
            )
        if own_gallery and not capturing() and not torch.equal(gallery_labels.to(query_labels), query_labels):
            raise ValueError(
                f"ref_labels: shape {tuple(ref_labels.shape)} holds other values than labels, but ref_emb is embeddings"
            )
        if not own_gallery:
            dtype = torch.promote_types(dtype, working_dtype(ref_emb))
            references = ref_emb.to(embeddings.device, dtype)
    if bound * ref_bound * embeddings.shape[1] > torch.finfo(dtype).max * 1e-8:
        raise ValueError(
            f"embeddings: values up to {max(bound, ref_bound):.3g} at shape {tuple(embeddings.shape)} "
            "overflow the similarities; scale them down"
        )
    gallery = (GradedGallery if graded else Gallery)(
        query_labels.to(embeddings.device),
        gallery_labels.to(embeddings.device),
        self_match if own_gallery else None,
    )
    return Batch(embeddings.to(dtype), references, gallery)


def check_indices(indices_tuple: Any, batch: Batch) -> Indices:
    """Check a miner's index tensors against the sizes of a batch. Raises ValueError."""
    if not isinstance(indices_tuple, tuple | list) or len(indices_tuple) not in (3, 4):
        raise ValueError(
            "indices_tuple: expected (anchors, positives, negatives) or (anchors, positives, anchors, negatives)"
        )
    queries, items = len(batch.gallery.query_labels), len(batch.gallery.labels)
    sizes = (queries, items, items) if len(indices_tuple) == 3 else (queries, items, queries, items)
    indices = []
    for place, (index, size) in enumerate(zip(indices_tuple, sizes, strict=True)):
        if not isinstance(index, Tensor) or index.dim() != 1 or index.is_floating_point() or index.dtype == torch.bool:
            raise ValueError(f"indices_tuple[{place}]: expected a 1-dimensional tensor of integers")
        if len(index) and (int(index.min()) < 0 or int(index.max()) >= size):
            raise ValueError(f"indices_tuple[{place}]: shape {tuple(index.shape)} holds indices outside 0..{size - 1}")
        indices.append(index.to(batch.queries.device, torch.long))
    pairs = [(0, 1), (0, 2)] if len(indices) == 3 else [(0, 1), (2, 3)]
    for left, right in pairs:
        if len(indices[left]) != len(indices[right]):
            raise ValueError(
                f"indices_tuple: parts {left} and {right} differ in length, {len(indices[left])} and "
                f"{len(indices[right])}"
            )
    return tuple(indices)


def check_number(name: str, value: Any, above: float = -math.inf, least: float = -math.inf) -> float:
    """`value` as a finite float above `above` and of at least `least`. Raises ValueError naming `name`."""
    bound = f" above {above:g}" if above > -math.inf else f" of at least {least:g}" if least > -math.inf else ""
    number = _scalar(value)
    known = isinstance(number, Real) and not isinstance(number, bool) and math.isfinite(number)
    if not known or number <= above or number < least:
        raise ValueError(f"{name}: expected a number{bound}, found {value!r}")
    return float(number)


def check_integer(name: str, value: Any, least: int) -> int:
    """`value` as an integer of at least `least`. Raises ValueError naming `name`."""
    number = _scalar(value)
    if isinstance(number, bool) or not isinstance(number, Integral) or number < least:
        raise ValueError(f"{name}: expected an integer of at least {least}, found {value!r}")
    return int(number)


def check_flag(name: str, value: Any) -> bool:
    """`value` as true or false. Raises ValueError naming `name`."""
    if not isinstance(value, bool):
        raise ValueError(f"{name}: expected true or false, found {value!r}")
    return value


def check_choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """`value`, one of `choices`. Raises ValueError naming `name`."""
    if value not in tuple(choices):
        raise ValueError(f"{name}: expected one of {', '.join(choices)}, found {value!r}")
    return value


def check_ks(name: str, value: Any) -> tuple[int, ...]:
    """`value`, a sequence, array or tensor, as distinct integers of at least 1. Raises ValueError naming `name`."""
    values = value.tolist() if getattr(value, "ndim", 0) == 1 else value
    if not isinstance(values, Sequence) or isinstance(values, str | bytes) or not values:
        raise ValueError(f"{name}: expected a list of integers of at least 1, found {value!r}")
    ks = tuple(check_integer(name, k, least=1) for k in values)
    if len(set(ks)) != len(ks):
        raise ValueError(f"{name}: values repeat, found {value!r}; give each once")
    return ks


def check_ks_within(name: str, ks: Sequence[int], gallery: Gallery) -> None:
    """Whether a gallery that holds a positive has the places `ks`. Raises ValueError naming `name`."""
    items = len(gallery.labels)
    if max(ks) > items and gallery.has_positives():
        raise ValueError(f"{name}: {max(ks)} is beyond the gallery, of {items} items; found {tuple(ks)}")


def check_self_match(value: Any) -> str:
    """`value`, one of exclude, positive and rank_only. Raises ValueError."""
    return check_choice("self_match", value, SELF_MATCHES)


def working_dtype(embeddings: Tensor) -> torch.dtype:
    """The dtype of the arithmetic: float64 for float64, else float32."""
    return torch.float64 if embeddings.dtype == torch.float64 else torch.float32


def widened(embeddings: Any) -> Any:
    """Half and bfloat16 embeddings in float32, anything else as it is.

    A sum of losses casts before them: else their gradients would be rounded one by one, and added in the narrow type.
    """
    if isinstance(embeddings, Tensor) and embeddings.is_floating_point():
        return embeddings.to(working_dtype(embeddings))
    return embeddings


def _scalar(value: Any) -> Any:
    """The Python number in a NumPy scalar, or in an array or tensor without dimensions; else `value`."""
    return value.item() if getattr(value, "ndim", None) == 0 else value


def _check_embeddings(name: str, embeddings: Any) -> float:
    """The largest magnitude among checked embeddings; 0 in a CUDA graph, which cannot be told of a fault."""
    if not isinstance(embeddings, Tensor):
        raise ValueError(f"{name}: expected a tensor, found {type(embeddings).__name__}")
    shape = tuple(embeddings.shape)
    if embeddings.dim() != 2 or 0 in shape:
        raise ValueError(f"{name}: expected a non-empty (items, dimensions) tensor, found shape {shape}")
    if not embeddings.is_floating_point():
        raise ValueError(f"{name}: expected floating point, found {embeddings.dtype} of shape {shape}")
    if capturing():
        return 0.0
    low, high = embeddings.detach().aminmax()
    bound = max(-float(low), float(high))
    if not math.isfinite(bound):
        raise ValueError(f"{name}: shape {shape} holds NaN or infinite values")
    return bound


def _labels_at(name: str, labels: Any, of_name: str, embeddings: Tensor, level: int, graded: bool) -> Tensor:
    if not isinstance(labels, Tensor):
        raise ValueError(f"{name}: expected a tensor, found {type(labels).__name__}")
    shape = tuple(labels.shape)
    if labels.dim() not in (1, 2) or shape[0] != len(embeddings):
        raise ValueError(
            f"{name}: expected shape ({len(embeddings)},) or ({len(embeddings)}, levels) beside "
            f"{of_name} of shape {tuple(embeddings.shape)}, found {shape}"
        )
    if labels.is_floating_point() or labels.is_complex():
        raise ValueError(f"{name}: expected integers, found {labels.dtype} of shape {shape}")
    levels = 1 if labels.dim() == 1 else shape[1]
    if level >= levels:
        raise ValueError(f"level: {level} is out of range for {name} of shape {shape}, which has {levels} level(s)")
    if capturing() and labels.device != embeddings.device:
        raise ValueError(f"{name}: on {labels.device}, but a CUDA graph takes them from {embeddings.device} alone")
    # torch sorts and searches integers of most types, but not booleans or wide unsigned ones.
    labels = labels.long()
    if graded:
        return (labels[:, None] if labels.dim() == 1 else labels[:, level:]).contiguous()
    return (labels if labels.dim() == 1 else labels[:, level]).contiguous()
