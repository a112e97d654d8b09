from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from study_settings import study

from suite.config import Params
from suite.datasets.miniature import NAMES, VERSION, draw_miniature, miniature_settings
from suite.datasets.origins.npm import tarball_name


@pytest.fixture(scope="session")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the packages of the miniature; not to be changed."""
    folder = tmp_path_factory.mktemp("miniature")
    draw_miniature(folder)
    return folder


@pytest.fixture
def make_params(miniature: Path) -> Callable[..., Params]:
    """Makes the settings of a study on the miniature; keywords replace settings of its build, `download` others."""

    def make(processes: int = 1, download: dict[str, Any] | None = None, **changes: Any) -> Params:
        entry = miniature_settings(miniature)
        entry = {"download": entry["download"] | (download or {}), "settings": entry["settings"] | changes}
        return study(workers={"processes": processes}, datasets={"mini": {"builder": "emoji", **entry}})

    return make


@pytest.fixture
def local_registry(miniature: Path) -> Iterator[str]:
    """Address of an npm registry on loopback that knows the names package of the miniature."""
    tarball = tarball_name(NAMES, VERSION)
    integrity = miniature_settings(miniature)["download"]["packages"][NAMES]["integrity"]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == f"/{NAMES}":
                dist = {"tarball": f"http://{self.headers['Host']}/{tarball}", "integrity": integrity}
                version = {"name": NAMES, "version": VERSION, "dist": dist}
                about = {"name": NAMES, "dist-tags": {"latest": VERSION}, "versions": {VERSION: version}}
                self._answer(json.dumps(about).encode())
            else:
                self._answer((miniature / tarball).read_bytes())

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
