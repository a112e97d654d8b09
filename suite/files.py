"""Outputs appear whole or not at all: everything is written beside its place and renamed."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it into place on success, remove it on any failure."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files private; an output should be as readable as any other file of the user.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Yield an empty directory beside `path`; it replaces `path` on success and vanishes on any failure."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        replace_directory(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def replace_directory(source: Path, target: Path) -> None:
    """Rename the directory `source` to `target` on the same file system; what stood there is removed."""
    source, target = Path(source), Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.is_dir():
        target.unlink(missing_ok=True)
        source.replace(target)
        return
    # A large directory takes long to delete: the new one is in its place before that.
    hidden = _hide(target)
    source.replace(target)
    shutil.rmtree(hidden)


def remove_leftovers(path: Path) -> None:
    """Remove the hidden directories that killed processes left when they made or removed the directory `path`.

    For the one process that writes there.
    """
    for leftover in Path(path).parent.glob(f".{Path(path).name}.*"):
        if leftover.is_dir():
            shutil.rmtree(leftover)


def remove(path: Path) -> None:
    """Remove a file or a directory; a directory is first renamed out of sight, so that no half of it is ever seen."""
    path = Path(path)
    if not path.is_dir():
        path.unlink()
        return
    shutil.rmtree(_hide(path))


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with sorted keys: the same value gives the same bytes."""
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write `table` as `path`.parquet and `path`.csv (`path` has no suffix). Floats keep all their digits."""
    path = Path(path)
    with atomic_file(path.with_name(path.name + ".parquet")) as temporary:
        table.to_parquet(temporary, index=False)
    with atomic_file(path.with_name(path.name + ".csv")) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


def _hide(path: Path) -> Path:
    """Rename a directory into a hidden one of its own beside it, which is returned."""
    hidden = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    path.replace(hidden / "removed")
    return hidden


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
