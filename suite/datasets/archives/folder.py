"""Files of a folder as members, for sources that come unpacked."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from suite.datasets.archives.limits import Entries, check_size, refuse
from suite.errors import SuiteError


def iterate_folder(path: Path, wanted: Callable[[str], bool] | None) -> Iterator[tuple[str, bytes]]:
    """Files below `path`, sorted by their whole POSIX name.

    A link to a file inside the folder counts as that file; other links are refused, and so is what is no file.
    """
    root = Path(os.path.realpath(path))
    entries = Entries(Path(path))
    for raw, entry in _files(Path(path), root, ""):
        name = entries.admit(raw)
        check_size(Path(path), raw, entry.stat().st_size)
        if wanted is None or wanted(name):
            yield name, Path(entry.path).read_bytes()


def _files(path: Path, root: Path, below: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    try:
        with os.scandir(root / below) as found:
            # A folder sorts as the start of its members' names, so that the walk is in the order of whole names.
            listed = sorted(found, key=lambda one: f"{one.name}/" if one.is_dir(follow_symlinks=False) else one.name)
    except OSError as error:
        raise SuiteError(f"{path / below}: cannot be listed ({error.strerror}); check its permissions") from None
    for entry in listed:
        name = f"{below}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _files(path, root, f"{name}/")
            continue
        if entry.is_symlink():
            target = Path(os.path.realpath(entry.path))
            if not target.is_relative_to(root) or not os.path.isfile(target):
                refuse(path, name, "is a link to something that is not a file inside the folder")
        elif not entry.is_file():
            refuse(path, name, "is a device, a fifo or a socket")
        yield name, entry
