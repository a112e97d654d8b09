"""Images of a built data set with their labels, for a PyTorch `DataLoader`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from suite.datasets.arrays import load_labels
from suite.datasets.stages import load_items
from suite.datasets.store import ImageStore
from suite.errors import SuiteError


class ImageDataset(Dataset):
    """A built data set as (image, labels, row).

    `image` is what `transform` makes of the RGB image (a PIL image without one), `labels` int64 (L,), finest level
    first, negative where unlabelled, `row` the row of `items.parquet`. Codes of labels are those of
    `suite.datasets.arrays.load_labels`: the same for every split. Workers of a `DataLoader` map the store's files
    themselves and share their pages.

    Args:
        root: the artifacts folder.
        name: a data set of `params.yaml` that is built.
        split: only the rows of this split; None takes all.
        transform: from a PIL image to what the loader shall collate.

    Raises:
        SuiteError: the data set is not built, or has no such split.
    """

    def __init__(
        self,
        root: Path,
        name: str,
        split: str | None = None,
        transform: Callable[[Image.Image], Any] | None = None,
    ):
        labels, splits = load_labels(root, name)
        rows = np.arange(len(splits)) if split is None else np.flatnonzero(splits == split)
        if not len(rows):
            known = ", ".join(sorted(set(splits.tolist())))
            raise SuiteError(f"data set '{name}': no split '{split}'; it has: {known}")
        self.transform = transform
        self.rows, self.labels = rows, labels[rows]
        self._places = load_items(root, name)["image"].to_numpy()[rows]
        self._store = ImageStore(Path(root) / "datasets" / name)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Any, torch.Tensor, int]:
        image = self._store.decode(int(self._places[index]))
        if self.transform is not None:
            image = self.transform(image)
        return image, torch.from_numpy(self.labels[index].copy()), int(self.rows[index])
