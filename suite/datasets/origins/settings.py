"""Where the source files of a data set come from, and what is known of each file beforehand."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote, unquote, urlsplit

from pydantic import AfterValidator, Field

from suite.config import Settings
from suite.errors import SuiteError

MANIFEST = "manifest.json"
PART, STATE = ".part", ".part.json"
# Finished files of a download under way, a line each.
JOURNAL = MANIFEST + PART
DIGEST_LENGTHS = {"md5": 32, "sha1": 40, "sha256": 64}
# File systems admit 255 bytes a name; the state file's suffix needs its share.
_MAX_NAME_BYTES = 240
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def is_loopback(url: str) -> bool:
    """Whether the host of `url` is this machine, whoever else is on the network."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_address(url: str) -> str:
    """Return `url` if the downloader may fetch it.

    https and ftp are admitted, http from this machine alone. Addresses are written into manifests, so they hold
    no user and no password.

    Raises:
        ValueError: it is not such an address; the message says why.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"{url!r} is not an address ({error})") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"the address of '{host}' holds a user or a password; leave them out")
    if parts.scheme not in ("https", "http", "ftp") or not host or parts.fragment:
        raise ValueError(f"{url!r} is not an address of the form https://host/path or ftp://host/path")
    if parts.scheme == "http" and not is_loopback(url):
        raise ValueError(f"{url!r} is plain http, which anyone on the way can change; use https")
    if _CONTROL.search(unquote(url)):
        raise ValueError(f"{url!r} holds control characters")
    return url


def _check_base(scheme: str, url: str) -> str:
    url = check_address(url.rstrip("/"))
    if urlsplit(url).scheme not in ({"https", "http"} if scheme == "https" else {scheme}):
        raise ValueError(f"'{url}' is not an {scheme} address")
    if urlsplit(url).query:
        raise ValueError(f"'{url}' holds a query; names of files are put behind the base")
    return url


class HttpsOrigin(Settings):
    """Files lie below a base address; plain http is admitted for this machine alone."""

    kind: Literal["https"] = "https"
    base: Annotated[str, AfterValidator(lambda url: _check_base("https", url))]


class FtpOrigin(Settings):
    """Files lie below a base address on a server that admits anonymous users."""

    kind: Literal["ftp"] = "ftp"
    base: Annotated[str, AfterValidator(lambda url: _check_base("ftp", url))]


class FileOrigin(Settings):
    """Files lie in a folder, in the source's own layout."""

    kind: Literal["file"] = "file"
    folder: Path


class ByHandOrigin(Settings):
    """Files that the user got and placed in a folder."""

    kind: Literal["by_hand"] = "by_hand"
    folder: Path


Origin = Annotated[HttpsOrigin | FtpOrigin | FileOrigin | ByHandOrigin, Field(discriminator="kind")]


@dataclass(frozen=True)
class SourceFile:
    """One file of a source and what is known of it; whatever is given is checked.

    Attributes:
        name: POSIX path below the download folder, e.g. "metadata/train.csv".
        url: full address where it is not the origin's base + "/" + name.
        size: bytes.
        md5, sha1, sha256: hexadecimal digests.
        instructions: for files placed by hand: what the file is and how one gets it, one sentence.

    Raises:
        SuiteError: the name could leave the folder or clash with the downloader's own files, the address is
            not admitted, or a size or digest is not one.
    """

    name: str
    url: str | None = None
    size: int | None = None
    md5: str | None = None
    sha1: str | None = None
    sha256: str | None = None
    instructions: str = ""

    def __post_init__(self) -> None:
        if reason := _unfit(self.name):
            raise SuiteError(f"file name {self.name!r:.200} of a source: {reason}; refused")
        if self.url is not None:
            try:
                check_address(self.url)
            except ValueError as error:
                raise SuiteError(f"{self.name}: {error}") from None
        if self.size is not None and self.size < 0:
            raise SuiteError(f"{self.name}: a size of {self.size} bytes is stated; correct it")
        for kind, length in DIGEST_LENGTHS.items():
            if (digest := getattr(self, kind)) is None:
                continue
            if not re.fullmatch(f"[0-9a-fA-F]{{{length}}}", digest):
                raise SuiteError(f"{self.name}: {kind} {digest!r:.80} is stated, not {length} hexadecimal digits")
            object.__setattr__(self, kind, digest.lower())

    @property
    def digests(self) -> dict[str, str]:
        """The digests that are given, by the name of their algorithm."""
        return {kind: digest for kind in DIGEST_LENGTHS if (digest := getattr(self, kind)) is not None}

    def address(self, base: str) -> str:
        """The full address of the file at an origin with base address `base`."""
        return self.url or f"{base}/{quote(self.name)}"


def _unfit(name: str) -> str | None:
    """Why `name` cannot name a file below the download folder; None if it can."""
    parts = name.split("/")
    if "\\" in name or _CONTROL.search(name):
        return "it holds a backslash or control characters"
    if name.startswith("/") or any(part in ("", ".", "..") for part in parts):
        return "it is not a plain path below the download folder"
    if any(len(part.encode("utf-8", "surrogatepass")) > _MAX_NAME_BYTES for part in parts):
        return f"a part of it is longer than {_MAX_NAME_BYTES} bytes"
    if name == MANIFEST or any(part.endswith((PART, STATE)) for part in parts):
        return f"the downloader keeps {MANIFEST}, *{PART} and *{STATE} for itself"
    return None
