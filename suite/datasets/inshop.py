"""In-Shop Clothes Retrieval of DeepFashion: queries and gallery are photos of one item of clothing in a web shop.

Layout (README of the benchmark, as in the documentation of MMFashion, IN_SHOP_DATASET.md):
    Eval/list_eval_partition.txt    number of images; "image_name item_id evaluation_status"; a row an image
    Img/img.zip                     the images at 256 px: img/<department>/<category>/<item>/<file>.jpg
Department (MEN, WOMEN) and category are folders of the path. One name of a category can stand in both departments, so
the label of a category names both ("MEN/Shorts"): every category lies in one department. SupRank's loader takes the
bare name.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from suite.datasets.builder import About, Builder, BuilderSettings, Built, DownloadSettings, Published
from suite.datasets.listings import parse_listing, refuse_repeats
from suite.datasets.origins import ByHandOrigin, Fetcher, Origin, SourceFile
from suite.datasets.protocols import Protocol
from suite.datasets.published import build_listed, refuse_straddling
from suite.datasets.release import Release
from suite.errors import SuiteError

PARTITION, IMAGES = "Eval/list_eval_partition.txt", "Img/img.zip"
COLUMNS = ["image_name", "item_id", "evaluation_status"]
FORM = "img/<department>/<category>/<item>/<file> <item> train|query|gallery"
ROW = (
    r"(?P<key>img/(?P<department>[^/\s]+)/(?P<category>[^/\s]+)/(?P<folder>[^/\s]+)/[^/\s]+)"
    r"\s+(?P<item>\S+)\s+(?P<split>train|query|gallery)"
)
HOMEPAGE = "https://mmlab.ie.cuhk.edu.hk/projects/DeepFashion/InShopRetrieval.html"


class InShopDownload(DownloadSettings):
    """Where the user placed the two files."""

    origin: Origin = ByHandOrigin(folder=Path("placed/inshop"))


class InShop(Builder):
    """In-Shop with item, category and department."""

    about: ClassVar[About] = About(
        title="In-Shop Clothes Retrieval (DeepFashion)",
        levels=("item", "category", "department"),
        licence="non-commercial research and educational purposes only; the images belong to their owners",
        licence_url="https://mmlab.ie.cuhk.edu.hk/projects/DeepFashion.html",
        citation="Liu, Luo, Qiu, Wang, Tang: DeepFashion: Powering Robust Clothes Recognition and Retrieval with Rich "
        "Annotations, CVPR 2016",
        homepage=HOMEPAGE,
        access="by hand",
    )
    Download = InShopDownload
    Settings = BuilderSettings
    published: ClassVar[tuple[Published, ...]] = (
        Published("training", ("train",), 25_882, 3_997),
        Published("query", ("query",), 14_218),
        Published("gallery", ("gallery",), 12_612),
        Published("query and gallery", ("query", "gallery"), None, 3_985),
    )

    def download(self, download: InShopDownload, fetcher: Fetcher) -> None:
        """Check what the user placed."""
        told = f"of the In-Shop Clothes Retrieval Benchmark, linked from {HOMEPAGE}"
        fetcher.fetch(
            [
                SourceFile(PARTITION, instructions=f"the list of the evaluation partition {told}"),
                SourceFile(IMAGES, instructions=f"the archive img.zip (256 px, not the high-resolution one) {told}"),
            ]
        )

    def build(
        self, settings: BuilderSettings, download: InShopDownload, source: Path, target: Path, processes: int
    ) -> Built:
        """Take the published partition, store the images as they lie in the archive."""
        table = read_inshop(source / PARTITION)
        images = [Release(source / IMAGES)]
        items, set_aside, notes = build_listed(
            table, images, self.about.levels, self.published, settings, target, processes
        )
        official = Protocol(
            "query_gallery",
            np.flatnonzero(items["split"] == "query"),
            np.flatnonzero(items["split"] == "gallery"),
            ks=(1, 10, 20, 30, 40, 50),
            description="Every query against the whole gallery; items of both are no training items.",
        )
        return Built(items, (official,), set_aside, notes)


def read_inshop(path: Path) -> pd.DataFrame:
    """A row an image: `key`, `source`, `split`, `item`, `category`, `department`.

    Raises:
        SuiteError: the list is damaged; it names the file and the line.
    """
    data, where = path.read_bytes(), str(path)
    count, header, rows = (*data.split(b"\n", 2), b"", b"")[:3]
    if not count.strip().isdigit() or header.decode("utf-8", "replace").split() != COLUMNS:
        raise SuiteError(
            f"{where}: the first two lines are not a number of images and '{' '.join(COLUMNS)}'; get the file anew"
        )
    table = parse_listing(b"\n\n" + rows, where, ROW, FORM)
    if len(table) != int(count):
        raise SuiteError(f"{where}: line 1 states {int(count):,} images, {len(table):,} are listed; get the file anew")
    refuse_repeats(table, "key", where)
    astray = table["folder"] != table["item"]
    if astray.any():
        row = table[astray].iloc[0]
        raise SuiteError(
            f"{where}: line {row.name}: '{row['key']}' is not in the folder of its item '{row['item']}'; "
            "get the file anew"
        )
    refuse_straddling(table, "item", where)
    category = table["department"] + "/" + table["category"]
    return table.assign(source="img", category=category)[
        ["key", "source", "split", "item", "category", "department"]
    ].reset_index(drop=True)
