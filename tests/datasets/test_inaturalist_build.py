from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from miniatures import picture, serve, write_tar
from study_settings import study

from suite.config import Params
from suite.datasets import ImageStore, build_dataset, download_dataset, load_card, load_items
from suite.datasets.arrays import load_protocol
from suite.datasets.builder import MISSING
from suite.datasets.inaturalist import RANKS
from suite.datasets.release import UNLISTED
from suite.errors import SuiteError

# (species, genus, family, order, class, phylum, kingdom), super-category; the number is the place.
TAXA = [
    (("Prunella vulgaris", "Prunella", "Lamiaceae", "Lamiales", "Magnoliopsida", "Tracheophyta", "Plantae"), "Plantae"),
    (("Prunella modularis", "Prunella", "Prunellidae", "Passeriformes", "Aves", "Chordata", "Animalia"), "Aves"),
    (("Parus major", "Parus", "Paridae", "Passeriformes", "Aves", "Chordata", "Animalia"), "Aves"),
    (("Parus cinereus", "Parus", "Paridae", "Passeriformes", "Aves", "Chordata", "Animalia"), "Aves"),
    (("Rana temporaria", "Rana", "Ranidae", "Anura", "Amphibia", "Chordata", "Animalia"), "Amphibia"),
    (("Rana temporaria", "Rana", "Ranidae", "Anura", "Amphibia", "Chordata", "Animalia"), "Amphibia"),
]
TRAIN, TEST = (0, 2, 4), (1, 3, 5)
IMAGES = 4


def categories() -> list[dict[str, Any]]:
    return [
        {"id": number, "name": ranks[0], "supercategory": above} | dict(zip(RANKS[1:], ranks[1:], strict=True))
        for number, (ranks, above) in enumerate(TAXA)
    ]


def key(number: int, image: int) -> str:
    return f"train_val2018/{TAXA[number][1]}/{number}/{hashlib.md5(bytes([number, image])).hexdigest()}.jpg"


def listing(numbers: tuple[int, ...]) -> str:
    return "".join(f"{key(number, image)}\n" for number in numbers for image in range(IMAGES))


def write_release(folder: Path, taxonomy: Any = None) -> Path:
    """The competition's files in small: one image is cut, one missing, one in no list."""
    images = {key(number, image): picture(9 * number + image) for number in range(6) for image in range(IMAGES + 1)}
    images = {name: data for name, data in images.items() if not any(name == key(n, IMAGES) for n in range(1, 6))}
    images[key(2, 1)] = images[key(2, 1)][:150]
    del images[key(3, 0)]
    write_tar(folder / "train_val2018.tar.gz", images, "gz")
    text = json.dumps(categories() if taxonomy is None else taxonomy).encode()
    write_tar(folder / "categories.json.tar.gz", {"categories.json": text}, "gz")
    return folder


def write_splits(folder: Path, train: str = listing(TRAIN), test: str = listing(TEST)) -> Path:
    splits = folder / "Inat_dataset_splits"
    splits.mkdir(parents=True)
    (splits / "Inaturalist_train_set1.txt").write_text(train)
    (splits / "Inaturalist_test_set1.txt").write_text(test)
    return folder


def species(base: str, release: Path, splits: Path, builder: str = "inaturalist", **settings: Any) -> Params:
    digest = hashlib.md5((release / "train_val2018.tar.gz").read_bytes()).hexdigest()
    download = {
        "origin": {"kind": "https", "base": base},
        "splits": {"kind": "by_hand", "folder": str(splits)},
        "md5": digest,
    }
    settings = {"enforce_counts": False, "validation": 0.3, **settings}
    return study(datasets={"species": {"builder": builder, "download": download, "settings": settings}})


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_splits(tmp_path_factory.mktemp("placed"))


@pytest.fixture(scope="module")
def base(release: Path) -> Iterator[str]:
    with serve(release) as address:
        yield address


