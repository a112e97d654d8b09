"""retrieval-SfM-120k: photographs of landmarks, grouped by the 3D model they were reconstructed into.

The training set for R-Oxford and R-Paris. Layout (the authors' own downloader and loader, `cirtorch/utils/download.py`
and `cirtorch/datasets/traindataset.py` of github.com/filipradenovic/cnnimageretrieval-pytorch):
    dbs/retrieval-SfM-120k.pkl   {"train": {...}, "val": {...}}, each with "cids" (names of images) and "cluster" (the
                                 number of each image's 3D model), beside query and positive pairs that are not needed
    ims/ims.tar.gz               the images, at xx/yy/zz/CID with xx, yy, zz the last three pairs of characters of CID,
                                 from the last backwards; also holds images of the authors' other training sets
The authors compare cluster numbers within a part alone, so here a label names part and number.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from suite.datasets.archives import iterate_members, load_pickle
from suite.datasets.builder import (
    About,
    Builder,
    BuilderSettings,
    Built,
    DownloadSettings,
    assemble,
    check_count,
)
from suite.datasets.origins import Fetcher, HttpsOrigin, Origin, SourceFile
from suite.datasets.protocols import Protocol
from suite.datasets.store import store_images
from suite.errors import SuiteError

TABLE, IMAGES = "dbs/retrieval-SfM-120k.pkl", "ims/ims.tar.gz"
AGAIN = "listed again"
# Images that the parts list, as the authors state (issue 12 of their repository); reported, not enforced.
STATED = {"train": 91_642, "val": 6_403}


class SfmDownload(DownloadSettings):
    """Where the files come from: the authors' server."""

    origin: Origin = HttpsOrigin(base="https://cmp.felk.cvut.cz/cnnimageretrieval/data/train")


class SfmSettings(BuilderSettings):
    """The validation split is the released one, so no share is held out."""

    validation: Literal[0] = 0


class Sfm120k(Builder):
    """retrieval-SfM-120k with its 3D models as classes."""

    about: ClassVar[About] = About(
        title="SfM-120k: landmarks by 3D reconstruction",
        levels=("landmark",),
        licence="not stated by its authors",
        citation="Radenović, Tolias, Chum: Fine-tuning CNN Image Retrieval with No Human Annotation, TPAMI 2019 "
        "(arXiv 1711.02512)",
        homepage="https://github.com/filipradenovic/cnnimageretrieval-pytorch",
        access="public archive",
    )
    Download = SfmDownload
    Settings = SfmSettings

    def download(self, download: SfmDownload, fetcher: Fetcher) -> None:
        """Fetch the table and the images."""
        fetcher.fetch([SourceFile(TABLE), SourceFile(IMAGES)])

    def build(self, settings: SfmSettings, download: SfmDownload, source: Path, target: Path, processes: int) -> Built:
        """Store the images that the table lists; the splits are the released ones."""
        listed = read_sfm(source / TABLE)
        notes = [
            check_count(f"listed images, {part}", int((listed["split"] == part).sum()), stated, enforce=False)
            for part, stated in STATED.items()
        ]
        table = listed.drop_duplicates("key")
        places = {f"{key[-2:]}/{key[-4:-2]}/{key[-6:-4]}/{key}": key for key in table["key"]}
        images = (
            (places[name.removeprefix("ims/")], data)
            for name, data in iterate_members(source / IMAGES, lambda name: name.removeprefix("ims/") in places)
        )
        stored = store_images(target, images, threads=processes, max_pixels=settings.max_pixels)
        items, set_aside = assemble(table, stored, self.about.levels)
        if again := len(listed) - len(table):
            set_aside[AGAIN] = {"images": again, "classes": 0}
        validation = Protocol(
            "val",
            np.flatnonzero(items["split"] == "val"),
            description="Every validation image against all others; evaluation proper is on R-Oxford and R-Paris.",
        )
        differences = [note for note in notes if note]
        return Built(
            items, (validation,), set_aside, {"differences from stated counts": differences} if differences else {}
        )


def read_sfm(path: Path) -> pd.DataFrame:
    """A row a listed image, training first: `key`, `source`, `split`, `landmark`.

    Raises:
        SuiteError: the file is not the released pickle; it names part and field.
    """
    parts = load_pickle(_read(path), str(path))
    if not isinstance(parts, dict):
        raise SuiteError(f"{path}: holds a {type(parts).__name__}, expected train and val; get the released file again")
    return pd.concat([_read_part(parts.get(part), part, f"{path}: {part}") for part in STATED], ignore_index=True)


def _read_part(part: Any, split: str, where: str) -> pd.DataFrame:
    if not isinstance(part, dict) or "cids" not in part or "cluster" not in part:
        raise SuiteError(f"{where}: no cids or no cluster; get the released file again")
    keys, clusters = list(part["cids"]), list(part["cluster"])
    if len(keys) != len(clusters) or not keys:
        raise SuiteError(f"{where}: {len(keys)} cids and {len(clusters)} entries of cluster; the file is damaged")
    for row, (key, cluster) in enumerate(zip(keys, clusters, strict=True)):
        if not isinstance(key, str) or len(key) < 6 or "/" in key:
            raise SuiteError(f"{where}: cids[{row}] is {key!r:.80}, not the name of an image; the file is damaged")
        if not isinstance(cluster, int | np.integer) or cluster < 0:
            raise SuiteError(f"{where}: cluster[{row}] is {cluster!r:.80}, not a number; the file is damaged")
    landmarks = [f"{split}-{int(cluster):06d}" for cluster in clusters]
    return pd.DataFrame({"key": keys, "source": "retrieval-SfM", "split": split, "landmark": landmarks})


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise SuiteError(f"{path}: not found; download the data set again") from None
