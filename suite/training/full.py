"""The `full` protocol: train a whole network from images with one loss, in batches of any size, on any ranks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn

from suite.datasets.samplers import Sampler, create_sampler
from suite.full_settings import Full
from suite.losses import complete_settings, create_loss
from suite.models.keyed_dropout import sample_keys
from suite.models.network import create_network
from suite.training.checkpoints import Checkpoints
from suite.training.data import StudiedData, training_labels
from suite.training.distributed import Ranks, shared_loss
from suite.training.image_data import ImageChunk, ImageData
from suite.training.loop import Place, Report, TrainingRun, batches_of, fit, run_length
from suite.training.optimization import full_optimization
from suite.training.randomness import mixed_seed
from suite.training.specification import RunSpecification
from suite.training.trained import Trained
from suite.training.two_pass import one_pass_backward, two_pass_backward

HALF = {"bfloat16": torch.bfloat16, "float16": torch.float16}
# Images from whose features the whitening of a head is computed.
_WHITENING_IMAGES = 20_000
# Sets the random numbers of a loss apart from those of the network at the same step.
_LOSS_STREAM = 1


def full_sampler(spec: RunSpecification, labels: np.ndarray) -> Sampler:
    """The batches of a run over training labels (N, L). SuiteError if a batch cannot be filled."""
    sampling = spec.full["sampling"]
    m, settings = sampling["samples_per_class"], sampling["settings"]
    return create_sampler(sampling["kind"], labels, spec.batch_size, m, spec.seed, **settings)


class FullRun(TrainingRun):
    """One run of the `full` protocol.

    A batch is embedded in chunks of `chunk_size` images in two passes (`suite.training.two_pass`); with one chunk, in
    one. Every random number of an image (augmentation, dropout, drop path) is a function of seed, step and the image's
    place in the batch, so results depend on the size of chunks and the number of ranks by rounding alone.

    Args:
        spec: the run.
        data: the data set.
        loaders: processes that decode images; 0: this one.
        ranks: processes that share every batch.

    Raises:
        SuiteError: the sampler cannot fill a batch, the ranks cannot divide it, or a part of the network is unknown.
    """

    def __init__(self, spec: RunSpecification, data: ImageData, loaders: int = 0, ranks: Ranks | None = None):
        torch.manual_seed(spec.seed)
        self.spec, self.data, self.loaders = spec, data, loaders
        self.ranks = Ranks.alone() if ranks is None else ranks
        self.full = Full.model_validate(spec.full)
        self.device = self.ranks.device
        self.labels, self.rows = training_labels(data), data.rows("train")
        self.sampler = full_sampler(spec, self.labels.numpy())
        self.shard = self.sampler.shard(self.ranks.rank, self.ranks.size)
        share = self.shard.batch_size
        self.chunk_size = min(self.full.chunk_size or share, share)
        self.chunks_per_batch = -(-share // self.chunk_size)
        dtype = torch.float64 if self.full.precision == "float64" else torch.float32
        self.network = create_network(self.full.network, spec.seed, self.full.images.size).to(self.device, dtype)
        if self.full.network.whitening:
            self._whiten()
        settings = complete_settings(spec.loss, spec.settings, self.labels, spec.embedding_dim)
        self.loss = create_loss(spec.loss, **settings).to(self.device, dtype)
        total = run_length(spec, self.sampler)
        self.optimization = full_optimization(
            self.full,
            self.network.backbone_parameters(),
            self.network.head_parameters(),
            list(self.loss.parameters()),
            spec.learning_rate,
            total,
            self.sampler.batches_per_epoch,
            self.device,
        )

    def batches(self, first: Place, total: int) -> Iterator[tuple[Place, np.ndarray]]:
        passes = 1 if self.chunks_per_batch == 1 else 2
        parts = (self._keyed(place, part) for place, part in batches_of(self.shard, first, total))
        self.stream = self.data.chunks(parts, self.chunk_size, passes, self.loaders)
        try:
            yield from super().batches(first, total)
        finally:
            self.stream.close()

    def gradient(self, place: Place, batch: np.ndarray) -> float:
        self.network.freeze_backbone(place.epoch <= self.full.frozen_epochs)
        self.network.train()
        labels = self.labels[batch].to(self.device)

        def objective(embeddings: Tensor) -> Tensor:
            with _own_randomness(self.device, mixed_seed(self.spec.seed, place.step, _LOSS_STREAM)):
                return shared_loss(self.loss, embeddings, labels, self.ranks)

        scale = self.optimization.scale
        if self.chunks_per_batch == 1:
            value = one_pass_backward(self._embed, next(self.stream), objective, scale)
        else:
            value = two_pass_backward(self._embed, lambda: islice(self.stream, self.chunks_per_batch), objective, scale)
        self.ranks.sum_gradients(self.network.parameters())
        return value.item()

    def evaluated_data(self) -> StudiedData:
        return self.data if self.ranks.size == 1 else SharedData.of(self.data, self.ranks)

    def _embed(self, chunk: ImageChunk) -> Tensor:
        images, keys = (tensor.to(self.device, non_blocking=True) for tensor in chunk)
        half = HALF.get(self.full.precision)
        # Left before the next pass: autocast keeps weights that it cast without a graph until it is left.
        with torch.autocast(self.device.type, half, enabled=half is not None):
            return self.network(images, keys)

    def _keyed(self, place: Place, part: np.ndarray) -> tuple[np.ndarray, Tensor]:
        """Rows of `items.parquet` and keys of this rank's images of a batch."""
        first = self.ranks.rank * len(part)
        return self.rows[part], sample_keys(self.spec.seed, place.step, torch.arange(first, first + len(part)))

    def _whiten(self) -> None:
        stride = max(1, len(self.rows) // _WHITENING_IMAGES)
        self.network.init_whitening(self.data.features(self.network, self.rows[::stride]))


def train_full(
    spec: RunSpecification,
    data: ImageData,
    report: Report,
    checkpoints: Checkpoints | None = None,
    loaders: int = 0,
    ranks: Ranks | None = None,
) -> Trained:
    """Train one network end to end and judge it (`suite.training.loop.fit`); arguments as of `FullRun`."""
    return fit(FullRun(spec, data, loaders, ranks), report, checkpoints)


@dataclass
class SharedData(StudiedData):
    """A data set whose images are embedded by all ranks together, each a part of them."""

    inner: StudiedData
    ranks: Ranks

    @classmethod
    def of(cls, data: StudiedData, ranks: Ranks) -> SharedData:
        """The data set, shared."""
        return cls(data.labels, data.split, data.official, data, ranks)

    def embed(self, network: nn.Module, rows: np.ndarray) -> Tensor:
        share = -(-len(rows) // self.ranks.size)
        # Every rank embeds equally many: the last ones repeat some.
        part = np.resize(rows, share * self.ranks.size)[self.ranks.rank * share :][:share]
        device = self.ranks.device
        return self.ranks.gather(self.inner.embed(network, part).to(device))[: len(rows)].cpu()


@contextmanager
def _own_randomness(device: torch.device, seed: int) -> Iterator[None]:
    """Have torch's global generators start from `seed` inside, and go on afterwards as if nothing had been drawn."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
