"""Both stages on one data set, as the tests of benchmarks run them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from study_settings import study

from suite.config import Params
from suite.datasets import build_dataset, download_dataset


def benchmark(builder: str, download: dict[str, Any], processes: int = 1, **settings: Any) -> Params:
    """A study of one data set, named like its builder, whose counts are not enforced unless asked for."""
    entry = {"builder": builder, "download": download, "settings": {"enforce_counts": False, **settings}}
    return study(workers={"processes": processes}, datasets={builder: entry})


def run_stages(params: Params, root: Path) -> Path:
    """Download and build the data set of `params`."""
    (name,) = params.datasets
    download_dataset(params, name, root)
    return build_dataset(params, name, root)


def by_hand(folder: Path, **download: Any) -> dict[str, Any]:
    """Download settings for files placed in `folder`."""
    return {"origin": {"kind": "by_hand", "folder": str(folder)}, **download}


def write_zip(path: Path, members: Mapping[str, bytes]) -> Path:
    """Write a deflated zip of `members` in their order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def changed(members: Mapping[str, bytes], name: str, change: Callable[[bytes], bytes]) -> dict[str, bytes]:
    """`members` with one of them changed."""
    return {**members, name: change(members[name])}


def substitute(old: str, new: str) -> Callable[[bytes], bytes]:
    """A change that replaces `old`, which must be there, once."""

    def change(data: bytes) -> bytes:
        assert old.encode() in data
        return data.replace(old.encode(), new.encode(), 1)

    return change
