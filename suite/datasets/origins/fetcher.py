"""The downloader: files of an origin, whole and verified, in a folder; taken up again wherever it was ended.

A file comes as `<name>.part` beside `<name>.part.json`, which says what it is a part of, and gets its name when
all its bytes are verified and on the disk. `manifest.json.part` in the folder lists the finished files, `manifest.json`
those of a complete download. An entry is written before the file gets its name: after a kill at any point, a file
counts only if its bytes are those that its entry or its stated digests name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from suite.datasets.origins.download import Download
from suite.datasets.origins.part import Part
from suite.datasets.origins.patience import Patience, Stop, Wrong, side_by_side
from suite.datasets.origins.placing import (
    Entry,
    append_journal,
    bytes_to_copy,
    check_names,
    find_sources,
    place,
    prune,
    read_journal,
    read_manifest,
    verify,
    write_manifest,
)
from suite.datasets.origins.progress import Progress, check_space
from suite.datasets.origins.settings import (
    MANIFEST,
    ByHandOrigin,
    FileOrigin,
    FtpOrigin,
    HttpsOrigin,
    SourceFile,
)
from suite.datasets.origins.transfer import Transfer
from suite.datasets.origins.transfer_ftp import FtpTransfer
from suite.datasets.origins.transfer_http import HttpTransfer
from suite.errors import SuiteError

_PATIENCE = Patience()


class Fetcher:
    """Brings files of `origin` into the folder `destination`.

    A process that was killed, interrupted or gave up leaves the folder such that the next call goes on where it
    ended. Of two processes with one destination the second is refused: during a call of `fetch` or, if used as a
    context manager, within the body.

    Args:
        origin: where the files are.
        destination: the folder they go to; its neighbour `.<name>.lock` guards it.
        previous: folder of an earlier complete download: files that its manifest lists under the same name and
            address, and that have the bytes listed and the digests now stated, are linked instead of fetched.
        connections: files in transfer at the same time.
        patience: how long trouble is borne.
    """

    def __init__(
        self,
        origin: HttpsOrigin | FtpOrigin | FileOrigin | ByHandOrigin,
        destination: Path,
        previous: Path | None = None,
        connections: int = 4,
        patience: Patience = _PATIENCE,
    ) -> None:
        self._origin, self._destination = origin, Path(destination)
        self._previous = None if previous is None else Path(previous)
        self._connections, self._patience = connections, patience
        self._guard = FileLock(self._destination.parent / f".{self._destination.name}.lock", thread_local=False)
        self._writing = Lock()
        self._listed: dict[str, Entry] = {}
        self._fetched: dict[str, SourceFile] = {}

    def __enter__(self) -> Fetcher:
        self._acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self._guard.release()

    def fetch(
        self,
        files: Sequence[SourceFile],
        origin: HttpsOrigin | FtpOrigin | FileOrigin | ByHandOrigin | None = None,
    ) -> None:
        """Bring `files`, all of them or SuiteError; may be called several times.

        Args:
            files: what to bring.
            origin: where these files are, if not where the others are.

        Raises:
            SuiteError: one line that names the file: out of reach, other bytes than stated, not placed, or no
                room on the disk. What has come is kept for the next call, save bytes found wrong.
        """
        check_names([*self._fetched.values(), *files])
        wanted = {file.name: file for file in files if file.name not in self._fetched}
        with self._alone():
            self._destination.mkdir(parents=True, exist_ok=True)
            self._listed = read_manifest(self._destination) | read_journal(self._destination) | self._listed
            origin = self._origin if origin is None else origin
            if isinstance(origin, HttpsOrigin | FtpOrigin):
                self._fetch_remote(list(wanted.values()), origin.base)
            else:
                self._fetch_local(list(wanted.values()), origin)
            self._fetched |= wanted

    def adopt(self, path: Path, url: str) -> None:
        """Take a file that another client has brought and verified, under its own name; `url` says by which way."""
        file = SourceFile(path.name)
        check_names([*self._fetched.values(), file])
        with self._alone():
            self._destination.mkdir(parents=True, exist_ok=True)
            digests = verify(path, file)
            self._list(Entry(file.name, url, digests.length, digests.sha256))
            place(path, self._destination / file.name)
            self._fetched[file.name] = file

    def path(self, name: str) -> Path:
        """Path of a fetched file."""
        if name not in self._fetched:
            raise SuiteError(f"{name}: not among the files that were fetched into {self._destination}")
        return self._destination / name

    def manifest(self) -> list[dict[str, Any]]:
        """Name, url ("by hand" or "file" for local files), size and sha256 of the fetched files, by name."""
        return [asdict(self._listed[name]) for name in sorted(self._fetched)]

    def finish(self) -> None:
        """Leave the fetched files and their manifest in the folder, nothing else.

        Leftovers of other settings and of killed processes go.
        """
        with self._alone():
            write_manifest(self._destination, [self._listed[name] for name in self._fetched])
            prune(self._destination, {MANIFEST, *self._fetched})

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the folder for this process; trouble with the disk becomes one line."""
        self._acquire()
        try:
            yield
        except OSError as error:
            raise SuiteError(
                f"{error.filename or self._destination}: {error.strerror or error}; is the disk full or not "
                "writable? what has come is kept: mend it and run again"
            ) from None
        finally:
            self._guard.release()

    def _acquire(self) -> None:
        try:
            self._destination.parent.mkdir(parents=True, exist_ok=True)
            self._guard.acquire(timeout=0)
        except Timeout:
            raise SuiteError(f"{self._destination}: another download writes here; wait for it or end it") from None
        except OSError as error:
            raise SuiteError(f"{self._destination}: cannot be written to ({error.strerror or error})") from None

    def _fetch_local(self, files: Sequence[SourceFile], origin: FileOrigin | ByHandOrigin) -> None:
        by_hand = isinstance(origin, ByHandOrigin)
        label = "by hand" if by_hand else "file"
        if origin.folder.resolve().is_relative_to(self._destination.resolve()):
            raise SuiteError(f"{origin.folder}: lies in the folder that the download writes; keep the files elsewhere")
        # The user may have cleared away what was placed; the files of the repository are always at hand.
        earlier = read_manifest(self._previous) if by_hand and self._previous else {}
        spare = {name: self._previous / name for name, entry in earlier.items() if entry.url == label}
        sources = find_sources(origin, files, spare)
        check_space(self._destination, bytes_to_copy(sources.values(), self._destination))

        def bring(file: SourceFile) -> None:
            source = sources[file.name]
            try:
                digests = verify(source, file)
            except Wrong as problem:
                raise SuiteError(f"{source}: {problem}; refused: get the file again") from None
            self._list(Entry(file.name, label, digests.length, digests.sha256))
            place(source, self._destination / file.name)

        side_by_side(bring, files, self._connections, Stop())

    def _fetch_remote(self, files: Sequence[SourceFile], base: str) -> None:
        stop = Stop()
        http = HttpTransfer(self._patience.timeout, stop)
        ways: dict[str, Transfer] = {"https": http, "http": http, "ftp": FtpTransfer(self._patience.timeout, stop)}
        earlier = read_manifest(self._previous) if self._previous else {}

        def survey(file: SourceFile) -> tuple[Download, int | None] | None:
            """The download that `file` still needs, and its size."""
            stop.check()
            url, target = file.address(base), self._destination / file.name
            if self._is_here(file, url, earlier):
                return None
            target.parent.mkdir(parents=True, exist_ok=True)
            part = Part(file, url, target)
            download = Download(file, url, part, ways[urlsplit(url).scheme], self._patience, stop)
            return download, download.ask_size()

        surveyed = side_by_side(survey, files, self._connections, stop)
        missing = [(file, *found) for file, found in zip(files, surveyed, strict=True) if found is not None]
        sizes = [size for *_, size in missing]
        lengths = [download.part.length for _, download, _ in missing]
        check_space(
            self._destination, sum(max(0, (size or 0) - part) for size, part in zip(sizes, lengths, strict=True))
        )

        def bring(file: SourceFile, download: Download) -> None:
            download.run(progress)
            part = download.part
            self._list(Entry(file.name, file.address(base), part.length, part.digests.sha256))
            part.place(self._destination / file.name)

        with Progress(self._destination.name, None if None in sizes else sum(sizes), sum(lengths)) as progress:
            side_by_side(lambda job: bring(*job[:2]), missing, self._connections, stop)

    def _is_here(self, file: SourceFile, url: str, earlier: dict[str, Entry]) -> bool:
        """Whether the file is in its place, or can be linked there; it is read whole to be sure.

        What lies in its place with other bytes is removed.
        """
        target = self._destination / file.name
        entry = self._listed.get(file.name)
        if self._holds(target, file, entry if entry and entry.url == url else None, url):
            return True
        target.unlink(missing_ok=True)
        entry = earlier.get(file.name)
        if entry is None or entry.url != url or not self._holds(self._previous / file.name, file, entry, url):
            return False
        place(self._previous / file.name, target)
        return True

    def _holds(self, path: Path, file: SourceFile, entry: Entry | None, url: str) -> bool:
        """Whether the file at `path` has the bytes of its entry and all that is stated of it; if so it is listed.

        Without an entry, the stated digests have to prove it.
        """
        if not path.is_file() or not (entry or file.digests):
            return False
        try:
            digests = verify(path, file)
        except Wrong:
            return False
        if entry and entry.sha256 != digests.sha256:
            return False
        self._list(Entry(file.name, url, digests.length, digests.sha256))
        return True

    def _list(self, entry: Entry) -> None:
        """Write a finished file into the journal of the folder."""
        with self._writing:
            if self._listed.get(entry.name) != entry:
                append_journal(self._destination, entry)
                self._listed[entry.name] = entry
