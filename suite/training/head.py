"""The `head` protocol: train a linear embedding of frozen features with one loss, judge it on unseen classes."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from suite.benchmarking.memory import with_peak_memory
from suite.config import PARAMS
from suite.datasets.arrays import load_features, load_labels, load_protocol
from suite.datasets.protocols import DEFAULT_KS, Protocol
from suite.datasets.samplers.per_class import MPerClassSampler
from suite.errors import SuiteError
from suite.evaluation import Judged, judge, mean_metrics
from suite.losses import create_loss
from suite.models.head import EmbeddingHead
from suite.training.specification import RunSpecification

SELECTION = "val/level0/AP"
# The first update also makes the optimiser's state.
_WATCHED_STEP = 2


@dataclass
class HeadData:
    """A built data set as the head protocol needs it.

    Attributes:
        features: (N, D) float32, rows as in `items.parquet`.
        labels: (N, L) int64, finest level first; negative for none.
        split: (N,) text, `train`, `val`, and `test` or `query` and `gallery`.
        official: the data set's default evaluation protocol.
    """

    features: Tensor
    labels: Tensor
    split: np.ndarray
    official: Protocol

    def rows(self, split: str) -> np.ndarray:
        """Positions of the images of a split."""
        return np.flatnonzero(self.split == split)

    def judged(self, split: str) -> Judged:
        """How `val` (leave one out) and `test` (the official protocol) are judged."""
        if split != "test":
            return Judged(self.rows(split), None, DEFAULT_KS)
        official = self.official
        pairs = None if official.relations is None else official.pairs("positive")
        return Judged(official.queries, official.gallery, official.ks, pairs)

    def evaluation_rows(self) -> np.ndarray:
        """Positions of the labelled images of the official protocol, queries and gallery together, ascending."""
        parts = [self.official.queries, *([] if self.official.gallery is None else [self.official.gallery])]
        rows = np.unique(np.concatenate(parts))
        return rows[self.labels[rows, 0].numpy() >= 0]


@dataclass
class Trained:
    """What a run leaves: the chosen head, its metrics, the curve and the per-query values on test.

    Attributes:
        epochs: rounds of the training images, the last one perhaps begun only.
        snapshots: the head at every validation of a run that is followed, by epoch.
        step_seconds: median time of an update (forward, loss, backward, optimiser).
        step_bytes: most memory that one update held at once beyond what stood before it.
    """

    head: EmbeddingHead
    metrics: dict[str, float]
    history: pd.DataFrame
    queries: pd.DataFrame | None
    steps: int
    epochs: int
    best_epoch: int
    snapshots: dict[int, EmbeddingHead]
    step_seconds: float
    step_bytes: int


def load_head_data(root: Path, dataset: str) -> HeadData:
    """Read features, labels and splits of a built and embedded data set.

    Raises:
        SuiteError: it is not built or embedded, or cannot be studied (`load_studied`).
    """
    labels, split, official = load_studied(root, dataset)
    features = torch.from_numpy(load_features(root, dataset))
    return HeadData(features, torch.from_numpy(labels), split, official)


def load_studied(root: Path, dataset: str) -> tuple[np.ndarray, np.ndarray, Protocol]:
    """Labels, splits and default protocol of a built data set on which losses can be trained, chosen and judged.

    Raises:
        SuiteError: it lacks labels or a split, or its protocol judges images that runs are trained or chosen on.
    """
    (labels, split), official = load_labels(root, dataset), load_protocol(root, dataset)
    lacking = [part for part in ("train", "val") if not (split == part).any()]
    seen = sorted({"train", "val"} & set(split[official.queries].tolist()))
    if lacking or not labels.shape[1]:
        what = f"no images in the split '{lacking[0]}'" if lacking else "no class labels"
        raise SuiteError(f"data set '{dataset}': {what}: it serves evaluation alone; take it out of {PARAMS}: datasets")
    if seen:
        raise SuiteError(
            f"data set '{dataset}': its protocol '{official.name}' judges images of the split '{seen[0]}': it serves "
            f"training alone and has no test; take it out of {PARAMS}: datasets"
        )
    return labels, split, official


def planned_steps(spec: RunSpecification, data: HeadData) -> int:
    """Optimiser steps of the whole run."""
    return _length(spec, _sampler(spec, data.labels[data.rows("train")]))


def train_head(spec: RunSpecification, data: HeadData, report: Callable[[list[dict[str, Any]]], None]) -> Trained:
    """Train one head and judge it: the validation with the best mean AP on the validation classes is kept.

    Args:
        spec: the run; `spec.test` False leaves the test classes unread.
        data: the data set.
        report: called with the new rows of the history at each validation.

    Raises:
        FloatingPointError: the loss or its gradient is not finite; says at which step.
        SuiteError: the sampler cannot fill a batch.
    """
    torch.manual_seed(spec.seed)
    generator = torch.Generator().manual_seed(spec.seed)
    train = data.rows("train")
    features, labels = data.features[train], data.labels[train]
    sampler = _sampler(spec, labels)
    head = EmbeddingHead(features, spec.embedding_dim, generator)
    loss = create_loss(spec.loss, **spec.settings)
    total = _length(spec, sampler)
    parameters = [*head.parameters(), *loss.parameters()]
    # Fused: at small batches the unfused update takes longer than loss and head together.
    optimizer = torch.optim.AdamW(parameters, lr=spec.learning_rate, weight_decay=spec.weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total)
    judged = _validations(spec, total)

    history: list[dict[str, Any]] = []
    seconds, step_bytes, sent = [], 0, 0
    best, best_epoch, best_state = -1.0, 0, {}
    snapshots: dict[int, EmbeddingHead] = {}
    batches = ((epoch, batch) for epoch in count(1) for batch in sampler.epoch(epoch))
    for step, (epoch, batch) in zip(range(1, total + 1), batches, strict=False):
        update = partial(_update, head, loss, optimizer, features[batch], labels[batch], step)
        # The profiler slows the step that it watches, so that one is not timed.
        if step == min(_WATCHED_STEP, total):
            (value, norm), step_bytes = with_peak_memory(update)
        else:
            begun = time.perf_counter()
            value, norm = update()
            seconds.append(time.perf_counter() - begun)
        rate = schedule.get_last_lr()[0]
        history.append({"step": step, "epoch": epoch, "loss": value, "learning_rate": rate, "gradient_norm": norm})
        schedule.step()
        if step in judged:
            score = evaluate(head, data, "val", levels=(0,))[0][SELECTION]
            history[-1][SELECTION] = score
            if score > best:
                best, best_epoch = score, epoch
                best_state = {name: tensor.clone() for name, tensor in head.state_dict().items()}
            if spec.followed:
                snapshots[epoch] = copy.deepcopy(head).eval()
            report(history[sent:])
            sent = len(history)
    if not best_state:
        raise FloatingPointError("no validation gave a finite score; try a lower learning rate")
    head.load_state_dict(best_state)

    metrics, queries = evaluate(head, data, "val")[0], None
    if spec.test:
        test_metrics, queries = evaluate(head, data, "test")
        metrics |= test_metrics
    return Trained(
        head=head,
        metrics=metrics,
        history=pd.DataFrame(history),
        queries=queries,
        steps=total,
        epochs=history[-1]["epoch"],
        best_epoch=best_epoch,
        snapshots=snapshots,
        step_seconds=float(np.median(seconds)) if seconds else float("nan"),
        step_bytes=step_bytes,
    )


@torch.no_grad()
def embed(head: EmbeddingHead, features: Tensor) -> Tensor:
    """Embeddings of (N, D) features, in the head's evaluation mode."""
    return head.eval()(features)


