"""Files over FTP: binary, passive, anonymous, taken up again with REST (RFC 3659)."""

from __future__ import annotations

import ftplib
import re
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import unquote, urlsplit

from suite.datasets.origins.part import Remote
from suite.datasets.origins.patience import Stop, Transient
from suite.datasets.origins.transfer import CHUNK, Incoming
from suite.errors import SuiteError

# Replies to SIZE, MDTM or REST of a server that does not know them: 500, 501, 502, 504; 550 for a missing file.
_UNKNOWN = ("500", "501", "502", "504")


class FtpTransfer:
    """Transfers over ftp, one connection a file."""

    def __init__(self, timeout: float, stop: Stop) -> None:
        self._timeout, self._stop = timeout, stop

    def size(self, url: str) -> int | None:
        """Bytes of the file; None if the server does not say."""
        with closing(ftplib.FTP(timeout=self._timeout)) as ftp, _sorted_errors(url):
            self._log_in(ftp, url)
            return _remote(ftp, _path(url)).size

    @contextmanager
    def open(self, url: str, offset: int, remote: Remote) -> Iterator[Incoming]:
        """Ask for the file from byte `offset` on, if it still is the file that `remote` describes."""
        path = _path(url)
        with closing(ftplib.FTP(timeout=self._timeout)) as ftp:
            with _sorted_errors(url):
                self._log_in(ftp, url)
                now = _remote(ftp, path)
                if offset and now.differs(remote):
                    raise Transient("the file changed on the server", stale=True)
                if offset and not _restarts_at(ftp, offset):
                    offset = 0
                # transfercmd repeats REST, since only the command right behind it heeds it.
                data = ftp.transfercmd(f"RETR {path}", rest=offset or None)
            with data, self._stop.waking(lambda: data.shutdown(socket.SHUT_RDWR)):
                yield Incoming(offset, now, _chunks(ftp, data, url))

    def _log_in(self, ftp: ftplib.FTP, url: str) -> None:
        parts = urlsplit(url)
        ftp.connect(parts.hostname, parts.port or ftplib.FTP_PORT)
        with self._stop.waking(lambda: ftp.sock.shutdown(socket.SHUT_RDWR)):
            ftp.login()
            ftp.voidcmd("TYPE I")


@contextmanager
def _sorted_errors(url: str) -> Iterator[None]:
    """Sorts the errors of ftplib into those that pass and the others."""
    try:
        yield
    except (ftplib.error_perm, ValueError) as error:
        raise SuiteError(f"{url}: the server answers {_brief(error)}; check the address of the origin") from None
    except (ftplib.Error, EOFError, OSError) as error:
        raise Transient(_brief(error)) from None


def _path(url: str) -> str:
    """Path of the file relative to where the login ends (RFC 1738, section 3.2.2)."""
    return unquote(urlsplit(url).path).removeprefix("/")


def _remote(ftp: ftplib.FTP, path: str) -> Remote:
    size = _reply(ftp, f"SIZE {path}")
    return Remote(
        size=int(size) if size and re.fullmatch(r"\d{1,18}", size, re.ASCII) else None,
        modified=_reply(ftp, f"MDTM {path}"),
    )


def _reply(ftp: ftplib.FTP, command: str) -> str | None:
    """The server's reply to a command of RFC 3659; None if it does not know the command."""
    try:
        return ftp.sendcmd(command)[4:].strip()
    except ftplib.error_perm as error:
        if str(error).startswith(_UNKNOWN):
            return None
        raise


def _restarts_at(ftp: ftplib.FTP, offset: int) -> bool:
    try:
        ftp.sendcmd(f"REST {offset}")
    except ftplib.error_perm as error:
        if str(error).startswith(_UNKNOWN):
            return False
        raise
    return True


def _chunks(ftp: ftplib.FTP, data: socket.socket, url: str) -> Iterator[bytes]:
    with _sorted_errors(url):
        while received := data.recv(CHUNK):
            yield received
        data.close()
        # The server's own word that it has sent everything: a cut connection looks the same from here.
        ftp.voidresp()


def _brief(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
