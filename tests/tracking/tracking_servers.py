"""Processes of a tracking server and of writers, and a server that never answers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from suite.config import Params
from suite.tracking import sync

REPOSITORY = Path(__file__).parents[2]
SERVE = (
    "import sys\n"
    "from pathlib import Path\n"
    "from suite.tracking import serve\n"
    "serve(Path(sys.argv[1]), port=int(sys.argv[2]))\n"
)


def spawn(code: str, *arguments: object, output: int = subprocess.PIPE, **environment: str) -> subprocess.Popen[str]:
    """Run Python code in a process group of its own that sees the suite and a bare tracking environment."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW", "DO_NOT_TRACK"))}
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=kept | {"PYTHONPATH": str(REPOSITORY)} | environment,
        stdout=output,
        stderr=output,
        text=True,
        start_new_session=True,
    )


def free_port() -> int:
    """A port that nothing listens on."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_for(address: str, server: subprocess.Popen[str]) -> bytes:
    """The body at `address`, asked for until the server is up."""
    deadline = time.monotonic() + 90
    while True:
        try:
            with urllib.request.urlopen(address, timeout=10) as reply:
                return reply.read()
        except urllib.error.URLError:
            assert server.poll() is None, server.communicate()
            assert time.monotonic() < deadline, "the server did not come up"
            time.sleep(0.2)


class Server:
    """MLflow's server over the store of `root`, always on the same port; it can be killed and started again."""

    def __init__(self, root: Path):
        self.root, self.port = root, free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        # Its log of requests would fill a pipe that nobody reads.
        self.process = spawn(SERVE, self.root, self.port, output=subprocess.DEVNULL)
        assert wait_for(f"{self.address}/health", self.process) == b"OK"

    def kill(self) -> None:
        """Kill it and its worker at once (SIGKILL)."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=30)
            self.process = None


@contextmanager
def synced_server(root: Path, params: Params) -> Iterator[Server]:
    """A server over the store that the records under `root` make."""
    server = Server(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        sync(params, root)
        server.start()
        yield server
    server.kill()


@contextmanager
def silent_server() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", 0))
        # The system accepts connections for a socket that listens, and nobody reads from them.
        listening.listen(64)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