@pytest.fixture(scope="module")
def root(base: str, release: Path, splits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifacts")
    build(species(base, release, splits), folder)
    return folder


def build(params: Params, root: Path) -> pd.DataFrame:
    download_dataset(params, "species", root)
    build_dataset(params, "species", root)
    return load_items(root, "species").set_index("key")


def test_splits_and_the_two_levels(root: Path):
    items = load_items(root, "species").set_index("key")
    assert items.at[key(2, 0), "species"] == "Parus major"
    assert items.at[key(2, 0), "super_category"] == "Aves"
    assert set(items.loc[items["split"] == "test", "species"]) == {
        "Prunella modularis",
        "Parus cinereus",
        "Rana temporaria (0005)",
    }
    assert set(items["split"]) == {"train", "val", "test"}
    assert (items.groupby("species")["split"].nunique() == 1).all()
    assert items.at[key(0, 0), "source"] == "Inaturalist_train_set1.txt"


def test_bytes_are_those_of_the_archive(root: Path):
    items = load_items(root, "species").set_index("key")
    store = ImageStore(root / "datasets" / "species")
    assert len(store) == len(items) == 6 * IMAGES - 2
    assert store.read(int(items.at[key(5, 2), "image"])) == picture(47)


def test_protocol_is_leave_one_out_over_the_test_species(root: Path):
    items, protocol = load_items(root, "species"), load_protocol(root, "species")
    assert set(items["split"].to_numpy()[protocol.queries]) == {"test"}
    assert len(protocol.queries) == 3 * IMAGES - 1
    assert protocol.gallery is None
    assert protocol.ks == (1, 4, 16, 32)


def test_what_is_not_kept_is_counted(root: Path):
    aside = load_card(root, "species")["set_aside"]
    assert aside.pop(UNLISTED) == {"images": 1, "classes": 0}
    assert aside.pop(MISSING) == {"images": 1, "classes": 1}
    assert list(aside.values()) == [{"images": 1, "classes": 1}]


def test_card_names_both_origins_and_the_differences(root: Path, base: str):
    card = load_card(root, "species")
    assert [source["url"] for source in card["sources"]] == [
        "by hand",
        "by hand",
        f"{base}/categories.json.tar.gz",
        f"{base}/train_val2018.tar.gz",
    ]
    assert card["notes"]["differences"] == [
        "iNaturalist, train images: 12 found, 325,846 published",
        "iNaturalist, train species: 3 found, 5,690 published",
        "iNaturalist, test images: 12 found, 136,093 published",
        "iNaturalist, test species: 3 found, 2,452 published",
    ]


def test_full_taxonomy_is_a_tree_of_seven_ranks(base: str, release: Path, splits: Path, tmp_path: Path):
    items = build(species(base, release, splits, "inaturalist_full"), tmp_path)
    assert tuple(items)[3:] == RANKS
    assert items.at[key(0, 0), "genus"] == "Prunella (Lamiaceae)"
    assert items.at[key(1, 0), "genus"] == "Prunella (Prunellidae)"
    assert items.at[key(2, 0), "genus"] == "Parus"
    assert items.at[key(4, 0), "kingdom"] == "Animalia"
    for finer, coarser in pairwise(RANKS):
        assert (items.groupby(finer)[coarser].nunique() == 1).all()
    assert load_card(tmp_path, "species")["notes"]["names of several taxa"] == {"genus": 1}


def test_the_second_of_both_takes_the_first_ones_download(root: Path, tmp_path: Path):
    first = root / "downloads" / "species"
    origin = {"kind": "file", "folder": str(first)}
    params = species("https://example.org", first, first, "inaturalist_full")
    entry = params.datasets["species"]
    entry.download.update(origin=origin, splits=origin)
    items = build(params, tmp_path)
    assert items.index.tolist() == load_items(root, "species")["key"].tolist()


def test_build_is_the_same_twice(base: str, release: Path, splits: Path, root: Path, tmp_path: Path):
    build(species(base, release, splits), tmp_path)
    for path in sorted((root / "datasets" / "species").iterdir()):
        assert (tmp_path / "datasets" / "species" / path.name).read_bytes() == path.read_bytes(), path.name


def test_another_number_of_images_is_refused_in_one_line(base: str, release: Path, splits: Path, tmp_path: Path):
    params = species(base, release, splits, enforce_counts=True)
    download_dataset(params, "species", tmp_path)
    with pytest.raises(SuiteError, match=r"^iNaturalist, train images: 12 found, 325,846 published; [^\n]+$"):
        build_dataset(params, "species", tmp_path)
    assert not (tmp_path / "datasets" / "species").exists()


def test_an_archive_of_another_checksum_than_published_is_refused(
    base: str, release: Path, splits: Path, tmp_path: Path
):
    params = species(base, release, splits)
    del params.datasets["species"].download["md5"]
    with pytest.raises(SuiteError, match=r"train_val2018\.tar\.gz.*b1c6952ce38f31868cc50ea72d066cc3"):
        download_dataset(params, "species", tmp_path)
    assert not (tmp_path / "downloads" / "species").exists()


def test_splits_that_are_not_placed_are_asked_for_before_anything_is_fetched(release: Path, tmp_path: Path):
    params = species("http://127.0.0.1:9", release, tmp_path / "nothing")
    with pytest.raises(SuiteError, match=r"Inaturalist_test_set1\.txt.*github\.com/Andrew-Brown1/Smooth_AP"):
        download_dataset(params, "species", tmp_path)


LINE = "train_val2018/Aves/2/a.jpg\n"


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (LINE + "train_val2018/2/a.jpg\n", r"Inaturalist_train_set1\.txt: line 2: 'train_val2018/2/a\.jpg', expected"),
        (
            LINE + "train_val2018/Aves/6/a.jpg\n",
            r"Inaturalist_train_set1\.txt: line 2: category 6 is not in categories",
        ),
        (LINE + LINE, r"Inaturalist_train_set1\.txt: line 2: 'train_val2018/Aves/2/a\.jpg' stands twice"),
        (listing((1,)), r"Inaturalist_test_set1\.txt: line 1: '.*' is a training image as well"),
        (
            listing((1,)).replace("/1/", "/1/other-"),
            r"Inaturalist_test_set1\.txt: class '.*' is listed for training and for evaluation",
        ),
        ("", r"Inaturalist_train_set1\.txt: lists nothing"),
    ],
)
def test_damaged_lists_are_named(base: str, release: Path, tmp_path: Path, train: str, message: str):
    params = species(base, release, write_splits(tmp_path / "placed", train))
    download_dataset(params, "species", tmp_path)
    with pytest.raises(SuiteError, match=message):
        build_dataset(params, "species", tmp_path)


