"""Stanford Online Products: products for sale, photographed by their sellers; 12 super-classes.

Layout of `Stanford_Online_Products.zip`, below `Stanford_Online_Products/` (as the loader of TensorFlow Datasets,
`stanford_online_products`, reads it):
    Ebay_train.txt, Ebay_test.txt   a header, then image_id class_id super_class_id path
    bicycle_final/ ... toaster_final/   the images; path is "<super-class>_final/<product>_<number>.JPG"
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from suite.datasets.builder import About, Builder, BuilderSettings, Built, Published
from suite.datasets.listings import parse_listing, refuse_repeats
from suite.datasets.origins import Fetcher, FtpOrigin, Origin, SourceFile
from suite.datasets.protocols import Protocol
from suite.datasets.published import PublishedDownload, build_listed, refuse_straddling
from suite.datasets.release import open_release
from suite.errors import SuiteError

ARCHIVE = "Stanford_Online_Products.zip"
# As TensorFlow Datasets states them (url_checksums/stanford_online_products.txt).
SIZE, SHA256 = 3_083_860_082, "b04fa78210e69fab050ce73939550e1cd0f96890bdd98ec9fee732c3b756ef48"
FOLDER = "Stanford_Online_Products"
LISTS = {"train": "Ebay_train.txt", "test": "Ebay_test.txt"}
HEADER = "image_id class_id super_class_id path"
ROW = r"\d+ (?P<product>\d+) (?P<number>\d+) (?P<key>(?P<super_class>[^/\s]+)_final/\S+)"


class SopDownload(PublishedDownload):
    """Where the archive comes from: the server of the authors; a mirror over https is another `origin`."""

    origin: Origin = FtpOrigin(base="ftp://cs.stanford.edu/cs/cvgl")


class Sop(Builder):
    """Stanford Online Products with product and super-class."""

    about: ClassVar[About] = About(
        title="Stanford Online Products",
        levels=("product", "super_class"),
        licence="as the archive's file LICENSE says",
        citation="Song, Xiang, Jegelka, Savarese: Deep Metric Learning via Lifted Structured Feature Embedding, "
        "CVPR 2016",
        homepage="https://cvgl.stanford.edu/projects/lifted_struct/",
        access="public archive",
    )
    Download = SopDownload
    Settings = BuilderSettings
    published: ClassVar[tuple[Published, ...]] = (
        Published("training", ("train",), 59_551, 11_318, 12),
        Published("test", ("test",), 60_502, 11_316),
    )

    def download(self, download: SopDownload, fetcher: Fetcher) -> None:
        """Fetch the archive."""
        stated = {"size": SIZE, "sha256": SHA256} if download.checksums else {}
        fetcher.fetch([SourceFile(ARCHIVE, **stated)])

    def build(
        self, settings: BuilderSettings, download: SopDownload, source: Path, target: Path, processes: int
    ) -> Built:
        """Take the split of the two lists, store the images as they lie in the archive."""
        archive = source / ARCHIVE
        release, lists = open_release(archive, list(LISTS.values()), FOLDER)
        table = read_sop(lists, archive)
        items, set_aside, notes = build_listed(
            table, [release], self.about.levels, self.published, settings, target, processes
        )
        test = Protocol(
            "test",
            np.flatnonzero(items["split"] == "test"),
            ks=(1, 10, 100, 1000),
            description="Every image of the test products against all others of them.",
        )
        return Built(items, (test,), set_aside, notes)


def read_sop(lists: dict[str, bytes], archive: Path) -> pd.DataFrame:
    """A row an image: `key`, `source`, `split`, `product` ("00001"), `super_class` ("bicycle").

    Args:
        lists: content of the two lists by name.
        archive: what errors name beside the list.

    Raises:
        SuiteError: a list is damaged; it names the list and the line.
    """
    parts = []
    for split, name in LISTS.items():
        where = f"{archive}: {name}"
        part = parse_listing(lists[name], where, ROW, "<image> <product> <number> <super-class>_final/<file>", HEADER)
        refuse_repeats(part, "key", where)
        _check_super_classes(part, where)
        parts.append(part.assign(split=split))
    table = pd.concat(parts, ignore_index=True)
    table["product"] = table["product"].str.zfill(5)
    refuse_repeats(table, "key", str(archive))
    refuse_straddling(table, "product", str(archive))
    return table.assign(source=FOLDER)[["key", "source", "split", "product", "super_class"]]


def _check_super_classes(part: pd.DataFrame, where: str) -> None:
    """Folder and number say the same super-class twice."""
    numbered = part.groupby("super_class")["number"].transform("first")
    astray = part["number"] != numbered
    if astray.any():
        row = part[astray].iloc[0]
        raise SuiteError(
            f"{where}: line {row.name}: super_class_id {row['number']} for '{row['key']}', elsewhere "
            f"{numbered[row.name]} for that folder; get the file anew"
        )
