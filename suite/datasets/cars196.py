"""Cars196: photos of 196 models of cars, the first 98 for training, the last 98 for evaluation.

The authors' page no longer serves the files. Either of the two sets of files they published will do (`layout`):
    pooled  car_ims.tgz                         the images, car_ims/000001.jpg ...
            cars_annos.mat                      annotations (relative_im_path, bbox_*, class, test), class_names
    parts   cars_train.tgz, cars_test.tgz       the images, cars_train/00001.jpg ... and cars_test/00001.jpg ...
            car_devkit.tgz                      devkit/cars_meta.mat (class_names), devkit/cars_train_annos.mat
            cars_test_annos_withlabels.mat      as cars_train_annos.mat: annotations (bbox_*, class, fname)
as the devkit's README and the loaders that read them say (SupRank's: pooled; torchvision's StanfordCars: parts). The
split of retrieval is by class, so images of the authors' two parts are pooled.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from suite.datasets.archives import read_member
from suite.datasets.builder import About, Builder, BuilderSettings, Built, Published
from suite.datasets.car_bodies import SOURCE, body_type
from suite.datasets.listings import refuse_repeats
from suite.datasets.matlab import load_matlab
from suite.datasets.origins import ByHandOrigin, Fetcher, Origin, SourceFile
from suite.datasets.protocols import Protocol
from suite.datasets.published import PublishedDownload, build_listed
from suite.datasets.release import Release
from suite.errors import SuiteError

# What the published files are and their MD5, by layout, as public loaders state them (pooled: those that read
# car_ims.tgz; parts: torchvision's StanfordCars while the files could be fetched).
FILES = {
    "pooled": {
        "car_ims.tgz": ("all images", "d5c8f0aa497503f355e17dc7886c3f14"),
        "cars_annos.mat": ("the annotations of all images", "b407c6086d669747186bd1d764ff9dbc"),
    },
    "parts": {
        "cars_train.tgz": ("the images of the authors' training part", "065e5b463ae28d29e77c1b4b166cfe61"),
        "cars_test.tgz": ("the images of the authors' test part", "4ce7ebf6a94d07f1952d94dd34c4d501"),
        "car_devkit.tgz": ("class names and annotations of the training part", "c3b158d763b6e2245038c8ad08e45376"),
        "cars_test_annos_withlabels.mat": (
            "the annotations of the test part with their classes",
            "b0a2b23655a3edd16d84508592a98d10",
        ),
    },
}
IMAGES = {"pooled": ("car_ims.tgz",), "parts": ("cars_train.tgz", "cars_test.tgz")}
HOMEPAGE = "https://ai.stanford.edu/~jkrause/cars/car_dataset.html"
TRAINING_CLASSES = 98


class CarsDownload(PublishedDownload):
    """Where the user placed the files, and which of the two sets they are."""

    origin: Origin = ByHandOrigin(folder=Path("placed/cars196"))
    layout: Literal["pooled", "parts"] = "pooled"


class Cars196(Builder):
    """Cars196 with model (make, model, body, year: the class) and body type."""

    about: ClassVar[About] = About(
        title="Cars196: models of cars",
        levels=("model", "body_type"),
        licence="not stated by its authors",
        citation="Krause, Stark, Deng, Fei-Fei: 3D Object Representations for Fine-Grained Categorization, "
        "4th IEEE Workshop on 3D Representation and Recognition, ICCV 2013",
        homepage=HOMEPAGE,
        access="by hand",
    )
    Download = CarsDownload
    Settings = BuilderSettings
    published: ClassVar[tuple[Published, ...]] = (
        Published("training", ("train",), 8_054, 98),
        Published("test", ("test",), 8_131, 98),
    )

    def download(self, download: CarsDownload, fetcher: Fetcher) -> None:
        """Check what the user placed."""
        told = f"of Cars196, as published by its authors; their page ({HOMEPAGE}) no longer serves the file"
        fetcher.fetch(
            [
                SourceFile(name, md5=md5 if download.checksums else None, instructions=f"{what} {told}")
                for name, (what, md5) in FILES[download.layout].items()
            ]
        )

    def build(
        self, settings: BuilderSettings, download: CarsDownload, source: Path, target: Path, processes: int
    ) -> Built:
        """Pool the images, split them by class number, store them as they lie in the archives."""
        table = read_cars(source, download.layout)
        releases = [Release(source / archive) for archive in IMAGES[download.layout]]
        items, set_aside, notes = build_listed(
            table, releases, self.about.levels, self.published, settings, target, processes
        )
        test = Protocol(
            "test",
            np.flatnonzero(items["split"] == "test"),
            ks=(1, 2, 4, 8),
            description="Every image of the last 98 models against all others of them.",
        )
        return Built(items, (test,), set_aside, {**notes, "body types": f"from the names; else as grouped by {SOURCE}"})


def read_cars(source: Path, layout: str) -> pd.DataFrame:
    """A row an image: `key`, `source` (the authors' part), `split`, `model`, `body_type`.

    Raises:
        SuiteError: a file of annotations is damaged; it names the file and the annotation.
    """
    return _read_pooled(source / "cars_annos.mat") if layout == "pooled" else _read_parts(source)


def _read_pooled(path: Path) -> pd.DataFrame:
    where = str(path)
    contents = load_matlab(path.read_bytes(), where)
    annotations = _annotations(contents, where, ("relative_im_path", "class", "test"))
    keys = [str(key) for key in annotations["relative_im_path"]]
    parts = ["cars_test" if test else "cars_train" for test in annotations["test"]]
    return _table(keys, parts, annotations["class"], _class_names(contents, where), where)


def _read_parts(source: Path) -> pd.DataFrame:
    devkit, labelled = source / "car_devkit.tgz", source / "cars_test_annos_withlabels.mat"
    meta, train = "devkit/cars_meta.mat", "devkit/cars_train_annos.mat"
    names = _class_names(load_matlab(read_member(devkit, meta), f"{devkit}: {meta}"), f"{devkit}: {meta}")
    tables = []
    for part, data, where in (
        ("cars_train", read_member(devkit, train), f"{devkit}: {train}"),
        ("cars_test", labelled.read_bytes(), str(labelled)),
    ):
        annotations = _annotations(load_matlab(data, where), where, ("fname", "class"))
        keys = [f"{part}/{name}" for name in annotations["fname"]]
        tables.append(_table(keys, [part] * len(keys), annotations["class"], names, where))
    return pd.concat(tables, ignore_index=True)


def _table(keys: list[str], parts: list[str], classes: list[Any], names: list[str], where: str) -> pd.DataFrame:
    rows = []
    for number, (key, part, label) in enumerate(zip(keys, parts, classes, strict=True), 1):
        # MATLAB's own numbers are floating-point, whole ones too.
        if not isinstance(label, int | float) or label not in range(1, len(names) + 1):
            raise SuiteError(
                f"{where}, annotation {number} ('{key}'): class {label!r:.40} is none of 1 to {len(names)}; "
                "get the file anew"
            )
        model = names[int(label) - 1]
        split = "train" if label <= TRAINING_CLASSES else "test"
        rows.append({"key": key, "source": part, "split": split, "model": model, "body_type": body_type(model)})
    table = pd.DataFrame(rows, index=range(1, len(rows) + 1))
    refuse_repeats(table, "key", where)
    return table


def _annotations(contents: dict[str, Any], where: str, fields: tuple[str, ...]) -> dict[str, list[Any]]:
    annotations = contents.get("annotations")
    have = annotations if isinstance(annotations, dict) else {}
    missing = [name for name in fields if not have.get(name)]
    if missing:
        raise SuiteError(f"{where}: no 'annotations' with '{missing[0]}'; get the file anew")
    return have


def _class_names(contents: dict[str, Any], where: str) -> list[str]:
    found = contents.get("class_names")
    names = [str(name).strip() for name in found] if isinstance(found, list) else []
    if not names or len(set(names)) != len(names):
        raise SuiteError(f"{where}: 'class_names' is missing or names a class twice; get the file anew")
    unknown = next((name for name in names if body_type(name) is None), None)
    if unknown is not None:
        raise SuiteError(f"{where}: class '{unknown}' names no body type; get the file anew")
    return names
