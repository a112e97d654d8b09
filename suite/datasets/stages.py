"""The stages `download` and `build`: settings in, a whole directory out or none."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout

from suite.config import PARAMS, Params, Settings, parse
from suite.datasets.builder import SPLITS, Builder, Built
from suite.datasets.origins import MANIFEST, Fetcher
from suite.datasets.protocols import Protocol, leave_one_out, read_table, write_protocols
from suite.datasets.registry import DATASETS
from suite.errors import SuiteError
from suite.files import atomic_directory, remove_leftovers, replace_directory, write_json

# What belongs together when classes are kept apart: queries and gallery are one evaluation set.
_SIDES = {"train": "train", "val": "val", "test": "test", "query": "test", "gallery": "test"}


def download_dataset(params: Params, name: str, root: Path = Path("artifacts")) -> Path:
    """Fetch the source files of data set `name` into `root`/downloads/`name` and return that directory.

    What is fetched gathers in `root`/incoming/`name` until all is there: an interrupted download goes on where it
    stopped. Files of an earlier download are taken over where their checksums are still the ones asked for.

    Raises:
        SuiteError: an unknown data set or setting, a source out of reach, a file of a wrong checksum; an earlier
            download then stays as it was.
    """
    builder, download, _ = resolve(params, name)
    target, incoming = Path(root) / "downloads" / name, Path(root) / "incoming" / name
    with Fetcher(download.origin, incoming, target if target.is_dir() else None) as fetcher:
        remove_leftovers(target)
        builder.download(download, fetcher)
        fetcher.finish()
        replace_directory(incoming, target)
    return target


def build_dataset(params: Params, name: str, root: Path = Path("artifacts")) -> Path:
    """Build data set `name` from its download into `root`/datasets/`name` (`docs/tables.md`) and return that
    directory.

    Raises:
        SuiteError: the download is missing or damaged, or the counts are not the published ones; then nothing is
            left behind.
    """
    builder, download, settings = resolve(params, name)
    source, target = Path(root) / "downloads" / name, Path(root) / "datasets" / name
    manifest = _read_json(source / MANIFEST, f"run `ranksuite download {name}` first")
    _check_sizes(source, manifest, name)
    with _alone(Path(root) / f".build-{name}.lock", target), atomic_directory(target) as temporary:
        built = builder.build(settings, download, source, temporary, params.workers.processes)
        check_items(built.items, builder.about.levels, name)
        protocols = built.protocols or (leave_one_out(built.items),)
        check_protocols(protocols, len(built.items), name)
        built.items.to_parquet(temporary / "items.parquet", index=False)
        write_protocols(temporary, protocols)
        sources = builder.sources(manifest, download, source)
        write_json(temporary / "card.json", _card(name, builder, built, protocols, sources, download, settings))
    return target


def resolve(params: Params, name: str) -> tuple[Builder, Any, Any]:
    """The builder of data set `name` with its checked download and build settings."""
    entry = params.dataset(name)
    builder = DATASETS.resolve(entry.builder)()
    where = f"{PARAMS}: datasets.{name}"
    return (
        builder,
        parse(builder.Download, entry.download, f"{where}.download"),
        parse(builder.Settings, entry.settings, f"{where}.settings"),
    )


def load_items(root: Path, name: str) -> pd.DataFrame:
    """The item table of data set `name` below the artifacts folder `root`; columns as in `docs/tables.md`."""
    return read_table(Path(root) / "datasets" / name / "items.parquet", f"run `ranksuite build {name}` first")


def load_card(root: Path, name: str) -> dict[str, Any]:
    """The card of data set `name` below the artifacts folder `root`."""
    return _read_json(Path(root) / "datasets" / name / "card.json", f"run `ranksuite build {name}` first")


def check_items(items: pd.DataFrame, levels: tuple[str, ...], name: str) -> None:
    """Raise SuiteError unless the table is what `docs/tables.md` promises; the fault is the builder's."""
    columns = ["image", "key", "source", "split", *levels]
    if list(items.columns) != columns:
        raise SuiteError(f"data set '{name}': columns {list(items.columns)}, expected {columns}; mend its builder")
    if items.empty:
        raise SuiteError(f"data set '{name}': no image was kept; check the files of its download")
    if items["key"].duplicated().any():
        repeated = items.loc[items["key"].duplicated(), "key"].iloc[0]
        raise SuiteError(f"data set '{name}': image '{repeated}' stands twice; mend its builder")
    unknown = set(items["split"].unique()) - set(SPLITS)
    if unknown:
        raise SuiteError(f"data set '{name}': unknown split '{min(unknown)}'; mend its builder")
    if levels:
        bare = (items["split"] == "train") & items[levels[0]].isna()
        if bare.any():
            bad = items.loc[bare, "key"].iloc[0]
            raise SuiteError(f"data set '{name}': training image '{bad}' has no {levels[0]}; mend its builder")
        sides = items["split"].map(_SIDES).groupby(items[levels[0]]).nunique()
        if (sides > 1).any():
            raise SuiteError(f"data set '{name}': class '{sides.idxmax()}' lies in several splits; mend its builder")


