"""iNaturalist 2018 with the splits of Smooth-AP: photographs of species, training and test species disjoint.

The competition's page (visipedia/inat_comp, 2018) publishes the archive `train_val2018.tar.gz` with its MD5; images lie
at `train_val2018/<super-category>/<category>/<image>.jpg`, where the category is the number that the taxonomy
`categories.json` (names in clear, released after the competition) gives as `id`. The competition's annotation files
repeat what these paths say and are not fetched.

Smooth-AP (Andrew-Brown1/Smooth_AP, section Data) releases `Inat_dataset_splits/Inaturalist_train_set1.txt` and
`Inaturalist_test_set1.txt`, such a path a line: these are placed by hand.

`inaturalist` has species and super-category, `inaturalist_full` the seven ranks. Who wants both downloads once: the
second takes `origin: {kind: file, folder: artifacts/downloads/<name of the first>}`, and the same for `splits`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from suite.datasets.archives import read_member
from suite.datasets.builder import (
    About,
    Builder,
    BuilderSettings,
    Built,
    DownloadSettings,
    Published,
    assemble,
    check_count,
    hold_out,
)
from suite.datasets.listings import parse_listing, refuse_repeats
from suite.datasets.origins import ByHandOrigin, Fetcher, HttpsOrigin, Origin, SourceFile
from suite.datasets.protocols import Protocol
from suite.datasets.published import refuse_straddling
from suite.datasets.release import Release
from suite.datasets.store import store_images
from suite.errors import SuiteError

ARCHIVE, CATEGORIES = "train_val2018.tar.gz", "categories.json.tar.gz"
SPLITS = {split: f"Inat_dataset_splits/Inaturalist_{split}_set1.txt" for split in ("train", "test")}
RANKS = ("species", "genus", "family", "order", "class", "phylum", "kingdom")
# In place of a rank that the taxonomy leaves empty.
UNPLACED = "unplaced"
# Smooth-AP and RS@k report recall at these.
KS = (1, 4, 16, 32)
_PUBLISHED = {"train": (325_846, 5_690), "test": (136_093, 2_452)}
_INSTRUCTIONS = (
    "a list of the Smooth-AP splits, linked in the section Data of https://github.com/Andrew-Brown1/Smooth_AP; unpack "
    "them so that the folder Inat_dataset_splits lies here"
)


class INaturalistDownload(DownloadSettings):
    """`origin` has the competition's files, `splits` the two lists of Smooth-AP; `md5` is that of the images' archive
    as the competition's page states it (none is stated of the others)."""

    origin: Origin = HttpsOrigin(base="https://ml-inat-competition-datasets.s3.amazonaws.com/2018")
    splits: Origin = ByHandOrigin(folder=Path("placed/inaturalist"))
    md5: Annotated[str, Field(pattern="^[0-9a-f]{32}$")] = "b1c6952ce38f31868cc50ea72d066cc3"


