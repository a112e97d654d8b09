"""m images of each of the batch's classes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np

from suite.datasets.samplers.base import ClassMembers, Sampler, check_batch, class_column
from suite.errors import SuiteError


class MPerClassSampler(Sampler):
    """Batches of `batch_size / m` classes with m images each, the batch of every rank loss's paper.

    Classes come in random order, each once before any comes again, never twice in one batch. The images of a
    class come in random order, each once before any comes again; a class with fewer than m images repeats
    them, as is usual in the field. An epoch is as many batches as hold the number of images there are, rounded
    to the nearest (at least one), so equal epochs mean equally many images seen at every batch size.

    Args:
        labels: (N,) or (N, L) int array, the class of each image, finest level first.
        batch_size: images a batch, a multiple of m.
        m: images a class, at least 2.
        seed: with the epoch's number it fixes the batches.
        level: the column of labels that is sampled.
        repeat_classes: fill a batch that needs more classes than there are: every class stands in it with m images,
            and some, other ones from batch to batch, with m more.

    Raises:
        SuiteError: the batch size is no multiple of m, or needs more classes than there are and they do not repeat.
    """

    def __init__(
        self,
        labels: np.ndarray,
        batch_size: int,
        m: int,
        seed: int,
        level: int = 0,
        repeat_classes: bool = False,
    ):
        check_batch(batch_size, m)
        labels = class_column(labels, level)
        self.members = ClassMembers(labels).split()
        self.classes_per_batch = batch_size // m
        if self.classes_per_batch > len(self.members) and not repeat_classes:
            raise SuiteError(
                f"batch size {batch_size} needs {self.classes_per_batch} classes at {m} images a class, "
                f"but the training split has {len(self.members)}; use at most {len(self.members) * m}"
            )
        self.batch_size, self.m, self.seed = batch_size, m, seed
        self.batches_per_epoch = max(1, round(len(labels) / batch_size))

    def _batches(self, number: int, start: int) -> Iterator[np.ndarray]:
        # What comes depends on all that came, so the batches before `start` are drawn too, which is quick.
        return islice(self._epoch(number), start, None)

    def _epoch(self, number: int) -> Iterator[np.ndarray]:
        generator = np.random.default_rng([self.seed, number])
        images = [_endless(generator, members) for members in self.members]
        rounds = (self.classes_per_batch - 1) // len(self.members)
        drawn = self.classes_per_batch - rounds * len(self.members)
        whole = list(range(len(self.members))) * rounds
        queue: list[int] = []
        for _ in range(self.batches_per_epoch):
            batch, queue = queue[:drawn], queue[drawn:]
            if len(batch) < drawn:
                missing = drawn - len(batch)
                fresh = generator.permutation(len(self.members)).tolist()
                taken = set(batch)
                # What already stands in this batch waits for the next one.
                ahead = [c for c in fresh if c not in taken]
                batch, queue = batch + ahead[:missing], ahead[missing:] + [c for c in fresh if c in taken]
            yield np.array([next(images[c]) for c in whole + batch for _ in range(self.m)])


def _endless(generator: np.random.Generator, members: np.ndarray) -> Iterator[int]:
    while True:
        yield from generator.permutation(members)
