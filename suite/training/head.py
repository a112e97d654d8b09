"""The `head` protocol: train a linear embedding of frozen features with one loss, judge it on unseen classes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from suite.datasets.samplers.per_class import MPerClassSampler
from suite.losses import complete_settings, create_loss
from suite.models.head import EmbeddingHead
from suite.training.data import HeadData, training_labels
from suite.training.loop import Place, Report, TrainingRun, fit, run_length
from suite.training.optimization import head_optimization
from suite.training.specification import RunSpecification
from suite.training.trained import Trained
from suite.training.two_pass import one_pass_backward, require_finite


class HeadRun(TrainingRun):
    """One run of the `head` protocol.

    Raises:
        SuiteError: the sampler cannot fill a batch.
    """

    def __init__(self, spec: RunSpecification, data: HeadData):
        torch.manual_seed(spec.seed)
        self.spec, self.data, self.device = spec, data, torch.device("cpu")
        self.features, self.labels = data.features[data.rows("train")], training_labels(data)
        self.sampler = head_sampler(spec, self.labels.numpy())
        self.network = initial_head(spec, data)
        self.loss = create_loss(
            spec.loss, **complete_settings(spec.loss, spec.settings, self.labels, spec.embedding_dim)
        )
        total = run_length(spec, self.sampler)
        self.optimization = head_optimization(self.network, self.loss, spec.learning_rate, spec.weight_decay, total)

    def gradient(self, place: Place, batch: np.ndarray) -> float:
        labels, network = self.labels[batch], self.network.train()

        def objective(embeddings: Tensor) -> Tensor:
            require_finite(embeddings)
            return self.loss(embeddings, labels)

        return one_pass_backward(network, self.features[batch], objective).item()


def head_sampler(spec: RunSpecification, labels: np.ndarray) -> MPerClassSampler:
    """The batches of a run over training labels (N, L). SuiteError if a batch cannot be filled."""
    return MPerClassSampler(labels[:, 0], spec.batch_size, spec.samples_per_class, spec.seed)


def initial_head(spec: RunSpecification, data: HeadData) -> EmbeddingHead:
    """The head that a run starts from, drawn by its seed."""
    generator = torch.Generator().manual_seed(spec.seed)
    return EmbeddingHead(data.features[data.rows("train")], spec.embedding_dim, generator)


def train_head(spec: RunSpecification, data: HeadData, report: Report) -> Trained:
    """Train one head and judge it (`suite.training.loop.fit`); it takes seconds, so it has no checkpoints."""
    return fit(HeadRun(spec, data), report)
