"""The batches that implementations are compared on: small, in float64, each with one thing out of the ordinary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import torch
from torch import Tensor

DIMENSIONS = 7
# Added to every coordinate: keeps all cosines of a batch above zero.
_SHIFT = 1.2


@dataclass(frozen=True)
class Case:
    """One batch.

    Attributes:
        name: its key in the tables and the head of its column.
        about: what it holds, as the end of a sentence.
        embeddings: (B, 7) float64, of lengths other than 1.
        labels: (B, 2) int64; column 0 the classes 0, 1, ... , column 1 pairs of neighbouring classes.
        ref_emb: (G, 7), another gallery, or None: every item is compared with all others.
        ref_labels: (G, 2), with `ref_emb`.
    """

    name: str
    about: str
    embeddings: Tensor
    labels: Tensor
    ref_emb: Tensor | None = None
    ref_labels: Tensor | None = None

    @property
    def classes(self) -> int:
        """How many classes there are, those of the gallery included."""
        galleries = (self.labels,) if self.ref_labels is None else (self.labels, self.ref_labels)
        return 1 + max(int(labels[:, 0].max()) for labels in galleries)

    def unit(self) -> tuple[Tensor, Tensor]:
        """Queries and gallery, both L2-normalised; the gallery is the queries where there is no other."""
        normalise = torch.nn.functional.normalize
        queries = normalise(self.embeddings, dim=1)
        return queries, queries if self.ref_emb is None else normalise(self.ref_emb, dim=1)

    def centres(self) -> Tensor:
        """(classes, 7) class centres for the losses that have some."""
        return _drawn((self.classes, DIMENSIONS), seed=90)


@lru_cache(maxsize=1)
def cases() -> tuple[Case, ...]:
    """All cases, in the order of the columns."""
    square = _around([4] * 4, seed=1)
    labels = _labels([4] * 4)
    order = torch.randperm(16, generator=torch.Generator().manual_seed(2))
    within, across = square.clone(), square.clone()
    within[[1, 6]] = square[[0, 4]]
    across[[5, 12]] = square[[0, 9]]
    return (
        Case("square", "four classes of four, class by class", square, labels),
        Case("equal", "five classes of three", _around([3] * 5, seed=3), _labels([3] * 5)),
        Case("order", "four classes of four in mixed order", square[order], labels[order]),
        Case("unequal", "classes of 2, 3, 5 and 7", _around([2, 3, 5, 7], seed=4), _labels([2, 3, 5, 7])),
        Case(
            "singles",
            "classes of 4, 1, 3, 1 and 4: two items have no positive",
            _around([4, 1, 3, 1, 4], seed=5),
            _labels([4, 1, 3, 1, 4]),
        ),
        Case("copies", "four classes of four, two rows repeated within their class", within, labels),
        Case("strays", "four classes of four, two rows repeated in another class", across, labels),
        Case("ties", "four classes of four distinct items, many scores exactly equal", _lattice(16), labels),
        Case("negative", "four classes of four, many cosines below zero", _drawn((16, DIMENSIONS), seed=6), labels),
        Case(
            "gallery",
            "four classes of three against another gallery, which has none of the last class",
            _around([3] * 4, seed=7),
            _labels([3] * 4),
            _around([5, 2, 4, 0, 3], seed=8),
            _labels([5, 2, 4, 0, 3]),
        ),
    )


def _labels(sizes: Sequence[int]) -> Tensor:
    fine = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    return torch.stack([fine, fine // 2], 1)


def _around(sizes: Sequence[int], seed: int) -> Tensor:
    """Items around drawn class centres, close enough to overlap."""
    centres = _SHIFT + 0.6 * _drawn((len(sizes), DIMENSIONS), seed)
    return centres[_labels(sizes)[:, 0]] + 0.5 * _drawn((sum(sizes), DIMENSIONS), seed + 50)


def _lattice(items: int) -> Tensor:
    """Distinct rows with four coordinates of 1 and the rest 0: cosines are whole quarters, exact in any precision."""
    patterns = torch.tensor(list(combinations(range(DIMENSIONS), 4)))
    chosen = patterns[torch.randperm(len(patterns), generator=torch.Generator().manual_seed(9))[:items]]
    return torch.zeros(items, DIMENSIONS, dtype=torch.float64).scatter_(1, chosen, 1.0)


def _drawn(shape: tuple[int, int], seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