def test_a_rank_left_empty_is_told_apart_by_its_parent(splits: Path, tmp_path: Path):
    taxonomy = [entry | {"family": "" if entry["id"] in (1, 4, 5) else entry["family"]} for entry in categories()]
    release = write_release(tmp_path / "release", taxonomy)
    params = species("https://example.org", release, splits, "inaturalist_full")
    params.datasets["species"].download.update(origin={"kind": "file", "folder": str(release)})
    items = build(params, tmp_path)
    assert items.at[key(1, 0), "family"] == "unplaced (Passeriformes)"
    assert items.at[key(4, 0), "family"] == items.at[key(5, 0), "family"] == "unplaced (Anura)"


def without(place: int, field: str) -> list[dict[str, Any]]:
    entries = categories()
    del entries[place][field]
    return entries


@pytest.mark.parametrize(
    ("taxonomy", "message"),
    [
        (without(3, "genus"), r"categories\.json: entry 3 has no sound 'genus'"),
        ([*categories(), categories()[2]], r"categories\.json: id 2 stands twice"),
        ([*categories(), {**categories()[0], "id": "7"}], r"categories\.json: entry 6 has no sound 'id'"),
        ([*categories(), "Parus"], r"categories\.json: entry 6 has no sound 'id'"),
        ({"categories": categories()}, r"categories\.json: expected a list of categories"),
    ],
)
def test_a_damaged_taxonomy_is_named(splits: Path, tmp_path: Path, taxonomy: Any, message: str):
    release = write_release(tmp_path / "release", taxonomy)
    params = species("https://example.org", release, splits, "inaturalist_full")
    params.datasets["species"].download.update(origin={"kind": "file", "folder": str(release)})
    download_dataset(params, "species", tmp_path)
    with pytest.raises(SuiteError, match=message):
        build_dataset(params, "species", tmp_path)