def evaluate(
    head: EmbeddingHead, data: HeadData, split: str, levels: tuple[int, ...] | None = None
) -> tuple[dict[str, float], pd.DataFrame]:
    """Metrics of `val` or `test` by its protocol: their means, keys prefixed with the split, and the per-query table.

    `levels` restricts the metrics to those levels and leaves the hierarchical ones out.
    """
    judged = data.judged(split)
    per_query = judge(
        lambda rows: embed(head, data.features[rows]),
        data.labels,
        judged,
        levels=levels,
        hierarchical=levels is None,
    )
    means = {f"{split}/{key}": value for key, value in mean_metrics(per_query).items()}
    return means, pd.DataFrame({"item": judged.queries, **per_query})


def _length(spec: RunSpecification, sampler: MPerClassSampler) -> int:
    return spec.steps if spec.budget == "steps" else spec.epochs * sampler.batches_per_epoch


def _validations(spec: RunSpecification, total: int) -> set[int]:
    """The steps after which the head is judged, evenly spread: ends of epochs where epochs are what is held equal."""
    rounds = total if spec.budget == "steps" else spec.epochs
    places = {round((place + 1) * rounds / spec.evaluations) for place in range(spec.evaluations)} | {rounds}
    return {place * total // rounds for place in places if place}


def _sampler(spec: RunSpecification, labels: Tensor) -> MPerClassSampler:
    return MPerClassSampler(labels[:, 0].numpy(), spec.batch_size, spec.samples_per_class, spec.seed)


def _update(
    head: EmbeddingHead,
    loss: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    features: Tensor,
    labels: Tensor,
    step: int,
) -> tuple[float, float]:
    head.train()
    optimizer.zero_grad()
    value = loss(head(features), labels)
    value.backward()
    squares = torch.stack([p.grad.square().sum() for p in head.parameters() if p.grad is not None])
    height, norm = value.item(), squares.sum().sqrt().item()
    if not (math.isfinite(height) and math.isfinite(norm)):
        raise FloatingPointError(f"loss {height} with gradient norm {norm} at step {step}; try a lower learning rate")
    optimizer.step()
    return height, norm
