"""Files over HTTP: ranges of one unchanged resource (RFC 9110, sections 13.1.5 and 14), bytes as stored."""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from suite.datasets.origins.part import Remote
from suite.datasets.origins.patience import Stop, Transient, Wrong
from suite.datasets.origins.settings import check_address, is_loopback
from suite.datasets.origins.transfer import CHUNK, Incoming
from suite.errors import SuiteError

_MAX_REDIRECTS = 8
# Beside 5xx: request timeout, too early, too many requests.
_PASSING = {408, 425, 429}
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)


class HttpTransfer:
    """Transfers over https; plain http from this machine alone. Redirects may not leave https."""

    def __init__(self, timeout: float, stop: Stop) -> None:
        self._timeout, self._stop = timeout, stop
        self._own = threading.local()

    def size(self, url: str) -> int | None:
        """Bytes of the file; None if the server does not say, be it for not knowing HEAD."""
        with self._ask("HEAD", url, {}) as response:
            return _stated_length(response) if response.status_code == HTTPStatus.OK else None

    @contextmanager
    def open(self, url: str, offset: int, remote: Remote) -> Iterator[Incoming]:
        """Ask for the file from byte `offset` on, if it still is the file that `remote` describes."""
        headers = {}
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if mark := remote.etag or remote.modified:
                headers["If-Range"] = mark
        with self._ask("GET", url, headers) as response, self._stop.waking(response.raw.shutdown):
            status, marks = response.status_code, _marks(response)
            if offset and status == HTTPStatus.PARTIAL_CONTENT:
                now = Remote(_ranged_length(response, offset), *marks)
                if now.differs(remote):
                    raise Transient("the file changed on the server", stale=True)
            elif offset and status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                if remote.size is None:
                    raise Transient(f"the server has nothing from byte {offset} on", stale=True)
                raise Wrong(f"the server has nothing from byte {offset} on, though it stated {remote.size} bytes")
            elif status == HTTPStatus.OK:
                offset, now = 0, Remote(_stated_length(response), *marks)
            else:
                raise SuiteError(f"{url}: the server answers {_status(response)}; check the address of the origin")
            _refuse_encoding(response, url)
            certain = "Transfer-Encoding" in response.headers or now.size is not None
            yield Incoming(offset, now, _chunks(response), certain)

    @contextmanager
    def _ask(self, method: str, url: str, headers: dict[str, str]) -> Iterator[requests.Response]:
        session = self._session()
        # A proxy for the world knows nothing of this machine.
        session.trust_env = not is_loopback(url)
        try:
            # Compression on the way would make lengths, ranges and digests those of other bytes.
            response = session.request(
                method,
                url,
                headers={"Accept-Encoding": "identity", **headers},
                stream=True,
                timeout=self._timeout,
                allow_redirects=True,
            )
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise SuiteError(f"{url}: the server's certificate does not hold ({_brief(error)})") from None
            raise Transient(_brief(error)) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise SuiteError(f"{url}: cannot be fetched ({_brief(error)}); check the address") from None
        with response:
            status = response.status_code
            if status in _PASSING or (status >= 500 and status != HTTPStatus.NOT_IMPLEMENTED):
                raise Transient(f"the server answers {_status(response)}", asked=_retry_after(response))
            yield response

    def _session(self) -> requests.Session:
        # A session is not made for several threads; connections are kept open within each.
        if not hasattr(self._own, "session"):
            self._own.session = _Session()
        return self._own.session


class _Session(requests.Session):
    """Follows redirects to admitted addresses alone."""

    def __init__(self) -> None:
        super().__init__()
        self.max_redirects = _MAX_REDIRECTS

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """The address that an answer redirects to, checked; None if it redirects nowhere."""
        target = super().get_redirect_target(resp)
        if target is not None:
            try:
                full = check_address(urljoin(resp.url, target))
            except ValueError as error:
                raise SuiteError(f"{resp.url}: redirected to an address that is refused: {error}") from None
            if urlsplit(full).scheme == "ftp" or (is_loopback(full) and not is_loopback(resp.url)):
                raise SuiteError(f"{resp.url}: redirected to '{full}', which is refused: only https is followed")
        return target


def _status(response: requests.Response) -> str:
    return f"{response.status_code} {response.reason or ''}".strip()[:80]


def _retry_after(response: requests.Response) -> float | None:
    """Seconds that the server wants to be left alone: Retry-After states them, or a date."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdecimal():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _marks(response: requests.Response) -> tuple[str | None, str | None]:
    """Strong entity tag and date of change. A weak tag names a meaning, not bytes (RFC 9110, section 8.8.3)."""
    etag = response.headers.get("ETag")
    return (etag if etag and etag.startswith('"') else None), response.headers.get("Last-Modified")


def _stated_length(response: requests.Response) -> int | None:
    """Content-Length; None where it is absent, no number, or overridden by the transfer coding."""
    length = response.headers.get("Content-Length", "").strip()
    if "Transfer-Encoding" in response.headers or not re.fullmatch(r"\d{1,18}", length, re.ASCII):
        return None
    return int(length)


def _ranged_length(response: requests.Response, offset: int) -> int | None:
    """Length of the whole file, from the Content-Range of an answer that has to begin at `offset`."""
    stated = response.headers.get("Content-Range", "")
    match = _CONTENT_RANGE.fullmatch(stated.strip())
    first, last = (int(match[1]), int(match[2])) if match else (None, None)
    total = None if match is None or match[3] == "*" else int(match[3])
    # A part of the rest would leave a gap at its end, no harm; a part of something else would not fit at all.
    if first != offset or last < first or (total is not None and last >= total):
        raise Transient(f"asked for bytes from {offset} on, the server sends '{stated[:80]}'", stale=True)
    return total


def _refuse_encoding(response: requests.Response, url: str) -> None:
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    # Servers label stored .gz files so; their bytes come as they lie there.
    stored = encoding in ("gzip", "x-gzip") and urlsplit(url).path.endswith((".gz", ".tgz"))
    if encoding not in ("", "identity") and not stored:
        raise SuiteError(f"{url}: the server sends it encoded as '{encoding[:40]}', though asked for plain bytes")


def _chunks(response: requests.Response) -> Iterator[bytes]:
    stated = "Content-Length" in response.headers
    try:
        # Whatever has arrived, without waiting for a full chunk: a drop then costs next to nothing.
        while data := response.raw.read1(CHUNK, decode_content=False):
            yield data
    except (urllib3.exceptions.HTTPError, OSError) as error:
        early = any(isinstance(cause, http.client.IncompleteRead) for cause in (error, *error.args))
        if not (early and stated):
            raise Transient(_brief(error)) from None


def _brief(error: BaseException) -> str:
    """The innermost cause of a chain of wrapped errors, on one line."""
    while inner := getattr(error, "reason", None) or next(
        (part for part in error.args if isinstance(part, BaseException)), None
    ):
        if not isinstance(inner, BaseException):
            break
        error = inner
    text = " ".join(str(error).split()) or type(error).__name__
    return re.sub(r"^HTTPS?Connection(Pool)?\([^)]*\): ", "", text)[:200]
