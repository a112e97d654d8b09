"""DyML, dynamic metric learning: vehicles, animals and products with labels on three scales.

The authors (SupetZYK/DynamicMetricLearning) release three folders, `dyml_vehicle`, `dyml_animal`, `dyml_product`:

- `train/label.csv` and `train/imgs/`: lines `fname, coarse, middle, fine`.
- Vehicle and animal: a test set a scale, `bmk_<scale>/query.csv`, `gallery.csv` with lines `fname, label`, and the
  images in `bmk_<scale>/query/` and `gallery/`. An image of it has a label on that scale alone.
- Product: one test set, `mini-bmk_all_in_one/label.csv` and `imgs/`, as in training; leave one out.

The headers `fname, coarse_id, middle_id, fine_id` and `fname, labels` lack the line break behind them (the loaders of
the authors, of CLCD and of SupRank all cope with it, the last by losing the first image); files that have it are read
as well. Labels are numbers, counted anew in each test set, so test labels carry its name.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from suite.datasets.builder import About, Builder, BuilderSettings, Built, DownloadSettings, assemble, hold_out
from suite.datasets.listings import parse_listing, refuse_repeats
from suite.datasets.origins import ByHandOrigin, Fetcher, Origin, SourceFile
from suite.datasets.protocols import Protocol
from suite.datasets.release import open_release
from suite.datasets.store import store_images

SCALES = ("fine", "middle", "coarse")
TRAIN = "train"
PRODUCT_TEST = "mini-bmk_all_in_one"
# HAPPIER's README evaluates the recall at 10 and 20 beside the first rank.
KS = (1, 10, 20)
_HEADER = "fname, coarse_id, middle_id, fine_id"
_PATTERN = r"(?P<fname>[^,/]+?)\s*,\s*(?P<coarse>\d+)\s*,\s*(?P<middle>\d+)\s*,\s*(?P<fine>\d+)"
_TEST_HEADER = "fname, labels"
_TEST_PATTERN = r"(?P<fname>[^,/]+?)\s*,\s*(?P<label>\d+)"


class DyMLDownload(DownloadSettings):
    """`archive` is the name of the archive in the folder of `origin`, tar, tar.gz, tar.bz2 or zip; one that holds all
    three releases will do."""

    archive: str


class _DyML(Builder):
    """What the three have in common."""

    folder: ClassVar[str]
    about: ClassVar[About] = About(
        title="DyML",
        levels=SCALES,
        licence="not stated by its authors",
        citation="Sun, Zhu, Zhang, Zheng, Qiu, Zhang, Wei, Dynamic Metric Learning: Towards a Scalable Metric Space to "
        "Accommodate Multiple Semantic Scales, CVPR 2021",
        homepage="https://github.com/SupetZYK/DynamicMetricLearning",
        access="by hand",
    )
    Settings = BuilderSettings

    def download(self, download: DyMLDownload, fetcher: Fetcher) -> None:
        """Take over the archive."""
        instructions = (
            f"{self.about.title}, linked at {self.about.homepage}: the archive that has the folder {self.folder}, or "
            f"that folder packed with tar -cf {download.archive} {self.folder}"
        )
        fetcher.fetch([SourceFile(download.archive, instructions=instructions)])

    def build(
        self, settings: BuilderSettings, download: DyMLDownload, source: Path, target: Path, processes: int
    ) -> Built:
        """Store the images of all lists."""
        path = source / download.archive
        release, lists = open_release(path, [f"{TRAIN}/label.csv", *self.tests()], self.folder)
        train = _read_scales(lists[f"{TRAIN}/label.csv"], f"{path}: {TRAIN}/label.csv", TRAIN)
        held_out = hold_out(train["fine"], settings.validation, settings.seed)
        train["split"] = np.where(train["fine"].isin(held_out), "val", "train")
        tests = [self.read_test(lists[name], f"{path}: {name}", name) for name in self.tests()]
        table = pd.concat([train, *tests], ignore_index=True)
        stored = store_images(
            target, release.images(set(table["key"])), threads=processes, max_pixels=settings.max_pixels
        )
        items, set_aside = assemble(table, stored, SCALES)
        return Built(items, self.protocols(items), {**set_aside, **release.unlisted()})

    def tests(self) -> list[str]:
        """Names of the test lists."""
        return [f"bmk_{scale}/{role}.csv" for scale in SCALES for role in ("query", "gallery")]

    def read_test(self, data: bytes, where: str, name: str) -> pd.DataFrame:
        """Rows of one test list: one labelled scale, the others None."""
        folder, role = name.removesuffix(".csv").split("/")
        scale = folder.removeprefix("bmk_")
        table = parse_listing(data, where, _TEST_PATTERN, "<image>, <label>", _TEST_HEADER)
        refuse_repeats(table, "fname", where)
        labels = {level: _labels(table["label"], f"{folder}/") if level == scale else None for level in SCALES}
        return pd.DataFrame({"key": f"{folder}/{role}/" + table["fname"], "source": folder, "split": role, **labels})

    def protocols(self, items: pd.DataFrame) -> tuple[Protocol, ...]:
        """One a scale, each with images of its own."""
        return tuple(
            Protocol(
                scale,
                *(_rows(items, source=f"bmk_{scale}", split=split) for split in ("query", "gallery")),
                KS,
                f"Test set of the {scale} scale; its images have labels of that scale alone.",
            )
            for scale in SCALES
        )


class VehicleDownload(DyMLDownload):
    """Where DyML-Vehicle is."""

    origin: Origin = ByHandOrigin(folder=Path("placed/dyml"))
    archive: str = "dyml_vehicle.tar"


class AnimalDownload(DyMLDownload):
    """Where DyML-Animal is."""

    origin: Origin = ByHandOrigin(folder=Path("placed/dyml"))
    archive: str = "dyml_animal.tar"


class ProductDownload(DyMLDownload):
    """Where DyML-Product is."""

    origin: Origin = ByHandOrigin(folder=Path("placed/dyml"))
    archive: str = "dyml_product.tar"


class DyMLVehicle(_DyML):
    """Builder of DyML-Vehicle."""

    folder = "dyml_vehicle"
    about = replace(_DyML.about, title="DyML-Vehicle")
    Download = VehicleDownload


class DyMLAnimal(_DyML):
    """Builder of DyML-Animal."""

    folder = "dyml_animal"
    about = replace(_DyML.about, title="DyML-Animal")
    Download = AnimalDownload


class DyMLProduct(_DyML):
    """Builder of DyML-Product."""

    folder = "dyml_product"
    about = replace(_DyML.about, title="DyML-Product")
    Download = ProductDownload

    def tests(self) -> list[str]:
        """Name of the one test list."""
        return [f"{PRODUCT_TEST}/label.csv"]

    def read_test(self, data: bytes, where: str, name: str) -> pd.DataFrame:
        """Its rows, labelled on all scales."""
        return _read_scales(data, where, PRODUCT_TEST, f"{PRODUCT_TEST}/").assign(split="test")

    def protocols(self, items: pd.DataFrame) -> tuple[Protocol, ...]:
        """Leave one out."""
        description = "Every image of the test set against all others of it, on all three scales."
        return (Protocol("test", _rows(items, split="test"), None, KS, description),)


def _read_scales(data: bytes, where: str, folder: str, prefix: str = "") -> pd.DataFrame:
    table = parse_listing(data, where, _PATTERN, "<image>, <coarse>, <middle>, <fine>", _HEADER)
    refuse_repeats(table, "fname", where)
    labels = {scale: _labels(table[scale], prefix) for scale in SCALES}
    return pd.DataFrame({"key": f"{folder}/imgs/" + table["fname"], "source": folder, "split": TRAIN, **labels})


def _labels(numbers: pd.Series, prefix: str) -> pd.Series:
    return prefix + numbers.str.lstrip("0").str.zfill(6)


def _rows(items: pd.DataFrame, **where: str) -> np.ndarray:
    chosen = np.logical_and.reduce([items[column] == value for column, value in where.items()])
    return np.flatnonzero(chosen)
