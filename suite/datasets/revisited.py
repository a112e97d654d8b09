"""R-Oxford and R-Paris: 70 queries each, relevance stated pair by pair as easy, hard or junk.

Layout (the authors' downloader, `cirtorch/utils/download.py` of github.com/filipradenovic/cnnimageretrieval-pytorch,
and `python/dataset.py`, `python/download.py` of github.com/filipradenovic/revisitop):
    gnd_roxford5k.pkl, gnd_rparis6k.pkl   {"imlist": names of the gallery, "qimlist": names of the queries, both
                                          without ".jpg", "gnd": one mapping a query with "bbx" (left, top, right,
                                          bottom in pixels of the query image) and the places in imlist that are
                                          "easy", "hard" and "junk"}
    oxbuild_images-v1.tgz                 the images of Oxford, all in one folder
    paris_1-v1.tgz, paris_2-v1.tgz        those of Paris, in a folder a landmark
An image is known by its file name, wherever it lies. The archives hold more images than the lists: among them the 20
corrupt ones of Paris, which https://www.robots.ox.ac.uk/~vgg/data/parisbuildings/corrupt.txt names and the lists leave
out.

By the protocol a query is its image cut to its box before anything else is done to it (`example_process_images.py`).
The stored bytes are the source's; `queries.parquet` beside them holds the boxes, and `crop_query` applies one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pandas as pd
from PIL import Image
from pydantic import Field

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
from suite.datasets.store import Stored, store_images
from suite.errors import SuiteError

RELATIONS = ("easy", "hard", "junk")
BOXES = "queries.parquet"
BOX = ("left", "top", "right", "bottom")
UNLISTED = "in the archives, but in neither list"
DIFFERENCES = "differences from published counts"
QUERIES = 70
_VGG, _CMP = "https://www.robots.ox.ac.uk/~vgg/data", "https://cmp.felk.cvut.cz/revisitop/data/datasets"
_CITATION = (
    "Radenović, Iscen, Tolias, Avrithis, Chum: Revisiting Oxford and Paris: Large-Scale Image Retrieval Benchmarking, "
    "CVPR 2018; images: "
)
# The pages of both image sets say so in the same words.
_LICENCE = "images provided by Flickr, whose terms of use must be respected, and the VGG's terms of access"


class RevisitedDownload(DownloadSettings):
    """The images come from the Visual Geometry Group, the ground truth from the authors of the protocol."""

    ground_truth: Origin
    archives: Annotated[tuple[str, ...], Field(min_length=1)]


class OxfordDownload(RevisitedDownload):
    """The files of R-Oxford."""

    origin: Origin = HttpsOrigin(base=f"{_VGG}/oxbuildings")
    ground_truth: Origin = HttpsOrigin(base=f"{_CMP}/roxford5k")
    archives: Annotated[tuple[str, ...], Field(min_length=1)] = ("oxbuild_images-v1.tgz",)


class ParisDownload(RevisitedDownload):
    """The files of R-Paris."""

    origin: Origin = HttpsOrigin(base=f"{_VGG}/parisbuildings")
    ground_truth: Origin = HttpsOrigin(base=f"{_CMP}/rparis6k")
    archives: Annotated[tuple[str, ...], Field(min_length=1)] = ("paris_1-v1.tgz", "paris_2-v1.tgz")


class RevisitedSettings(BuilderSettings):
    """For evaluation alone, so nothing is held out for validation."""

    validation: Literal[0] = 0


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """What the ground truth's pickle holds.

    Attributes:
        gallery, queries: names of the images.
        relations: a row a stated pair: `query` (place among the queries), `item` (place in the gallery), `relation`.
        boxes: a row a query: `left`, `top`, `right`, `bottom`, float, pixels.
    """

    gallery: list[str]
    queries: list[str]
    relations: pd.DataFrame
    boxes: pd.DataFrame


class Revisited(Builder):
    """What R-Oxford and R-Paris share."""

    Settings = RevisitedSettings
    table: ClassVar[str]
    gallery_images: ClassVar[int]

    def download(self, download: RevisitedDownload, fetcher: Fetcher) -> None:
        """Fetch the archives and the ground truth."""
        fetcher.fetch([SourceFile(self.table)], download.ground_truth)
        fetcher.fetch([SourceFile(name) for name in download.archives])

    def build(
        self, settings: RevisitedSettings, download: RevisitedDownload, source: Path, target: Path, processes: int
    ) -> Built:
        """Store the listed images; a pair of which one image is faulty is left out, and so is a faulty query."""
        truth = read_ground_truth(source / self.table)
        table = pd.DataFrame({"key": truth.gallery + truth.queries, "source": "Flickr"})
        table["split"] = ["gallery"] * len(truth.gallery) + ["query"] * len(truth.queries)
        seen: Counter[str] = Counter()
        images = _listed_images([source / name for name in download.archives], set(table["key"]), seen)
        stored = store_images(target, images, threads=processes, max_pixels=settings.max_pixels)
        notes = self._check(table, stored, settings.enforce_counts)
        items, set_aside = assemble(table, stored, ())
        if unlisted := seen[UNLISTED]:
            set_aside[UNLISTED] = {"images": unlisted, "classes": 0}
        protocol, boxes = _protocol(items, truth)
        boxes.to_parquet(target / BOXES, index=False)
        about: dict[str, Any] = {"queries": f"to be cut to their boxes ({', '.join(BOX)}, in pixels), in {BOXES}"}
        return Built(items, (protocol,), set_aside, about | ({DIFFERENCES: notes} if notes else {}))

    def _check(self, table: pd.DataFrame, stored: Stored, enforce: bool) -> list[str]:
        # A faulty image is there and set aside; a missing one means that an archive is.
        there = table[table["key"].isin([*stored.keys, *(key for key, _ in stored.faults)])]
        counts = there["split"].value_counts()
        notes = [
            check_count("queries", int(counts.get("query", 0)), QUERIES, enforce),
            check_count("gallery images", int(counts.get("gallery", 0)), self.gallery_images, enforce),
        ]
        return [note for note in notes if note is not None]


class ROxford(Revisited):
    """R-Oxford."""

    about: ClassVar[About] = About(
        title="R-Oxford: landmarks of Oxford, revisited",
        levels=(),
        licence=_LICENCE,
        licence_url="https://www.robots.ox.ac.uk/~vgg/data/oxbuildings/",
        citation=f"{_CITATION}Philbin, Chum, Isard, Sivic, Zisserman: Object Retrieval with Large Vocabularies and "
        "Fast Spatial Matching, CVPR 2007",
        homepage="http://cmp.felk.cvut.cz/revisitop/",
        access="public archive",
    )
    Download = OxfordDownload
    table = "gnd_roxford5k.pkl"
    gallery_images = 4_993


class RParis(Revisited):
    """R-Paris."""

    about: ClassVar[About] = About(
        title="R-Paris: landmarks of Paris, revisited",
        levels=(),
        licence=_LICENCE,
        licence_url="https://www.robots.ox.ac.uk/~vgg/data/parisbuildings/",
        citation=f"{_CITATION}Philbin, Chum, Isard, Sivic, Zisserman: Lost in Quantization: Improving Particular "
        "Object Retrieval in Large Scale Image Databases, CVPR 2008",
        homepage="http://cmp.felk.cvut.cz/revisitop/",
        access="public archive",
    )
    Download = ParisDownload
    table = "gnd_rparis6k.pkl"
    gallery_images = 6_322


def revisited_ground_truth(protocol: Protocol) -> list[dict[str, np.ndarray]]:
    """The stated pairs of a protocol as `suite.evaluation.revisited_metrics` takes them.

    Returns:
        One mapping a query, in the order of `protocol.queries`, with the places in `protocol.gallery` that are
        `easy`, `hard` and `junk`, ascending: what the columns of scores of queries against the gallery are.

    Raises:
        SuiteError: the protocol states no pairs, or a pair names an image that is not in it.
    """
    if protocol.relations is None or protocol.gallery is None:
        raise SuiteError(f"protocol '{protocol.name}' states no pairs of query and gallery; judge it by its labels")
    pairs = protocol.relations
    columns = {"query": pd.Index(protocol.queries), "item": pd.Index(protocol.gallery)}
    places = {name: index.get_indexer(pairs[name]) for name, index in columns.items()}
    if any((found < 0).any() for found in places.values()):
        raise SuiteError(f"protocol '{protocol.name}': a pair names an image that is not in it; build it again")
    pairs = pd.DataFrame({**places, "relation": pairs["relation"].to_numpy()})
    rows = {key: np.sort(group["item"].to_numpy()) for key, group in pairs.groupby(["query", "relation"])}
    nothing = np.empty(0, dtype=np.int64)
    return [
        {relation: rows.get((query, relation), nothing) for relation in RELATIONS}
        for query in range(len(protocol.queries))
    ]


def read_boxes(directory: Path) -> pd.DataFrame:
    """The boxes of a built data set's queries: index `query` (row of its items), columns left, top, right, bottom."""
    path = Path(directory) / BOXES
    try:
        return pd.read_parquet(path).set_index("query")
    except FileNotFoundError:
        raise SuiteError(f"{path}: not found; only R-Oxford and R-Paris have boxes, and only when built") from None


