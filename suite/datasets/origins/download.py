"""One file over the network: tried until it is whole and verified, or until patience ends."""

from __future__ import annotations

from typing import NoReturn

from suite.datasets.origins.part import Part
from suite.datasets.origins.patience import Patience, Stop, Transient, Trouble, Wrong
from suite.datasets.origins.progress import Progress
from suite.datasets.origins.settings import SourceFile
from suite.datasets.origins.transfer import Transfer
from suite.errors import SuiteError

# One more try where bytes were wrong: the fault may have lain on the way.
_WRONG_TRIES = 2


class Download:
    """The download of `file` from `url`, by way of `transfer`, into `part`."""

    def __init__(
        self, file: SourceFile, url: str, part: Part, transfer: Transfer, patience: Patience, stop: Stop
    ) -> None:
        self._file, self._url, self.part = file, url, part
        self._transfer, self._patience, self._stop = transfer, patience, stop

    def ask_size(self) -> int | None:
        """Bytes of the whole file: stated, known from an earlier attempt, or asked of the server.

        None if the server does not say.
        """
        if self.part.size is not None:
            return self.part.size
        trouble = Trouble(self._patience, self._stop)
        while True:
            try:
                return self._transfer.size(self._url)
            except Transient as problem:
                if not trouble.note(problem):
                    self._give_up(problem)

    def run(self, progress: Progress) -> None:
        """Bring the file into its part, verified and on the disk.

        Raises:
            SuiteError: it cannot be had, or not with the bytes that are stated of it; in the latter case nothing
                of it is kept.
        """
        trouble, wrong = Trouble(self._patience, self._stop, self.part.length), 0
        while True:
            try:
                if not self.part.complete:
                    self._receive(progress)
                self.part.digests.check()
                self.part.sync()
                return
            except Transient as problem:
                length = self.part.length
                if problem.stale:
                    self._drop(progress)
                progress.retry()
                if not trouble.note(problem, length):
                    if trouble.cut_at is not None:
                        self._refuse(
                            f"the server states {self.part.size} bytes, but ends the file after {trouble.cut_at}",
                            progress,
                        )
                    self._give_up(problem)
            except Wrong as problem:
                wrong += 1
                if wrong == _WRONG_TRIES:
                    self._refuse(str(problem), progress)
                self._drop(progress)
                progress.retry()

    def _receive(self, progress: Progress) -> None:
        """One attempt: go on with the part, or begin anew if that is what the server sends."""
        part, stated = self.part, self._file.size
        with self._transfer.open(self._url, part.length, part.remote) as incoming:
            if None not in (stated, incoming.remote.size) and stated != incoming.remote.size:
                raise Wrong(f"the server has {incoming.remote.size} bytes, but {stated} are stated")
            if incoming.offset == 0:
                progress.add(-part.length)
                part.restart(incoming.remote)
            size = incoming.remote.size if part.size is None else part.size
            if size is None and not incoming.certain_end and not self._file.digests:
                raise SuiteError(
                    f"{self._file.name}: {self._url}: the server does not say where the file ends, and no size or "
                    "digest is stated: a part could not be told from the whole"
                )
            with part.path.open("ab") as sink:
                for data in incoming.chunks:
                    self._stop.check()
                    if size is not None and part.length + len(data) > size:
                        raise Wrong(f"the server sends more than the {size} bytes that are stated")
                    sink.write(data)
                    part.digests.update(data)
                    progress.add(len(data))
            self._stop.check()
        if size is not None and part.length < size:
            raise Transient(f"the connection ended after {part.length} of {size} bytes", cut_at=part.length)

    def _drop(self, progress: Progress) -> None:
        progress.add(-self.part.length)
        self.part.discard()

    def _refuse(self, reason: str, progress: Progress) -> NoReturn:
        self._drop(progress)
        raise SuiteError(
            f"{self._file.name}: {self._url}: {reason}; refused, nothing of it is kept: check the origin and what is "
            "stated of the file"
        ) from None

    def _give_up(self, problem: Transient) -> NoReturn:
        raise SuiteError(
            f"{self._file.name}: {self._url}: given up after {self._patience.attempts} attempts without progress "
            f"({problem}); what has come is kept: check the network and run again to go on"
        ) from None
