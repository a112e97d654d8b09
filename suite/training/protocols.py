"""The protocols side by side: which data, batches and training a run has."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from suite.config import Params, Workers
from suite.datasets.arrays import load_features_digest
from suite.datasets.samplers import Sampler
from suite.errors import SuiteError
from suite.full_settings import Images
from suite.models.backbone import weights_digest
from suite.training.checkpoints import Checkpoints, checkpoints_directory
from suite.training.data import StudiedData, load_head_data, training_labels
from suite.training.distributed import Ranks
from suite.training.head import head_sampler, train_head
from suite.training.image_data import load_data_digest, load_image_data
from suite.training.loop import Report, run_length
from suite.training.specification import RunSpecification
from suite.training.trained import Trained


def data_digest(params: Params, dataset: str, loss: str, root: Path) -> str:
    """What names the data of a loss's runs in their fingerprint: of the features, or of images and initial weights."""
    if params.protocol(loss) == "head":
        return load_features_digest(root, dataset)
    network = params.full_settings(dataset).network
    parts = [load_data_digest(root, dataset), weights_digest(network.backbone, network.weights)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def load_run_data(root: Path, spec: RunSpecification, loaders: int = 0) -> StudiedData:
    """The data set of a run as its protocol sees it; `loaders` processes read images that are judged, 0: this one.

    Raises:
        SuiteError: it is not built, or cannot be studied.
    """
    if spec.protocol == "head":
        return load_head_data(root, spec.dataset)
    return load_image_data(root, spec.dataset, Images.model_validate(spec.full["images"]), loaders)


def run_sampler(spec: RunSpecification, labels: np.ndarray) -> Sampler:
    """The batches of a run over training labels (N, L). SuiteError if they cannot be drawn."""
    if spec.protocol == "head":
        return head_sampler(spec, labels)
    # timm, which networks come from, is slow to import, and heads do without it.
    from suite.training.full import full_sampler

    return full_sampler(spec, labels)


def check_batch_norm(spec: RunSpecification, ranks: int = 1) -> None:
    """Refuse batch norm that trains where a batch is more than one chunk, or lies on several ranks.

    Its statistics would be those of a chunk: another function in each pass, and another network on each rank.

    Raises:
        SuiteError: naming the setting.
    """
    if spec.protocol == "head" or spec.full["network"]["freeze_batch_norm"]:
        return
    chunk_size = spec.full["chunk_size"]
    if ranks > 1 or (chunk_size is not None and chunk_size < spec.batch_size):
        parts = f"{ranks} ranks" if ranks > 1 else f"chunks of {chunk_size}"
        raise SuiteError(
            f"full: network.freeze_batch_norm is false, but a batch of {spec.batch_size} goes through the network in "
            f"{parts}; freeze batch norm, or train whole batches in one process"
        )


class RunTrainer:
    """Trains runs one after the other, and keeps the data of the last between them.

    Args:
        root: the artifacts folder.
        workers: how.
        ranks: processes that share every batch of an end-to-end run; None: this one alone.
    """

    def __init__(self, root: Path, workers: Workers, ranks: Ranks | None = None):
        self.root, self.workers, self.ranks = Path(root), workers, ranks
        self._kept: tuple[tuple[str, ...], StudiedData] | None = None

    def planned_steps(self, spec: RunSpecification) -> int:
        """Optimiser steps of a whole run."""
        return run_length(spec, run_sampler(spec, training_labels(self._data(spec)).numpy()))

    def train(self, spec: RunSpecification, report: Report) -> Trained:
        """Train a run, an end-to-end one from its latest checkpoint.

        Raises:
            FloatingPointError: it diverged.
            SuiteError: the user's mistake.
        """
        check_batch_norm(spec, 1 if self.ranks is None else self.ranks.size)
        if spec.protocol == "head":
            return train_head(spec, self._data(spec), report)
        from suite.training.full import train_full

        directory = checkpoints_directory(self.root, spec.dataset, spec.name, spec.fingerprint)
        writes = self.ranks is None or self.ranks.is_first
        checkpoints = Checkpoints(directory, self.workers.checkpoint_seconds, writes)
        return train_full(spec, self._data(spec), report, checkpoints, self.workers.loaders, self.ranks)

    def _data(self, spec: RunSpecification) -> StudiedData:
        key = (spec.dataset, spec.protocol, str(None if spec.full is None else spec.full["images"]))
        if self._kept is None or self._kept[0] != key:
            self._kept = (key, load_run_data(self.root, spec, self.workers.loaders))
        return self._kept[1]
