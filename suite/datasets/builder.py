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

import pandas as pd
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
    """Base of every data set."""

    about: ClassVar[About]
    Download: ClassVar[type[Settings]]
    Settings: ClassVar[type[Settings]]

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
    kept = pd.DataFrame({"key": stored.keys, "image": range(len(stored.keys))})
    items = kept.merge(table, on="key", how="left", validate="one_to_one")
    if items["split"].isna().any():
        raise SuiteError(f"image '{items.loc[items['split'].isna(), 'key'].iloc[0]}': stored without an annotation")
    faults = pd.DataFrame(stored.faults, columns=["key", "reason"])
    missing = table.loc[~table["key"].isin(kept["key"]) & ~table["key"].isin(faults["key"]), ["key"]]
    lost = pd.concat([faults, missing.assign(reason=MISSING)]).merge(table, on="key", how="left")
    return items[["image", "key", "source", "split", *levels]], count_by_reason(lost, list(levels)[:1])


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
