from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from miniatures import picture, write_tar
from study_settings import study

from suite.config import Params
from suite.datasets import ImageStore, build_dataset, download_dataset, load_card, load_items
from suite.datasets.arrays import load_labels, load_protocol
from suite.datasets.builder import MISSING
from suite.datasets.release import UNLISTED
from suite.errors import SuiteError

SCALES = ("fine", "middle", "coarse")
SCALE_HEADER, TEST_HEADER = "fname, coarse_id, middle_id, fine_id", "fname, labels"
TRAIN_IMAGES, PRODUCT_IMAGES = 20, 12


def scales(images: int, end: str = "") -> bytes:
    """A list of images on three scales; the released ones have no line break (`end`) behind their header."""
    lines = [f"{number}.jpg, {number // 10}, {number // 5}, {number // 2}" for number in range(images)]
    return (SCALE_HEADER + end + "\n".join(lines) + "\n").encode()


def labels(images: range, classes: int) -> bytes:
    return (TEST_HEADER + "\n".join(f"{number}.jpg, {number % classes}" for number in images) + "\n").encode()


def train(folder: str) -> dict[str, bytes]:
    """Training images in small: one is cut, one missing, one in no list."""
    images = {f"{folder}/train/imgs/{number}.jpg": picture(number) for number in range(TRAIN_IMAGES + 1)}
    images[f"{folder}/train/imgs/3.jpg"] = images[f"{folder}/train/imgs/3.jpg"][:150]
    del images[f"{folder}/train/imgs/8.jpg"]
    return {f"{folder}/train/label.csv": scales(TRAIN_IMAGES), **images}


def benchmark(folder: str) -> dict[str, bytes]:
    """A release of vehicles or animals: one test set a scale."""
    found = train(folder)
    for place, scale in enumerate(SCALES):
        for role, images in (("query", range(4)), ("gallery", range(8))):
            found[f"{folder}/bmk_{scale}/{role}.csv"] = labels(images, 4 - place)
            start = 1000 * (place + 1) + (100 if role == "gallery" else 0)
            found |= {f"{folder}/bmk_{scale}/{role}/{number}.jpg": picture(start + number) for number in images}
    return found


def product() -> dict[str, bytes]:
    """A release of products: one test set for all scales."""
    top = "dyml_product"
    images = {f"{top}/mini-bmk_all_in_one/imgs/{n}.jpg": picture(5000 + n) for n in range(PRODUCT_IMAGES)}
    return {**train(top), f"{top}/mini-bmk_all_in_one/label.csv": scales(PRODUCT_IMAGES), **images}


def scaled(builder: str, placed: Path, archive: str | None = None, **settings: Any) -> Params:
    download = {"origin": {"kind": "by_hand", "folder": str(placed)}} | ({"archive": archive} if archive else {})
    return study(datasets={"scaled": {"builder": builder, "download": download, "settings": settings}})


def build(params: Params, root: Path) -> Path:
    download_dataset(params, "scaled", root)
    build_dataset(params, "scaled", root)
    return root


@pytest.fixture(scope="module")
def placed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("placed")
    write_tar(folder / "dyml_vehicle.tar", benchmark("dyml_vehicle"))
    write_tar(folder / "dyml_product.tar", product())
    everything = benchmark("DyML-vehicle") | benchmark("DyML-animal") | product()
    write_tar(folder / "everything.tar.gz", everything, "gz")
    return folder


