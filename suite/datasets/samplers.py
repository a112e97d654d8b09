"""Batch samplers: which images a training batch holds, as a function of (seed, epoch) alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from suite.errors import SuiteError


class MPerClassSampler:
    """Batches of `batch_size / m` classes with m images each, the batch of every rank loss's paper.

    Classes come in random order, each once before any comes again, never twice in one batch. The images of a
    class come in random order, each once before any comes again; a class with fewer than m images repeats
    them, as is usual in the field. An epoch is as many batches as hold the number of images there are, rounded
    to the nearest (at least one), so equal epochs mean equally many images seen at every batch size.

    Args:
        labels: (N,) int array, the class of each image at the level that is sampled.
        batch_size: images a batch, a multiple of m.
        m: images a class, at least 2.
        seed: with the epoch's number it fixes the batches.

    Raises:
        SuiteError: the batch size is no multiple of m or needs more classes than there are.
    """

    def __init__(self, labels: np.ndarray, batch_size: int, m: int, seed: int):
        labels = np.asarray(labels)
        if batch_size % m:
            raise SuiteError(
                f"batch size {batch_size} is not a multiple of the {m} samples per class; change one of them"
            )
        order = np.argsort(labels, kind="stable")
        boundaries = np.flatnonzero(np.diff(labels[order])) + 1
        self.members = np.split(order, boundaries)
        self.classes_per_batch = batch_size // m
        if self.classes_per_batch > len(self.members):
            raise SuiteError(
                f"batch size {batch_size} needs {self.classes_per_batch} classes at {m} images a class, "
                f"but the training split has {len(self.members)}; use at most {len(self.members) * m}"
            )
        self.m, self.seed = m, seed
        self.batches_per_epoch = max(1, round(len(labels) / batch_size))

    def epoch(self, number: int) -> Iterator[np.ndarray]:
        """Yield the batches of epoch `number`, each a (batch_size,) array of positions in `labels`."""
        generator = np.random.default_rng([self.seed, number])
        images = [_endless(generator, members) for members in self.members]
        queue: list[int] = []
        for _ in range(self.batches_per_epoch):
            batch, queue = queue[: self.classes_per_batch], queue[self.classes_per_batch :]
            if len(batch) < self.classes_per_batch:
                missing = self.classes_per_batch - len(batch)
                fresh = generator.permutation(len(self.members)).tolist()
                taken = set(batch)
                # What already stands in this batch waits for the next one.
                ahead = [c for c in fresh if c not in taken]
                batch, queue = batch + ahead[:missing], ahead[missing:] + [c for c in fresh if c in taken]
            yield np.array([next(images[c]) for c in batch for _ in range(self.m)])


def _endless(generator: np.random.Generator, members: np.ndarray) -> Iterator[int]:
    while True:
        yield from generator.permutation(members)
