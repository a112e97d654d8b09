"""A data set's release as one archive: its lists first, then its images, whatever top folder it was packed below."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path, PurePosixPath

from suite.datasets.archives import iterate_members
from suite.errors import SuiteError

UNLISTED = "in the archive, but in no list"
_IMAGES = (".jpg", ".jpeg", ".png")


class Release:
    """An archive (or a folder) whose member names below `root` are those of the release's documentation.

    Args:
        path: what `iterate_members` reads.
        root: what stands before every name, "" or ending in a slash.
    """

    def __init__(self, path: Path, root: str = ""):
        self.path, self.root = path, root
        self._unlisted = 0

    def images(self, keys: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Name and bytes of every member that is among `keys`, in the order of the archive."""
        self._unlisted = 0
        for name, data in iterate_members(self.path, lambda name: self._wanted(name, keys)):
            yield name.removeprefix(self.root), data

    def unlisted(self) -> dict[str, dict[str, int]]:
        """Rows for `set_aside`: the images that `images` passed over since no list names them."""
        return {UNLISTED: {"images": self._unlisted, "classes": 0}} if self._unlisted else {}

    def _wanted(self, name: str, keys: Collection[str]) -> bool:
        if not name.startswith(self.root):
            return False
        if name.removeprefix(self.root) in keys:
            return True
        self._unlisted += name.lower().endswith(_IMAGES)
        return False


def open_release(path: Path, lists: Sequence[str], folder: str) -> tuple[Release, dict[str, bytes]]:
    """Find a release in an archive and read its lists.

    Args:
        path: the archive.
        lists: names of the lists below the top folder.
        folder: name of the top folder, which tells releases apart that were packed together; upper and lower case,
            hyphen and underscore are one.

    Raises:
        SuiteError: the archive lacks a list, or holds several releases and none or two in such a folder.
    """
    endings = tuple(f"/{name}" for name in lists)
    read = dict(iterate_members(path, lambda name: f"/{name}".endswith(endings)))
    roots = sorted({name.removesuffix(lists[0]) for name in read if f"/{name}".endswith(f"/{lists[0]}")})
    if len(roots) > 1:
        roots = [root for root in roots if _plain(PurePosixPath(root).name) == _plain(folder)]
        if len(roots) != 1:
            raise SuiteError(f"{path}: holds '{lists[0]}' more than once; pack the folder {folder} alone")
    missing = [name for name in lists if not roots or roots[0] + name not in read]
    if missing:
        raise SuiteError(f"{path}: lacks '{missing[0]}'; place the whole release, packed as its folder {folder}")
    return Release(path, roots[0]), {name: read[roots[0] + name] for name in lists}


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")