def query_boxes(directory: Path) -> dict[int, dict[str, float]]:
    """The boxes of a built data set's queries by row of its items; none where its protocol has no boxes."""
    return read_boxes(directory).to_dict("index") if (Path(directory) / BOXES).is_file() else {}


def crop_query(image: Image.Image, box: Mapping[str, float] | pd.Series) -> Image.Image:
    """The part of a query image that the protocol searches with."""
    return image.crop(tuple(round(box[side]) for side in BOX))


def read_ground_truth(path: Path) -> GroundTruth:
    """Read and check `gnd_*.pkl`.

    Raises:
        SuiteError: it is not such a file; names the list and the query.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise SuiteError(f"{path}: not found; download the data set again") from None
    truth = load_pickle(data, str(path))
    for name in ("imlist", "qimlist", "gnd"):
        if not isinstance(truth, dict) or not isinstance(truth.get(name), list | tuple):
            raise SuiteError(f"{path}: holds no list '{name}'; get the released file again")
    gallery, queries = (_names(truth[name], f"{path}: {name}") for name in ("imlist", "qimlist"))
    if both := set(gallery) & set(queries):
        raise SuiteError(f"{path}: image '{min(both)}' is both in imlist and in qimlist; the file is damaged")
    if len(truth["gnd"]) != len(queries):
        raise SuiteError(f"{path}: gnd has {len(truth['gnd'])} entries for {len(queries)} queries; it is damaged")
    pairs, boxes = [], []
    for query, entry in enumerate(truth["gnd"]):
        where = f"{path}: gnd[{query}]"
        if not isinstance(entry, dict):
            raise SuiteError(f"{where}: is no mapping; the file is damaged")
        lists = {name: _numbers(entry, name, where, np.int64) for name in RELATIONS}
        _check_places(lists, len(gallery), where)
        pairs += [(query, item, name) for name, rows in lists.items() for item in rows.tolist()]
        box = _numbers(entry, "bbx", where, np.float64)
        if len(box) != 4 or not (box[0] < box[2] and box[1] < box[3]):
            raise SuiteError(f"{where}: bbx is {box.tolist()}, not left, top, right, bottom; the file is damaged")
        boxes.append(box)
    relations = pd.DataFrame(pairs, columns=["query", "item", "relation"])
    return GroundTruth(gallery, queries, relations, pd.DataFrame(boxes, columns=list(BOX)))


def _names(values: Any, where: str) -> list[str]:
    for place, name in enumerate(values):
        if not isinstance(name, str) or not name or "/" in name:
            raise SuiteError(f"{where}[{place}] is {name!r:.80}, not the name of an image; the file is damaged")
    if not values:
        raise SuiteError(f"{where}: lists nothing; the file is damaged")
    name, times = Counter(values).most_common(1)[0]
    if times > 1:
        raise SuiteError(f"{where}: image '{name}' is listed {times} times; the file is damaged")
    return list(values)


def _numbers(entry: Mapping[str, Any], name: str, where: str, kind: type) -> np.ndarray:
    try:
        numbers = np.asarray(entry[name], dtype=np.float64).ravel()
    except (KeyError, TypeError, ValueError):
        raise SuiteError(f"{where}: no numbers under '{name}'; the file is damaged") from None
    if not np.isfinite(numbers).all() or (kind is np.int64 and (numbers % 1).any()):
        raise SuiteError(f"{where}: '{name}' holds what is no such number; the file is damaged")
    return numbers.astype(kind)


def _check_places(lists: Mapping[str, np.ndarray], gallery: int, where: str) -> None:
    for name, rows in lists.items():
        if len(rows) and not 0 <= rows.min() <= rows.max() < gallery:
            raise SuiteError(f"{where}: '{name}' leaves imlist, places 0 to {gallery - 1}; the file is damaged")
    together = np.concatenate(list(lists.values()))
    if len(np.unique(together)) != len(together):
        raise SuiteError(f"{where}: an image stands twice in {', '.join(RELATIONS)}; the file is damaged")


def _listed_images(archives: list[Path], keys: set[str], seen: Counter[str]) -> Iterator[tuple[str, bytes]]:
    """Key and bytes of the listed images; `seen` counts the images that no list names."""

    def wanted(name: str) -> bool:
        path = PurePosixPath(name)
        listed = path.suffix.lower() == ".jpg" and path.stem in keys
        seen[UNLISTED] += path.suffix.lower() == ".jpg" and not listed
        return listed

    for archive in archives:
        for name, data in iterate_members(archive, wanted):
            yield PurePosixPath(name).stem, data


def _protocol(items: pd.DataFrame, truth: GroundTruth) -> tuple[Protocol, pd.DataFrame]:
    """The protocol over what was stored, and the boxes of its queries; both in the order of the authors' lists."""
    row_of = pd.Series(items.index, index=items["key"])
    queries, gallery = (row_of.reindex(names) for names in (truth.queries, truth.gallery))
    pairs = truth.relations.assign(
        query=queries.to_numpy()[truth.relations["query"]], item=gallery.to_numpy()[truth.relations["item"]]
    )
    boxes = truth.boxes.assign(query=queries.to_numpy())[["query", *BOX]].dropna()
    protocol = Protocol(
        "revisited",
        queries.dropna().to_numpy(np.int64),
        gallery.dropna().to_numpy(np.int64),
        ks=(1, 5, 10),
        description="Every query, cut to its box, against the gallery: easy, medium and hard setups, junk left out.",
        relations=pairs.dropna().astype({"query": np.int64, "item": np.int64}).reset_index(drop=True),
    )
    return protocol, boxes.astype({"query": np.int64}).reset_index(drop=True)
