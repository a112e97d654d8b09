"""Members of a tar, plain or compressed, in one pass.

Python's `tarfile` is not used to read: it takes a damaged header in the middle of an archive for its end and drops
the rest in silence, never looks at what follows the end, and spends 50 us a member. The walk here knows the formats
that tar writes today (POSIX ustar with pax headers, GNU with long names: "Basic Tar Format" and "Extended headers"
of the GNU tar manual, POSIX.1-2008 `pax`) and refuses the rest.
"""

from __future__ import annotations

import bz2
import io
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from suite.datasets.archives.limits import (
    MAX_HEADER_BYTES,
    MAX_NAME_BYTES,
    Entries,
    check_size,
    damaged,
    most_bytes,
    refuse,
    shown,
)
from suite.errors import SuiteError

BLOCK = 512
_ZEROS = bytes(BLOCK)
_BUFFER = 2**20

_FILE, _FOLDER = b"0\0", b"5"
_LONG_NAME, _PAX, _PAX_GLOBAL = b"L", b"x", b"g"
_REFUSED = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a fifo",
    b"K": "a link (with a long target)",
    b"S": "a sparse file",
}


class _Broken(Exception):
    """What is wrong with the bytes of a tar."""


def is_tar(start: bytes) -> bool:
    """Whether the first block of a file is a tar header (or the zeros of an empty tar)."""
    return len(start) >= BLOCK and (start[:BLOCK] == _ZEROS or _checksum_holds(start[:BLOCK]))


def iterate_tar(
    path: Path, wanted: Callable[[str], bool] | None, compression: str | None
) -> Iterator[tuple[str, bytes]]:
    """Members of the tar at `path`; `compression` is None, "gz" or "bz2"."""
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        if compression is None:
            stream = io.BufferedReader(file, _BUFFER)
            skip = _seeker(stream, size)
        else:
            stream = io.BufferedReader(_Unpacked(file, compression, most_bytes(size)), _BUFFER)
            skip = _discarder(stream)
        try:
            yield from _walk(Path(path), stream, skip, wanted)
        except (_Broken, OSError) as error:
            raise damaged(path, f"not a sound tar ({error})") from None


def _walk(
    path: Path, stream: BinaryIO, skip: Callable[[int], None], wanted: Callable[[str], bool] | None
) -> Iterator[tuple[str, bytes]]:
    entries = Entries(path)
    records: dict[str, str] = {}
    before = "the start"
    while True:
        header = stream.read(BLOCK)
        if header == _ZEROS:
            break
        if len(header) < BLOCK:
            raise damaged(path, f"truncated: it ends without an end mark, after {before}")
        if not _checksum_holds(header):
            raise damaged(path, f"damaged: the header after {before} has a wrong checksum")
        kind = header[156:157]
        if kind in (_LONG_NAME, _PAX, _PAX_GLOBAL):
            extension = _extension(path, stream, header, before)
            if kind == _LONG_NAME:
                records["path"] = _text(path, extension.rstrip(b"\0"), before)
                continue
            found = _pax_records(path, extension, before)
            if kind == _PAX:
                records |= found
            elif found:
                raise damaged(path, f"the global header after {before} speaks of single members")
            continue
        raw = records["path"] if "path" in records else _text(path, _ustar_name(header), before)
        length = _pax_size(path, raw, records["size"]) if "size" in records else _number(header[124:136])
        if "sparse" in records:
            refuse(path, raw, "is a sparse file")
        records = {}
        if kind in _REFUSED:
            refuse(path, raw, f"is {_REFUSED[kind]}")
        if kind == _FOLDER or (kind == b"\0" and raw.endswith("/")):
            entries.admit(raw, folder=True)
            if length:
                refuse(path, raw, "is a folder with content")
            continue
        if kind not in _FILE:
            refuse(path, raw, f"is of unknown kind {ascii(kind)[1:]}")
        before = shown(raw)
        member = entries.admit(raw)
        check_size(path, raw, length)
        padding = -length % BLOCK
        if wanted is None or wanted(member):
            data = stream.read(length)
            if len(data) != length or len(stream.read(padding)) != padding:
                raise damaged(path, f"truncated within member {before}")
            yield member, data
        else:
            try:
                skip(length + padding)
            except EOFError:
                raise damaged(path, f"truncated within member {before}") from None
    if records:
        raise damaged(path, f"truncated: an extended header after {before} stands alone")
    while rest := stream.read(_BUFFER):
        if rest.count(0) != len(rest):
            raise damaged(path, f"holds data after its end mark, which stands after {before}")


