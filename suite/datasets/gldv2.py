"""Google Landmarks v2 and H-GLDv2, its hierarchical form, both from the GLDv2 release.

The release, as its page https://github.com/cvdfoundation/google-landmark describes it: tables under `metadata/` and
`ground_truth/`, images in tar shards `train/images_NNN.tar` (500), `index/` (100) and `test/` (20), an MD5 checksum
a shard under `md5sum/<set>/md5.images_NNN.txt`.

- Training images are those of the clean list; a share of the landmarks is held out for validation.
- The index is the gallery, the test images that the ground truth does not ignore are the queries. Relevance is
  stated query by query in the ground truth, so the gallery stays whole: an index image without a landmark is a
  distractor without labels, one whose landmark has no hierarchy keeps its landmark and has no coarser label.
- Landmark ids of train and index are different spaces: a class is `train/000123` or `index/000123`. The coarser
  levels of H-GLDv2 name kinds, and are shared.
- A query has the labels of the landmark of its relevant images; of several, the one that most of them have.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import AfterValidator, Field

from suite.datasets import gldv2_metadata as metadata
from suite.datasets.archives import iterate_members
from suite.datasets.builder import (
    MISSING,
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
from suite.datasets.gldv2_evaluation import Evaluation
from suite.datasets.gldv2_metadata import NO_LANDMARK, Listing
from suite.datasets.origins import Fetcher, HttpsOrigin, Origin, SourceFile
from suite.datasets.store import store_images

PARTS = {"train": 500, "index": 100, "test": 20}
# Which landmark ids the images of a part have, and their split; a share of train's landmarks goes to validation.
_SPACES = {"train": "train", "index": "index", "test": "index"}
_SPLITS = {"train": "train", "index": "gallery", "test": "query"}

NO_HIERARCHY = "landmark without a hierarchy"
IGNORED = "query that the ground truth ignores"
ELSEWHERE = "listed, but not in the chosen shards"
REPEATED = "stands in the shards more than once"
SOLUTION = "ground_truth/retrieval_solution_v2.1.csv"

# The release's page; the clean images and landmarks as the clean list's paper counts them (arXiv 2003.11211).
PUBLISHED = {
    "clean training images": 1_580_470,
    "clean training landmarks": 81_313,
    "index images": 761_757,
    "test images": 117_577,
}
# What the authors of the hierarchical labels train on (Ramzi et al., Optimization of Rank Losses for Image Retrieval).
PUBLISHED_HIERARCHICAL = {"training images": 970_981, "landmarks": 46_593, "super-categories": 78}
_EVALUATION = (
    Published("index", ("gallery",), PUBLISHED["index images"]),
    Published("test", ("query",), PUBLISHED["test images"]),
)

_LICENCE = (
    "annotations CC BY 4.0; training images CC BY without ND, index and test images CC0 or public domain, "
    "each as its attribution says"
)
# An image lies at 0/1/2/0123456789abcdef.jpg; its name alone says which it is.
_IMAGE = re.compile(r"(?:.*/)?([0-9a-f]{16})\.jpg")
_RANGE = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?")


def parse_shards(text: str) -> list[int]:
    """Shard numbers, ascending, of ranges such as "0-9,12". Raises ValueError on any other text."""
    numbers: list[int] = []
    for piece in text.split(","):
        match = _RANGE.fullmatch(piece.strip())
        if match is None:
            raise ValueError(f"expected shard numbers up to 999 and ranges of them, such as 0-9,12; found '{piece}'")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise ValueError(f"the range {piece.strip()} ends before it begins")
        numbers += range(first, last + 1)
    if len(set(numbers)) != len(numbers):
        raise ValueError("shard numbers repeat")
    return sorted(numbers)


def _checked_shards(text: str) -> str:
    parse_shards(text)
    return text


# YAML reads a lone shard as a number.
Shards = Annotated[str, Field(coerce_numbers_to_str=True), AfterValidator(_checked_shards)]


class ReleaseDownload(DownloadSettings):
    """Where the release lies, and which of its shards are wanted."""

    origin: Origin = HttpsOrigin(kind="https", base="https://s3.amazonaws.com/google-landmark")
    train_shards: Shards = "0-499"
    index_shards: Shards = "0-99"
    test_shards: Shards = "0-19"

    def shards(self, part: str) -> list[int]:
        """The chosen shards of "train", "index" or "test"."""
        return parse_shards(getattr(self, f"{part}_shards"))

    @property
    def whole(self) -> bool:
        """Whether every shard of the published release is chosen."""
        return all(self.shards(part) == list(range(count)) for part, count in PARTS.items())


@dataclass(eq=False)
class _Part:
    """One set of the release while its shards are read.

    `wanted` (N,) bool are the listed images to store, `seen` (N,) bool those found so far.
    """

    name: str
    listing: Listing
    wanted: np.ndarray
    seen: np.ndarray = field(init=False)
    unlisted: int = 0
    repeated: int = 0

    def __post_init__(self) -> None:
        self.seen = np.zeros(len(self.listing.ids), dtype=bool)

    def images(self, folder: Path, shards: list[int]) -> Iterator[tuple[str, bytes]]:
        """Keys and bytes of the wanted images, shard after shard."""
        for number in shards:
            for member, data in iterate_members(folder / _shard(self.name, number), self._choose):
                yield f"{self.name}/{_IMAGE.fullmatch(member)[1]}", data

    def _choose(self, member: str) -> bool:
        # Every member passes here once, in order: what is not read is counted.
        place = self._place(member)
        if place < 0:
            self.unlisted += 1
            return False
        if self.seen[place]:
            self.repeated += 1
            return False
        self.seen[place] = True
        return bool(self.wanted[place])

    def _place(self, member: str) -> int:
        """Where the image of a member is listed, -1 if nowhere."""
        match = _IMAGE.fullmatch(member)
        if match is None:
            return -1
        number, ids = np.uint64(int(match[1], 16)), self.listing.ids
        place = int(ids.searchsorted(number))
        return place if place < len(ids) and ids[place] == number else -1

    def kept(self) -> Listing:
        """The images that were wanted and found."""
        found = self.wanted & self.seen
        return Listing(self.listing.ids[found], self.listing.landmarks[found])

    def lost(self) -> dict[str, int]:
        """Images that were wanted and not found, with their landmarks, as a card counts them."""
        return _counts(self.listing.landmarks[self.wanted & ~self.seen])


class GLDv2(Builder):
    """Google Landmarks v2: the clean training set, the index, the test queries."""

    about: ClassVar[About] = About(
        title="Google Landmarks v2: the clean training set",
        levels=("landmark",),
        licence=_LICENCE,
        licence_url="https://creativecommons.org/licenses/by/4.0/",
        citation="T. Weyand, A. Araujo, B. Cao, J. Sim: Google Landmarks Dataset v2 - A Large-Scale Benchmark for "
        "Instance-Level Recognition and Retrieval. CVPR 2020",
        homepage="https://github.com/cvdfoundation/google-landmark",
        access="public archive",
    )
    Download: ClassVar = ReleaseDownload
    Settings: ClassVar = BuilderSettings
    published: ClassVar[tuple[Published, ...]] = (
        Published("training", ("train",), PUBLISHED["clean training images"], PUBLISHED["clean training landmarks"]),
        *_EVALUATION,
    )

    def download(self, download: ReleaseDownload, fetcher: Fetcher) -> None:
        """Fetch the tables, the checksums of the chosen shards, then the shards against these checksums."""
        fetcher.fetch([SourceFile(name) for name in self._tables()])
        shards = [(part, number) for part in PARTS for number in download.shards(part)]
        checksums = {shard: f"md5sum/{shard[0]}/md5.images_{shard[1]:03d}.txt" for shard in shards}
        fetcher.fetch([SourceFile(name) for name in checksums.values()])
        fetcher.fetch(
            [
                SourceFile(_shard(*shard), md5=metadata.read_checksum(fetcher.path(name)))
                for shard, name in checksums.items()
            ]
        )

    def build(
        self, settings: BuilderSettings, download: ReleaseDownload, source: Path, target: Path, processes: int
    ) -> Built:
        """Read the tables, stream the shards into the store, join both.

        Memory holds the tables and a few images, never the images of a shard.

        Raises:
            SuiteError: a damaged table or shard, a count of GLDv2 that differs from the published one, or no query
                that has a relevant image.
        """
        clean = metadata.read_clean(source / "metadata/train_clean.csv")
        index = metadata.read_index(source / "metadata/index.csv", source / "metadata/index_image_to_landmark.csv")
        solution = metadata.read_solution(source / SOLUTION)
        hierarchies = {part: self._hierarchy(source, part) for part in ("train", "index")}
        judge = _Judge(enforce=settings.enforce_counts and len(self.about.levels) == 1, whole=download.whole)
        judge.check_listed(clean, index, solution)

        evaluation = Evaluation(index, solution)
        admitted = self._admitted(clean, hierarchies["train"])
        parts = [
            _Part("train", clean, admitted),
            _Part("index", index, np.ones(len(index.ids), dtype=bool)),
            _Part("test", evaluation.queries, solution.usage != metadata.IGNORED),
        ]
        stored = store_images(
            target,
            (image for part in parts for image in part.images(source, download.shards(part.name))),
            threads=processes,
            max_pixels=settings.max_pixels,
        )
        judge.check_found({part.name: int(part.seen.sum()) for part in parts})
        table = pd.concat(
            [self._table(part, hierarchies[_SPACES[part.name]], settings) for part in parts], ignore_index=True
        )
        items, faults = assemble(table, stored, self.about.levels)
        del table
        protocols, queries = evaluation.protocols(items)

        aside = dict(faults)
        if not admitted.all():
            aside[NO_HIERARCHY] = _counts(clean.landmarks[~admitted])
        aside[IGNORED] = {"images": int((solution.usage == metadata.IGNORED).sum()), "classes": 0}
        lost = [part.lost() for part in parts]
        aside[MISSING if download.whole else ELSEWHERE] = {name: sum(one[name] for one in lost) for name in lost[0]}
        aside[REPEATED] = {"images": sum(part.repeated for part in parts), "classes": 0}
        notes = {
            "shards": {part: getattr(download, f"{part}_shards") for part in PARTS},
            "whole release": download.whole,
            "images in the shards outside the lists": {part.name: part.unlisted for part in parts},
            "queries": queries,
            "gallery": self._gallery(items),
            "published counts": judge.notes(items, self.about.levels),
        }
        return Built(items, protocols, {reason: n for reason, n in aside.items() if n["images"]}, notes)

    def _tables(self) -> list[str]:
        """The tables of the release that a build reads."""
        names = ["train_clean.csv", "index.csv", "index_image_to_landmark.csv"]
        if len(self.about.levels) > 1:
            names += ["train_label_to_hierarchical.csv", "index_label_to_hierarchical.csv"]
        return [*(f"metadata/{name}" for name in names), SOLUTION]

    def _hierarchy(self, source: Path, part: str) -> pd.DataFrame:
        """Coarser labels by landmark id; a table without columns where landmarks are the only level."""
        if len(self.about.levels) == 1:
            return pd.DataFrame(index=np.empty(0, dtype=np.int64))
        return metadata.read_hierarchy(source / f"metadata/{part}_label_to_hierarchical.csv")

    def _admitted(self, clean: Listing, hierarchy: pd.DataFrame) -> np.ndarray:
        """(N,) bool: the training images that enter the build."""
        if len(self.about.levels) == 1:
            return np.ones(len(clean.ids), dtype=bool)
        return np.isin(clean.landmarks, hierarchy.index.to_numpy())

    def _table(self, part: _Part, hierarchy: pd.DataFrame, settings: BuilderSettings) -> pd.DataFrame:
        """Annotations of the images of a part that were found."""
        kept = part.kept()
        landmarks, code = np.unique(kept.landmarks, return_inverse=True)
        space = _SPACES[part.name]
        names = [None if one == NO_LANDMARK else f"{space}/{one:06d}" for one in landmarks.tolist()]
        held_out = hold_out(names, settings.validation, settings.seed) if part.name == "train" else set()
        splits = ["val" if name in held_out else _SPLITS[part.name] for name in names]
        coarser = hierarchy.reindex(landmarks)
        columns = {
            "key": metadata.keys_of(part.name, kept.ids),
            "source": _repeat([part.name] * len(names), code),
            "split": _repeat(splits, code),
            "landmark": _repeat(names, code),
            **{level: _repeat(coarser[level], code) for level in self.about.levels[1:]},
        }
        return pa.table(columns).to_pandas()

    def _gallery(self, items: pd.DataFrame) -> dict[str, int]:
        """What the gallery holds beside images with all labels."""
        gallery = items[items["split"] == "gallery"]
        counts = {"images without a landmark (distractors)": int(gallery["landmark"].isna().sum())}
        if len(self.about.levels) > 1:
            bare = gallery["landmark"].notna() & gallery[self.about.levels[1]].isna()
            counts["images of a landmark without a hierarchy (no coarser labels)"] = int(bare.sum())
            counts["landmarks without a hierarchy"] = int(gallery.loc[bare, "landmark"].nunique())
        return counts


class HGLDv2(GLDv2):
    """H-GLDv2: Google Landmarks v2 with the super-category of each landmark, and whether it is natural."""

    about: ClassVar[About] = About(
        title="H-GLDv2: Google Landmarks v2 with its hierarchical labels",
        levels=("landmark", *metadata.COARSER_LEVELS),
        licence=_LICENCE,
        licence_url="https://creativecommons.org/licenses/by/4.0/",
        citation="E. Ramzi, N. Audebert, C. Rambour, A. Araujo, X. Bitot, N. Thome: Optimization of Rank Losses for "
        "Image Retrieval; labels in the release of Google Landmarks Dataset v2 (T. Weyand et al., CVPR 2020)",
        homepage="https://github.com/cvdfoundation/google-landmark",
        access="public archive",
    )
    published: ClassVar[tuple[Published, ...]] = (
        Published("training", ("train",), *PUBLISHED_HIERARCHICAL.values()),
        *_EVALUATION,
    )


class _Judge:
    """Holds what a build finds against the published counts; only the whole release can be compared."""

    def __init__(self, enforce: bool, whole: bool):
        self._enforce, self._whole = enforce, whole
        self._differences: list[str] = []

    def check_listed(self, clean: Listing, index: Listing, solution: metadata.Solution) -> None:
        """Compare the lists, before a shard is read."""
        found = (len(clean.ids), len(np.unique(clean.landmarks)), len(index.ids), len(solution.ids))
        for (what, published), count in zip(PUBLISHED.items(), found, strict=True):
            self._check(f"listed {what}", count, published)

    def check_found(self, found: dict[str, int]) -> None:
        """Compare the listed images that the shards of each part hold."""
        for what, part in {"clean training images": "train", "index images": "index", "test images": "test"}.items():
            self._check(f"{what} in the shards", found[part], PUBLISHED[what])

    def notes(self, items: pd.DataFrame, levels: tuple[str, ...]) -> Any:
        """The differences for the card; those from H-GLDv2's counts never stop a build."""
        if not self._whole:
            return "not compared: not all shards of the published release were chosen"
        if len(levels) > 1:
            training = items[items["split"].isin(["train", "val"])]
            found = (len(training), training[levels[0]].nunique(), training[levels[1]].nunique())
            for (what, published), count in zip(PUBLISHED_HIERARCHICAL.items(), found, strict=True):
                self._check(f"H-GLDv2, {what}", count, published)
        return self._differences

    def _check(self, what: str, found: int, published: int) -> None:
        if self._whole:
            difference = check_count(what, found, published, self._enforce)
            self._differences += [difference] if difference else []


def _shard(part: str, number: int) -> str:
    return f"{part}/images_{number:03d}.tar"


def _counts(landmarks: np.ndarray) -> dict[str, int]:
    classes = np.unique(landmarks)
    return {"images": len(landmarks), "classes": int((classes != NO_LANDMARK).sum())}


def _repeat(values: Iterable[str | None], code: np.ndarray) -> pa.Array:
    """Texts `values[code]` without a Python object a row; None and NaN become null."""
    return pa.array(values, pa.string(), from_pandas=True).take(pa.array(code))
