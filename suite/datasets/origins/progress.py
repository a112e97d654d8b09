"""Room on the disk before a download, and how far it is: one bar for all files, or a line now and then."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from pathlib import Path

from tqdm import tqdm

from suite.errors import SuiteError

_SECONDS_BETWEEN_LINES = 30.0
_LINE = "{desc}: {n_fmt} of {total_fmt} after {elapsed}, {rate_fmt}, {remaining} left"
_LINE_WITHOUT_TOTAL = "{desc}: {n_fmt} after {elapsed}, {rate_fmt}"


def check_space(folder: Path, needed: int) -> None:
    """Raise SuiteError, with both numbers, unless the disk of `folder` has `needed` bytes free."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise SuiteError(
            f"{folder}: {_bytes(needed)} are still to come ({needed} bytes), but only {_bytes(free)} are free "
            f"({free} bytes); make room or move the folder to a larger disk"
        )


class Progress:
    """Counts bytes of all files together, from several threads, and shows rate and time left on stderr.

    Args:
        title: what stands in front, the name of the download.
        total: bytes of all files; None if any is unknown.
        initial: bytes that earlier calls brought; they do not count for the rate.
        pause: seconds at least between two lines where stderr is no terminal.
    """

    def __init__(self, title: str, total: int | None, initial: int, pause: float = _SECONDS_BETWEEN_LINES) -> None:
        self._title, self._total, self._initial, self._pause = title, total, initial, pause
        self._lock = threading.Lock()
        self._began = self._said = time.monotonic()
        self._count, self._retries = initial, 0
        # None: shown on a terminal alone.
        self._bar = tqdm(
            desc=title, total=total, initial=initial, unit="B", unit_scale=True, disable=None, dynamic_ncols=True
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def add(self, count: int) -> None:
        """`count` more bytes have come; fewer than 0 if some were thrown away."""
        with self._lock:
            self._count += count
            self._bar.update(count)
            self._say()

    def retry(self) -> None:
        """A transfer failed and is tried again."""
        with self._lock:
            self._retries += 1
            self._bar.set_postfix_str(self._note())
            self._say()

    def _say(self) -> None:
        now = time.monotonic()
        if not self._bar.disable or now - self._said < self._pause:
            return
        self._said = now
        line = tqdm.format_meter(
            self._count,
            self._total,
            now - self._began,
            prefix=self._title,
            unit="B",
            unit_scale=True,
            initial=self._initial,
            bar_format=_LINE_WITHOUT_TOTAL if self._total is None else _LINE,
        )
        print(f"{line}, {self._note()}" if self._retries else line, file=sys.stderr, flush=True)

    def _note(self) -> str:
        return f"{self._retries} retries"


def _bytes(count: int) -> str:
    return tqdm.format_sizeof(count, "B")