def check_protocols(protocols: Sequence[Protocol], items: int, name: str) -> None:
    """Raise SuiteError unless every protocol has queries and a gallery among the rows of `items` items."""
    names = [protocol.name for protocol in protocols]
    if len(set(names)) != len(names):
        raise SuiteError(f"data set '{name}': two protocols of one name among {', '.join(names)}; mend its builder")
    for protocol in protocols:
        what = f"data set '{name}': protocol '{protocol.name}'"
        for role, rows in {"queries": protocol.queries, "gallery": protocol.gallery}.items():
            if rows is None:
                continue
            if not len(rows):
                raise SuiteError(f"{what}: no image is left of its {role}; check the files of its download")
            if len(np.unique(rows)) != len(rows) or not 0 <= rows.min() <= rows.max() < items:
                raise SuiteError(f"{what}: its {role} are not distinct rows of the items; mend its builder")
        if protocol.relations is not None and (protocol.pairs(*protocol.relations["relation"].unique()) < 0).any():
            raise SuiteError(f"{what}: states a pair of images that are not in it; mend its builder")


def _check_sizes(source: Path, manifest: list[dict[str, Any]], name: str) -> None:
    """Raise SuiteError if a downloaded file is missing or not of its size: one placed by hand may share its bytes."""
    for entry in manifest:
        path = source / entry["name"]
        found = path.stat().st_size if path.is_file() else None
        if found != entry["size"]:
            what = "is missing" if found is None else f"has {found:,} bytes, {entry['size']:,} when it was verified"
            raise SuiteError(f"{path}: {what}; run `ranksuite download {name}` again")


@contextmanager
def _alone(lock: Path, target: Path) -> Iterator[None]:
    """Keep other processes from building `target`, and clear away what killed ones left of theirs."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    guard = FileLock(lock)
    try:
        guard.acquire(timeout=0)
    except Timeout:
        raise SuiteError(f"{target}: another build writes here; wait for it or end it") from None
    try:
        remove_leftovers(target)
        yield
    finally:
        guard.release()


def _card(
    name: str,
    builder: Builder,
    built: Built,
    protocols: tuple[Protocol, ...],
    sources: list[dict[str, Any]],
    download: Settings,
    settings: Settings,
) -> dict[str, Any]:
    about, items = builder.about, built.items
    return {
        "name": name,
        "title": about.title,
        "levels": list(about.levels),
        "access": about.access,
        "licence": about.licence,
        "licence_url": about.licence_url,
        "citation": about.citation,
        "homepage": about.homepage,
        "counts": {split: _counts(items[items["split"] == split], about.levels) for split in _present(items)},
        "protocols": {protocol.name: protocol.summary() for protocol in protocols},
        "sources": sources,
        "set_aside": built.set_aside,
        "notes": built.notes,
        "download": download.model_dump(mode="json"),
        "settings": settings.model_dump(mode="json"),
    }


def _present(items: pd.DataFrame) -> list[str]:
    found = set(items["split"].unique())
    return [split for split in SPLITS if split in found]


def _counts(rows: pd.DataFrame, levels: tuple[str, ...]) -> dict[str, Any]:
    classes = {level: int(rows[level].nunique()) for level in levels}
    return {"images": len(rows), "classes": classes[levels[0]] if levels else 0, "levels": classes}


def _read_json(path: Path, advice: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SuiteError(f"{path}: not found; {advice}") from None
    except ValueError as error:
        raise SuiteError(f"{path}: not valid JSON ({error}); {advice}") from None
