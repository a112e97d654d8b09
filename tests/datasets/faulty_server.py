"""Real servers on loopback that fail as they are told: HTTP by `http.server`, FTP by pyftpdlib."""

from __future__ import annotations

import socket
import struct
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

with warnings.catch_warnings():
    # It stands on asyncore, which Python 3.11 announces the end of; for 3.12 it brings its own.
    warnings.simplefilter("ignore", DeprecationWarning)
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import DTPHandler, FTPHandler
    from pyftpdlib.servers import FTPServer

PIECE = 2**14


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one answer.

    Attributes:
        status: answer with this status, and no body.
        headers: sent with the answer, whatever else they say.
        drop_after: end the connection behind so many bytes of the body.
        reset: end it with a reset, not in order.
        length: added to the Content-Length that is stated.
        wrong: one byte of the body is another.
        stall: send nothing for so many seconds.
        hang_after: send nothing more behind so many bytes of the body, until the server's `released` is set.
        chunked, unmeasured: send the body chunked, or without a length.
        shift: begin a range so many bytes off.
    """

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    drop_after: int | None = None
    reset: bool = False
    length: int = 0
    wrong: bool = False
    stall: float = 0.0
    hang_after: int | None = None
    chunked: bool = False
    unmeasured: bool = False
    shift: int = 0


@dataclass(frozen=True)
class Request:
    """A request as it came, with the status that it got."""

    method: str
    path: str
    headers: dict[str, str]
    status: int


class FaultyServer:
    """An HTTP server: `files` by path; `faults` for the next answers to GET, one each, then `usual` for all.

    `sent` counts bytes of bodies, `requests` is the log.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.etags: dict[str, str] = {}
        self.modified: dict[str, str] = {}
        self.faults: deque[Fault] = deque()
        self.usual = Fault()
        self.head_faults: deque[Fault] = deque()
        self.ranges = self.heeds_if_range = True
        self.requests: list[Request] = []
        self.sent = 0
        self.pause = 0.0
        self.after_piece: Callable[[int], None] = lambda sent: None
        self.hanging, self.released = threading.Event(), threading.Event()
        self.lock = threading.Lock()
        self._http = _Http(self)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def put(self, name: str, data: bytes, etag: str | None = '"1"', modified: str | None = None) -> None:
        """Serve `data` at /`name`."""
        self.files[f"/{name}"] = data
        self.etags.pop(f"/{name}", None)
        self.modified.pop(f"/{name}", None)
        if etag:
            self.etags[f"/{name}"] = etag
        if modified:
            self.modified[f"/{name}"] = modified

    def next_fault(self, method: str) -> Fault:
        """The fault for an answer to `method`."""
        faults = self.faults if method == "GET" else self.head_faults
        with self.lock:
            return faults.popleft() if faults else (self.usual if method == "GET" else Fault())

    def asked(self, method: str = "GET") -> list[Request]:
        """The requests by `method` so far."""
        return [request for request in self.requests if request.method == method]

    def close(self) -> None:
        """End the server."""
        self.released.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, owner: FaultyServer) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, *_: object) -> None:
        """Clients that vanish are the point of these tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http

    def setup(self) -> None:
        # Little in flight: what was sent is nearly what was received.
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PIECE)
        super().setup()

    def do_GET(self) -> None:
        self._answer("GET")

    def do_HEAD(self) -> None:
        self._answer("HEAD")

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""

    def _answer(self, method: str) -> None:
        owner = self.server.owner
        fault, data = owner.next_fault(method), owner.files.get(self.path)
        if fault.stall:
            time.sleep(fault.stall)
        if fault.status or data is None:
            self._head(method, fault.status or 404, {"Content-Length": "0", **fault.headers})
            return
        start = self._start(data)
        if start >= len(data) > 0:
            self._head(method, 416, {"Content-Range": f"bytes */{len(data)}", "Content-Length": "0"})
            return
        headers = {}
        if etag := owner.etags.get(self.path):
            headers["ETag"] = etag
        if date := owner.modified.get(self.path):
            headers["Last-Modified"] = date
        if start:
            start = min(max(start + fault.shift, 1), len(data) - 1)
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        if fault.chunked:
            headers["Transfer-Encoding"] = "chunked"
        elif fault.unmeasured:
            headers["Connection"] = "close"
        else:
            headers["Content-Length"] = str(len(data) - start + fault.length)
        self._head(method, 206 if start else 200, headers | fault.headers)
        if method == "GET":
            self._body(data[start:], fault)

    def _start(self, data: bytes) -> int:
        """First byte to send."""
        owner = self.server.owner
        asked = self.headers.get("Range", "")
        if not asked or not owner.ranges:
            return 0
        mark = self.headers.get("If-Range")
        if owner.heeds_if_range and mark not in (None, owner.etags.get(self.path), owner.modified.get(self.path)):
            return 0
        return int(asked.removeprefix("bytes=").removesuffix("-"))

    def _head(self, method: str, status: int, headers: dict[str, str]) -> None:
        with self.server.owner.lock:
            self.server.owner.requests.append(Request(method, self.path, dict(self.headers), status))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _body(self, body: bytes, fault: Fault) -> None:
        owner = self.server.owner
        if fault.wrong and body:
            place = len(body) // 2
            body = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        end = len(body) if fault.drop_after is None else min(fault.drop_after, len(body))
        for begin in range(0, end, PIECE):
            if fault.hang_after is not None and begin >= fault.hang_after:
                owner.hanging.set()
                owner.released.wait()
            piece = body[begin : min(begin + PIECE, end)]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if fault.chunked else piece)
            with owner.lock:
                owner.sent += len(piece)
                sent = owner.sent
            owner.after_piece(sent)
            time.sleep(owner.pause)
        if fault.drop_after is not None or fault.length > 0 or fault.unmeasured:
            self.close_connection = True
            if fault.reset:
                self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.request.close()
        elif fault.chunked:
            self.wfile.write(b"0\r\n\r\n")


@dataclass
class FaultyFtp:
    """An FTP server on a folder. The next data connections end behind so many bytes; `unknown` commands are not
    understood."""

    url: str
    drops: deque[int] = field(default_factory=deque)
    unknown: set[str] = field(default_factory=set)
    commands: list[str] = field(default_factory=list)


@contextmanager
def serve_ftp(folder: Path) -> Iterator[FaultyFtp]:
    """An FTP server that admits anonymous users to `folder`."""
    state = FaultyFtp("")

    class Data(DTPHandler):
        left: int | None = None
        ending = False

        def send(self, data: bytes) -> int:
            if self.left is None:
                return super().send(data)
            count = super().send(data[: self.left]) if self.left else 0
            self.left -= count
            if not self.left and not self.ending:
                # Not at once: pyftpdlib is still at work on both channels.
                self.ending = True
                self.ioloop.call_later(0, self.cmd_channel.close)
            return count

        def push_with_producer(self, producer: object) -> None:
            if state.drops:
                self.left = state.drops.popleft()
            super().push_with_producer(producer)

    class Handler(FTPHandler):
        dtp_handler = Data
        use_sendfile = False

        def pre_process_command(self, line: str, command: str, argument: str) -> None:
            state.commands.append(line)
            if command in state.unknown:
                self.respond(f'500 Command "{command}" not understood.')
            else:
                super().pre_process_command(line, command, argument)

        def log(self, *_: object, **__: object) -> None:
            """Keep the test's output clean."""

        logline = logerror = log_cmd = log_transfer = log

    Handler.authorizer = DummyAuthorizer()
    Handler.authorizer.add_anonymous(str(folder))
    server = FTPServer(("127.0.0.1", 0), Handler)
    state.url = f"ftp://127.0.0.1:{server.address[1]}"
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            server.serve_forever(timeout=0.02, blocking=False)
        server.close_all()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        ended.set()
        thread.join()
