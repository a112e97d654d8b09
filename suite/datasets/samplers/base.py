"""What all samplers share: epochs that can be entered midway, shards for many ranks, an adapter for data loaders."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np

from suite.errors import SuiteError


class Sampler(ABC):
    """Batches as a function of (seed, epoch).

    Attributes:
        batch_size: images a batch, in every batch.
        batches_per_epoch: batches an epoch, in every epoch.
        seed: with the epoch's number it fixes the batches.
    """

    batch_size: int
    batches_per_epoch: int
    seed: int

    def epoch(self, number: int, start: int = 0) -> Iterator[np.ndarray]:
        """Yield the batches of epoch `number` from batch `start` on, each a (batch_size,) int array of positions.

        They are the batches an uninterrupted epoch yields from there.

        Raises:
            SuiteError: `start` lies outside 0 .. batches_per_epoch.
        """
        if not 0 <= start <= self.batches_per_epoch:
            raise SuiteError(
                f"cannot start epoch {number} at batch {start}: an epoch has {self.batches_per_epoch}; "
                "resume with the data and batch size the run was started with"
            )
        return self._batches(number, start)

    def shard(self, rank: int, world_size: int) -> Shard:
        """The part of every batch that falls to process `rank` of `world_size`.

        Raises:
            SuiteError: the batch cannot be divided by the processes, or there is no such rank.
        """
        return Shard(self, rank, world_size)

    @abstractmethod
    def _batches(self, number: int, start: int) -> Iterator[np.ndarray]:
        """Yield what `epoch` promises; `start` has been checked."""


class Shard(Sampler):
    """One process's contiguous part of every batch of a sampler; the parts in order of rank are the batch.

    Every process computes whole batches, which are positions alone, so none has to tell another anything.

    Args:
        sampler: of the whole batch.
        rank: of this process, from 0.
        world_size: number of processes; must divide the batch size.
    """

    def __init__(self, sampler: Sampler, rank: int, world_size: int):
        if world_size < 1 or sampler.batch_size % world_size:
            raise SuiteError(
                f"batch size {sampler.batch_size} cannot be divided by {world_size} processes; change one of them"
            )
        if not 0 <= rank < world_size:
            raise SuiteError(f"rank {rank} does not lie in 0..{world_size - 1}")
        self.sampler, self.rank = sampler, rank
        self.batch_size = sampler.batch_size // world_size
        self.batches_per_epoch, self.seed = sampler.batches_per_epoch, sampler.seed

    def _batches(self, number: int, start: int) -> Iterator[np.ndarray]:
        part = slice(self.rank * self.batch_size, (self.rank + 1) * self.batch_size)
        return (batch[part] for batch in self.sampler.epoch(number, start))


class EpochBatches:
    """A sampler as the `batch_sampler` of a `torch.utils.data.DataLoader`.

        batches = EpochBatches(sampler.shard(rank, world_size))
        loader = DataLoader(images, batch_sampler=batches, num_workers=4)
        batches.set_epoch(3)

    A loader fetches batches ahead of the training step, so only the trainer knows how many it has used: it passes
    that number to `state_dict`.
    """

    def __init__(self, sampler: Sampler):
        self.sampler, self.epoch, self.start = sampler, 0, 0

    def __len__(self) -> int:
        return self.sampler.batches_per_epoch - self.start

    def __iter__(self) -> Iterator[list[int]]:
        return (batch.tolist() for batch in self.sampler.epoch(self.epoch, self.start))

    def set_epoch(self, number: int) -> None:
        """Have the next iteration yield epoch `number`, from its first batch."""
        self.epoch, self.start = number, 0

    def state_dict(self, used: int) -> dict[str, Any]:
        """Where training stands after it used `used` batches of this iteration."""
        return {"epoch": self.epoch, "start": self.start + used, **self._identity()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Have the next iteration go on where `state` was taken.

        Raises:
            SuiteError: it was taken with another seed, batch size or number of batches.
        """
        for key, value in self._identity().items():
            if state[key] != value:
                raise SuiteError(
                    f"the checkpoint's batches were drawn with {key} {state[key]}, these with {value}; "
                    "resume with the data and settings the run was started with"
                )
        self.epoch, self.start = state["epoch"], state["start"]

    def _identity(self) -> dict[str, Any]:
        return {name: getattr(self.sampler, name) for name in ("seed", "batch_size", "batches_per_epoch")}


class ClassMembers:
    """The positions of every class, classes in ascending order of their label.

    Args:
        labels: (N,) int.

    Attributes:
        positions: (N,) grouped by class.
        starts, sizes: (C,) where a class begins in `positions` and how many images it has.
    """

    def __init__(self, labels: np.ndarray):
        self.positions = np.argsort(labels, kind="stable")
        _, self.starts, self.sizes = np.unique(labels[self.positions], return_index=True, return_counts=True)

    def __len__(self) -> int:
        return len(self.sizes)

    def split(self) -> list[np.ndarray]:
        """The positions, an array a class."""
        return np.split(self.positions, self.starts[1:])

    def draw(self, generator: np.random.Generator, chosen: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Positions of `wanted[i]` images of class `chosen[i]`, one class after the other.

        Images of a class come in random order, each once before any comes again.

        Args:
            chosen: (K,) int, places of classes, distinct.
            wanted: (K,) int, images of each.

        Returns:
            (wanted.sum(),) int array.
        """
        sizes = self.sizes[chosen]
        ends, owner = np.cumsum(sizes), np.repeat(np.arange(len(chosen)), sizes)
        rows = np.arange(len(owner)) + np.repeat(self.starts[chosen] - (ends - sizes), sizes)
        # One sort for all classes: the whole part keeps them apart, the fraction puts each in random order.
        shuffled = rows[np.argsort(owner + generator.random(len(owner)), kind="stable")]
        within = np.arange(wanted.sum()) - np.repeat(np.cumsum(wanted) - wanted, wanted)
        return self.positions[shuffled[np.repeat(ends - sizes, wanted) + within % np.repeat(sizes, wanted)]]


def class_column(labels: np.ndarray, level: int) -> np.ndarray:
    """Column `level` of (N,) or (N, L) labels. Raises SuiteError if there is no such level."""
    labels = np.asarray(labels)
    columns = labels[:, None] if labels.ndim == 1 else labels
    if not 0 <= level < columns.shape[1]:
        raise SuiteError(f"the sampler asks for label level {level}, but the data set has {columns.shape[1]}")
    return columns[:, level]


def check_batch(batch_size: int, m: int) -> None:
    """Raise SuiteError unless a batch is whole classes of at least two images."""
    if m < 2:
        raise SuiteError(f"{m} samples per class leave an image without a positive; use at least 2")
    if batch_size < 1 or batch_size % m:
        raise SuiteError(f"batch size {batch_size} is not a multiple of the {m} samples per class; change one of them")
