from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from benchmark_stages import benchmark, by_hand, run_stages, substitute, write_zip
from miniatures import picture

from suite.datasets import ImageStore, download_dataset, load_card, load_items
from suite.datasets.arrays import load_protocol
from suite.datasets.builder import MISSING
from suite.errors import SuiteError

PARTITION, IMAGES = "Eval/list_eval_partition.txt", "Img/img.zip"
TRAIN, HELD = range(1, 11), range(11, 15)
VIEWS = ("01_1_front", "01_2_side", "02_1_front", "02_3_back")
BROKEN, ABSENT = "img/MEN/Shorts/id_00000011/01_1_front.jpg", "img/WOMEN/Dresses/id_00000012/02_3_back.jpg"


def key_of(item: int, view: str) -> str:
    """Every second item is a man's; both departments have shorts."""
    folder = ("WOMEN/Dresses", "MEN/Shorts", "WOMEN/Shorts", "MEN/Denim")[item % 4]
    folder = {11: "MEN/Shorts", 12: "WOMEN/Dresses"}.get(item, folder)
    return f"img/{folder}/id_{item:08d}/{view}.jpg"


def listing() -> bytes:
    """Columns padded with blanks, as in the release."""
    rows = [(key_of(item, view), item, "train") for item in TRAIN for view in VIEWS]
    rows += [
        (key_of(item, view), item, "query" if place < 2 else "gallery")
        for item in HELD
        for place, view in enumerate(VIEWS)
    ]
    lines = [f"{key:<50} id_{item:08d} {status}" for key, item, status in rows]
    return "\n".join([str(len(rows)), "image_name item_id evaluation_status", *lines, ""]).encode()


def pictures() -> dict[str, bytes]:
    keys = [key_of(item, view) for item in (*TRAIN, *HELD) for view in VIEWS]
    found = {key: picture(number) for number, key in enumerate(keys)}
    found[BROKEN] = b""
    del found[ABSENT]
    return found


def place(folder: Path, partition: bytes) -> Path:
    (folder / "Eval").mkdir(parents=True)
    (folder / PARTITION).write_bytes(partition)
    write_zip(folder / IMAGES, pictures())
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("artifacts")
    run_stages(benchmark("inshop", by_hand(place(root / "placed", listing()))), root)
    return root


@pytest.fixture
def items(built: Path) -> pd.DataFrame:
    return load_items(built, "inshop").set_index("key")


def test_partition_is_the_published_one_less_validation_items(items: pd.DataFrame):
    trained = {f"id_{item:08d}" for item in TRAIN}
    assert set(items.loc[items["split"].isin(["train", "val"]), "item"]) == trained
    assert (items["split"] == "val").any()
    assert items.loc[key_of(13, "01_2_side"), "split"] == "query"
    assert items.loc[key_of(13, "02_1_front"), "split"] == "gallery"


def test_a_category_lies_in_one_department(items: pd.DataFrame):
    levels = ["item", "category", "department"]
    assert items.loc[key_of(6, "01_1_front"), levels].tolist() == ["id_00000006", "WOMEN/Shorts", "WOMEN"]
    assert set(items["category"]) == {"WOMEN/Dresses", "MEN/Shorts", "WOMEN/Shorts", "MEN/Denim"}
    assert (items.groupby("category")["department"].nunique() == 1).all()


def test_bytes_are_those_of_the_archive(items: pd.DataFrame, built: Path):
    store = ImageStore(built / "datasets" / "inshop")
    assert len(store) == len(items) == 4 * 14 - 2
    for key, row in items.iterrows():
        assert store.read(int(row["image"])) == pictures()[key]


def test_what_is_not_kept_is_counted(items: pd.DataFrame, built: Path):
    aside = load_card(built, "inshop")["set_aside"]
    assert aside.pop(MISSING) == {"images": 1, "classes": 1}
    assert list(aside.values()) == [{"images": 1, "classes": 1}]
    assert not {BROKEN, ABSENT} & set(items.index)


def test_protocol_holds_queries_against_the_gallery(built: Path):
    protocol, items = load_protocol(built, "inshop"), load_items(built, "inshop")
    assert set(items["split"].iloc[protocol.queries]) == {"query"}
    assert set(items["split"].iloc[protocol.gallery]) == {"gallery"}
    assert (len(protocol.queries), len(protocol.gallery)) == (7, 7)
    assert protocol.ks == (1, 10, 20, 30, 40, 50)


def test_card_notes_the_counts(built: Path):
    assert load_card(built, "inshop")["notes"]["differences"] == [
        "training images: 40 found, 25,882 published",
        "training classes: 10 found, 3,997 published",
        "query images: 7 found, 14,218 published",
        "gallery images: 7 found, 12,612 published",
        "query and gallery classes: 4 found, 3,985 published",
    ]


def test_other_counts_than_the_published_ones_stop_the_build(tmp_path: Path):
    params = benchmark("inshop", by_hand(place(tmp_path / "placed", listing())), enforce_counts=True)
    with pytest.raises(SuiteError, match=r"training images: 40 found, 25,882 published.*enforce_counts") as caught:
        run_stages(params, tmp_path)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "datasets").iterdir()) == []


def test_missing_files_come_with_instructions(tmp_path: Path):
    (tmp_path / "placed").mkdir()
    with pytest.raises(SuiteError, match=r"Eval/list_eval_partition\.txt .*Img/img\.zip .*InShopRetrieval") as caught:
        download_dataset(benchmark("inshop", by_hand(tmp_path / "placed")), "inshop", tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (substitute("56\n", "57\n"), r"line 1 states 57 images, 56 are listed"),
        (substitute("56\n", "many\n"), r"the first two lines are not a number of images"),
        (substitute("item_id ", ""), r"the first two lines are not a number of images"),
        (substitute("01_2_side.jpg", "01_2 side.jpg"), r"line 4: .*expected 'img/<department>"),
        (substitute(" train\n", " trained\n"), r"line 3: .*train\|query\|gallery"),
        (substitute(" id_00000001 ", " id_00000002 "), r"line 3: .* is not in the folder of its item 'id_00000002'"),
        (substitute("01_2_side.jpg", "01_1_front.jpg"), r"line 4: .* stands twice"),
        (substitute(" gallery\n", " train\n"), r"class 'id_00000011' is listed for training and for evaluation"),
        (lambda data: data[: len(data) // 2], r"list_eval_partition\.txt"),
        (lambda _: b"", r"the first two lines are not a number of images"),
    ],
)
def test_damaged_partition_is_named_with_its_line(tmp_path: Path, change, line: str):
    params = benchmark("inshop", by_hand(place(tmp_path / "placed", change(listing()))))
    with pytest.raises(SuiteError, match=line) as caught:
        run_stages(params, tmp_path)
    assert "\n" not in str(caught.value)
    assert "list_eval_partition.txt" in str(caught.value)
    assert list((tmp_path / "datasets").iterdir()) == []