class INaturalist(Builder):
    """Builder with two levels, species and super-category."""

    about: ClassVar[About] = About(
        title="iNaturalist 2018",
        levels=("species", "super_category"),
        licence="non-commercial research and education; no distribution of the images",
        licence_url="https://github.com/visipedia/inat_comp/tree/master/2018#terms-of-use",
        citation="iNaturalist 2018 competition dataset; splits: Brown, Xie, Kalogeiton, Zisserman, Smooth-AP: "
        "Smoothing the Path Towards Large-Scale Image Retrieval, ECCV 2020",
        homepage="https://github.com/visipedia/inat_comp/tree/master/2018",
        access="public archive",
    )
    ranks: ClassVar[tuple[str, ...]] = RANKS[:1]
    Download = INaturalistDownload
    Settings = BuilderSettings
    published: ClassVar[tuple[Published, ...]] = tuple(
        Published(split, (split,), images, species) for split, (images, species) in _PUBLISHED.items()
    )

    def download(self, download: INaturalistDownload, fetcher: Fetcher) -> None:
        """Fetch the competition's files and take over the lists; the lists first, for the archive is long."""
        fetcher.fetch([SourceFile(name, instructions=_INSTRUCTIONS) for name in SPLITS.values()], download.splits)
        fetcher.fetch([SourceFile(CATEGORIES), SourceFile(ARCHIVE, md5=download.md5)])

    def build(
        self, settings: BuilderSettings, download: INaturalistDownload, source: Path, target: Path, processes: int
    ) -> Built:
        """Store the images of both lists."""
        taxonomy, notes = self.taxonomy(_read_categories(source / CATEGORIES, self.ranks))
        lists = {split: _read_split(source / name, taxonomy.index) for split, name in SPLITS.items()}
        differences = [note for split, table in lists.items() for note in _compare(split, table, settings)]
        _refuse_overlap(lists["train"], lists["test"], source / SPLITS["test"])
        table = pd.concat([table.assign(split=split) for split, table in lists.items()], ignore_index=True)
        table = table.join(taxonomy, on="category")
        refuse_straddling(table, "species", str(source / SPLITS["test"]))
        held_out = hold_out(table.loc[table["split"] == "train", "species"], settings.validation, settings.seed)
        table.loc[table["species"].isin(held_out) & (table["split"] == "train"), "split"] = "val"
        release = Release(source / ARCHIVE)
        stored = store_images(
            target, release.images(set(table["key"])), threads=processes, max_pixels=settings.max_pixels
        )
        items, set_aside = assemble(table, stored, self.about.levels)
        test = Protocol(
            "test",
            np.flatnonzero(items["split"] == "test"),
            None,
            KS,
            "Every image of the test species against all others of them.",
        )
        notes |= {"differences": differences} if differences else {}
        return Built(items, (test,), {**set_aside, **release.unlisted()}, notes)

    def taxonomy(self, categories: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
        """The levels that a category gives, by its number, and notes for the card."""
        return categories, {}


class INaturalistFull(INaturalist):
    """Builder with the seven ranks of the taxonomy, species to kingdom."""

    about: ClassVar[About] = replace(INaturalist.about, title="iNaturalist 2018: full taxonomy", levels=RANKS)
    ranks: ClassVar[tuple[str, ...]] = RANKS

    def taxonomy(self, categories: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
        """Seven columns. A name that stands for several taxa (a genus of birds and of plants) gets its parent's
        behind it, so that the levels are a tree."""
        labels, homonyms = categories.replace("", UNPLACED), {}
        for rank, parent in reversed(list(pairwise(RANKS[1:]))):
            parents = labels[[rank, parent]].drop_duplicates().groupby(rank)[parent].size()
            shared = labels[rank].isin(parents.index[parents > 1])
            homonyms[rank] = int((parents > 1).sum())
            labels.loc[shared, rank] = labels.loc[shared, rank] + " (" + labels.loc[shared, parent] + ")"
        found = {rank: number for rank, number in homonyms.items() if number}
        return labels, {"names of several taxa": found} if found else {}


def _read_categories(path: Path, ranks: Sequence[str]) -> pd.DataFrame:
    """A text column a rank, a row a category, the index its number. Species of one name get their number behind it."""
    member = "categories.json"
    where = f"{path}: {member}"
    try:
        entries = json.loads(read_member(path, member))
    except ValueError as error:
        raise SuiteError(f"{where}: not valid JSON ({error}); get the file anew") from None
    if not isinstance(entries, list) or not entries:
        raise SuiteError(f"{where}: expected a list of categories; get the file anew")
    fields = {"id": int, "name": str} | dict.fromkeys(ranks[1:], str)
    for place, entry in enumerate(entries):
        lacking = [key for key, kind in fields.items() if not isinstance(_get(entry, key), kind)]
        if lacking:
            raise SuiteError(f"{where}: entry {place} has no sound '{lacking[0]}'; get the file anew")
    table = pd.DataFrame(entries)[list(fields)].set_index("id").rename(columns={"name": "species"})
    if table.index.has_duplicates:
        raise SuiteError(f"{where}: id {table.index[table.index.duplicated()][0]} stands twice; get the file anew")
    twice = table["species"].duplicated(keep=False)
    numbers = table.index.to_series().astype(str).str.zfill(4)
    table["species"] = table["species"].mask(twice, table["species"] + " (" + numbers + ")")
    return table


def _get(entry: Any, key: str) -> Any:
    return entry.get(key) if isinstance(entry, dict) else None


def _read_split(path: Path, categories: pd.Index) -> pd.DataFrame:
    """Columns `key`, `super_category`, `category` (number) and `source`, a row a line."""
    pattern = r"(?P<key>train_val2018/(?P<super_category>[^/]+)/(?P<category>\d{1,9})/[^/]+)"
    form = "train_val2018/<super-category>/<number of the category>/<image>.jpg"
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise SuiteError(f"{path}: not found; download the data set again") from None
    table = parse_listing(data, str(path), pattern, form)
    refuse_repeats(table, "key", str(path))
    table["category"] = table["category"].astype(np.int64)
    unknown = ~table["category"].isin(categories)
    if unknown.any():
        line = unknown.idxmax()
        raise SuiteError(
            f"{path}: line {line}: category {table.at[line, 'category']} is not in {CATEGORIES}; get both anew"
        )
    return table.assign(source=path.name)


def _refuse_overlap(train: pd.DataFrame, test: pd.DataFrame, path: Path) -> None:
    both = test["key"].isin(train["key"])
    if both.any():
        line = both.idxmax()
        raise SuiteError(
            f"{path}: line {line}: '{test.at[line, 'key']}' is a training image as well; get both lists anew"
        )


def _compare(split: str, table: pd.DataFrame, settings: BuilderSettings) -> list[str]:
    images, species = _PUBLISHED[split]
    counts = [("images", len(table), images), ("species", table["category"].nunique(), species)]
    notes = [
        check_count(f"iNaturalist, {split} {what}", *numbers, settings.enforce_counts) for what, *numbers in counts
    ]
    return [note for note in notes if note]
