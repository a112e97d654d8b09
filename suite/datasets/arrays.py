"""A built and embedded data set as arrays."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from suite.datasets.protocols import Protocol, read_protocol
from suite.datasets.stages import load_card, load_items
from suite.errors import SuiteError


def load_labels(root: Path, dataset: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N, L) int64, finest level first, and splits (N,) text, rows as in `items.parquet`.

    A negative label stands for none: each is unique, so an image without a label shares it with no other.
    """
    levels, items = load_card(root, dataset)["levels"], load_items(root, dataset)
    codes = [pd.factorize(items[level], sort=True)[0] for level in levels]
    labels = np.stack(codes, axis=1).astype(np.int64) if levels else np.empty((len(items), 0), np.int64)
    return np.where(labels < 0, -1 - np.arange(len(items))[:, None], labels), items["split"].to_numpy(dtype=str)


def load_protocol(root: Path, dataset: str, name: str | None = None) -> Protocol:
    """An evaluation protocol of a data set, its default one if `name` is None."""
    return read_protocol(Path(root) / "datasets" / dataset, load_card(root, dataset)["protocols"], name)


def load_features(root: Path, dataset: str) -> np.ndarray:
    """Backbone features (N, D) float32, rows as in `items.parquet`."""
    return np.load(_existing(Path(root) / "features" / dataset / "features.npy", f"embed {dataset}"))


def load_features_digest(root: Path, dataset: str) -> str:
    """The digest that names data set and features in every run's fingerprint."""
    path = _existing(Path(root) / "features" / dataset / "features.json", f"embed {dataset}")
    return json.loads(path.read_text(encoding="utf-8"))["digest"]


def _existing(path: Path, stage: str) -> Path:
    if not path.is_file():
        raise SuiteError(f"{path}: not found; run `ranksuite {stage}` first (or `dvc repro`)")
    return path
