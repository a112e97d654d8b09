"""What the fetcher asks of a way to transfer files, be it HTTP or FTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from suite.datasets.origins.part import Remote

CHUNK = 2**18


@dataclass(frozen=True)
class Incoming:
    """An answer that has begun.

    Attributes:
        offset: place in the file of the first byte that comes: the one asked for, or 0 where the server sends
            the whole file.
        remote: what the server says of the file.
        chunks: the bytes; iterating raises Transient where the connection breaks. It just ends where the server
            closes early: the fetcher compares lengths.
        certain_end: whether the protocol tells the end of the file from a dropped connection.
    """

    offset: int
    remote: Remote
    chunks: Iterator[bytes]
    certain_end: bool = True


class Transfer(Protocol):
    """A way to transfer files; used by several threads at once.

    Methods raise Transient for trouble that may pass, Wrong where the server contradicts itself, and SuiteError,
    naming the address, for what no repetition mends.
    """

    def size(self, url: str) -> int | None:
        """Bytes of the file; None if the server does not say."""

    def open(self, url: str, offset: int, remote: Remote) -> AbstractContextManager[Incoming]:
        """Ask for the file from byte `offset` on, if it still is the file that `remote` describes."""
