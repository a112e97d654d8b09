"""One way to read tars, zips and folders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from suite.datasets.archives.folder import iterate_folder
from suite.datasets.archives.limits import damaged
from suite.datasets.archives.tar import BLOCK, is_tar, iterate_tar
from suite.datasets.archives.zip import iterate_zip
from suite.errors import SuiteError


def iterate_members(path: Path, wanted: Callable[[str], bool] | None = None) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every file of an archive or folder; folders in it are not yielded.

    Args:
        path: a tar (plain, gzip or bzip2), a zip, told by content and not by name, or a folder.
        wanted: says by name which members are read; the others are checked and passed over.

    Names are POSIX and relative, "./" stripped; members come in stored order, those of a folder sorted. One member
    is in memory at a time. Limits stand in `suite.datasets.archives.limits`.

    Raises:
        SuiteError: naming archive and member: no archive, truncated or damaged, a link, a device, a sparse or
            encrypted member, a path that leaves the archive, an unprintable name, a second member of one name,
            more bytes than limits admit.
    """
    path = Path(path)
    if path.is_dir():
        yield from iterate_folder(path, wanted)
        return
    try:
        with open(path, "rb") as file:
            start = file.read(BLOCK)
    except FileNotFoundError:
        raise SuiteError(f"{path}: not found; download the data set again") from None
    except OSError as error:
        raise SuiteError(f"{path}: cannot be read ({error.strerror})") from None
    if start[:2] == b"\x1f\x8b":
        yield from iterate_tar(path, wanted, "gz")
    elif start[:3] == b"BZh":
        yield from iterate_tar(path, wanted, "bz2")
    elif start[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        yield from iterate_zip(path, wanted)
    elif is_tar(start):
        yield from iterate_tar(path, wanted, None)
    else:
        raise damaged(path, "neither a tar nor a zip" if start else "empty, so neither a tar nor a zip")


def read_member(path: Path, name: str) -> bytes:
    """The content of member `name` of an archive or folder; what follows it in a tar is not looked at.

    Raises:
        SuiteError: there is no such member, or the archive is not sound (see `iterate_members`).
    """
    for _, data in iterate_members(path, lambda member: member == name):
        return data
    raise SuiteError(f"{path}: holds no member '{name}'; check that it is the archive this data set is built from")
