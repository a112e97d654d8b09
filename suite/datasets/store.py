"""Images of a data set in one memory-mapped file: a million small ones are slow to make and checksum."""

from __future__ import annotations

import io
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from suite.errors import SuiteError

_ROWS_PER_BATCH = 512
_SCHEMA = pa.schema([("image", pa.binary())])


def write_images(path: Path, images: Iterable[bytes]) -> None:
    """Write encoded images (PNG or JPEG bytes), in order, as an Arrow IPC file of one column `image`."""
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, _SCHEMA) as writer:
        remaining = iter(images)
        while rows := list(islice(remaining, _ROWS_PER_BATCH)):
            writer.write_batch(pa.record_batch([pa.array(rows, pa.binary())], schema=_SCHEMA))


class ImageStore:
    """Random access to the images of a data set; the file is memory-mapped, nothing is read ahead.

    Args:
        path: an `images.arrow` written by `write_images`.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        try:
            table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
            self._chunks = table.column("image").chunks
        except FileNotFoundError:
            raise SuiteError(f"{path}: not found; build the data set first") from None
        except (pa.ArrowInvalid, KeyError) as error:
            raise SuiteError(f"{path}: not a store of images ({error}); build the data set again") from None
        self._ends = np.cumsum([len(chunk) for chunk in self._chunks], dtype=np.int64)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def read(self, index: int) -> bytes:
        """The encoded bytes of image `index` (0 <= index < len). Raises IndexError outside that range."""
        if not 0 <= index < len(self):
            raise IndexError(f"image {index} of a store of {len(self)}")
        chunk = int(np.searchsorted(self._ends, index, side="right"))
        start = int(self._ends[chunk - 1]) if chunk else 0
        return self._chunks[chunk][index - start].as_py()

    def decode(self, index: int) -> Image.Image:
        """Image `index` as a PIL image in RGB."""
        return Image.open(io.BytesIO(self.read(index))).convert("RGB")
