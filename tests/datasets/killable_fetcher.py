"""A process that forks one process a download, for tests that kill them: the imports are paid once.

Reads jobs, JSON, one a line; answers each with the process id, then with the wait status and what the job said.
A job may have itself killed right before its n-th operation on the file system below its folder.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

INTERRUPTED = 30
_OPERATIONS = {"open", "os.rename", "os.remove", "os.link", "os.mkdir", "os.chmod", "os.rmdir"}


class Killable:
    """Starts downloads in processes of their own, one at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, **job: Any) -> int:
        """Start a download; returns the id of its process."""
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def end(self) -> tuple[int, str]:
        """Wait for it; returns minus the signal that ended it or its exit status, and the error that it met."""
        status, line = json.loads(self._process.stdout.readline())
        return os.waitstatus_to_exitcode(status), line

    def run(self, **job: Any) -> tuple[int, str]:
        """Start a download and wait for it."""
        self.start(**job)
        return self.end()


@contextmanager
def killable_fetcher() -> Iterator[Killable]:
    """The process that starts downloads; ended with the block."""
    process = subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        yield Killable(process)
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait()


def _serve() -> None:
    for line in sys.stdin:
        reading, writing = os.pipe()
        if (child := os.fork()) == 0:
            os.close(reading)
            os._exit(_fetch(json.loads(line), writing))
        os.close(writing)
        print(child, flush=True)
        with os.fdopen(reading) as said:
            text = said.read()
        print(json.dumps([os.waitpid(child, 0)[1], text]), flush=True)


def _fetch(job: dict[str, Any], writing: int) -> int:
    from suite.datasets.origins import Fetcher, HttpsOrigin, Patience, SourceFile
    from suite.errors import SuiteError

    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = Path(job["folder"])
    if job.get("kill_before"):
        _die_before(job["kill_before"], str(folder))
    if job.get("largest"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["largest"], job["largest"]))
    fetcher = Fetcher(
        HttpsOrigin(base=job["url"]),
        folder,
        connections=job.get("connections", 4),
        patience=Patience(base=0.001, timeout=300.0),
    )
    try:
        with fetcher:
            fetcher.fetch([SourceFile(**file) for file in job["files"]])
            fetcher.finish()
    except KeyboardInterrupt:
        return INTERRUPTED
    except SuiteError as error:
        os.write(writing, str(error).encode())
        return 1
    return 0


def _die_before(operation: int, folder: str) -> None:
    count, lock = 0, threading.Lock()

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if event in _OPERATIONS and str(arguments[0]).startswith(folder):
            with lock:
                count += 1
                if count == operation:
                    os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


if __name__ == "__main__":
    import suite.datasets.origins

    assert suite.datasets.origins
    _serve()
