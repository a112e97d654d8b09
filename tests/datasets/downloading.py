"""What the tests of the downloader over HTTP share."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest
from faulty_server import FaultyServer

from suite.datasets.origins import Fetcher, HttpsOrigin, Patience, SourceFile
from suite.errors import SuiteError

QUICK = Patience(attempts=4, base=0.001, longest=0.02, timeout=5.0)
DATA = random.Random(1).randbytes(300_000)
SHA256 = hashlib.sha256(DATA).hexdigest()


def fetcher(server: FaultyServer, folder: Path, patience: Patience = QUICK, **more: object) -> Fetcher:
    """A fetcher of what `server` has into `folder`/incoming."""
    return Fetcher(HttpsOrigin(base=server.url), folder / "incoming", patience=patience, **more)


def fetch(server: FaultyServer, folder: Path, *files: SourceFile, patience: Patience = QUICK) -> Fetcher:
    """Fetch `files`, or a/data.bin."""
    made = fetcher(server, folder, patience)
    made.fetch(files or [SourceFile("a/data.bin")])
    return made


def refusal(server: FaultyServer, folder: Path, file: SourceFile, pattern: str) -> str:
    """The one line that refuses `file`; nothing of it may be kept."""
    line = failure(server, folder, file, pattern)
    assert contents(folder) == {}
    return line


def failure(server: FaultyServer, folder: Path, file: SourceFile, pattern: str) -> str:
    """The one line that ends the download of `file`."""
    with pytest.raises(SuiteError, match=pattern) as caught:
        fetch(server, folder, file)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def contents(folder: Path) -> dict[str, bytes]:
    """All files below `folder`/incoming."""
    below = folder / "incoming"
    return {path.relative_to(below).as_posix(): path.read_bytes() for path in below.rglob("*") if path.is_file()}
