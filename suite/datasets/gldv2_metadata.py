"""The tables of the GLDv2 release, read as streams into plain arrays.

Image ids are 16 hexadecimal digits; here they are unsigned 64-bit integers in ascending order, 8 bytes an image, so
that millions of them are looked up without a Python object each. The layout is that of the release's own page,
https://github.com/cvdfoundation/google-landmark.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from suite.errors import SuiteError

NO_LANDMARK = -1
ID_DIGITS = 16
COARSER_LEVELS = ("supercategory", "natural_or_human_made")
IGNORED, USAGES = "Ignored", ("Public", "Private")

# A row lies within one block; the largest landmark has some thousand images of 17 characters.
_BLOCK_BYTES = 1 << 24
_DIGITS = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_NO_DIGIT = 255
_VALUES = np.full(256, _NO_DIGIT, dtype=np.uint8)
_VALUES[_DIGITS] = np.arange(16)


@dataclass(frozen=True, eq=False)
class Listing:
    """Listed images with their landmarks.

    Attributes:
        ids: (N,) uint64, ascending, distinct.
        landmarks: (N,) int64, NO_LANDMARK where an image has none.
    """

    ids: np.ndarray
    landmarks: np.ndarray

    def places(self, ids: np.ndarray) -> np.ndarray:
        """Where each of `ids` stands, int64, -1 where it is not listed."""
        return find_ids(self.ids, ids)


@dataclass(frozen=True, eq=False)
class Solution:
    """The test images and what the ground truth says of them.

    Attributes:
        ids: (T,) uint64, ascending: all test images.
        usage: (T,) text, "Public", "Private" or "Ignored".
        pairs: (P,) int64 place of a query in `ids`, ascending, and `relevant`: (P,) uint64, an index image that is
            relevant to it; no pair stands twice.
    """

    ids: np.ndarray
    usage: np.ndarray
    pairs: np.ndarray
    relevant: np.ndarray


def read_clean(path: Path) -> Listing:
    """The clean training set, `train_clean.csv`: landmark_id, images (ids separated by spaces).

    Raises:
        SuiteError: naming the file and line of a damaged row.
    """
    ids, landmarks = [], []
    for line, (landmark, images) in _stream(path, {"landmark_id": pa.int64(), "images": pa.string()}):
        lists = _split(images)
        owner = pc.list_parent_indices(lists).to_numpy()
        ids.append(_parse_ids(pc.list_flatten(lists), path, line + owner))
        landmarks.append(_landmarks(landmark, path, line)[owner])
    return Listing(*_ascending(path, ids, landmarks))


def read_index(images: Path, labels: Path) -> Listing:
    """The index set: its images, `index.csv`, and the landmarks of those that have one,
    `index_image_to_landmark.csv`.

    Raises:
        SuiteError: naming the file and line of a damaged row, or of an image that is not of the index.
    """
    columns = list(_stream(images, {"id": pa.string()}))
    (listed,) = _ascending(images, [_parse_ids(column, images, _lines(line, column)) for line, (column,) in columns])
    landmarks = np.full(len(listed), NO_LANDMARK, dtype=np.int64)
    for line, (image, landmark) in _stream(labels, {"id": pa.string(), "landmark_id": pa.int64()}):
        lines = _lines(line, image)
        places = find_ids(listed, _parse_ids(image, labels, lines))
        if (places < 0).any():
            row = int((places < 0).argmax())
            raise SuiteError(f"{labels}: line {lines[row]}: image '{image[row]}' does not stand in {images.name}")
        again = (landmarks[places] != NO_LANDMARK) | (np.bincount(places, minlength=len(listed))[places] > 1)
        if again.any():
            row = int(again.argmax())
            raise SuiteError(f"{labels}: line {lines[row]}: image '{image[row]}' has more than one landmark")
        landmarks[places] = _landmarks(landmark, labels, line)
    return Listing(listed, landmarks)


def read_hierarchy(path: Path) -> pd.DataFrame:
    """Coarser labels by landmark id, from `train_label_to_hierarchical.csv` or the index's: columns
    COARSER_LEVELS, text; landmarks of which a level is blank are left out.

    Raises:
        SuiteError: naming the file and line of a damaged row, or a landmark that stands twice.
    """
    types = {"landmark_id": pa.int64(), **dict.fromkeys(COARSER_LEVELS, pa.string())}
    parts = []
    for line, (landmark, *coarser) in _stream(path, types):
        names = [pc.utf8_trim_whitespace(column) for column in coarser]
        table = pa.table(names, names=COARSER_LEVELS).to_pandas()
        parts.append(table.set_index(_landmarks(landmark, path, line)))
    if not parts:
        return pd.DataFrame({name: pd.Series(dtype=str) for name in COARSER_LEVELS}, index=np.empty(0, np.int64))
    table = pd.concat(parts).sort_index()
    if table.index.has_duplicates:
        raise SuiteError(f"{path}: landmark {table.index[table.index.duplicated()][0]} stands twice")
    return table[(table != "").all(axis=1)]


def read_solution(path: Path) -> Solution:
    """The retrieval ground truth, `retrieval_solution_v2.1.csv`: id, images (ids separated by spaces, or None), Usage.

    Raises:
        SuiteError: naming the file and line of a damaged row.
    """
    ids, usages, pairs, relevant, rows = [], [], [], [], 0
    for line, (image, images, usage) in _stream(path, dict.fromkeys(("id", "images", "Usage"), pa.string())):
        lines = _lines(line, image)
        known = pc.is_in(usage, pa.array([IGNORED, *USAGES])).to_numpy(zero_copy_only=False)
        if not known.all():
            row = int((~known).argmax())
            expected = ", ".join((*USAGES, IGNORED))
            raise SuiteError(f"{path}: line {lines[row]}: Usage is '{usage[row]}'; expected one of {expected}")
        empty = pc.is_in(images, pa.array(["None", ""]))
        usage = pc.if_else(empty, IGNORED, usage)
        counted = np.flatnonzero(pc.not_equal(usage, IGNORED).to_numpy(zero_copy_only=False))
        lists = _split(images.take(pa.array(counted)))
        owner = counted[pc.list_parent_indices(lists).to_numpy()]
        ids.append(_parse_ids(image, path, lines))
        usages.append(usage.to_numpy(zero_copy_only=False).astype(str))
        relevant.append(_parse_ids(pc.list_flatten(lists), path, lines[owner]))
        pairs.append(rows + owner)
        rows += len(image)
    listed, usage, row = _ascending(path, ids, usages, [np.arange(rows)])
    place = np.empty(rows, dtype=np.int64)
    place[row] = np.arange(rows)
    owner, relevant = place[_joined(pairs, np.int64)], _joined(relevant, np.uint64)
    order = np.lexsort((relevant, owner))
    owner, relevant = owner[order], relevant[order]
    fresh = np.ones(len(owner), dtype=bool)
    fresh[1:] = (np.diff(owner) != 0) | (relevant[1:] != relevant[:-1])
    return Solution(listed, usage, owner[fresh], relevant[fresh])


def read_checksum(path: Path) -> str:
    """The MD5 checksum that stands first in a file as `md5sum` writes it.

    Raises:
        SuiteError: there is none.
    """
    words = path.read_bytes()[:4096].split()
    if not words or len(words[0]) != 32 or not set(words[0].lower()) <= set(b"0123456789abcdef"):
        raise SuiteError(
            f"{path}: does not begin with an MD5 checksum of 32 hexadecimal digits; delete it to have it fetched again"
        )
    return words[0].lower().decode("ascii")


def find_ids(ascending: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Places of `ids` among the ascending ones, int64, -1 where there is none."""
    if not len(ascending):
        return np.full(len(ids), -1, dtype=np.int64)
    places = np.minimum(np.searchsorted(ascending, ids), len(ascending) - 1)
    return np.where(ascending[places] == ids, places, -1)


