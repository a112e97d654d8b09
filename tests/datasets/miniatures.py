"""What miniatures of data sets are made of: tiny pictures, archives, a server of files."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from PIL import Image


def picture(number: int) -> bytes:
    """A JPEG of 16 by 12 pixels whose bytes no other number has."""
    shade = (number * 37 % 256, number // 256 % 256, number % 256)
    image = Image.new("RGB", (16, 12), shade)
    image.putpixel((number % 16, number // 16 % 12), (255, 255, 255))
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", comment=str(number).encode())
    return encoded.getvalue()


def write_tar(path: Path, members: Mapping[str, bytes], compression: str = "") -> Path:
    """Write a tar of `members` in their order; `compression` is "", "gz" or "bz2"."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, f"w:{compression}") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve the files of `folder` on this machine; yields the base address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    # Seconds between looks for the end: the default of half a second is most of a small test.
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
