"""What a data set is written against: its facts, its settings, what its build returns.

A data set is one file with a subclass of `Builder` and one line in `suite.datasets.registry` (third parties: an
entry point of the group `ranksuite.datasets`).
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from suite.config import PositiveInt, Seed, Settings
from suite.datasets.origins import Fetcher, Origin
from suite.datasets.protocols import Protocol
from suite.datasets.store import Stored
from suite.errors import SuiteError

SPLITS = ("train", "val", "test", "query", "gallery")
MISSING = "listed, but not in the archives"


@dataclass(frozen=True)
class About:
    """The facts of a data set that its card states.

    Attributes:
        title: what it is called; text after a colon is left out where space is short.
        levels: names of the hierarchy levels, finest first; empty where relevance is stated pair by pair.
        licence, licence_url: as its authors state it.
        citation: the paper or page to cite.
        homepage: where it is described.
        access: how one gets it.
    """

    title: str
    levels: tuple[str, ...]
    licence: str
    citation: str
    homepage: str
    access: Literal["public archive", "npm packages", "by hand", "embedded"]
    licence_url: str = ""


@dataclass(frozen=True)
class Published:
    """What is published of one part of a data set: how many images its splits hold, of how many classes.

    A number that is not published is None. `super_classes` are those of the second finest level.
    """

    part: str
    splits: tuple[str, ...]
    images: int | None
    classes: int | None = None
    super_classes: int | None = None


class DownloadSettings(Settings):
    """Base of what the stage `download` depends on; a data set gives `origin` its default."""

    origin: Origin


class BuilderSettings(Settings):
    """Base of what only the stage `build` depends on.

    `validation` is the share of the training classes that are held out, chosen by the hash of their names.
    """

    validation: Annotated[float, Field(ge=0, lt=1)] = 0.2
    seed: Seed = 0
    max_pixels: PositiveInt = 100_000_000
    enforce_counts: bool = True


@dataclass(frozen=True)
class Built:
    """What a build leaves beside the stored images.

    Attributes:
        items: a row an image: `image` (place in the store), `key` (unique text), `source`, `split`, then a text
            column a level, finest first; a label is None where an image has none (a distractor).
        protocols: the official ones, the default first; none means leave one out over the split `test`.
        set_aside: reason -> {"images": n, "classes": n}.
        notes: further facts for the card.
    """

    items: pd.DataFrame
    protocols: tuple[Protocol, ...] = ()
    set_aside: dict[str, dict[str, int]] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)


class Builder(ABC):
    """Base of every data set.

    Attributes:
        about: its facts.
        Download, Settings: its settings.
        published: the sizes that its authors or papers state.
    """

    about: ClassVar[About]
    Download: ClassVar[type[Settings]]
    Settings: ClassVar[type[Settings]]
    published: ClassVar[tuple[Published, ...]] = ()

    @abstractmethod
    def download(self, download: Any, fetcher: Fetcher) -> None:
        """Have `fetcher` bring the source's own files, verified."""

    @abstractmethod
    def build(self, settings: Any, download: Any, source: Path, target: Path, processes: int) -> Built:
        """Read the files in `source`, store the images in `target`, return the rest."""

    def sources(self, manifest: list[dict[str, Any]], download: Any, folder: Path) -> list[dict[str, Any]]:
        """Rows of the card's `sources`: one a downloaded file (below `folder`), with the licence of the data set."""
        licence = {"licence": self.about.licence, "licence_url": self.about.licence_url}
        return [{**entry, **licence} for entry in manifest]


def default_entry(name: str, builder: Builder) -> dict[str, Any]:
    """What stands below `datasets` of `params.yaml` for a builder registered as `name`, with its default settings."""
    download, settings = _defaults(builder.Download), _defaults(builder.Settings)
    return {"builder": name, "download": download, "settings": settings}


def without_default(model: type[Settings]) -> list[str]:
    """The settings that have no default."""
    return [name for name, field in model.model_fields.items() if field.is_required()]


def _defaults(model: type[Settings]) -> dict[str, Any]:
    """The settings with their defaults; what has none is to be filled in."""
    found = model.model_construct().model_dump(mode="json", warnings=False, exclude_none=True)
    return found | dict.fromkeys(without_default(model), "(to fill in)")


def hold_out(classes: Iterable[str], share: float, seed: int) -> set[str]:
    """The validation classes among the training classes: those whose hash falls below `share`.

    The hash is SHA-256 of seed and name, so an added class moves no other. Where that leaves training or
    validation empty, the class with the greatest or smallest hash moves over.
    """
    names = sorted(set(classes))
    if share == 0 or len(names) < 2:
        return set()
    draws = {name: _uniform(f"{seed}/{name}") for name in names}
    chosen = {name for name, draw in draws.items() if draw < share}
    order = sorted(names, key=draws.__getitem__)
    return (chosen or {order[0]}) - ({order[-1]} if len(chosen) == len(names) else set())


def assemble(table: pd.DataFrame, stored: Stored, levels: Sequence[str]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Join annotations with what was stored.

    Args:
        table: a row an annotated image, with `key` (unique), `source`, `split` and a column a level.
        stored: what `store_images` returned; every key must stand in the table.

    Returns:
        The items, in the order of the store, and what was set aside: annotated images that the archives lack, and
        stored ones that were faulty, by reason.
    """
    # Arrow looks keys up without an object each: at a million images that is most of the memory of a join.
    listed = pa.array(table["key"], pa.large_string())
    if pc.count_distinct(listed).as_py() != len(table):
        raise SuiteError(f"image '{table['key'][table['key'].duplicated()].iloc[0]}' is annotated twice")
    kept, faulty = (_rows_of(keys, listed) for keys in (stored.keys, [key for key, _ in stored.faults]))
    items = table.take(kept).reset_index(drop=True)
    items.insert(0, "image", np.arange(len(items)))
    absent = np.ones(len(table), dtype=bool)
    absent[kept] = absent[faulty] = False
    reasons = [reason for _, reason in stored.faults] + [MISSING] * int(absent.sum())
    lost = table.take(np.concatenate([faulty, np.flatnonzero(absent)])).assign(reason=reasons)
    return items[["image", "key", "source", "split", *levels]], count_by_reason(lost, list(levels)[:1])


def _rows_of(keys: list[str], listed: pa.Array) -> np.ndarray:
    """Where each key is annotated, int64."""
    rows = pc.index_in(pa.array(keys, pa.large_string()), value_set=listed)
    if rows.null_count:
        unknown = keys[pc.index(pc.is_null(rows), True).as_py()]
        raise SuiteError(f"image '{unknown}': stored without an annotation")
    return rows.to_numpy().astype(np.int64)


def count_by_reason(lost: pd.DataFrame, finest: Sequence[str]) -> dict[str, dict[str, int]]:
    """`set_aside` of a card from rows with a `reason`; classes are those of the column `finest` (at most one)."""
    return {
        str(reason): {
            "images": len(rows),
            "classes": int(rows[finest[0]].nunique()) if finest else 0,
        }
        for reason, rows in lost.groupby("reason", sort=True)
    }


def check_count(what: str, found: int, published: int, enforce: bool) -> str | None:
    """None where the numbers agree, else a note for the card.

    Raises:
        SuiteError: they differ and counts are enforced.
    """
    if found == published:
        return None
    difference = f"{what}: {found:,} found, {published:,} published"
    if enforce:
        raise SuiteError(
            f"{difference}; check that the files are the released ones, or set enforce_counts: false in the data "
            "set's settings to have the difference noted in its card"
        )
    return difference


def _uniform(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
