"""Members of a zip. `zipfile` reads the directory at its end; what the directory says of a member is then checked
against the member itself, byte for byte, which `zipfile` leaves out where a size is stated too small.
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from suite.datasets.archives.limits import Entries, check_size, damaged, most_bytes, refuse

# PKWARE's APPNOTE, 4.3.7: signature, version, flags, method, time, date, CRC-32, sizes, lengths of name and extra.
_LOCAL = struct.Struct("<4s5H3I2H")
_SIGNATURE = b"PK\x03\x04"
# Bits 0, 5, 6 and 13: encrypted, patch data, strong encryption, masked headers.
_ENCRYPTED, _PATCH = 0x2041, 0x20


def iterate_zip(path: Path, wanted: Callable[[str], bool] | None) -> Iterator[tuple[str, bytes]]:
    """Members of the zip at `path`, in the order of its directory.

    The directory is held in memory, some 600 bytes a member.
    """
    with open(path, "rb") as file:
        try:
            archive = zipfile.ZipFile(file)
        except UnicodeDecodeError as error:
            refuse(path, error.object.decode("ascii", "backslashreplace"), "its name is not the UTF-8 it says it is")
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, struct.error) as error:
            raise damaged(path, f"not a sound zip ({error})") from None
        members = _checked(Path(path), archive, os.fstat(file.fileno()).st_size)
        for entry, name, end in members:
            if wanted is None or wanted(name):
                yield name, _read(Path(path), file, entry, end)


def _checked(path: Path, archive: zipfile.ZipFile, size: int) -> list[tuple[zipfile.ZipInfo, str, int]]:
    """Every file of the archive with its name and where the next one starts; all checked before any is read."""
    entries, kept, total = Entries(path), [], 0
    for entry in archive.infolist():
        raw = entry.orig_filename
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if stat.S_ISLNK(kind):
            refuse(path, raw, "is a symbolic link")
        if kind and not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            refuse(path, raw, "is a device or a fifo")
        if entry.flag_bits & _ENCRYPTED:
            refuse(path, raw, "is encrypted")
        folder = raw.endswith("/")
        name = entries.admit(raw, folder)
        if folder:
            if entry.file_size:
                refuse(path, raw, "is a folder with content")
            continue
        if entry.flag_bits & _PATCH or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            refuse(path, raw, f"is packed by method {entry.compress_type}, neither stored nor deflated")
        check_size(path, raw, max(entry.file_size, entry.compress_size))
        total += entry.file_size
        if total > most_bytes(size):
            refuse(path, raw, f"with it the archive unpacks to more than {most_bytes(size):,} bytes")
        kept.append((entry, name))
    starts = sorted({entry.header_offset for entry in archive.infolist()} | {archive.start_dir})
    ends = dict(pairwise(starts))
    offsets: set[int] = set()
    for entry in archive.infolist():
        if entry.header_offset in offsets or entry.header_offset not in ends:
            refuse(path, entry.orig_filename, "shares its bytes with another member")
        offsets.add(entry.header_offset)
    return [(entry, name, ends[entry.header_offset]) for entry, name in kept]


def _read(path: Path, file: BinaryIO, entry: zipfile.ZipInfo, end: int) -> bytes:
    raw = entry.orig_filename
    file.seek(entry.header_offset)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size or header[:4] != _SIGNATURE:
        raise damaged(path, f"damaged: no member where {raw!a} should start")
    _, _, flags, method, *_, name_length, extra_length = _LOCAL.unpack(header)
    name = file.read(name_length)
    start = entry.header_offset + _LOCAL.size + name_length + extra_length
    if flags & _ENCRYPTED:
        refuse(path, raw, "is encrypted")
    if method != entry.compress_type or name != _raw_name(entry):
        refuse(path, raw, "is another member than the directory of the archive says")
    if start + entry.compress_size > end:
        refuse(path, raw, "shares its bytes with another member")
    file.seek(start)
    packed = file.read(entry.compress_size)
    data = _unpacked(path, entry, packed)
    if len(data) != entry.file_size:
        refuse(path, raw, f"has not the {entry.file_size:,} bytes it states")
    if zlib.crc32(data) != entry.CRC:
        raise damaged(path, f"damaged: member {raw!a} has a wrong checksum")
    return data


def _unpacked(path: Path, entry: zipfile.ZipInfo, packed: bytes) -> bytes:
    if entry.compress_type == zipfile.ZIP_STORED:
        return packed
    machine = zlib.decompressobj(wbits=-15)
    try:
        data = machine.decompress(packed, entry.file_size + 1)
    except zlib.error as error:
        raise damaged(path, f"damaged: member {entry.orig_filename!a} ({error})") from None
    if len(data) == entry.file_size and not (machine.eof and not machine.unused_data):
        refuse(path, entry.orig_filename, f"has not the {entry.compress_size:,} packed bytes it states")
    return data


def _raw_name(entry: zipfile.ZipInfo) -> bytes:
    # Bit 11: the name is UTF-8; without it, zipfile read code page 437.
    return entry.orig_filename.encode("utf-8" if entry.flag_bits & 0x800 else "cp437")
