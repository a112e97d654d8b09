"""A built data set as end-to-end training sees it: images in chunks, augmented by key, and judged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from suite.datasets import ImageStore, load_items
from suite.datasets.stages import load_card
from suite.datasets.transforms import judging_transform, training_transform
from suite.full_settings import Images
from suite.training.data import StudiedData, load_studied

# A batched convolution may round differently for another batch size, so images are judged in chunks of one size.
JUDGED_CHUNK = 64
# Chunks that each loader has ready before they are asked for.
_AHEAD = 2


class ImageChunk(NamedTuple):
    """Images (c, 3, size, size) uint8, and the keys (c,) int64 that their random numbers are functions of."""

    images: Tensor
    keys: Tensor


# Rows of `items.parquet` and keys of (a rank's part of) a batch.
KeyedRows = tuple[np.ndarray, Tensor]


@dataclass
class ImageData(StudiedData):
    """A built data set.

    Attributes:
        store: its images.
        places: (N,) int, where the image of each row lies in the store.
        settings: how images are brought to size.
    """

    store: ImageStore
    places: np.ndarray
    settings: Images

    def embed(self, network: nn.Module, rows: np.ndarray) -> Tensor:
        return self._through(network.eval(), network.embed, rows)

    def features(self, network: nn.Module, rows: np.ndarray) -> Tensor:
        """The (n, width) pooled features, before the head's linear layer, of the images of n rows."""
        return self._through(network.eval(), network.features, rows)

    def chunks(
        self, batches: Iterable[KeyedRows], chunk_size: int, passes: int = 1, loaders: int = 0
    ) -> Iterator[ImageChunk]:
        """The augmented images of batches, chunk by chunk.

        Args:
            batches: read a little ahead with loaders.
            chunk_size: images a chunk; the last one of a batch may have fewer.
            passes: how often the chunks of a batch come, all of them each time, before those of the next batch.
            loaders: processes that decode; 0: this one. What comes does not depend on them.

        Yields:
            One chunk after the other; no more than a few a loader are in memory.
        """
        planned = _planned(batches, chunk_size, passes)
        load = _ChunkLoader(self.store, self.places, training_transform(self.settings))
        if not loaders:
            yield from map(load, planned)
            return
        loader = DataLoader(
            _Planned(planned, load),
            batch_size=None,
            num_workers=loaders,
            prefetch_factor=_AHEAD,
            pin_memory=torch.cuda.is_available(),
            multiprocessing_context="fork",
        )
        yield from loader

    def _through(self, network: nn.Module, function: Callable[[Tensor], Tensor], rows: np.ndarray) -> Tensor:
        transform, device = judging_transform(self.settings), next(network.parameters()).device
        parts = []
        with torch.inference_mode():
            for start in range(0, len(rows), JUDGED_CHUNK):
                places = self.places[rows[start:][:JUDGED_CHUNK]].tolist()
                images = [transform(self.store.decode(place)) for place in places]
                parts.append(function(torch.stack(images).to(device)).cpu())
        # A clone is no inference tensor, which autograd would refuse to save.
        return torch.cat(parts).clone()


def load_image_data(root: Path, dataset: str, settings: Images) -> ImageData:
    """A built data set with its images.

    Raises:
        SuiteError: it is not built, or cannot be studied (`suite.training.data.load_studied`).
    """
    labels, split, official = load_studied(root, dataset)
    folder, items = Path(root) / "datasets" / dataset, load_items(root, dataset)
    places = items["image"].to_numpy()
    return ImageData(torch.from_numpy(labels), split, official, ImageStore(folder), places, settings)


def load_data_digest(root: Path, dataset: str) -> str:
    """SHA-256 over the items, protocols and images of a built data set: its name in the fingerprints of runs."""
    folder, card = Path(root) / "datasets" / dataset, load_card(root, dataset)
    digest = hashlib.sha256(json.dumps([card["levels"], card["protocols"]], sort_keys=True).encode())
    digest.update(ImageStore(folder).sha256.encode())
    for path in sorted(folder.glob("*.parquet")):
        digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


class _Chunk(NamedTuple):
    rows: np.ndarray
    keys: Tensor


def _planned(batches: Iterable[KeyedRows], chunk_size: int, passes: int) -> Iterator[_Chunk]:
    for rows, keys in batches:
        for _ in range(passes):
            for start in range(0, len(rows), chunk_size):
                part = slice(start, start + chunk_size)
                yield _Chunk(rows[part], keys[part])


class _ChunkLoader:
    """Decodes and augments a chunk."""

    def __init__(self, store: ImageStore, places: np.ndarray, transform: Callable[[Image.Image, int], Tensor]):
        self.store, self.places, self.transform = store, places, transform

    def __call__(self, chunk: _Chunk) -> ImageChunk:
        places = self.places[chunk.rows].tolist()
        images = [
            self.transform(self.store.decode(place), key)
            for place, key in zip(places, chunk.keys.tolist(), strict=True)
        ]
        return ImageChunk(torch.stack(images), chunk.keys)


class _Planned(IterableDataset):
    """The chunks of a plan; each loader goes through the whole plan and makes its own chunks, in turn with others."""

    def __init__(self, planned: Iterator[_Chunk], load: _ChunkLoader):
        self.planned, self.load = planned, load

    def __iter__(self) -> Iterator[ImageChunk]:
        torch.set_num_threads(1)
        worker = get_worker_info()
        for number, chunk in enumerate(self.planned):
            if number % worker.num_workers == worker.id:
                yield self.load(chunk)
