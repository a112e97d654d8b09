from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from benchmark_stages import benchmark, changed, run_stages, substitute, write_zip
from miniatures import picture, serve

from suite.datasets import ImageStore, download_dataset, load_card, load_items
from suite.datasets.arrays import load_protocol
from suite.datasets.builder import MISSING
from suite.errors import SuiteError

TOP = "Stanford_Online_Products"
ARCHIVE = f"{TOP}.zip"
HEADER = "image_id class_id super_class_id path\n"
SUPER_CLASSES = ("bicycle", "coffee_maker", "toaster")
PRODUCTS = {"train": range(1, 13), "test": range(11319, 11325)}
A_PRODUCT = 3
LISTS = {split: f"{TOP}/Ebay_{split}.txt" for split in PRODUCTS}
BROKEN, ABSENT = "bicycle_final/21320_0.JPG", "toaster_final/10003_2.JPG"


def path_of(product: int, number: int) -> str:
    return f"{SUPER_CLASSES[(product - 1) % 3]}_final/{product + 10000}_{number}.JPG"


def members() -> dict[str, bytes]:
    lists, images = {}, {}
    for split, products in PRODUCTS.items():
        rows = []
        for product in products:
            for number in range(A_PRODUCT):
                path = path_of(product, number)
                images[f"{TOP}/{path}"] = picture(len(images))
                rows.append(f"{len(images)} {product} {(product - 1) % 3 + 1} {path}\n")
        lists[LISTS[split]] = (HEADER + "".join(rows)).encode()
    images[f"{TOP}/{BROKEN}"] = images[f"{TOP}/{BROKEN}"][:150]
    del images[f"{TOP}/{ABSENT}"]
    return {
        **lists,
        f"{TOP}/Ebay_info.txt": b"image_id class_id super_class_id path\n",
        f"{TOP}/bicycle_final.txt": b"http://example.org/1.JPG 10001_0.JPG\n",
        f"{TOP}/LICENSE": b"terms\n",
        **images,
        f"__MACOSX/{TOP}/._Ebay_train.txt": b"\0\5\x16\7",
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Artifacts of the miniature, fetched from a server."""
    folder, root = tmp_path_factory.mktemp("server"), tmp_path_factory.mktemp("artifacts")
    write_zip(folder / ARCHIVE, members())
    with serve(folder) as address:
        run_stages(benchmark("sop", {"origin": {"kind": "https", "base": address}, "checksums": False}), root)
    return root


@pytest.fixture
def items(built: Path) -> pd.DataFrame:
    return load_items(built, "sop").set_index("key")


def from_file(root: Path, content: dict[str, bytes], **settings) -> Path:
    write_zip(root / "files" / ARCHIVE, content)
    origin = {"kind": "file", "folder": str(root / "files")}
    return run_stages(benchmark("sop", {"origin": origin, "checksums": False}, **settings), root)


def test_splits_are_those_of_the_lists_less_validation_products(items: pd.DataFrame):
    tested = {f"{product:05d}" for product in PRODUCTS["test"]}
    assert set(items.loc[items["split"] == "test", "product"]) == tested
    assert set(items.loc[items["split"] != "test", "product"]) == {f"{product:05d}" for product in PRODUCTS["train"]}
    assert (items["split"] == "val").any()
    assert (items.groupby("product")["split"].nunique() == 1).all()


def test_labels_are_product_and_the_name_of_the_super_class(items: pd.DataFrame):
    levels = ["product", "super_class"]
    assert items.loc["coffee_maker_final/10005_1.JPG", levels].tolist() == ["00005", "coffee_maker"]
    assert set(items["super_class"]) == set(SUPER_CLASSES)


def test_bytes_are_those_of_the_archive(items: pd.DataFrame, built: Path):
    store = ImageStore(built / "datasets" / "sop")
    for key, row in items.iterrows():
        assert store.read(int(row["image"])) == members()[f"{TOP}/{key}"]


def test_what_is_not_kept_is_counted(items: pd.DataFrame, built: Path):
    aside = load_card(built, "sop")["set_aside"]
    assert aside.pop(MISSING) == {"images": 1, "classes": 1}
    assert list(aside.values()) == [{"images": 1, "classes": 1}]
    assert len(items) == 18 * A_PRODUCT - 2
    assert not {BROKEN, ABSENT} & set(items.index)


def test_protocol_leaves_one_out_at_the_cut_offs_of_the_paper(built: Path):
    protocol = load_protocol(built, "sop")
    assert protocol.gallery is None
    assert protocol.ks == (1, 10, 100, 1000)
    assert len(protocol.queries) == 6 * A_PRODUCT - 1


def test_card_notes_the_counts(built: Path):
    assert load_card(built, "sop")["notes"]["differences"] == [
        "training images: 35 found, 59,551 published",
        "training classes: 12 found, 11,318 published",
        "test images: 17 found, 60,502 published",
        "test classes: 6 found, 11,316 published",
    ]


def test_other_counts_than_the_published_ones_stop_the_build(tmp_path: Path):
    # The list is too short, which shows before an image is read.
    with pytest.raises(SuiteError, match=r"training images: 36 found, 59,551 published.*enforce_counts") as caught:
        from_file(tmp_path, members(), enforce_counts=True)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "datasets").iterdir()) == []


def test_another_archive_than_the_published_one_is_refused(tmp_path: Path):
    write_zip(tmp_path / "files" / ARCHIVE, members())
    params = benchmark("sop", {"origin": {"kind": "file", "folder": str(tmp_path / "files")}})
    with pytest.raises(SuiteError, match=rf"{ARCHIVE}.*3,?083,?860,?082") as caught:
        download_dataset(params, "sop", tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("split", "change", "line"),
    [
        ("train", substitute("5 2 2 ", "5 2 "), r"Ebay_train\.txt: line 6: .*<image> <product>"),
        ("train", substitute("5 2 2 ", "5 -2 2 "), r"Ebay_train\.txt: line 6: "),
        ("train", substitute("5 2 2 ", "5 2 3 "), r"Ebay_train\.txt: line 6: super_class_id 3 .* elsewhere 2"),
        ("train", substitute("coffee_maker_final/", "coffee_maker/"), r"Ebay_train\.txt: line 5: "),
        ("train", substitute("10002_1.JPG", "10002_0.JPG"), r"Ebay_train\.txt: line 6: .* stands twice"),
        ("test", substitute("path\n", "name\n"), r"Ebay_test\.txt: begins with .*expected 'image_id class_id"),
        ("test", substitute(" 11319 ", " 12 "), r"class '00012' is listed for training and for evaluation"),
        ("test", substitute("bicycle_final/21320_0.JPG", "bicycle_final/10001_0.JPG"), r"stands twice"),
        ("test", lambda _: HEADER.encode(), r"Ebay_test\.txt: lists nothing"),
    ],
)
def test_damaged_list_is_named_with_its_line(tmp_path: Path, split: str, change, line: str):
    with pytest.raises(SuiteError, match=line) as caught:
        from_file(tmp_path, changed(members(), LISTS[split], change))
    assert "\n" not in str(caught.value)
    assert ARCHIVE in str(caught.value)
    assert list((tmp_path / "datasets").iterdir()) == []


def test_truncated_archive_is_refused_by_name(tmp_path: Path):
    write_zip(tmp_path / "files" / ARCHIVE, members())
    path = tmp_path / "files" / ARCHIVE
    path.write_bytes(path.read_bytes()[:-2000])
    origin = {"kind": "file", "folder": str(tmp_path / "files")}
    with pytest.raises(SuiteError, match=ARCHIVE):
        run_stages(benchmark("sop", {"origin": origin, "checksums": False}), tmp_path)
