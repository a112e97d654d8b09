"""Random batches for the fused kernels: odd sizes, unequal classes, repeated rows, other galleries.

Coordinates are multiples of 2^-12, so that scores are exact in float64 and ties are ties there; a step or hinge that
jumps is kept away from its jumps, where float32 would fall on the other side.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from suite.kernels.fused.devices import interpreted

DEVICE = "cpu" if interpreted() else "cuda"
WIDE, CLOSE = (torch.float64, 1e-10) if interpreted() else (torch.float32, 1e-5)
"""The best arithmetic of the fused kernels, and how close two orders of its sums are, relative in norm."""

SELF_MATCHES = ("exclude", "positive", "rank_only")
KINDS = ("balanced", "pairs", "long tail", "mostly alone", "alone")
GRID = 2.0**-12
CLEAR = 2e-6
"""A difference of two scores, or of a score and a bound, no smaller than this is on one side in float32 too."""


@dataclass(frozen=True)
class Batch:
    """Float32 queries (Q, D) and labels (Q, L), another gallery or None, and what a query is in its own."""

    queries: Tensor
    labels: Tensor
    gallery: Tensor | None
    gallery_labels: Tensor | None
    self_match: str | None

    @property
    def items(self) -> Tensor:
        """The gallery (G, D), whichever it is."""
        return self.queries if self.gallery is None else self.gallery

    def __repr__(self) -> str:
        gallery = self.self_match if self.gallery is None else f"gallery of {len(self.gallery)}"
        classes = sorted(torch.unique(self.labels[:, 0], return_counts=True)[1].tolist(), reverse=True)
        return f"{tuple(self.queries.shape)} {gallery}, {self.labels.shape[1]} levels, classes {classes}"


@dataclass(frozen=True)
class Jumps:
    """Where a loss jumps.

    Attributes:
        differences: between another item's score and a positive's.
        scores: of any pair.
        nearest: the greatest cosine whose distance float32 still knows to 1e-5.
    """

    differences: tuple[float, ...] = ()
    scores: tuple[float, ...] = ()
    nearest: float = math.inf


def draw_batch(seed: int, levels: int, jumps: Jumps, unit: bool) -> Batch:
    """The batch of a seed, at least 3 queries and 3 items.

    Args:
        seed: of all that is drawn.
        levels: columns of the labels, which nest.
        jumps: of the loss.
        unit: the loss normalises: no repeated rows, whose distance of 0 has no direction, and at least 8 dimensions.
    """
    dice = random.Random(seed)
    while True:
        batch = _draw(dice, seed, levels, unit)
        if _is_clear(batch, jumps, unit):
            return batch


def _draw(dice: random.Random, seed: int, levels: int, unit: bool) -> Batch:
    generator = torch.Generator().manual_seed(dice.randrange(2**40))
    kind = KINDS[seed % len(KINDS)]
    # Of the interpreter's tiles, 32 wide, few batches have nine or four: it takes seconds for them, and more for the
    # wide classes of several levels.
    two = (33, 41) if levels == 1 else (33, 35)
    sizes = {14: (65, 70) if levels == 1 else two, 5: two, 9: two}.get(
        seed % 15, (34, two[1]) if seed % 10 == 2 else (3, 32)
    )
    queries = dice.randint(*sizes)
    width = dice.randint(2 if unit else 1, 12) if queries > 48 else dice.choice([1, 2, 3, 7, 17, 33, 64, 80])
    width = max(width, 8 if unit else 1)
    classes = _classes(kind, queries, dice)
    names = torch.randperm(1000, generator=generator)[: len(classes) + 3] - 500
    labels = torch.tensor([place for place, size in enumerate(classes) for _ in range(size)])
    labels = labels[torch.randperm(queries, generator=generator)]
    own = dice.random() < 0.6
    gallery_labels = None
    if not own:
        items = dice.randint(3, 48)
        gallery_labels = torch.randint(0, len(classes) + 2, (items,), generator=generator)
        if kind == "alone":
            gallery_labels = torch.full_like(gallery_labels, len(classes))
        elif int(gallery_labels.min()) == int(gallery_labels.max()):
            gallery_labels[0] = len(classes) + 2
    rows = _points(queries, width, generator)
    others = None if own else _points(len(gallery_labels), width, generator)
    if dice.random() < 0.4 and not unit:
        for some in (rows, others):
            if some is not None and len(some) > 3:
                copies = max(1, len(some) // 4)
                some[-copies:] = some[torch.randint(0, len(some) - copies, (copies,), generator=generator)]
    # Labels of no order, whose coarser columns nest.
    levelled = [None if some is None else _levels(some, names, levels) for some in (labels, gallery_labels)]
    self_match = dice.choice(SELF_MATCHES) if own else None
    return Batch(rows, levelled[0], others, levelled[1], self_match)


def _classes(kind: str, queries: int, dice: random.Random) -> list[int]:
    """Sizes of at least two classes."""
    if kind == "alone":
        return [1] * queries
    sizes = []
    if kind == "long tail":
        # More slots than stay in registers, wherever the batch has room for them.
        sizes.append(max(queries // 4, 17 if queries >= 34 else 1))
    while sum(sizes) < queries:
        most = {"balanced": 4, "pairs": 2, "long tail": dice.randint(1, 3), "mostly alone": dice.choice([1, 1, 1, 3])}
        sizes.append(min(most[kind], queries - sum(sizes)))
    return sizes if len(sizes) > 1 else [sizes[0] - 1, 1]


def _levels(classes: Tensor, names: Tensor, levels: int) -> Tensor:
    return torch.stack([names[classes // 2**level] for level in range(levels)], 1)


def _points(rows: int, width: int, generator: torch.Generator) -> Tensor:
    points = torch.randn(rows, width, generator=generator, dtype=torch.float64)
    points = points if width == 1 else normalize(points, dim=1)
    return ((points / GRID).round() * GRID).float()


def _is_clear(batch: Batch, jumps: Jumps, unit: bool) -> bool:
    queries, items = (some.double() for some in (batch.queries, batch.items))
    if unit:
        queries, items = normalize(queries, dim=1), normalize(items, dim=1)
    scores = queries @ items.t()
    if jumps.differences:
        gallery_labels = batch.labels if batch.gallery is None else batch.gallery_labels
        positive = (batch.labels[:, None, :] == gallery_labels[None]).any(2)
        query, item = positive.nonzero(as_tuple=True)
        differences = scores[query] - scores[query, item, None]
        for jump in jumps.differences:
            # Equal scores of equal rows are a tie in float32, too; those of different rows need not be.
            distance = (differences - jump).abs()
            if jump == 0.0:
                equal = (items[item][:, None, :] == items[None]).all(2)
                distance = distance.masked_fill(equal, 1.0)
            if bool((distance < CLEAR).any()):
                return False
    others = scores if batch.gallery is not None else scores[~torch.eye(len(scores), dtype=torch.bool)]
    if bool((others > jumps.nearest).any()):
        return False
    return all(bool(((others - bound).abs() > 3 * CLEAR).all()) for bound in jumps.scores)
