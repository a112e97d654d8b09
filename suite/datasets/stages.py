"""The stages `download` and `build`: settings in, a whole directory out or none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from suite.config import PARAMS, Params, PositiveInt, Settings, parse
from suite.datasets.registry import DATASETS
from suite.errors import SuiteError
from suite.files import atomic_directory, write_json

SPLITS = ("train", "val", "test")


class Expected(Settings):
    """The size a data set must come out with."""

    images: PositiveInt
    classes: PositiveInt


class BuilderSettings(Settings):
    """Base of every builder's settings."""

    expected: Expected | None = None


def download_dataset(params: Params, name: str, root: Path = Path("artifacts")) -> Path:
    """Fetch the source files of data set `name` into `root`/downloads/`name` and return that directory.

    Raises SuiteError for an unknown data set or setting, a source out of reach and a file of a wrong
    checksum; then nothing is left behind and an earlier download stays as it was.
    """
    builder, settings = _builder(params, name)
    target = Path(root) / "downloads" / name
    with atomic_directory(target) as temporary:
        builder.download(settings, temporary)
    return target


def build_dataset(params: Params, name: str, root: Path = Path("artifacts")) -> Path:
    """Build data set `name` from its download into `root`/datasets/`name` (`docs/tables.md`) and return that
    directory.

    Raises SuiteError if the download is missing or damaged, or if the counts are not those of
    `settings.expected`; then nothing is left behind.
    """
    builder, settings = _builder(params, name)
    source, target = Path(root) / "downloads" / name, Path(root) / "datasets" / name
    if not source.is_dir():
        raise SuiteError(f"{source}: not found; run `ranksuite download {name}` first")
    with atomic_directory(target) as temporary:
        card = builder.build(settings, source, temporary, processes=params.workers.processes)
        items = _read_items(temporary / "items.parquet")
        finest = card["levels"][0]
        _check_splits(items, finest, name)
        _check_counts(items, finest, settings.expected, name)
        counts = {
            split: {"images": len(rows), "classes": int(rows[finest].nunique())}
            for split, rows in ((split, items[items["split"] == split]) for split in SPLITS)
        }
        write_json(
            temporary / "card.json",
            {**card, "name": name, "counts": counts, "settings": settings.model_dump(mode="json")},
        )
    return target


def load_items(root: Path, name: str) -> pd.DataFrame:
    """The item table of data set `name` below the artifacts folder `root`; columns as in `docs/tables.md`."""
    return _read_items(Path(root) / "datasets" / name / "items.parquet")


def load_card(root: Path, name: str) -> dict[str, Any]:
    """The card of data set `name` below the artifacts folder `root`."""
    path = Path(root) / "datasets" / name / "card.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SuiteError(f"{path}: not found; run `ranksuite build {name}` first") from None


def _builder(params: Params, name: str) -> tuple[Any, BuilderSettings]:
    entry = params.dataset(name)
    builder = DATASETS.resolve(entry.builder)()
    return builder, parse(builder.Settings, entry.settings, f"{PARAMS}: datasets.{name}.settings")


def _read_items(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except FileNotFoundError:
        raise SuiteError(f"{path}: not found; build the data set first") from None


def _check_splits(items: pd.DataFrame, finest: str, name: str) -> None:
    splits = items.groupby(finest)["split"].nunique()
    if (splits > 1).any():
        raise SuiteError(f"data set '{name}': class '{splits.idxmax()}' lies in several splits; mend its builder")


def _check_counts(items: pd.DataFrame, finest: str, expected: Expected | None, name: str) -> None:
    images, classes = len(items), int(items[finest].nunique())
    where = f"{PARAMS}: datasets.{name}.settings.expected"
    if expected and (images, classes) != (expected.images, expected.classes):
        raise SuiteError(
            f"{where}: {expected.images} images of {expected.classes} classes, but the build gave "
            f"{images} of {classes}; check the pinned versions, or state the new counts"
        )
