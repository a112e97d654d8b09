"""A built data set as training sees it: labels, splits, how it is judged, and the inputs of a network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from suite.config import PARAMS
from suite.datasets.arrays import load_features, load_labels, load_protocol
from suite.datasets.protocols import DEFAULT_KS, Protocol
from suite.errors import SuiteError
from suite.evaluation import Judged, judge, mean_metrics


@dataclass
class StudiedData(ABC):
    """A built data set on which losses are trained, chosen and judged.

    Attributes:
        labels: (N, L) int64, rows as in `items.parquet`, finest level first; negative for none.
        split: (N,) text, `train`, `val`, and `test` or `query` and `gallery`.
        official: the data set's default evaluation protocol.
    """

    labels: Tensor
    split: np.ndarray
    official: Protocol

    @abstractmethod
    def embed(self, network: nn.Module, rows: np.ndarray) -> Tensor:
        """The (n, D) float32 unit embeddings that a network, in evaluation mode, gives the images of n rows."""

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
class HeadData(StudiedData):
    """A built and embedded data set.

    Attributes:
        features: (N, D) float32, the frozen backbone's.
    """

    features: Tensor

    @torch.no_grad()
    def embed(self, network: nn.Module, rows: np.ndarray) -> Tensor:
        return network.eval()(self.features[rows])


def load_head_data(root: Path, dataset: str) -> HeadData:
    """Read features, labels and splits of a built and embedded data set.

    Raises:
        SuiteError: it is not built or embedded, or cannot be studied (`load_studied`).
    """
    labels, split, official = load_studied(root, dataset)
    return HeadData(torch.from_numpy(labels), split, official, torch.from_numpy(load_features(root, dataset)))


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
        remedy = f"take it out of {PARAMS}: datasets"
        if lacking == ["val"]:
            remedy = f"give it validation classes under {PARAMS}: datasets.{dataset}.settings, or {remedy}"
        raise SuiteError(f"data set '{dataset}': {what}: it serves evaluation alone; {remedy}")
    if seen:
        raise SuiteError(
            f"data set '{dataset}': its protocol '{official.name}' judges images of the split '{seen[0]}': it serves "
            f"training alone and has no test; take it out of {PARAMS}: datasets"
        )
    return labels, split, official


def training_labels(data: StudiedData) -> Tensor:
    """Labels of the training images with the training classes of each level as 0, 1, ...; negative for none.

    Class centres are one a training class: classes of the other splits would have some that nothing pulls.
    """
    labels = data.labels[data.rows("train")].clone()
    for column in labels.unbind(1):
        known = column >= 0
        column[known] = torch.unique(column[known], return_inverse=True)[1]
    return labels


def evaluate(
    network: nn.Module, data: StudiedData, split: str, levels: tuple[int, ...] | None = None
) -> tuple[dict[str, float], pd.DataFrame]:
    """Metrics of `val` or `test` by its protocol: their means, keys prefixed with the split, and the per-query table.

    `levels` restricts the metrics to those levels and leaves the hierarchical ones out.
    """
    judged = data.judged(split)
    per_query = judge(
        lambda rows: data.embed(network, rows),
        data.labels,
        judged,
        levels=levels,
        hierarchical=levels is None,
    )
    means = {f"{split}/{key}": value for key, value in mean_metrics(per_query).items()}
    return means, pd.DataFrame({"item": judged.queries, **per_query})
