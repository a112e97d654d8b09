"""Archives byte by byte, so that a test can make what no honest tool would."""

from __future__ import annotations

import bz2
import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

END = bytes(1024)


def header(name: bytes = b"a.txt", kind: bytes = b"0", size: int | bytes = 0, link: bytes = b"") -> bytes:
    """One header block of a tar; `size` as bytes is put in as it is."""
    stated = size if isinstance(size, bytes) else b"%011o\0" % size
    block = bytearray(512)
    for start, field in (
        (0, name),
        (100, b"0000644\0"),
        (124, stated),
        (156, kind),
        (157, link),
        (257, b"ustar\x0000"),
    ):
        block[start : start + len(field)] = field
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def member(name: bytes = b"a.txt", data: bytes = b"hello", kind: bytes = b"0") -> bytes:
    """Header, content and padding of a member of a tar."""
    return header(name, kind, len(data)) + data + bytes(-len(data) % 512)


def pax(records: dict[str, str | bytes], kind: bytes = b"x") -> bytes:
    """An extended header of a tar."""
    return member(b"pax", b"".join(pax_record(key, value) for key, value in records.items()), kind)


def pax_record(key: str, value: str | bytes) -> bytes:
    """`length key=value`, the length counting its own digits."""
    rest = b" " + key.encode() + b"=" + (value if isinstance(value, bytes) else value.encode()) + b"\n"
    length = len(rest)
    while len(rest) + len(str(length)) != length:
        length = len(rest) + len(str(length))
    return str(length).encode() + rest


def tar(*parts: bytes) -> bytes:
    return b"".join(parts) + END


def packed_tar(files: dict[str, bytes], mode: str = "w", style: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar by `tarfile`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=style) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def packed_zip(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip by `zipfile`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


def zip_entry(
    name: bytes,
    data: bytes = b"hello",
    *,
    size: int | None = None,
    crc: int | None = None,
    flags: int = 0x800,
    method: int = zipfile.ZIP_DEFLATED,
    mode: int = 0o100644,
    local_name: bytes | None = None,
    offset: int | None = None,
) -> dict:
    """A member of `raw_zip`; what is not given is what it should be."""
    machine = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = machine.compress(data) + machine.flush() if method == zipfile.ZIP_DEFLATED else data
    return {
        "name": name,
        "packed": packed,
        "size": len(data) if size is None else size,
        "crc": zlib.crc32(data) if crc is None else crc,
        "flags": flags,
        "method": method,
        "mode": mode,
        "local_name": name if local_name is None else local_name,
        "offset": offset,
    }


def raw_zip(entries: Sequence[dict]) -> bytes:
    """A zip of the entries as they are; one with an `offset` has no bytes of its own and points there."""
    body, directory = b"", b""
    for one in entries:
        offset = len(body) if one["offset"] is None else one["offset"]
        sizes = (one["crc"], len(one["packed"]), one["size"])
        if one["offset"] is None:
            local = (20, one["flags"], one["method"], 0, 33, *sizes, len(one["local_name"]), 0)
            body += struct.pack("<4s5H3I2H", b"PK\x03\x04", *local) + one["local_name"] + one["packed"]
        central = (0x314, 20, one["flags"], one["method"], 0, 33, *sizes, len(one["name"]), 0, 0, 0, 0)
        directory += struct.pack("<4s6H3I5H2I", b"PK\x01\x02", *central, one["mode"] << 16, offset) + one["name"]
    count = len(entries)
    return body + directory + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, len(directory), len(body), 0)


def gz(data: bytes) -> bytes:
    return gzip.compress(data, 9, mtime=0)


def bz(data: bytes) -> bytes:
    return bz2.compress(data)


def placed(folder: Path, data: bytes, name: str = "archive") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(data)
    return path