class _Unpacked(io.RawIOBase):
    """What gzip or bzip2 packed: every stream of the file, checksums checked, zeros alone between them."""

    def __init__(self, file: BinaryIO, compression: str, limit: int):
        self._file, self._compression, self._limit, self._left = file, compression, limit, limit
        self._packed = b""
        self._machine = self._start()

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        while True:
            if self._machine.eof:
                packed = self._machine.unused_data
                # Copies of tapes are padded with zeros; gzip passes over them, too.
                while not (packed := packed.lstrip(b"\0")):
                    if not (packed := self._file.read(_BUFFER)):
                        return 0
                self._packed, self._machine = packed, self._start()
            elif not self._packed and self._hungry():
                self._packed = self._file.read(_BUFFER)
                if not self._packed:
                    raise _Broken("its compressed data are truncated")
            try:
                data = self._machine.decompress(self._packed, len(target))
            except (zlib.error, OSError) as error:
                raise _Broken(f"its compressed data are damaged: {error}") from None
            self._packed = self._machine.unconsumed_tail if self._compression == "gz" else b""
            if data:
                break
        self._left -= len(data)
        if self._left < 0:
            raise _Broken(f"unpacks to more than {self._limit:,} bytes, far more than its own size")
        target[: len(data)] = data
        return len(data)

    def _start(self) -> Any:
        return zlib.decompressobj(wbits=31) if self._compression == "gz" else bz2.BZ2Decompressor()

    def _hungry(self) -> bool:
        return self._compression == "gz" or self._machine.needs_input


def _seeker(stream: BinaryIO, size: int) -> Callable[[int], None]:
    def skip(length: int) -> None:
        if stream.seek(length, os.SEEK_CUR) > size:
            raise EOFError

    return skip


def _discarder(stream: BinaryIO) -> Callable[[int], None]:
    def skip(length: int) -> None:
        while length:
            part = len(stream.read(min(length, _BUFFER)))
            if not part:
                raise EOFError
            length -= part

    return skip


def _extension(path: Path, stream: BinaryIO, header: bytes, before: str) -> bytes:
    length = _number(header[124:136])
    most = MAX_NAME_BYTES + 1 if header[156:157] == _LONG_NAME else MAX_HEADER_BYTES
    if length > most:
        raise damaged(path, f"the extended header after {before} has {length:,} bytes, more than {most:,}")
    data = stream.read(length + -length % BLOCK)
    if len(data) < length:
        raise damaged(path, f"truncated within the extended header after {before}")
    return data[:length]


def _pax_records(path: Path, data: bytes, before: str) -> dict[str, str]:
    """What a pax header says of path, size and holes; records are "length key=value\n", the length that of all."""
    found: dict[str, str] = {}
    start = 0
    while start < len(data):
        space = data.find(b" ", start, start + 8)
        digits = data[start : max(space, start)]
        end = start + int(digits) if digits.isdigit() else start
        key, equals, value = data[space + 1 : end].partition(b"=")
        if not equals or end > len(data) or not value.endswith(b"\n"):
            raise damaged(path, f"damaged: the extended header after {before} has a wrong record")
        if key.startswith(b"GNU.sparse."):
            found["sparse"] = ""
        elif key in (b"path", b"size"):
            if key.decode() in found:
                raise damaged(path, f"the extended header after {before} gives {key.decode()} twice")
            found[key.decode()] = _text(path, value[:-1], before)
        start = end
    return found


def _pax_size(path: Path, name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        refuse(path, name, f"has a size of {shown(text)}")
    return int(text)


def _text(path: Path, raw: bytes, before: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        where = f"{ascii(raw)[1:]} after {before}"
        raise SuiteError(
            f"{path}: member {where}: its name is not UTF-8; do not use it: check where the archive came from"
        ) from None


def _ustar_name(header: bytes) -> bytes:
    name = header[:100].partition(b"\0")[0]
    if header[257:263] == b"ustar\0" and header[345]:
        return header[345:500].partition(b"\0")[0] + b"/" + name
    return name


def _number(field: bytes) -> int:
    """A number of a header: octal text, or big-endian binary behind a set first bit (GNU)."""
    if field[0] & 0x80:
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    text = field.strip(b" \0")
    # int() alone takes signs and underscores as well.
    if text.translate(None, b"01234567"):
        raise _Broken(f"a number of a header reads {ascii(text)[1:]}")
    return int(text, 8) if text else 0


def _checksum_holds(header: bytes) -> bool:
    """Whether the header's sum of bytes, its own field read as blanks, is the one it states."""
    try:
        stated = _number(header[148:156])
    except _Broken:
        return False
    return sum(header) - sum(header[148:156]) + 8 * 32 == stated
