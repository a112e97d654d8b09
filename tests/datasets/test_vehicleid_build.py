from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
from miniatures import picture, write_tar
from study_settings import study

from suite.config import Params
from suite.datasets import ImageStore, build_dataset, download_dataset, load_card, load_items
from suite.datasets.arrays import load_protocol
from suite.datasets.builder import MISSING
from suite.datasets.release import UNLISTED
from suite.errors import SuiteError

TOP = "VehicleID_V1.0"
TRAIN = {number: 100 + number // 3 for number in range(30)}
# Three test lists, each within the next, as in the release.
LARGE = {number: 900 + (number - 40) // 4 for number in range(40, 64)}
TESTS = {800: 2, 1600: 4, 2400: 6}
BROKEN, ABSENT, EXTRA = 41, 45, 77


def listing(images: dict[int, int]) -> bytes:
    return "".join(f"{number:07d} {identity}\n" for number, identity in images.items()).encode()


def smallest(identities: int) -> dict[int, int]:
    return {number: identity for number, identity in LARGE.items() if identity < 900 + identities}


def members() -> dict[str, bytes]:
    """The release in small: images first, as they would come in a tar of the folder."""
    images = {number: picture(number) for number in [*TRAIN, *LARGE, EXTRA] if number != ABSENT}
    images[BROKEN] = images[BROKEN][:200]
    found = {f"{TOP}/image/{number:07d}.jpg": data for number, data in images.items()}
    found[f"{TOP}/attribute/img2vid.txt"] = listing({**TRAIN, **LARGE, EXTRA: 999})
    found[f"{TOP}/train_test_split/train_list.txt"] = listing(TRAIN)
    for size, identities in TESTS.items():
        found[f"{TOP}/train_test_split/test_list_{size}.txt"] = listing(smallest(identities))
    found[f"{TOP}/train_test_split/test_list_3200.txt"] = listing(LARGE)
    return found


def vehicles(placed: Path, archive: str = f"{TOP}.tar", **settings: Any) -> Params:
    download = {"origin": {"kind": "by_hand", "folder": str(placed)}, "archive": archive}
    settings = {"enforce_counts": False, "draws": 2, **settings}
    return study(datasets={"vehicles": {"builder": "vehicleid", "download": download, "settings": settings}})


def build(params: Params, root: Path) -> Path:
    download_dataset(params, "vehicles", root)
    return build_dataset(params, "vehicles", root)


@pytest.fixture(scope="module")
def placed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tar(tmp_path_factory.mktemp("placed") / f"{TOP}.tar", members()).parent


@pytest.fixture
def root(placed: Path, tmp_path: Path) -> Path:
    build(vehicles(placed), tmp_path)
    return tmp_path


def test_splits_and_labels(root: Path):
    items = load_items(root, "vehicles")
    assert set(items["split"]) == {"train", "val", "test"}
    assert set(items.loc[items["split"] != "test", "identity"]) == {f"{identity:05d}" for identity in TRAIN.values()}
    by_key = items.set_index("key")
    assert by_key.at["image/0000007.jpg", "identity"] == "00102"
    assert by_key.at["image/0000062.jpg", "split"] == "test"
    assert (items.groupby("identity")["split"].nunique() == 1).all()


def test_bytes_are_those_of_the_release(root: Path):
    items = load_items(root, "vehicles").set_index("key")
    store = ImageStore(root / "datasets" / "vehicles")
    assert store.read(int(items.at["image/0000050.jpg", "image"])) == picture(50)
    assert len(store) == len(items) == len(TRAIN) + len(LARGE) - 2


def test_what_is_not_kept_is_counted(root: Path):
    aside = load_card(root, "vehicles")["set_aside"]
    assert aside.pop(UNLISTED) == {"images": 1, "classes": 0}
    assert aside.pop(MISSING) == {"images": 1, "classes": 1}
    assert list(aside.values()) == [{"images": 1, "classes": 1}]


def test_leave_one_out_over_each_list(root: Path):
    items = load_items(root, "vehicles")
    assert load_protocol(root, "vehicles").name == "small"
    for name, identities in zip(("small", "medium", "large"), TESTS.values(), strict=True):
        protocol = load_protocol(root, "vehicles", name)
        wanted = {f"image/{number:07d}.jpg" for number in smallest(identities)} & set(items["key"])
        assert set(items["key"].to_numpy()[protocol.queries]) == wanted
        assert protocol.gallery is None
        assert protocol.ks == (1, 5)


def test_official_protocol_draws_one_image_of_each_vehicle(root: Path):
    items = load_items(root, "vehicles")
    names = [name for name in load_card(root, "vehicles")["protocols"] if "one_gallery" in name]
    assert set(names) == {f"{size}_one_gallery_{draw:02}" for size in ("small", "medium", "large") for draw in (0, 1)}
    for name in names:
        drawn, alone = (load_protocol(root, "vehicles", which) for which in (name, name.partition("_")[0]))
        identities = items["identity"].to_numpy()
        assert sorted(identities[drawn.gallery]) == sorted(set(identities[alone.queries]))
        assert sorted([*drawn.queries, *drawn.gallery]) == sorted(alone.queries)


def test_draws_differ_and_follow_the_seed(placed: Path, root: Path, tmp_path: Path):
    def galleries(seed: int) -> list[tuple[int, ...]]:
        params = vehicles(placed, seed=seed, draws=5)
        build(params, tmp_path / str(seed))
        names = [f"large_one_gallery_{draw:02}" for draw in range(5)]
        return [tuple(load_protocol(tmp_path / str(seed), "vehicles", name).gallery) for name in names]

    first = galleries(0)
    assert len(set(first)) > 1
    assert first[:2] == [tuple(load_protocol(root, "vehicles", f"large_one_gallery_0{d}").gallery) for d in (0, 1)]
    assert galleries(1) != first


def test_build_is_the_same_twice(placed: Path, root: Path, tmp_path: Path):
    again = build(vehicles(placed), tmp_path / "again")
    for path in sorted((root / "datasets" / "vehicles").iterdir()):
        assert (again / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_zip_without_the_top_folder_is_read_as_well(root: Path, tmp_path: Path):
    archive = tmp_path / "placed" / "mine.zip"
    archive.parent.mkdir()
    with zipfile.ZipFile(archive, "w") as packed:
        for name, data in members().items():
            packed.writestr(name.removeprefix(f"{TOP}/"), data)
    build(vehicles(archive.parent, "mine.zip"), tmp_path / "other")
    assert load_items(tmp_path / "other", "vehicles").equals(load_items(root, "vehicles"))


def test_another_number_of_images_is_refused_in_one_line(placed: Path, tmp_path: Path):
    params = vehicles(placed, enforce_counts=True)
    download_dataset(params, "vehicles", tmp_path)
    with pytest.raises(SuiteError, match=r"^VehicleID, training images: 30 found, 110,178 published; [^\n]+$"):
        build_dataset(params, "vehicles", tmp_path)
    assert not (tmp_path / "datasets" / "vehicles").exists()


def test_differences_are_noted_where_counts_are_not_enforced(root: Path):
    differences = load_card(root, "vehicles")["notes"]["differences"]
    assert "VehicleID, training identities: 10 found, 13,134 published" in differences
    assert "VehicleID, identities of train_test_split/test_list_1600.txt: 4 found, 1,600 published" in differences
    assert len(differences) == 5


def test_nothing_placed_says_what_to_get(tmp_path: Path):
    with pytest.raises(SuiteError, match=r"VehicleID_V1\.0\.tar .*https://pkuml\.org/resources/pku-vehicleid\.html"):
        download_dataset(vehicles(tmp_path / "nothing"), "vehicles", tmp_path)


SPLIT = f"{TOP}/train_test_split"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("train_list.txt", b"0000001 7\n0000002;7\n", r"train_list\.txt: line 2: '0000002;7', expected '<number"),
        ("train_list.txt", b"0000001 7\n\n0000001 7\n", r"train_list\.txt: line 3: 'image/0000001\.jpg' stands twice"),
        ("train_list.txt", b"\n", r"train_list\.txt: lists nothing"),
        ("train_list.txt", b"\xff\xfe", r"train_list\.txt: not UTF-8 text"),
        ("train_list.txt", listing({40: 900}), r"test_list_800\.txt: 'image/0000040\.jpg' is of identity 00900 there"),
        ("test_list_800.txt", listing({40: 950}), r"test_list_1600\.txt: 'image/0000040\.jpg' is of identity 00900"),
        ("test_list_1600.txt", None, r"VehicleID_V1\.0\.tar: lacks 'train_test_split/test_list_1600\.txt'"),
    ],
)
def test_damaged_lists_are_named(tmp_path: Path, name: str, data: bytes | None, message: str):
    release = members()
    release[f"{SPLIT}/{name}"] = data
    write_tar(tmp_path / f"{TOP}.tar", {name: data for name, data in release.items() if data is not None})
    params = vehicles(tmp_path)
    download_dataset(params, "vehicles", tmp_path)
    with pytest.raises(SuiteError, match=message):
        build_dataset(params, "vehicles", tmp_path)
    assert not (tmp_path / "datasets" / "vehicles").exists()


def test_a_class_in_training_and_test_is_refused(tmp_path: Path):
    release = members()
    release[f"{SPLIT}/train_list.txt"] = listing({0: 900})
    write_tar(tmp_path / f"{TOP}.tar", release)
    params = vehicles(tmp_path)
    download_dataset(params, "vehicles", tmp_path)
    with pytest.raises(SuiteError, match="class '00900' is listed for training and for evaluation"):
        build_dataset(params, "vehicles", tmp_path)