@pytest.fixture(scope="module")
def vehicles(placed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(scaled("dyml_vehicle", placed), tmp_path_factory.mktemp("vehicles"))


@pytest.fixture(scope="module")
def products(placed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(scaled("dyml_product", placed), tmp_path_factory.mktemp("products"))


def test_training_images_have_labels_on_three_scales(vehicles: Path):
    items = load_items(vehicles, "scaled").set_index("key")
    assert items.loc["train/imgs/17.jpg", list(SCALES)].tolist() == ["000008", "000003", "000001"]
    trained = items[items["source"] == "train"]
    assert set(trained["split"]) == {"train", "val"}
    assert (trained.groupby("fine")["split"].nunique() == 1).all()


def test_the_line_glued_to_the_header_is_not_lost(vehicles: Path):
    keys = set(load_items(vehicles, "scaled")["key"])
    assert {"train/imgs/0.jpg", "bmk_fine/query/0.jpg", "bmk_coarse/gallery/0.jpg"} <= keys


def test_a_header_on_a_line_of_its_own_is_read_as_well(vehicles: Path, tmp_path: Path):
    release = benchmark("dyml_vehicle")
    release["dyml_vehicle/train/label.csv"] = scales(TRAIN_IMAGES, "\r\n")
    write_tar(tmp_path / "placed" / "dyml_vehicle.tar", release)
    build(scaled("dyml_vehicle", tmp_path / "placed"), tmp_path)
    assert load_items(tmp_path, "scaled").equals(load_items(vehicles, "scaled"))


def test_test_images_have_a_label_of_their_scale_alone(vehicles: Path):
    items = load_items(vehicles, "scaled")
    for scale in SCALES:
        rows = items[items["source"] == f"bmk_{scale}"]
        assert len(rows) == 12
        assert set(rows["split"]) == {"query", "gallery"}
        assert rows[scale].str.startswith(f"bmk_{scale}/").all()
        assert rows[[other for other in SCALES if other != scale]].isna().all(axis=None)
    codes, _ = load_labels(vehicles, "scaled")
    coarse = (items["source"] == "bmk_coarse").to_numpy()
    assert (codes[coarse, 2] >= 0).all()
    assert (codes[coarse, :2] < 0).all()


def test_a_protocol_each_scale_the_fine_one_first(vehicles: Path):
    items = load_items(vehicles, "scaled")
    assert load_protocol(vehicles, "scaled").name == "fine"
    for scale in SCALES:
        protocol = load_protocol(vehicles, "scaled", scale)
        assert items["key"][protocol.queries].str.startswith(f"bmk_{scale}/query/").all()
        assert items["key"][protocol.gallery].str.startswith(f"bmk_{scale}/gallery/").all()
        assert (len(protocol.queries), len(protocol.gallery), protocol.ks) == (4, 8, (1, 10, 20))


def test_products_are_judged_on_all_scales_at_once(products: Path):
    items, protocol = load_items(products, "scaled"), load_protocol(products, "scaled")
    tested = items.iloc[protocol.queries]
    assert protocol.gallery is None
    assert len(tested) == PRODUCT_IMAGES
    assert set(tested["split"]) == {"test"}
    assert tested.set_index("key").loc["mini-bmk_all_in_one/imgs/11.jpg", list(SCALES)].tolist() == [
        f"mini-bmk_all_in_one/{number:06d}" for number in (5, 2, 1)
    ]
    assert set(items["split"]) == {"train", "val", "test"}


def test_what_is_not_kept_is_counted(vehicles: Path, products: Path):
    for root in (vehicles, products):
        aside = load_card(root, "scaled")["set_aside"]
        assert aside.pop(UNLISTED) == {"images": 1, "classes": 0}
        assert aside.pop(MISSING) == {"images": 1, "classes": 1}
        assert list(aside.values()) == [{"images": 1, "classes": 1}]


def test_bytes_are_those_of_the_release(vehicles: Path):
    items = load_items(vehicles, "scaled").set_index("key")
    store = ImageStore(vehicles / "datasets" / "scaled")
    assert store.read(int(items.at["bmk_middle/gallery/5.jpg", "image"])) == picture(2105)


@pytest.mark.parametrize("builder", ["dyml_vehicle", "dyml_animal", "dyml_product"])
def test_an_archive_of_all_three_will_do(placed: Path, tmp_path: Path, builder: str):
    build(scaled(builder, placed, "everything.tar.gz"), tmp_path)
    kept = 20 - 2 + (PRODUCT_IMAGES if builder == "dyml_product" else 3 * 12)
    assert len(load_items(tmp_path, "scaled")) == kept
    assert load_card(tmp_path, "scaled")["title"] == f"DyML-{builder.removeprefix('dyml_').title()}"
    assert load_card(tmp_path, "scaled")["set_aside"][UNLISTED]["images"] == 1


def test_build_is_the_same_twice(placed: Path, vehicles: Path, tmp_path: Path):
    build(scaled("dyml_vehicle", placed), tmp_path)
    for path in sorted((vehicles / "datasets" / "scaled").iterdir()):
        assert (tmp_path / "datasets" / "scaled" / path.name).read_bytes() == path.read_bytes(), path.name


def test_nothing_placed_says_what_to_get(tmp_path: Path):
    with pytest.raises(SuiteError, match=r"dyml_animal\.tar .*github\.com/SupetZYK/DynamicMetricLearning"):
        download_dataset(scaled("dyml_animal", tmp_path / "nothing"), "scaled", tmp_path)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("train/label.csv", b"0.jpg, 0, 0, 0\n", r"train/label\.csv: begins with '0\.jpg, 0, 0, 0', expected 'fname, "),
        (
            "train/label.csv",
            f"{SCALE_HEADER}0.jpg, 0, 0, 0\n1.jpg, 0, 0\n".encode(),
            r"label\.csv: line 2: '1\.jpg, 0, 0'",
        ),
        (
            "bmk_fine/query.csv",
            f"{TEST_HEADER}0.jpg, x\n".encode(),
            r"bmk_fine/query\.csv: line 1: '0\.jpg, x', expected",
        ),
        (
            "bmk_fine/query.csv",
            f"{TEST_HEADER}\n0.jpg, 1\n0.jpg, 2\n".encode(),
            r"query\.csv: line 3: '0\.jpg' stands twice",
        ),
        ("bmk_coarse/gallery.csv", None, r"dyml_vehicle\.tar: lacks 'bmk_coarse/gallery\.csv'"),
        ("train/label.csv", None, r"dyml_vehicle\.tar: lacks 'train/label\.csv'"),
    ],
)
def test_damaged_lists_are_named(tmp_path: Path, name: str, data: bytes | None, message: str):
    release = benchmark("dyml_vehicle")
    release[f"dyml_vehicle/{name}"] = data
    write_tar(tmp_path / "dyml_vehicle.tar", {name: data for name, data in release.items() if data is not None})
    params = scaled("dyml_vehicle", tmp_path)
    download_dataset(params, "scaled", tmp_path)
    with pytest.raises(SuiteError, match=message):
        build_dataset(params, "scaled", tmp_path)


def test_several_releases_none_of_them_the_one(tmp_path: Path):
    write_tar(tmp_path / "dyml_animal.tar", benchmark("dyml_vehicle") | product())
    params = scaled("dyml_animal", tmp_path)
    download_dataset(params, "scaled", tmp_path)
    with pytest.raises(SuiteError, match=r"more than once; pack the folder dyml_animal alone"):
        build_dataset(params, "scaled", tmp_path)
