"""PKU VehicleID: photographs of vehicles by surveillance cameras; a class is a vehicle.

The release, `VehicleID_V1.0`, has `image/NNNNNNN.jpg` and lists `train_test_split/train_list.txt`,
`test_list_800.txt`, `test_list_1600.txt`, `test_list_2400.txt` (and larger ones that are not read) with a line
`NNNNNNN identity` an image. It comes by e-mail as an archive under a password; the suite reads plain archives, so it
is unpacked with the password that comes with it and packed again.

Two protocols are in use. Smooth-AP and RS@k report leave one out over each test list (`small`,
`medium`, `large`). The release's own takes one random image of each vehicle as gallery and all others as queries,
and averages over draws (`small_one_gallery_00`, ...); an image is drawn by the hash of seed, draw and name.

The counts are those of the papers. Public loaders state 13,164 vehicles for the training list that they were given;
for such a list set `enforce_counts: false`, and the card notes the difference.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field

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
from suite.datasets.origins import ByHandOrigin, Fetcher, Origin, SourceFile
from suite.datasets.protocols import Protocol
from suite.datasets.published import refuse_straddling
from suite.datasets.release import open_release
from suite.datasets.store import store_images
from suite.errors import SuiteError

FOLDER = "VehicleID_V1.0"
TRAIN = "train_test_split/train_list.txt"
SIZES = {"small": 800, "medium": 1600, "large": 2400}
TESTS = {size: f"train_test_split/test_list_{identities}.txt" for size, identities in SIZES.items()}
# Smooth-AP, table of results on VehicleID: recall at 1 and 5.
KS = (1, 5)
_TRAIN_IMAGES, _TRAIN_IDENTITIES = 110_178, 13_134


class VehicleIDDownload(DownloadSettings):
    """`archive` is the name of the packed release in the folder of `origin`: tar, tar.gz, tar.bz2 or zip."""

    origin: Origin = ByHandOrigin(folder=Path("placed/vehicleid"))
    archive: str = f"{FOLDER}.tar"


class VehicleIDSettings(BuilderSettings):
    """`draws` is the number of random galleries of each size."""

    draws: Annotated[int, Field(ge=0, le=100)] = 10


class VehicleID(Builder):
    """Builder of PKU VehicleID."""

    about = About(
        title="PKU VehicleID",
        levels=("identity",),
        licence="academic purposes alone, no commercial use (agreement signed for access)",
        licence_url="https://pkuml.org/resources/pku-vehicleid.html",
        citation="Liu, Tian et al., Deep Relative Distance Learning: Tell the Difference Between Similar Vehicles, "
        "CVPR 2016",
        homepage="https://pkuml.org/resources/pku-vehicleid.html",
        access="by hand",
    )
    Download = VehicleIDDownload
    Settings = VehicleIDSettings
    published = (Published("training", ("train",), _TRAIN_IMAGES, _TRAIN_IDENTITIES),)

    def download(self, download: VehicleIDDownload, fetcher: Fetcher) -> None:
        """Take over the packed release."""
        instructions = (
            f"PKU VehicleID, asked for at {self.about.homepage}, unpacked with the password that comes with it and "
            f"packed again: tar -cf {download.archive} {FOLDER}"
        )
        fetcher.fetch([SourceFile(download.archive, instructions=instructions)])

    def build(
        self, settings: VehicleIDSettings, download: VehicleIDDownload, source: Path, target: Path, processes: int
    ) -> Built:
        """Store the images of all lists."""
        path = source / download.archive
        release, lists = open_release(path, [TRAIN, *TESTS.values()], FOLDER)
        train = _read(lists[TRAIN], f"{path}: {TRAIN}")
        tests = {size: _read(lists[name], f"{path}: {name}") for size, name in TESTS.items()}
        differences = _differences(train, tests, settings.enforce_counts)
        table = _join(train, tests, path)
        held_out = table["identity"].isin(hold_out(train["identity"], settings.validation, settings.seed))
        table.loc[held_out & (table["split"] == "train"), "split"] = "val"
        stored = store_images(
            target, release.images(set(table["key"])), threads=processes, max_pixels=settings.max_pixels
        )
        items, set_aside = assemble(table, stored, self.about.levels)
        rows = {size: np.flatnonzero(items["key"].isin(test["key"])) for size, test in tests.items()}
        notes = {"differences": differences} if differences else {}
        return Built(items, _protocols(items, rows, settings), {**set_aside, **release.unlisted()}, notes)


def _read(data: bytes, where: str) -> pd.DataFrame:
    """Columns `key` (path of the image) and `identity`, a row a line."""
    table = parse_listing(data, where, r"(?P<image>\d{1,7})\s+(?P<identity>\d+)", "<number of the image> <identity>")
    key = "image/" + table["image"].str.zfill(7) + ".jpg"
    table = pd.DataFrame({"key": key, "identity": table["identity"].str.lstrip("0").str.zfill(5)})
    refuse_repeats(table, "key", where)
    return table


def _differences(train: pd.DataFrame, tests: dict[str, pd.DataFrame], enforce: bool) -> list[str]:
    counts = [
        ("VehicleID, training images", len(train), _TRAIN_IMAGES),
        ("VehicleID, training identities", train["identity"].nunique(), _TRAIN_IDENTITIES),
        *(
            (f"VehicleID, identities of {TESTS[size]}", tests[size]["identity"].nunique(), SIZES[size])
            for size in SIZES
        ),
    ]
    notes = [check_count(*count, enforce) for count in counts]
    return [note for note in notes if note]


def _join(train: pd.DataFrame, tests: dict[str, pd.DataFrame], path: Path) -> pd.DataFrame:
    """One row an image of any list; test lists may share images, if they agree on the identity."""
    parts = [train.assign(split="train", source=TRAIN)]
    parts += [test.assign(split="test", source=TESTS[size]) for size, test in tests.items()]
    table = pd.concat(parts, ignore_index=True)
    table = table[~table.duplicated(["key", "identity", "split"])]
    clash = table["key"].duplicated()
    if clash.any():
        row = table.loc[clash.idxmax()]
        raise SuiteError(
            f"{path}: {row['source']}: '{row['key']}' is of identity {row['identity']} there, but stands in another "
            "list as training image or of another identity; get the release anew"
        )
    refuse_straddling(table, "identity", str(path))
    return table


def _protocols(items: pd.DataFrame, rows: dict[str, np.ndarray], settings: VehicleIDSettings) -> tuple[Protocol, ...]:
    alone = [
        Protocol(size, of_size, None, KS, f"Every image of {SIZES[size]:,} vehicles against all others of them.")
        for size, of_size in rows.items()
    ]
    keys, identities = items["key"].to_numpy(), items["identity"].to_numpy()
    everyone = np.unique(np.concatenate(list(rows.values())))
    drawn = []
    for draw in range(settings.draws):
        chances = pd.Series(_hashes(keys[everyone], f"{settings.seed}/{draw}"), index=everyone)
        for size, of_size in rows.items():
            gallery = chances[of_size].groupby(identities[of_size]).idxmin().to_numpy()
            description = f"One random image of each of {SIZES[size]:,} vehicles as gallery, the others as queries."
            name = f"{size}_one_gallery_{draw:02}"
            drawn.append(Protocol(name, np.setdiff1d(of_size, gallery), np.sort(gallery), KS, description))
    drawn.sort(key=lambda protocol: list(SIZES).index(protocol.name.partition("_")[0]))
    return (*alone, *drawn)


def _hashes(keys: np.ndarray, salt: str) -> np.ndarray:
    digests = b"".join(hashlib.sha256(f"{salt}/{key}".encode()).digest()[:8] for key in keys)
    return np.frombuffer(digests, ">u8").astype(np.uint64)
