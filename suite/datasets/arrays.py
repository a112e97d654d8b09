"""A built and embedded data set as arrays."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from suite.errors import SuiteError


def load_labels(root: Path, dataset: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N, L) int64, finest level first, and splits (N,) text, rows as in `items.parquet`."""
    directory = Path(root) / "datasets" / dataset
    levels = json.loads(_existing(directory / "card.json", f"build {dataset}").read_text(encoding="utf-8"))["levels"]
    items = pd.read_parquet(directory / "items.parquet")
    codes = [pd.factorize(items[level], sort=True)[0] for level in levels]
    return np.stack(codes, axis=1).astype(np.int64), items["split"].to_numpy(dtype=str)


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
