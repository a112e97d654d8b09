"""What is measured: losses, labels and batch sizes, in an order that has the essential first."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from suite.benchmarking.batches import DIMENSIONS, PER_CLASS
from suite.benchmarking.counting import Work, work
from suite.kernels.calling import RetrievalLoss
from suite.losses import create_loss, mix_positive_pairs

SIZES = (1024, 4096, 16384, 65536)
DEFAULT = "tf32x3"
NOISE = 2.5
"""Of an item around the centre of its class, over what tells centres apart: see `suite.benchmarking.batches`."""


@dataclass(frozen=True)
class Case:
    """A loss on batches of one kind.

    Attributes:
        name: of the loss in the registry.
        settings: of the loss.
        labels: `4 a class`; `3 levels`, classes of 4, sixteenths and quarters of the batch; `long tail`, one class of a
            quarter of the batch and classes of 4; `power law`, the n-th class in proportion to 1 / n.
        gallery: rank another gallery of as many items, which takes a gradient too.
        sizes: batch sizes.
        precisions: of the fused kernels.
    """

    name: str
    sizes: tuple[int, ...]
    labels: str = "4 a class"
    settings: dict[str, Any] = field(default_factory=dict)
    gallery: bool = False
    precisions: tuple[str, ...] = (DEFAULT,)

    @property
    def title(self) -> str:
        """What tables call it."""
        extra = [name for name, given in (("SiMix", self.settings.get("simix")), ("gallery", self.gallery)) if given]
        extra += [] if self.labels == "4 a class" else [self.labels]
        return ", ".join([self.name, *extra])

    def loss(self) -> RetrievalLoss:
        return create_loss(self.name, **self.settings)

    def draw(self, size: int, dimensions: int, seed: int, device: torch.device) -> Batch:
        """A fresh batch: the same labels for every seed, other embeddings."""
        labels = drawn_labels(self.labels, size).to(device)
        generator = torch.Generator(device).manual_seed(seed)
        if not self.gallery:
            return Batch(_around_classes(labels, dimensions, generator).requires_grad_(), labels)
        everyone = _around_classes(torch.cat([labels, labels]), dimensions, generator)
        queries, gallery = (side.clone().requires_grad_() for side in everyone.chunk(2))
        return Batch(queries, labels, gallery, labels.clone())

    def work(self, size: int, dimensions: int) -> Work:
        """What a forward and a backward pass must do."""
        labels = drawn_labels(self.labels, size)
        of = work(labels, dimensions, labels if self.gallery else None, self.name != "calibration")
        if self.settings.get("simix"):
            # Items are mixed, and so are their scores: more steps, and no more products.
            _, everyone = mix_positive_pairs(torch.zeros(size, 1), labels, torch.zeros(size * (PER_CLASS - 1) // 2))
            of = Work(size, size, dimensions, True, work(everyone, dimensions).steps)
        return of


@dataclass(frozen=True)
class Batch:
    """Embeddings and labels on a device; with a gallery of its own, or none."""

    embeddings: Tensor
    labels: Tensor
    ref_emb: Tensor | None = None
    ref_labels: Tensor | None = None

    @property
    def inputs(self) -> list[Tensor]:
        """What takes a gradient."""
        return [self.embeddings] + ([] if self.ref_emb is None else [self.ref_emb])

    @property
    def gradient_bytes(self) -> int:
        """Bytes of the gradients of all inputs."""
        return sum(some.numel() * some.element_size() for some in self.inputs)

    def of_dtype(self, dtype: torch.dtype) -> Batch:
        """The same numbers in another dtype."""
        sides = [some.detach().to(dtype).requires_grad_() for some in self.inputs]
        return Batch(sides[0], self.labels, *(() if self.ref_emb is None else (sides[1], self.ref_labels)))

    def value_and_gradients(self, loss: Any) -> tuple[Tensor, list[Tensor]]:
        """A forward and a backward pass."""
        value = loss(self.embeddings, self.labels, ref_emb=self.ref_emb, ref_labels=self.ref_labels)
        return value.detach(), list(torch.autograd.grad(value, self.inputs))


@dataclass(frozen=True)
class Study:
    """Everything a run does.

    Attributes:
        cases: what is timed.
        dimensions: of an embedding.
        check_size: items of the batches on which results are compared with float64.
        rounds: least and most timed calls, between which `seconds` decides.
        seconds: that one timing takes, about.
        longest: seconds that a blockwise call may take to be timed.
        ceiling_mib: size of the copy that measures the memory, MiB.
        ceiling_rows: rows and columns of the matrix product that measures the matrix units.
        ceiling_rounds: exponentials a thread takes, and readings of the L2 cache.
    """

    cases: tuple[Case, ...]
    dimensions: int = DIMENSIONS
    check_size: int = 1024
    rounds: tuple[int, int] = (3, 50)
    seconds: float = 1.0
    longest: float = 5.0
    ceiling_mib: int = 4096
    ceiling_rows: int = 8192
    ceiling_rounds: int = 4096


def default_cases(sizes: Collection[int] = SIZES) -> tuple[Case, ...]:
    """The cases of `make benchmark-gpu`, for the batch sizes among `sizes`."""
    everything, middle, small = SIZES, (1024, 4096, 16384), (1024, 4096)
    cases = (
        Case("supap", everything, precisions=(DEFAULT, "bf16x3", "tf32", "ieee")),
        Case("smoothap", everything),
        Case("calibration", everything),
        Case("recall_at_k", everything),
        Case("suprecall", everything),
        Case("supap", middle, gallery=True),
        Case("supap", middle, labels="long tail"),
        Case("supap", middle, labels="power law"),
        Case("suphap", small, labels="3 levels"),
        Case("supndcg", small, labels="3 levels"),
        Case("recall_at_k", small, settings={"simix": True}),
    )
    kept = [replace(case, sizes=tuple(size for size in case.sizes if size in sizes)) for case in cases]
    return tuple(case for case in kept if case.sizes)


def drawn_labels(kind: str, size: int) -> Tensor:
    """(size,) or, for `3 levels`, (size, 3) labels of a kind that `Case` names."""
    place = torch.arange(size)
    fours = place // PER_CLASS
    if kind == "4 a class":
        return fours
    if kind == "3 levels":
        coarse = [place // max(PER_CLASS, size // parts) for parts in (16, 4)]
        return torch.stack([fours, *coarse], 1)
    if kind == "long tail":
        return torch.where(place < size // 4, -1, fours)
    if kind == "power law":
        # As many classes as have at least 2 items where the first has a quarter.
        sizes = (size // 4) // torch.arange(1, size // 8 + 1)
        labels = torch.arange(len(sizes)).repeat_interleave(sizes)[:size]
        return torch.cat([labels, len(sizes) + torch.arange(size - len(labels)) // 2])
    raise ValueError(f"labels: expected one of the kinds of Case, found {kind!r}")


def _around_classes(labels: Tensor, dimensions: int, generator: torch.Generator) -> Tensor:
    """(B, dimensions) float32 unit vectors, each near the centre of its class at every level."""
    columns = labels[:, None] if labels.dim() == 1 else labels
    levels = columns.shape[1]
    points = torch.empty(len(labels), dimensions, device=labels.device)
    points.normal_(generator=generator).mul_(NOISE * levels**0.5)
    for column in columns.t():
        _, nth = column.unique(return_inverse=True)
        centres = torch.empty(int(nth.max()) + 1, dimensions, device=labels.device).normal_(generator=generator)
        points += centres[nth]
    return normalize(points, dim=1)
