"""Batches from a few super-classes each, so that negatives are near ones."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain, combinations

import numpy as np

from suite.datasets.samplers.base import ClassMembers, Sampler, check_batch, class_column
from suite.errors import SuiteError


class HierarchicalSampler(Sampler):
    """Batches of a pair of super-classes, the recipe for SOP of Ramzi et al. (TPAMI 2025).

    A batch holds `super_classes` coarse classes with `batch_size / super_classes` images each, m images of a fine
    class. An epoch has `batches_per_pair` batches for every set of that many super-classes, in random order, each
    drawn on its own: fine classes without repetition, their images without repetition.

    A super-class with too few fine classes for its share of the batch goes round them again, so that they stand
    in it with 2 m, 3 m, ... images; a fine class with fewer images than are wanted of it repeats them. Every batch
    is thus full, and every super-class comes equally often, however small.

    Args:
        labels: (N, L) int array, the classes of each image, finest level first.
        batch_size: images a batch, a multiple of super_classes * m.
        m: images a fine class, at least 2.
        seed: with the epoch's number it fixes the batches.
        super_classes: super-classes a batch.
        batches_per_pair: batches an epoch for each pair (or larger set) of super-classes.
        super_level: the column of labels that holds the super-classes.

    Raises:
        SuiteError: the batch cannot be divided so, there are too few super-classes, or a fine class lies in two.
    """

    def __init__(
        self,
        labels: np.ndarray,
        batch_size: int,
        m: int,
        seed: int,
        super_classes: int = 2,
        batches_per_pair: int = 5,
        super_level: int = 1,
    ):
        check_batch(batch_size, m)
        if super_classes < 1 or batches_per_pair < 1:
            raise SuiteError("super_classes and batches_per_pair must be at least 1")
        if batch_size % (super_classes * m):
            raise SuiteError(
                f"batch size {batch_size} cannot be divided into {super_classes} super-classes of whole classes of "
                f"{m} images; use a multiple of {super_classes * m}"
            )
        fine, above = class_column(labels, 0), class_column(labels, super_level)
        self._members = ClassMembers(fine)
        first = self._members.positions[self._members.starts]
        astray = above[self._members.positions] != np.repeat(above[first], self._members.sizes)
        if astray.any():
            label = fine[self._members.positions[astray.argmax()]]
            raise SuiteError(f"class {label} lies in two super-classes of level {super_level}; mend the labels")
        self._fine = ClassMembers(above[first]).split()
        if len(self._fine) < super_classes:
            raise SuiteError(
                f"a batch takes {super_classes} super-classes, but the training split has {len(self._fine)}; "
                "lower super_classes or sample m per class"
            )
        self.batch_size, self.m, self.seed = batch_size, m, seed
        self.super_classes, self.batches_per_pair = super_classes, batches_per_pair
        self.batches_per_epoch = math.comb(len(self._fine), super_classes) * batches_per_pair

    def _batches(self, number: int, start: int) -> Iterator[np.ndarray]:
        sets = combinations(range(len(self._fine)), self.super_classes)
        sets = np.fromiter(chain.from_iterable(sets), np.int32).reshape(-1, self.super_classes)
        order = np.random.default_rng([self.seed, number]).permutation(self.batches_per_epoch)
        for place in range(start, self.batches_per_epoch):
            # A generator a batch: what comes does not depend on what came. NumPy takes a trailing 0 for nothing.
            generator = np.random.default_rng([self.seed, number, place + 1])
            drawn = sets[order[place] // self.batches_per_pair]
            yield np.concatenate([self._share(generator, self._fine[one]) for one in drawn])

    def _share(self, generator: np.random.Generator, fine: np.ndarray) -> np.ndarray:
        """The positions of one super-class's images, given its fine classes."""
        wanted = self.batch_size // self.super_classes // self.m
        chosen = generator.choice(fine, min(wanted, len(fine)), replace=False)
        rounds, rest = divmod(wanted, len(fine))
        return self._members.draw(generator, chosen, self.m * (rounds + (np.arange(len(chosen)) < rest)))
