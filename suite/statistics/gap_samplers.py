"""How batches are drawn to measure the decomposability gap: m per class, random, hierarchical.

A partition is one draw of disjoint batches, so a query stands in at most one batch of it. Each batch of a partition,
by itself, is distributed as the sampler states; batches of one partition depend on each other, since they share no
image. Nothing is drawn with repetition: a class too small for its share is never drawn, unlike in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np


class SamplerError(ValueError):
    """A sampler cannot draw what is asked for.

    Attributes:
        problem: what is wrong.
        setting: the setting at fault, `batch_sizes` or `super_level`.
        sampler: the sampler's name, once it is known.
    """

    def __init__(self, problem: str, setting: str = "batch_sizes", sampler: str = ""):
        super().__init__(problem, setting, sampler)
        self.problem, self.setting, self.sampler = problem, setting, sampler

    def __str__(self) -> str:
        return ": ".join(part for part in (self.sampler, self.setting, self.problem) if part)


class BatchSampler(Protocol):
    """What draws batches.

    Attributes:
        batch_sizes: the sizes it is measured at.
    """

    batch_sizes: Sequence[int]

    def eligible(self, codes: np.ndarray, batch_size: int) -> np.ndarray:
        """(N,) bool: the images that a batch of this size can hold, given (L, N) labels.

        Raises:
            SamplerError: they cannot fill a batch, or the labels lack a level.
        """
        ...

    def draw(self, codes: np.ndarray, batch_size: int, generator: np.random.Generator) -> np.ndarray:
        """(K, batch_size) items of the disjoint batches of one partition."""
        ...


@dataclass(frozen=True)
class MPerClass:
    """Batches of `batch_size / m` of the finest classes, m images each.

    A partition draws m images of every class that has as many, shuffles these classes and cuts them into batches;
    an incomplete last batch is dropped. A batch is thus a uniform draw of classes, and m uniform images of each.

    Args:
        samples_per_class: m, at least 2.
        batch_sizes: multiples of m, of two classes or more.
    """

    samples_per_class: int
    batch_sizes: Sequence[int]

    def __post_init__(self) -> None:
        _check_samples(self.samples_per_class)

    def eligible(self, codes: np.ndarray, batch_size: int) -> np.ndarray:
        m = self.samples_per_class
        if batch_size < 2 * m or batch_size % m:
            raise SamplerError(f"batch size {batch_size} is no multiple of {m} images a class with two classes")
        large = np.bincount(codes[0]) >= m
        if batch_size // m > large.sum():
            raise SamplerError(
                f"batch size {batch_size} needs {batch_size // m} classes of at least {m} images, there are"
                f" {large.sum()}"
            )
        return large[codes[0]]

    def draw(self, codes: np.ndarray, batch_size: int, generator: np.random.Generator) -> np.ndarray:
        classes = draw_classes(codes[0], self.samples_per_class, generator)
        classes = classes[generator.permutation(len(classes))]
        return _cut(classes.ravel(), batch_size)


@dataclass(frozen=True)
class RandomBatches:
    """Batches of uniformly drawn images, whatever their classes: a shuffled set, cut; an incomplete batch is dropped.

    Args:
        batch_sizes: from 2 to the number of images.
    """

    batch_sizes: Sequence[int]

    def eligible(self, codes: np.ndarray, batch_size: int) -> np.ndarray:
        items = codes.shape[1]
        if not 2 <= batch_size <= items:
            raise SamplerError(f"batch size {batch_size} is not between 2 and the {items} images there are")
        return np.ones(items, dtype=bool)

    def draw(self, codes: np.ndarray, batch_size: int, generator: np.random.Generator) -> np.ndarray:
        return _cut(generator.permutation(codes.shape[1]), batch_size)


@dataclass(frozen=True)
class Hierarchical:
    """Batches of a few super-classes with equal shares, m images of each fine class, as trained on SOP (SupRank).

    A batch holds `super_classes` super-classes, drawn uniformly among those with enough fine classes of at least m
    images for a share of `batch_size / super_classes`, and in each as many uniform fine classes as the share takes.
    A partition runs through the super-classes in rounds, each time in a new random order, as many rounds as the
    smallest of them has fine classes for: every round so has the same super-classes to draw from. A fine class whose
    images lie in several super-classes is never drawn.

    Args:
        samples_per_class: m, at least 2.
        super_classes: super-classes a batch, at least 2.
        batch_sizes: multiples of m times `super_classes`.
        super_level: the level that holds the super-classes.
    """

    samples_per_class: int
    super_classes: int
    batch_sizes: Sequence[int]
    super_level: int = 1

    def __post_init__(self) -> None:
        _check_samples(self.samples_per_class)
        if self.super_classes < 2:
            raise ValueError(f"super_classes: expected at least 2, found {self.super_classes}")

    def eligible(self, codes: np.ndarray, batch_size: int) -> np.ndarray:
        fine, above, large = self._places(codes, batch_size)
        chosen = np.zeros(fine.max() + 1, dtype=bool)
        chosen[np.flatnonzero(above >= 0)[large[above[above >= 0]]]] = True
        return chosen[fine]

    def draw(self, codes: np.ndarray, batch_size: int, generator: np.random.Generator) -> np.ndarray:
        share = batch_size // self.super_classes // self.samples_per_class
        _, above, large = self._places(codes, batch_size)
        images = draw_classes(codes[0], self.samples_per_class, generator)
        # All is drawn before the size says which super-classes are large enough, so that sizes draw the same.
        images = images[generator.permutation(len(images))]
        parents = above[codes[0, images[:, 0]]]
        members = {parent: images[parents == parent] for parent in np.flatnonzero(large)}
        batches = []
        for turn in range(min(len(rows) for rows in members.values()) // share):
            order = [parent for parent in generator.permutation(len(large)) if large[parent]]
            for group in _cut(np.array(order), self.super_classes):
                taken = [members[parent][turn * share : (turn + 1) * share].ravel() for parent in group]
                batches.append(np.concatenate(taken))
        return np.stack(batches)

    def _places(self, codes: np.ndarray, batch_size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Fine class of each image, super-class of each fine class (-1: never drawn), which of the latter serve."""
        m, wide = self.samples_per_class, self.super_classes
        if self.super_level not in range(1, len(codes)):
            raise SamplerError(
                f"{self.super_level} is no level above the finest; the labels have {len(codes)}", "super_level"
            )
        if batch_size < wide * m or batch_size % (wide * m):
            raise SamplerError(
                f"batch size {batch_size} is no multiple of {wide} super-classes of whole classes of {m} images"
            )
        fine, coarse = codes[0], codes[self.super_level]
        above = np.zeros(fine.max() + 1, dtype=np.int64)
        above[fine] = coarse
        astray = np.bincount(fine, weights=coarse != above[fine]) > 0
        above[astray | (np.bincount(fine) < m)] = -1
        share = batch_size // wide // m
        large = np.bincount(above[above >= 0], minlength=coarse.max() + 1) >= share
        if large.sum() < wide:
            raise SamplerError(
                f"batch size {batch_size} needs {wide} super-classes with {share} classes of at least {m} images,"
                f" there are {large.sum()}"
            )
        return fine, above, large


def draw_classes(classes: np.ndarray, samples_per_class: int, generator: np.random.Generator) -> np.ndarray:
    """Draw m images of every class that has as many.

    Args:
        classes: (N,) int class of each item.
        samples_per_class: m.
        generator: the source of randomness.

    Returns:
        (C, m) int64 rows, a class a row, ascending; C counts the classes with at least m images.
    """
    # A random order within each class: its first m are a draw without replacement.
    order = np.lexsort((generator.random(len(classes)), classes))
    _, starts, counts = np.unique(classes[order], return_index=True, return_counts=True)
    return order[starts[counts >= samples_per_class][:, None] + np.arange(samples_per_class)]


def _cut(items: np.ndarray, size: int) -> np.ndarray:
    """(K, size) rows of consecutive items; what is left over is dropped."""
    return items[: len(items) // size * size].reshape(-1, size)


def _check_samples(samples_per_class: int) -> None:
    if samples_per_class < 2:
        raise ValueError(f"samples_per_class: expected at least 2, found {samples_per_class}")
