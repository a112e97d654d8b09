"""Data sets: where they come from, how they are built, how they are read."""

from suite.datasets.registry import DATASETS
from suite.datasets.stages import build_dataset, download_dataset, load_card, load_items
from suite.datasets.store import ImageStore, write_images

__all__ = [
    "DATASETS",
    "ImageStore",
    "build_dataset",
    "download_dataset",
    "load_card",
    "load_items",
    "write_images",
]
