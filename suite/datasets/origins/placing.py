"""Files that are already on a disk: their list, their verification, their place in the download folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from suite.datasets.origins.part import Digests
from suite.datasets.origins.settings import JOURNAL, MANIFEST, ByHandOrigin, FileOrigin, SourceFile
from suite.errors import SuiteError
from suite.files import atomic_file, write_json


@dataclass(frozen=True)
class Entry:
    """A finished file as manifests list it: `url` is its address, "by hand" or "file", `size` counts bytes."""

    name: str
    url: str
    size: int
    sha256: str


def read_manifest(folder: Path) -> dict[str, Entry]:
    """Entries of the manifest in `folder`, by name; none where there is no sound one."""
    try:
        listed = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return {entry["name"]: Entry(**entry) for entry in listed}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def write_manifest(folder: Path, entries: Iterable[Entry]) -> None:
    """Write the manifest of `folder`, sorted by name."""
    write_json(folder / MANIFEST, [asdict(entry) for entry in sorted(entries, key=lambda entry: entry.name)])


def read_journal(folder: Path) -> dict[str, Entry]:
    """Entries of the journal in `folder`, by name, the last of a name; a line that a kill cut short is left out."""
    entries = {}
    with suppress(OSError):
        for line in (folder / JOURNAL).read_bytes().splitlines():
            with suppress(ValueError, KeyError, TypeError):
                entry = Entry(**json.loads(line))
                entries[entry.name] = entry
    return entries


def append_journal(folder: Path, entry: Entry) -> None:
    """Add a finished file to the journal of `folder`: of thousands, none rewrites the entries of the others."""
    # The line break comes first, so that it also ends a line that was cut short.
    with (folder / JOURNAL).open("ab", buffering=0) as journal:
        journal.write(b"\n" + json.dumps(asdict(entry)).encode())


def check_names(files: Sequence[SourceFile]) -> None:
    """Raise SuiteError if two of `files` cannot lie in one folder."""
    known: dict[str, SourceFile] = {}
    for file in files:
        if known.setdefault(file.name, file) != file:
            raise SuiteError(f"{file.name}: listed twice with different addresses or digests")
    for name in known:
        for folder in PurePosixPath(name).parents:
            if str(folder) in known:
                raise SuiteError(f"{folder}: listed as a file and as the folder of {name}")


def verify(path: Path, file: SourceFile) -> Digests:
    """Read the file at `path`; raise Wrong unless all that is stated of it holds."""
    digests = Digests(file).read(path)
    digests.check()
    return digests


def place(source: Path, target: Path) -> None:
    """Make `target` the file `source`, without moving bytes where one disk holds both."""
    source = source.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() and source.samefile(target):
        return
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        _copy(source, target)


def bytes_to_copy(sources: Iterable[Path], folder: Path) -> int:
    """Bytes that `place` has to copy, since they lie on another disk than `folder`."""
    here = folder.stat().st_dev
    facts = (source.stat() for source in sources)
    return sum(fact.st_size for fact in facts if fact.st_dev != here)


def find_sources(
    origin: FileOrigin | ByHandOrigin, files: Sequence[SourceFile], spare: dict[str, Path]
) -> dict[str, Path]:
    """Where each of `files` lies: in the origin's folder, or where `spare` says.

    Raises:
        SuiteError: files are missing; for an origin by hand the one line names them all, with their instructions.
    """
    sources = {file.name: origin.folder / file.name for file in files}
    sources |= {name: path for name, path in spare.items() if name in sources and not sources[name].is_file()}
    missing = [file for file in files if not sources[file.name].is_file()]
    if not missing:
        return sources
    if isinstance(origin, FileOrigin):
        raise SuiteError(
            f"{sources[missing[0].name]}: not found; bring the embedded data with `dvc pull data.dvc`, "
            "or correct origin.folder"
        )
    count = "a file is" if len(missing) == 1 else f"{len(missing)} files are"
    names = "; ".join(f"{file.name} ({file.instructions.rstrip('. ') or 'from its authors'})" for file in missing)
    raise SuiteError(f"{origin.folder}: {count} missing: {names}; place what is missing there and run again")


def prune(folder: Path, keep: set[str]) -> None:
    """Remove all files below `folder` but those named in `keep`, and the folders that this empties."""
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(parent) / name
            if path.relative_to(folder).as_posix() not in keep:
                path.unlink()
        if Path(parent) != folder and not os.listdir(parent):
            os.rmdir(parent)


def _copy(source: Path, target: Path) -> None:
    with atomic_file(target) as temporary, source.open("rb") as data, temporary.open("wb") as copy:
        while block := data.read(2**20):
            copy.write(block)
