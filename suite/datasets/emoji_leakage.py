"""Images that would leak between classes: the same drawing, or nearly, under two names."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

_SIDE = 32
_COARSE_SIDE = 8
_BLOCK = 1024


def thumbnails(images: Sequence[bytes]) -> np.ndarray:
    """Decode and shrink images to 32 px by area averaging; returns uint8, (images, 32, 32, 3)."""
    small = np.empty((len(images), _SIDE, _SIDE, 3), np.uint8)
    for row, data in enumerate(images):
        small[row] = Image.open(io.BytesIO(data)).resize((_SIDE, _SIDE), Image.Resampling.BOX)
    return small


def pixel_digests(images: Sequence[bytes]) -> list[bytes]:
    """A digest of the decoded pixels of each image: equal for equal pixels, whatever the encoding."""
    return [hashlib.sha256(Image.open(io.BytesIO(data)).convert("RGB").tobytes()).digest() for data in images]


def identical_across(digests: Sequence[bytes], classes: np.ndarray) -> np.ndarray:
    """Which images have the very pixels of an image of another class.

    Args:
        digests: of each image, from `pixel_digests`.
        classes: int, (images,), the class of each image.

    Returns:
        bool, (images,).
    """
    owners: dict[bytes, set[int]] = {}
    for digest, owner in zip(digests, classes.tolist(), strict=True):
        owners.setdefault(digest, set()).add(owner)
    return np.array([len(owners[digest]) > 1 for digest in digests], bool)


def alike_across(small: np.ndarray, classes: np.ndarray, limit: float) -> np.ndarray:
    """Which images look nearly like an image of another class.

    Two images are alike if the root mean square of their difference, over 32 x 32 pixels and three channels
    with values in [0, 1], is under `limit`. Both sides of a pair are marked, so that once the marked images
    are gone no such pair is left, and which of two names a drawing rightly belongs to need not be decided.

    Args:
        small: uint8, (images, 32, 32, 3), from `thumbnails`.
        classes: int, (images,), the class of each image.
        limit: root mean square below which two images are alike.

    Returns:
        bool, (images,).
    """
    exact = small.reshape(len(small), -1).astype(np.int32)
    largest = limit**2 * 255**2 * exact.shape[1]
    # Averaging over tiles never increases a mean square, so a pair whose coarse distance reaches the limit
    # is not alike: only the few pairs below it (with room for rounding) are compared exactly, in integers.
    tiles = _SIDE // _COARSE_SIDE
    coarse = small.reshape(-1, _COARSE_SIDE, tiles, _COARSE_SIDE, tiles, 3).mean((2, 4), dtype=np.float32) / 255
    coarse = coarse.reshape(len(small), -1)
    squares = np.square(coarse).sum(1)
    threshold = (1.01 * limit) ** 2 * coarse.shape[1] + 1e-3
    marked = np.zeros(len(small), bool)
    for start in range(0, len(small), _BLOCK):
        rows = slice(start, start + _BLOCK)
        distances = squares[rows, None] + squares[None] - 2 * coarse[rows] @ coarse.T
        near = (distances < threshold) & (classes[rows, None] != classes[None])
        for row, column in zip(*np.nonzero(near), strict=True):
            first = start + row
            # A pair appears in both orders; one comparison is enough.
            if first < column and np.square(exact[first] - exact[column]).sum() < largest:
                marked[[first, column]] = True
    return marked
