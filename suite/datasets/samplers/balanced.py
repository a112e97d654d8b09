"""m per class with a cap on the images a class gives to an epoch, for data sets of very unequal classes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from suite.datasets.samplers.base import ClassMembers, Sampler, check_batch, class_column
from suite.errors import SuiteError


class ClassBalancedSampler(Sampler):
    """Batches of m per class in which no class gives more than `cap` images an epoch.

    The recipe for GLDv2 of Ramzi et al. (TPAMI 2025): at most 8 images a class an epoch. Rank losses need positives
    in the batch, so a class gives its images in groups of m, never two groups to one batch: of n images
    floor(min(n, cap) / m) groups of different images, drawn anew each epoch; a class with fewer than m images
    gives one group, in which they repeat. Batches are dealt at random; the few groups of an epoch that do not
    fill a batch of different classes are left out of it, other ones in each epoch.

    Args:
        labels: (N,) or (N, L) int array, the class of each image, finest level first.
        batch_size: images a batch, a multiple of m.
        m: images a class in a batch, at least 2.
        seed: with the epoch's number it fixes the batches.
        cap: images a class an epoch, at least m.
        level: the column of labels that is sampled.

    Raises:
        SuiteError: the batch size is no multiple of m or needs more classes than there are, or the cap is below m.
    """

    def __init__(self, labels: np.ndarray, batch_size: int, m: int, seed: int, cap: int = 8, level: int = 0):
        check_batch(batch_size, m)
        if cap < m:
            raise SuiteError(f"cap {cap} is below the {m} samples per class; raise it or lower m")
        self._members = ClassMembers(class_column(labels, level))
        self.classes_per_batch = batch_size // m
        if self.classes_per_batch > len(self._members):
            raise SuiteError(
                f"batch size {batch_size} needs {self.classes_per_batch} classes at {m} images a class, "
                f"but the training split has {len(self._members)}; use at most {len(self._members) * m}"
            )
        self.batch_size, self.m, self.seed, self.cap = batch_size, m, seed, cap
        groups = np.maximum(np.minimum(self._members.sizes, cap) // m, 1)
        self.batches_per_epoch = _most_batches(groups, self.classes_per_batch)
        self._groups = np.minimum(groups, self.batches_per_epoch)

    def _batches(self, number: int, start: int) -> Iterator[np.ndarray]:
        generator = np.random.default_rng([self.seed, number])
        batches, groups = self.batches_per_epoch, self._groups
        surplus = int(groups.sum()) - batches * self.classes_per_batch
        left_out = generator.choice(np.repeat(np.arange(len(groups)), groups), surplus, replace=False)
        groups = groups - np.bincount(left_out, minlength=len(groups))
        classes = generator.permutation(len(groups))
        images = self._members.draw(generator, classes, groups[classes] * self.m)
        batch_of = _deal(generator, np.repeat(classes, groups[classes]).reshape(self.classes_per_batch, batches))
        table = np.empty((batches, self.classes_per_batch, self.m), dtype=images.dtype)
        table[batch_of, np.arange(self.classes_per_batch)[:, None]] = images.reshape(*batch_of.shape, self.m)
        return iter(table[start:].reshape(-1, self.batch_size))


def _most_batches(groups: np.ndarray, size: int) -> int:
    """The largest number of batches of `size` groups in which no class stands twice.

    K batches can be filled if and only if min(groups, K), summed over classes, reaches K * size: that surplus is
    concave in K and 0 at K = 0, so all numbers up to the largest can.
    """
    low, high = 1, int(groups.sum()) // size
    while low < high:
        middle = (low + high + 1) // 2
        if np.minimum(groups, middle).sum() >= middle * size:
            low = middle
        else:
            high = middle - 1
    return low


def _deal(generator: np.random.Generator, owners: np.ndarray) -> np.ndarray:
    """The batch of each group, so that none gets two groups of one class.

    Args:
        owners: (rows, batches), the class of each group, groups of a class one after the other and no more of them
            than there are batches. Every batch gets one group of each row.

    Returns:
        (rows, batches) int; each row is a permutation of the batches.
    """
    rows, batches = owners.shape
    dealt = np.empty((rows, batches), dtype=np.int64)
    for row in range(rows):
        dealt[row] = generator.permutation(batches)
        if row and owners[row, 0] == owners[row - 1, -1]:
            # A class that began in the row before goes to batches that it has not been dealt to.
            taken = dealt[row - 1, owners[row - 1] == owners[row, 0]]
            waits = np.isin(dealt[row], taken)
            dealt[row] = np.concatenate([dealt[row, ~waits], generator.permutation(dealt[row, waits])])
            count = int((owners[row] == owners[row, 0]).sum())
            dealt[row, count:] = generator.permutation(dealt[row, count:])
    return dealt
