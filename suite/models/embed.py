"""The stage `embed`: features of every image of a data set, once, from a frozen backbone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from tqdm import tqdm

from suite.config import Params
from suite.datasets import ImageStore, load_items
from suite.datasets.revisited import crop_query, query_boxes
from suite.files import atomic_directory, write_json
from suite.models.backbone import Backbone, load_backbone
from suite.workers import worker_pool

# `left`, `top`, `right`, `bottom` in pixels.
Box = dict[str, float]
# A batched convolution may round differently for another batch size, so chunks are fixed, not a setting.
CHUNK = 64


def embed_dataset(params: Params, name: str, root: Path = Path("artifacts")) -> Path:
    """Compute the features of data set `name` into `root`/features/`name` (`docs/tables.md`); returns that
    directory.

    The features are the same bits for any number of worker processes: chunks are fixed and each is computed
    on one thread. Raises SuiteError for an unknown data set or backbone, or one that is not built.
    """
    params.dataset(name)
    items, folder = load_items(root, name), Path(root) / "datasets" / name
    features, backbone = compute_features(
        folder,
        items["image"].to_numpy(),
        params.backbone.name,
        params.backbone.image_size,
        params.workers.processes,
        _boxes(folder, items),
    )
    about = {
        "backbone": params.backbone.name,
        "image_size": params.backbone.image_size,
        "width": backbone.width,
        "weights_sha256": backbone.weights_sha256,
    }
    target = Path(root) / "features" / name
    with atomic_directory(target) as temporary:
        np.save(temporary / "features.npy", features)
        write_json(temporary / "features.json", {**about, "digest": features_digest(items, features, about)})
    return target


@dataclass(frozen=True)
class Summary:
    """What a worker tells of the backbone it computed with."""

    width: int
    weights_sha256: str


def compute_features(
    store: Path,
    images: np.ndarray,
    backbone: str,
    image_size: int,
    processes: int,
    boxes: dict[int, Box] | None = None,
) -> tuple[np.ndarray, Summary]:
    """Features of images of a store, in the order asked for.

    Args:
        store: the folder of a store of images.
        images: int, (items,), places in the store.
        backbone: a registered backbone.
        image_size: side in pixels to which images are resized (bicubic) if theirs differs.
        processes: worker processes.
        boxes: by place in the store, the part of an image that its protocol searches with; whole where absent.

    Returns:
        float32 (items, width), not normalised, and the backbone's width and checksum of weights.
    """
    loaded = load_backbone(backbone)
    features = np.empty((len(images), loaded.width), np.float32)
    chunks = list(_chunks(images))
    shared = (store, backbone, image_size, boxes or {})
    # Even one process is a worker: the thread count of this process is then left alone.
    with (
        worker_pool(min(processes, max(len(chunks), 1)), _start_worker, *shared) as pool,
        tqdm(total=len(images), desc="embed", unit="image", disable=None) as progress,
    ):
        done = 0
        for part in pool.map(_embed_chunk, chunks):
            features[done : done + len(part)] = part
            done += len(part)
            progress.update(len(part))
    return features, Summary(loaded.width, loaded.weights_sha256)


def features_digest(items: pd.DataFrame, features: np.ndarray, settings: dict[str, object]) -> str:
    """SHA-256 over the values of the item table, the features and the settings they were computed with."""
    digest = hashlib.sha256()
    digest.update(json.dumps([list(items.columns), items.values.tolist()]).encode())
    digest.update(json.dumps([list(features.shape), str(features.dtype), settings], sort_keys=True).encode())
    digest.update(np.ascontiguousarray(features).tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class _Worker:
    store: ImageStore
    backbone: Backbone
    image_size: int
    boxes: dict[int, Box]


_worker: _Worker | None = None


def _start_worker(store: Path, backbone: str, image_size: int, boxes: dict[int, Box]) -> None:
    global _worker
    _worker = _Worker(ImageStore(store), load_backbone(backbone), image_size, boxes)


def _embed_chunk(images: list[int]) -> np.ndarray:
    side = (_worker.image_size, _worker.image_size)
    pixels = np.empty((len(images), *side, 3), np.uint8)
    for row, index in enumerate(images):
        image = _worker.store.decode(index)
        if index in _worker.boxes:
            image = crop_query(image, _worker.boxes[index])
        pixels[row] = image if image.size == side else image.resize(side, Image.Resampling.BICUBIC)
    return _worker.backbone.features(pixels)


def _boxes(folder: Path, items: pd.DataFrame) -> dict[int, Box]:
    """Boxes of the queries, by place in the store."""
    return {int(items["image"].iat[row]): box for row, box in query_boxes(folder).items()}


def _chunks(images: np.ndarray) -> Iterator[list[int]]:
    for start in range(0, len(images), CHUNK):
        yield images[start : start + CHUNK].tolist()
