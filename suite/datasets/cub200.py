"""CUB-200-2011: 200 species of birds, the first 100 for training, the last 100 for evaluation.

Layout of `CUB_200_2011.tgz` (README of the archive), below `CUB_200_2011/`:
    classes.txt                 class number, class name ("001.Black_footed_Albatross")
    images.txt                  image number, path below images/ (class name, "/", file name)
    image_class_labels.txt      image number, class number
    images/                     the images
The archive's own `train_test_split.txt` halves every class and is not the split of retrieval.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from suite.datasets.bird_groups import SOURCE, bird_groups
from suite.datasets.builder import About, Builder, BuilderSettings, Built, Published
from suite.datasets.listings import parse_listing, refuse_repeats
from suite.datasets.origins import Fetcher, HttpsOrigin, Origin, SourceFile
from suite.datasets.protocols import Protocol
from suite.datasets.published import PublishedDownload, build_listed
from suite.datasets.release import Release, open_release
from suite.errors import SuiteError

ARCHIVE = "CUB_200_2011.tgz"
# As public loaders of the archive state it (for one: github.com/TDeVries/cub2011_dataset).
MD5 = "97eceeb196236b17998738112f37df78"
FOLDER = "CUB_200_2011"
LISTS = ("classes.txt", "images.txt", "image_class_labels.txt")
TRAINING_CLASSES = 100


class CubDownload(PublishedDownload):
    """Where the archive comes from: the record 65de6-vp158 of CaltechDATA."""

    origin: Origin = HttpsOrigin(base="https://data.caltech.edu/records/65de6-vp158/files")


class Cub200(Builder):
    """CUB-200-2011 with its species and their families and orders."""

    about: ClassVar[About] = About(
        title="CUB-200-2011: birds",
        levels=("species", "family", "order"),
        licence="not stated by its authors",
        citation="Wah, Branson, Welinder, Perona, Belongie: The Caltech-UCSD Birds-200-2011 Dataset, "
        "technical report CNS-TR-2011-001, California Institute of Technology, 2011",
        homepage="https://www.vision.caltech.edu/datasets/cub_200_2011/",
        access="public archive",
    )
    Download = CubDownload
    Settings = BuilderSettings
    published: ClassVar[tuple[Published, ...]] = (
        Published("training", ("train",), 5_864, 100),
        Published("test", ("test",), 5_924, 100),
    )

    def download(self, download: CubDownload, fetcher: Fetcher) -> None:
        """Fetch the archive."""
        fetcher.fetch([SourceFile(ARCHIVE, md5=MD5 if download.checksums else None)])

    def build(
        self, settings: BuilderSettings, download: CubDownload, source: Path, target: Path, processes: int
    ) -> Built:
        """Split by class number, store the images as they lie in the archive."""
        archive = source / ARCHIVE
        release, lists = open_release(archive, LISTS, FOLDER)
        items, set_aside, notes = build_listed(
            read_cub(lists, archive),
            [Release(archive, f"{release.root}images/")],
            self.about.levels,
            self.published,
            settings,
            target,
            processes,
        )
        test = Protocol(
            "test",
            np.flatnonzero(items["split"] == "test"),
            ks=(1, 2, 4, 8),
            description="Every image of the last 100 species against all others of them.",
        )
        return Built(items, (test,), set_aside, {**notes, "families and orders": f"as grouped by {SOURCE}"})


def read_cub(lists: dict[str, bytes], archive: Path) -> pd.DataFrame:
    """A row an image: `key`, `source`, `split`, `species`, `family`, `order`.

    Args:
        lists: content of the three lists by name.
        archive: what errors name beside the list.

    Raises:
        SuiteError: a list is damaged; it names the list and the line.
    """
    class_list, image_list, label_list = (f"{archive}: {name}" for name in LISTS)
    classes = parse_listing(lists[LISTS[0]], class_list, r"(?P<number>\d+)\s+(?P<species>\S+)", "<number> <class name>")
    images = parse_listing(lists[LISTS[1]], image_list, r"(?P<image>\d+)\s+(?P<key>\S+)", "<number> <image name>")
    labels = parse_listing(lists[LISTS[2]], label_list, r"(?P<image>\d+)\s+(?P<number>\d+)", "<image> <class>")
    for table, column, where in (
        (classes, "number", class_list),
        (classes, "species", class_list),
        (images, "image", image_list),
        (images, "key", image_list),
        (labels, "image", label_list),
    ):
        refuse_repeats(table, column, where)
    groups = pd.DataFrame(
        [(str(number), number, *group) for number, group in bird_groups().items()],
        columns=["number", "class", "family", "order"],
    )
    known = classes.merge(groups, on="number")
    table = images.assign(line=images.index).merge(labels, on="image", how="left").merge(known, on="number", how="left")
    lost = table["species"].isna()
    if lost.any():
        row = table[lost].iloc[0]
        raise SuiteError(
            f"{image_list}: line {row['line']}: image {row['image']} has no class of 1 to {len(groups)} in "
            f"{LISTS[2]} and {LISTS[0]}; get the file anew"
        )
    astray = table["key"].str.partition("/")[0] != table["species"]
    if astray.any():
        row = table[astray].iloc[0]
        raise SuiteError(
            f"{image_list}: line {row['line']}: '{row['key']}' is not in the folder of its class '{row['species']}'; "
            "get the file anew"
        )
    split = (table["class"] <= TRAINING_CLASSES).map({True: "train", False: "test"})
    return table.assign(source=FOLDER, split=split)[["key", "source", "split", "species", "family", "order"]]
