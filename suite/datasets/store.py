"""Images of a data set in few large files.

Shards are Arrow IPC files (`images-00000.arrow`, ...) of one column `image`. The format is kept well and read in many
languages; a shard is memory-mapped, so that any image is found at once without an index of its own, nothing is
unpacked or read ahead, and all workers share the pages; the bytes of an image are exactly the source's; and there are
no million small files to make, checksum and copy. `images.json`, written last, says how many images each shard holds,
so that a store is opened without touching its shards, and a missing or cut one is noticed; and what its bytes hash to,
which names the images in fingerprints.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image
from tqdm import tqdm

from suite.datasets.images import MAX_PIXELS, ImageFault, check_image, decode_image
from suite.errors import SuiteError
from suite.files import write_json

INDEX = "images.json"
SHARD_BYTES = 2 * 2**30

# A record batch is in memory until it is written.
_BATCH_BYTES, _BATCH_ROWS = 16 * 2**20, 512
# What waits for its check: enough to keep every thread busy, whatever the images' size.
_WAITING_BYTES, _WAITING_PER_THREAD = 64 * 2**20, 8
# Large: offsets of 64 bits, so that neither an image nor a batch has a limit of 2 GiB.
_SCHEMA = pa.schema([("image", pa.large_binary())])


@dataclass(frozen=True)
class Stored:
    """What became of the images given to `store_images`.

    Attributes:
        keys: of image 0, 1, 2, ... of the store.
        faults: key and reason of every image that was set aside.
    """

    keys: list[str] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)


def store_images(
    directory: Path,
    images: Iterable[tuple[str, bytes]],
    *,
    threads: int,
    max_pixels: int = MAX_PIXELS,
    shard_bytes: int = SHARD_BYTES,
) -> Stored:
    """Write the images that decode, in the order given, as a store in `directory`.

    Args:
        directory: where the shards go; made if need be, and a store that stands there is replaced.
        images: key and encoded bytes; read once, a bounded number ahead.
        threads: images that are checked at a time; each may hold a decoded image of `max_pixels`.
        max_pixels: larger images are set aside.
        shard_bytes: a shard ends before it holds more, unless one image alone does.

    The bytes written do not depend on `threads`. If `images` raises, or a key comes twice (SuiteError), nothing that
    was written stays.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    stored, seen = Stored(), set()
    with _Writer(directory, shard_bytes) as writer, tqdm(desc="store", unit="image", disable=None) as progress:
        for key, data, fault in _checked(images, threads, max_pixels):
            if key in seen:
                raise SuiteError(f"image '{key}' comes twice: check the archives and tables that name it")
            seen.add(key)
            if fault is None:
                writer.add(data)
                stored.keys.append(key)
            else:
                stored.faults.append((key, fault))
            progress.update()
    return stored


class ImageStore:
    """Random access to the images of a data set.

    Shards are memory-mapped when first needed; nothing is read ahead. A copy sent to another process opens them anew
    and shares their pages.

    Args:
        directory: where `store_images` wrote.

    Raises:
        SuiteError: there is no store, or a shard is missing or not of its size.
    """

    def __init__(self, directory: Path):
        self.directory = Path(directory)
        index = self.directory / INDEX
        try:
            shards = json.loads(index.read_text(encoding="utf-8"))["shards"]
            self._names = [str(shard["name"]) for shard in shards]
            self._counts = [int(shard["images"]) for shard in shards]
            self._ends = np.cumsum(self._counts, dtype=np.int64)
            sizes = [int(shard["bytes"]) for shard in shards]
            self._digests = [shard.get("sha256") for shard in shards]
        except FileNotFoundError:
            raise SuiteError(f"{index}: not found; build the data set first") from None
        except (ValueError, KeyError, TypeError) as error:
            raise SuiteError(
                f"{index}: not the index of a store of images ({error}); build the data set again"
            ) from None
        for name, size in zip(self._names, sizes, strict=True):
            _check_shard(self.directory / name, size)
        self._open: dict[int, _Shard] = {}

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __reduce__(self) -> tuple[Any, ...]:
        return ImageStore, (self.directory,)

    def digests(self) -> list[str]:
        """SHA-256 of each shard, as it was when written. SuiteError if the store is older than its checksums."""
        if not all(self._digests):
            raise SuiteError(f"{self.directory / INDEX}: has no checksums; build the data set again")
        return [str(digest) for digest in self._digests]

    def read(self, index: int) -> bytes:
        """The encoded bytes of image `index`, as the source gave them. IndexError unless 0 <= index < len."""
        if not 0 <= index < len(self):
            raise IndexError(f"image {index} of a store of {len(self)}")
        place = int(np.searchsorted(self._ends, index, side="right"))
        shard = self._open.get(place)
        if shard is None:
            shard = self._open[place] = _Shard(self.directory / self._names[place], self._counts[place])
        return shard.read(index - (int(self._ends[place - 1]) if place else 0))

    def decode(self, index: int) -> Image.Image:
        """Image `index` in RGB, upright (`suite.datasets.images.decode_image`)."""
        data = self.read(index)
        try:
            return decode_image(data)
        except ImageFault as fault:
            raise SuiteError(f"{self.directory}: image {index} is {fault.reason}; build the data set again") from fault


