"""The images of a data set as end-to-end training sees them: chunks of augmented batches, and what judging embeds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from suite.datasets.protocols import read_table
from suite.datasets.revisited import crop_query, query_boxes
from suite.datasets.stages import load_card, load_items
from suite.datasets.store import ImageStore
from suite.datasets.transforms import judging_transform, training_transform
from suite.errors import SuiteError
from suite.full_settings import Images
from suite.models.network import RetrievalNetwork
from suite.training.data import StudiedData, load_studied

# A batched convolution may round differently for another batch size, so chunks of judging are fixed.
JUDGED_CHUNK = 64
# Tables beside the items that say what a data set is judged on.
_TABLES = ("protocols.parquet", "relations.parquet", "queries.parquet")

# (c,) rows of `items.parquet` and (c,) int64 keys; no keys: images to be judged.
_Task = tuple[np.ndarray, Tensor | None]


class ImageChunk(NamedTuple):
    """Consecutive images of a batch.

    Attributes:
        images: (c, 3, size, size) uint8.
        keys: (c,) int64, of the images.
    """

    images: Tensor
    keys: Tensor


@dataclass
class ImageData(StudiedData):
    """A built data set whose images a network is trained on.

    Attributes:
        reader: reads and transforms its images.
        loaders: processes that read the images of judging; 0: this one does.
    """

    reader: ImageReader
    loaders: int = 0

    def embed(self, network: RetrievalNetwork, rows: np.ndarray) -> Tensor:
        parts = list(self._through(network, network.embed, rows))
        return torch.cat(parts) if parts else torch.empty(0, network.settings.embedding_dim)

    def features(self, network: RetrievalNetwork, rows: np.ndarray) -> Tensor:
        """The (n, width) float32 features, what the projection works on, of the images of n rows, at least one."""
        return torch.cat(list(self._through(network, network.features, rows)))

    def chunks(
        self, batches: Iterable[tuple[np.ndarray, Tensor]], chunk_size: int, passes: int, loaders: int
    ) -> Iterator[ImageChunk]:
        """The augmented images of batches, chunk by chunk, each batch `passes` times over before the next.

        An image depends on its row and key alone: every pass, chunk size and number of loaders gives the same bits.

        Args:
            batches: rows of `items.parquet`, (b,) int, and keys, (b,) int64 on the CPU, of a batch or of one process's
                part of it; read a bounded number ahead.
            chunk_size: images a chunk; the last of a batch may have fewer.
            passes: times that each batch is given.
            loaders: processes that read ahead, two chunks each; 0: this process reads, when asked. They end when the
                iterator does or is closed.

        Raises:
            SuiteError: an image that cannot be read.
        """
        return _loaded(self.reader, _tasks(batches, chunk_size, passes), loaders)

    def _through(
        self, network: RetrievalNetwork, function: Callable[[Tensor], Tensor], rows: np.ndarray
    ) -> Iterator[Tensor]:
        network.eval()
        tasks = ((rows[start : start + JUDGED_CHUNK], None) for start in range(0, len(rows), JUDGED_CHUNK))
        loaders = min(self.loaders, -(-len(rows) // JUDGED_CHUNK))
        for images, _ in _loaded(self.reader, tasks, loaders):
            with torch.no_grad():
                yield function(images.to(network.device, non_blocking=True)).float().cpu()


class ImageReader(Dataset):
    """Images of a store by row of `items.parquet`, transformed; can be sent to other processes.

    Args:
        store: the images.
        places: (N,) int, places of the rows in the store.
        boxes: by row, left, top, right and bottom of what the protocol searches with; cropped when judging.
        images: how they are transformed.
    """

    def __init__(self, store: ImageStore, places: np.ndarray, boxes: dict[int, dict[str, float]], images: Images):
        self._store, self._places, self._boxes = store, places, boxes
        self._train, self._judge = training_transform(images), judging_transform(images)

    def __getitem__(self, task: _Task) -> ImageChunk | SuiteError:
        rows, keys = task
        try:
            if keys is None:
                images = [self._judged(int(row)) for row in rows]
                return ImageChunk(torch.stack(images), torch.empty(0, dtype=torch.int64))
            pairs = zip(rows.tolist(), keys.tolist(), strict=True)
            return ImageChunk(torch.stack([self._train(self._decoded(row), key) for row, key in pairs]), keys)
        # Raised in another process, it would arrive with that process's traceback for its message.
        except SuiteError as error:
            return SuiteError(str(error))

    def _decoded(self, row: int) -> Image.Image:
        return self._store.decode(int(self._places[row]))

    def _judged(self, row: int) -> Tensor:
        image = self._decoded(row)
        return self._judge(crop_query(image, self._boxes[row]) if row in self._boxes else image)


def load_image_data(root: Path, dataset: str, images: Images, loaders: int = 0) -> ImageData:
    """Open the images of a built data set, with its labels and splits.

    Raises:
        SuiteError: it is not built, or cannot be studied (`suite.training.data.load_studied`).
    """
    labels, split, official = load_studied(root, dataset)
    folder = Path(root) / "datasets" / dataset
    places = load_items(root, dataset)["image"].to_numpy()
    reader = ImageReader(ImageStore(folder), places, query_boxes(folder), images)
    return ImageData(torch.from_numpy(labels), split, official, reader, loaders)


def load_data_digest(root: Path, dataset: str) -> str:
    """SHA-256 over the values of a built data set's tables, its levels and the checksums of its images.

    Raises:
        SuiteError: it is not built, or by a version that kept no checksums of images.
    """
    folder = Path(root) / "datasets" / dataset
    tables = {name: read_table(folder / name) for name in _TABLES if (folder / name).is_file()}
    about = {
        "levels": load_card(root, dataset)["levels"],
        "items": _values(load_items(root, dataset)),
        "tables": {name: _values(table) for name, table in tables.items()},
        "images": ImageStore(folder).digests(),
    }
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def _values(table: pd.DataFrame) -> list[object]:
    return [list(table.columns), table.values.tolist()]


def _tasks(batches: Iterable[tuple[np.ndarray, Tensor]], chunk_size: int, passes: int) -> Iterator[_Task]:
    for rows, keys in batches:
        edges = [*range(0, len(rows), chunk_size), len(rows)]
        for _ in range(passes):
            yield from ((rows[start:end], keys[start:end]) for start, end in pairwise(edges))


def _loaded(reader: ImageReader, tasks: Iterator[_Task], loaders: int) -> Iterator[ImageChunk]:
    """What the reader makes of each task, in order; `loaders` processes work two tasks ahead each."""
    if loaders:
        # Spawned: a forked process inherits the threads of torch and the state of CUDA without what runs them.
        results: Iterable[ImageChunk | SuiteError] = DataLoader(
            reader,
            batch_size=None,
            sampler=tasks,
            num_workers=loaders,
            multiprocessing_context="spawn",
            pin_memory=torch.cuda.is_available(),
            # Its own: seeding the processes must not move the global generator on.
            generator=torch.Generator(),
        )
    else:
        results = map(reader.__getitem__, tasks)
    for result in results:
        if isinstance(result, SuiteError):
            raise result
        yield result
