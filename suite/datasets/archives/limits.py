"""How large things may be, and what a member may be called."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import NoReturn

from suite.errors import SuiteError

# A member is held in memory. The largest real ones are annotation files of some 500 MB; an image has 50 MB at most.
MAX_MEMBER_BYTES = 2**30
# The largest real archive (the images of iNaturalist 2018) is a tar.gz of 120 GB.
MAX_TOTAL_BYTES = 2**40
# JPEGs hardly shrink, text shrinks ten- or twentyfold, tar headers of small files a few dozen times; a bomb of zeros
# a thousandfold (deflate) or more (bzip2).
MAX_RATIO = 200
# Below this a ratio says nothing: the padding of a tar of one small file shrinks a hundredfold.
FREE_BYTES = 64 * 2**20
# The largest real archive (iNaturalist 2018) has some 462,000; the names seen are held in memory, to find a second one.
MAX_MEMBERS = 10_000_000
# The longest path that Linux takes.
MAX_NAME_BYTES = 4096
# The attributes of one member; Linux keeps at most 64 KiB of each extended attribute.
MAX_HEADER_BYTES = 2**20

_DRIVE = re.compile(r"[A-Za-z]:")
_SHOWN = 160


class Entries:
    """The names an archive has given so far, each checked as it comes.

    Args:
        archive: its path, for error messages.
    """

    def __init__(self, archive: Path):
        self._archive = archive
        self._seen: set[str] = set()

    def admit(self, raw: str, folder: bool = False) -> str:
        """The POSIX name, relative and without "./", that member `raw` is known by.

        Raises:
            SuiteError: it is absolute, climbs out, is not plain printable text, or came before (folders may).
        """
        if not raw.isprintable():
            refuse(self._archive, raw, "its name holds control characters or is no Unicode text")
        if "\\" in raw:
            refuse(self._archive, raw, "its name holds a backslash")
        if raw.startswith("/") or _DRIVE.match(raw):
            refuse(self._archive, raw, "its path is absolute")
        if len(raw.encode()) > MAX_NAME_BYTES:
            refuse(self._archive, raw, f"its name is longer than {MAX_NAME_BYTES} bytes")
        name = _normalised(raw)
        if name is None:
            refuse(self._archive, raw, "its path climbs out of the archive")
        if folder:
            return name
        if not name or raw.endswith("/"):
            refuse(self._archive, raw, "a file without a name")
        key = name if name.isascii() else unicodedata.normalize("NFC", name)
        if key in self._seen:
            refuse(self._archive, raw, "a second member of this name")
        self._seen.add(key)
        if len(self._seen) > MAX_MEMBERS:
            refuse(self._archive, raw, f"one of more than {MAX_MEMBERS:,} members")
        return name


def check_size(archive: Path, name: str, size: int) -> None:
    """Raise SuiteError if a member of `size` bytes is larger than any real one."""
    if size > MAX_MEMBER_BYTES:
        refuse(archive, name, f"has {size:,} bytes, more than the {MAX_MEMBER_BYTES:,} a member may have")


def most_bytes(file_size: int) -> int:
    """What an archive of `file_size` bytes may unpack to."""
    return min(MAX_TOTAL_BYTES, max(FREE_BYTES, MAX_RATIO * file_size))


def refuse(archive: Path, name: str, reason: str) -> NoReturn:
    """Raise the SuiteError that names archive and member."""
    raise SuiteError(f"{archive}: member {shown(name)}: {reason}; do not use it: check where the archive came from")


def damaged(archive: Path, reason: str) -> SuiteError:
    """The SuiteError for an archive that is broken as a whole."""
    return SuiteError(f"{archive}: {reason}; fetch it again")


def shown(name: str) -> str:
    """A name as one short line of plain ASCII, whatever it holds."""
    text = ascii(name)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _normalised(raw: str) -> str | None:
    """Without "." and empty parts; None where a part is ".."."""
    # Nearly every name is already in its normal form, and a million of them pass here.
    if "//" not in raw and "./" not in raw and not raw.startswith(".") and not raw.endswith(("/", "/.", "..")):
        return raw
    parts = [part for part in raw.split("/") if part not in ("", ".")]
    return None if ".." in parts else "/".join(parts)