def keys_of(part: str, ids: np.ndarray) -> pa.StringArray:
    """Keys of images, such as "train/0123456789abcdef"."""
    prefix = np.frombuffer(f"{part}/".encode(), dtype=np.uint8)
    octets = np.ascontiguousarray(ids, dtype=">u8").view(np.uint8).reshape(-1, ID_DIGITS // 2)
    text = np.empty((len(ids), len(prefix) + ID_DIGITS), dtype=np.uint8)
    text[:, : len(prefix)] = prefix
    text[:, len(prefix) :: 2] = _DIGITS[octets >> 4]
    text[:, len(prefix) + 1 :: 2] = _DIGITS[octets & 15]
    ends = np.arange(len(ids) + 1, dtype=np.int32) * np.int32(text.shape[1])
    return pa.StringArray.from_buffers(len(ids), pa.py_buffer(ends), pa.py_buffer(text))


def ids_of(keys: pd.Series) -> np.ndarray:
    """(N,) uint64: the ids in keys that `keys_of` made."""
    texts = pa.chunked_array([pa.array(keys.array)]) if len(keys) else pa.chunked_array([], pa.string())
    hexadecimal = pc.utf8_slice_codeunits(texts.cast(pa.string()).combine_chunks(), -ID_DIGITS)
    return _parse_ids(hexadecimal, Path("items"), np.arange(len(keys)))


def _stream(path: Path, types: dict[str, pa.DataType]) -> Iterator[tuple[int, list[pa.Array]]]:
    """Blocks of the named columns of a CSV file with a header, each with the line of its first row."""
    try:
        reader = csv.open_csv(
            path,
            # One thread, or the line of a damaged row is not known.
            read_options=csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
            parse_options=csv.ParseOptions(ignore_empty_lines=False),
            convert_options=csv.ConvertOptions(include_columns=list(types), column_types=types, null_values=[]),
        )
        line = 2
        for batch in reader:
            yield line, batch.columns
            line += batch.num_rows
    except FileNotFoundError:
        raise SuiteError(f"{path}: not found; download the data set again") from None
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        reason = " ".join(str(error).replace("Row #", "line ").split())
        raise SuiteError(f"{path}: damaged: {reason:.200}") from None


def _split(texts: pa.StringArray) -> pa.ListArray:
    return pc.ascii_split_whitespace(pc.ascii_trim_whitespace(texts))


def _lines(first: int, column: pa.Array) -> np.ndarray:
    return np.arange(first, first + len(column))


def _landmarks(column: pa.Array, path: Path, line: int) -> np.ndarray:
    landmarks = column.to_numpy()
    if (landmarks < 0).any():
        row = int((landmarks < 0).argmax())
        raise SuiteError(f"{path}: line {line + row}: landmark_id {landmarks[row]} is negative")
    return landmarks


def _parse_ids(texts: pa.StringArray, path: Path, lines: np.ndarray) -> np.ndarray:
    """Texts of 16 hexadecimal digits as uint64. `lines` says where in `path` each stands."""
    right = pc.equal(pc.binary_length(texts), ID_DIGITS).to_numpy(zero_copy_only=False)
    if right.all():
        ends = np.frombuffer(texts.buffers()[1], dtype=np.int32)
        data = np.frombuffer(texts.buffers()[2] or b"", dtype=np.uint8)
        start = int(ends[texts.offset]) if len(texts) else 0
        digits = _VALUES[data[start : start + ID_DIGITS * len(texts)]].reshape(-1, ID_DIGITS)
        right = (digits != _NO_DIGIT).all(axis=1)
    if not right.all():
        row = int((~right).argmax())
        raise SuiteError(f"{path}: line {lines[row]}: image id '{texts[row]!s:.40}' is not 16 hexadecimal digits")
    return (digits[:, ::2] << 4 | digits[:, 1::2]).view(">u8").ravel().astype(np.uint64)


def _ascending(path: Path, ids: list[np.ndarray], *others: list[np.ndarray]) -> list[np.ndarray]:
    """Columns in pieces, the ids first, joined and put in order of the ids: at least one, and distinct."""
    joined = _joined(ids, np.uint64)
    if not len(joined):
        raise SuiteError(f"{path}: lists no image; download the data set again")
    order = np.argsort(joined, kind="stable")
    joined = joined[order]
    repeated = np.flatnonzero(joined[1:] == joined[:-1])
    if len(repeated):
        raise SuiteError(f"{path}: image '{joined[repeated[0]]:016x}' stands twice")
    return [joined, *(_joined(pieces, np.int64)[order] for pieces in others)]


def _joined(pieces: list[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate(pieces) if pieces else np.empty(0, dtype)
