"""Data sets: where they come from, how they are built, how they are read."""

from suite.datasets.images import ImageFault, check_image, decode_image
from suite.datasets.registry import DATASETS
from suite.datasets.stages import build_dataset, download_dataset, load_card, load_items
from suite.datasets.store import ImageStore, Stored, store_images

__all__ = [
    "DATASETS",
    "ImageFault",
    "ImageStore",
    "Stored",
    "build_dataset",
    "check_image",
    "decode_image",
    "download_dataset",
    "load_card",
    "load_items",
    "store_images",
]
