"""A file that is still coming: its bytes so far, what they are a part of, and the digests of them."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from suite.datasets.origins.patience import Wrong
from suite.datasets.origins.settings import PART, STATE, SourceFile
from suite.files import write_json

_BLOCK = 2**20


class Digests:
    """Running digests of a file: SHA-256 always, the others where the file states them."""

    def __init__(self, file: SourceFile) -> None:
        self._file = file
        self._running = {kind: hashlib.new(kind, usedforsecurity=False) for kind in {"sha256", *file.digests}}
        self.length = 0

    def update(self, data: bytes) -> None:
        """Take in the next bytes."""
        self.length += len(data)
        for running in self._running.values():
            running.update(data)

    def read(self, path: Path) -> Digests:
        """Take in a whole file; returns itself."""
        with path.open("rb") as stream:
            while data := stream.read(_BLOCK):
                self.update(data)
        return self

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes so far, hexadecimal."""
        return self._running["sha256"].hexdigest()

    def check(self) -> None:
        """Raise Wrong, saying what was found and what is stated, unless all that is stated of the file holds."""
        if self._file.size not in (None, self.length):
            raise Wrong(f"{self.length} bytes, but {self._file.size} are stated")
        for kind, stated in self._file.digests.items():
            if (found := self._running[kind].hexdigest()) != stated:
                raise Wrong(f"its {kind} is {found}, but {stated} is stated")


@dataclass(frozen=True)
class Remote:
    """What a server says of a file: the mark by which a part of it is known to be a part of the same bytes.

    Attributes:
        size: length of the whole file in bytes; None if the server does not say.
        etag: strong entity tag; None if there is none.
        modified: date of the last change as the server writes it; None if there is none.
    """

    size: int | None = None
    etag: str | None = None
    modified: str | None = None

    def differs(self, other: Remote) -> bool:
        """Whether both cannot be of the same bytes. What one of them does not say is no difference."""
        pairs = [(self.size, other.size), (self.etag, other.etag), (self.modified, other.modified)]
        return any(None not in pair and pair[0] != pair[1] for pair in pairs)


class Part:
    """The partial file `<target>.part` and beside it `<target>.part.json`, which says what it is a part of.

    The state file is written before the first byte and removed after the last: a process killed at any point
    leaves bytes whose origin is known, or none that count.
    """

    def __init__(self, file: SourceFile, url: str, target: Path) -> None:
        self._file, self._url = file, url
        self.path = target.with_name(target.name + PART)
        self._state = target.with_name(target.name + STATE)
        self.remote = Remote()
        self.digests = Digests(file)
        self._take_up()

    @property
    def length(self) -> int:
        """Bytes that are there."""
        return self.digests.length

    @property
    def size(self) -> int | None:
        """Length of the whole file, as far as anyone has said."""
        return self.remote.size if self._file.size is None else self._file.size

    @property
    def complete(self) -> bool:
        """Whether all bytes are there (a part of unknown size never is)."""
        return self.path.exists() and self.length == self.size

    def restart(self, remote: Remote) -> None:
        """Drop what is there and begin a part of `remote`."""
        self.discard()
        self.remote = remote
        write_json(self._state, {"url": self._url, **asdict(remote)})
        self.path.touch()

    def discard(self) -> None:
        """Remove the part and its state."""
        # Bytes first: bytes without a state are dropped, a state without bytes is harmless.
        self.path.unlink(missing_ok=True)
        self._state.unlink(missing_ok=True)
        self.remote, self.digests = Remote(), Digests(self._file)

    def place(self, target: Path) -> None:
        """Give the finished file its name."""
        os.replace(self.path, target)
        _sync(target.parent)
        self._state.unlink(missing_ok=True)

    def sync(self) -> None:
        """Have the bytes reach the disk before the file gets its name."""
        _sync(self.path)

    def _take_up(self) -> None:
        """Go on with what an earlier process left, if it can be told that it belongs to the file."""
        remote = self._recorded()
        if remote is None or not self.path.is_file():
            self.discard()
            return
        self.remote = remote
        self.digests.read(self.path)
        if self.size is not None and self.length > self.size:
            self.discard()

    def _recorded(self) -> Remote | None:
        try:
            state = json.loads(self._state.read_text(encoding="utf-8"))
            remote = Remote(state["size"], state["etag"], state["modified"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if not isinstance(remote.size, int | None):
            return None
        known = remote.etag or remote.modified or self._file.digests
        fits = not remote.differs(Remote(size=self._file.size))
        return remote if state["url"] == self._url and known and fits else None


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