class _Shard:
    """One memory-mapped shard."""

    def __init__(self, path: Path, count: int):
        try:
            self._chunks = pa.ipc.open_file(pa.memory_map(str(path))).read_all().column("image").chunks
        except (pa.ArrowException, KeyError, OSError) as error:
            raise SuiteError(f"{path}: not a shard of images ({error}); build the data set again") from None
        self._ends = np.cumsum([len(chunk) for chunk in self._chunks], dtype=np.int64)
        if self._ends[-1] != count:
            raise SuiteError(f"{path}: holds {self._ends[-1]} images instead of {count}; build the data set again")

    def read(self, index: int) -> bytes:
        place = int(np.searchsorted(self._ends, index, side="right"))
        start = int(self._ends[place - 1]) if place else 0
        return self._chunks[place][index - start].as_py()


class _HashedFile(io.FileIO):
    """A file that is written from start to end and hashed on the way."""

    def __init__(self, path: Path):
        super().__init__(path, "wb")
        self.digest = hashlib.sha256()

    def write(self, data: Any) -> int:
        rest = memoryview(data)
        # One call writes less than asked for at a signal, or beyond 2 GiB.
        while len(rest):
            rest = rest[super().write(rest) :]
        self.digest.update(data)
        return len(data)


class _Writer:
    """Shards in the making; on a failure they vanish."""

    def __init__(self, directory: Path, shard_bytes: int):
        self._directory, self._shard_bytes = directory, shard_bytes
        self._shards: list[dict[str, Any]] = []
        self._file: Any = None
        self._sink: Any = None
        self._writer: Any = None
        self._rows: list[bytes] = []
        self._waiting = self._written = 0

    def __enter__(self) -> _Writer:
        for path in (self._directory / INDEX, *self._directory.glob("images-*.arrow")):
            path.unlink(missing_ok=True)
        return self

    def add(self, data: bytes) -> None:
        if self._rows and self._written + self._waiting + len(data) > self._shard_bytes:
            self._flush()
        if self._written and self._written + len(data) > self._shard_bytes:
            self._close()
        self._rows.append(data)
        self._waiting += len(data)
        if self._waiting >= _BATCH_BYTES or len(self._rows) >= _BATCH_ROWS:
            self._flush()

    def __exit__(self, kind: Any, *_: Any) -> None:
        try:
            if kind is None:
                self._flush()
            self._close()
            if kind is None:
                write_json(self._directory / INDEX, {"shards": self._shards})
                return
        except BaseException:
            self._discard()
            raise
        self._discard()

    def _flush(self) -> None:
        if not self._rows:
            return
        if self._writer is None:
            name = f"images-{len(self._shards):05d}.arrow"
            self._shards.append({"name": name, "images": 0, "bytes": 0})
            self._file = _HashedFile(self._directory / name)
            self._sink = pa.PythonFile(self._file, "w")
            self._writer = pa.ipc.new_file(self._sink, _SCHEMA)
        self._writer.write_batch(pa.record_batch([pa.array(self._rows, pa.large_binary())], schema=_SCHEMA))
        self._shards[-1]["images"] += len(self._rows)
        self._written += self._waiting
        self._rows, self._waiting = [], 0

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._sink.close()
            self._file.close()
            self._shards[-1]["bytes"] = (self._directory / self._shards[-1]["name"]).stat().st_size
            self._shards[-1]["sha256"] = self._file.digest.hexdigest()
            self._writer = self._sink = self._file = None
            self._written = 0

    def _discard(self) -> None:
        for shard in self._shards:
            (self._directory / shard["name"]).unlink(missing_ok=True)


def _checked(
    images: Iterable[tuple[str, bytes]], threads: int, max_pixels: int
) -> Iterator[tuple[str, bytes, str | None]]:
    """Key, bytes and fault of every image, in the order given; a bounded number is under way."""
    waiting: deque[tuple[str, bytes, Future[str | None]]] = deque()
    size = 0
    pool = ThreadPoolExecutor(threads, "check-image")
    try:
        for key, data in images:
            waiting.append((key, data, pool.submit(_fault, data, max_pixels)))
            size += len(data)
            while size > _WAITING_BYTES or len(waiting) > _WAITING_PER_THREAD * threads:
                first, done, fault = waiting.popleft()
                size -= len(done)
                yield first, done, fault.result()
        for first, done, fault in waiting:
            yield first, done, fault.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _fault(data: bytes, max_pixels: int) -> str | None:
    try:
        check_image(data, max_pixels)
    except ImageFault as fault:
        return fault.reason
    return None


def _check_shard(path: Path, size: int) -> None:
    try:
        found = path.stat().st_size
    except OSError:
        raise SuiteError(f"{path}: a shard of the store is missing; build the data set again") from None
    if found != size:
        raise SuiteError(f"{path}: has {found:,} bytes instead of {size:,}; build the data set again")
