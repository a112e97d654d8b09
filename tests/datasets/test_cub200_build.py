from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmark_stages import benchmark, changed, run_stages, substitute
from miniatures import picture, serve, write_tar

from suite.datasets import ImageStore, build_dataset, download_dataset, load_card, load_items
from suite.datasets.arrays import load_protocol
from suite.datasets.bird_groups import bird_groups
from suite.datasets.builder import MISSING
from suite.datasets.release import UNLISTED
from suite.errors import SuiteError

TOP = "CUB_200_2011"
ARCHIVE = f"{TOP}.tgz"
# Albatrosses, a cuckoo, a kittiwake, pelicans on both sides of the split, a woodpecker, a yellowthroat.
PRESENT = (1, 2, 3, 4, 84, 100, 101, 192, 200)
A_CLASS = 4
BROKEN, ABSENT = "101.Bird_101/Bird_101_0001_25.jpg", "200.Bird_200/Bird_200_0003_35.jpg"
LISTS = {name: f"{TOP}/{name}" for name in ("classes.txt", "images.txt", "image_class_labels.txt")}


def members() -> dict[str, bytes]:
    """The archive in small: all classes are named, some have images."""
    names = {number: f"{number:03d}.Bird_{number}" for number in range(1, 201)}
    listed = [
        (image, number, f"{names[number]}/Bird_{number}_{image % A_CLASS:04d}_{image}.jpg")
        for image, number in enumerate(np.repeat(PRESENT, A_CLASS).tolist(), 1)
    ]
    images = {f"{TOP}/images/{path}": picture(image) for image, _, path in listed}
    images[f"{TOP}/images/{BROKEN}"] = images[f"{TOP}/images/{BROKEN}"][:200]
    del images[f"{TOP}/images/{ABSENT}"]
    return {
        "attributes.txt": b"1 has_bill_shape::curved_(up_or_down)\n",
        f"{TOP}/README": b"The Caltech-UCSD Birds-200-2011 Dataset\n",
        f"{TOP}/attributes/certainties.txt": b"1 not visible\n",
        **images,
        f"{TOP}/images/001.Bird_1/unlisted.jpg": picture(999),
        LISTS["classes.txt"]: "".join(f"{number} {name}\n" for number, name in names.items()).encode(),
        LISTS["images.txt"]: "".join(f"{image} {path}\n" for image, _, path in listed).encode(),
        LISTS["image_class_labels.txt"]: "".join(f"{image} {number}\n" for image, number, _ in listed).encode(),
        f"{TOP}/train_test_split.txt": "".join(f"{image} {image % 2}\n" for image, *_ in listed).encode(),
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Artifacts of the miniature, fetched from a server."""
    folder, root = tmp_path_factory.mktemp("server"), tmp_path_factory.mktemp("artifacts")
    write_tar(folder / ARCHIVE, members(), "gz")
    with serve(folder) as address:
        run_stages(benchmark("cub200", {"origin": {"kind": "https", "base": address}, "checksums": False}), root)
    return root


@pytest.fixture
def items(built: Path) -> pd.DataFrame:
    return load_items(built, "cub200").set_index("key")


def from_file(root: Path, content: dict[str, bytes], **settings) -> Path:
    write_tar(root / "files" / ARCHIVE, content, "gz")
    origin = {"kind": "file", "folder": str(root / "files")}
    return run_stages(benchmark("cub200", {"origin": origin, "checksums": False}, **settings), root)


def test_first_hundred_species_train_and_the_rest_test(items: pd.DataFrame):
    numbers = items["species"].str[:3].astype(int)
    assert set(items.loc[numbers <= 100, "split"]) == {"train", "val"}
    assert set(items.loc[numbers > 100, "split"]) == {"test"}
    assert (items.groupby("species")["split"].nunique() == 1).all()


def test_labels_are_species_family_and_order(items: pd.DataFrame):
    levels = ["species", "family", "order"]
    assert items.loc["004.Bird_4/Bird_4_0001_13.jpg", levels].tolist() == ["004.Bird_4", "Cuculidae", "Cuculiformes"]
    woodpeckers = items[items["species"] == "192.Bird_192"]
    assert woodpeckers[["family", "order"]].drop_duplicates().values.tolist() == [["Picidae", "Piciformes"]]
    assert (items.groupby("species")["family"].nunique() == 1).all()
    assert (items.groupby("family")["order"].nunique() == 1).all()


def test_groups_are_the_published_thirteen_orders_and_thirty_eight_families():
    groups = bird_groups()
    assert sorted(groups) == list(range(1, 201))
    assert len({family for family, _ in groups.values()}) == 38
    assert len({order for _, order in groups.values()}) == 13
    # As published: the kittiwake stands with the kingfishers, alone in its family.
    assert groups[84][1] == groups[79][1] != groups[59][1]
    assert [number for number, group in groups.items() if group[0] == groups[84][0]] == [84]


def test_bytes_are_those_of_the_archive(items: pd.DataFrame, built: Path):
    store = ImageStore(built / "datasets" / "cub200")
    for key, row in items.iterrows():
        assert store.read(int(row["image"])) == members()[f"{TOP}/images/{key}"]


def test_what_is_not_kept_is_counted(items: pd.DataFrame, built: Path):
    aside = load_card(built, "cub200")["set_aside"]
    assert aside.pop(UNLISTED) == {"images": 1, "classes": 0}
    assert aside.pop(MISSING) == {"images": 1, "classes": 1}
    assert list(aside.values()) == [{"images": 1, "classes": 1}]
    assert len(items) == len(PRESENT) * A_CLASS - 2
    assert not {BROKEN, ABSENT} & set(items.index)


def test_protocol_leaves_one_out_among_the_test_images(built: Path):
    protocol = load_protocol(built, "cub200")
    assert protocol.gallery is None
    assert protocol.ks == (1, 2, 4, 8)
    assert (load_items(built, "cub200")["split"].iloc[protocol.queries] == "test").all()
    assert len(protocol.queries) == 3 * A_CLASS - 2


def test_card_notes_counts_groups_and_source(built: Path):
    card = load_card(built, "cub200")
    assert "training images: 24 found, 5,864 published" in card["notes"]["differences"]
    assert "test classes: 3 found, 100 published" in card["notes"]["differences"]
    assert "2011.09040" in card["notes"]["families and orders"]
    assert [source["name"] for source in card["sources"]] == [ARCHIVE]


def test_other_counts_than_the_published_ones_stop_the_build(tmp_path: Path):
    with pytest.raises(SuiteError, match=r"training images: 24 found, 5,864 published.*enforce_counts") as caught:
        from_file(tmp_path, members(), enforce_counts=True)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "datasets").iterdir()) == []


def test_another_archive_than_the_published_one_is_refused(tmp_path: Path):
    write_tar(tmp_path / "files" / ARCHIVE, members(), "gz")
    params = benchmark("cub200", {"origin": {"kind": "file", "folder": str(tmp_path / "files")}})
    with pytest.raises(SuiteError, match=rf"{ARCHIVE}: .*97eceeb196236b17998738112f37df78"):
        download_dataset(params, "cub200", tmp_path)
    with pytest.raises(SuiteError, match="run `ranksuite download cub200` first"):
        build_dataset(params, "cub200", tmp_path)


def test_repeated_builds_are_the_same_bytes_and_a_seed_moves_validation(tmp_path: Path, built: Path, items):
    for processes in (1, 2):
        again = from_file(tmp_path / str(processes), members(), processes=processes)
        for name in ("items.parquet", "protocols.parquet", "images-00000.arrow"):
            assert (again / name).read_bytes() == (built / "datasets" / "cub200" / name).read_bytes()
    from_file(tmp_path / "other", members(), seed=3, validation=0.5)
    assert load_items(tmp_path / "other", "cub200")["split"].tolist() != items["split"].tolist()


@pytest.mark.parametrize(
    ("name", "change", "line"),
    [
        ("images.txt", substitute("5 002.Bird_2", "5 x 002.Bird_2"), r"images\.txt: line 5: .*<number> <image name>"),
        ("images.txt", substitute("5 002.Bird_2", "4 002.Bird_2"), r"images\.txt: line 5: '4' stands twice"),
        ("images.txt", substitute("5 002.Bird_2", "5 003.Bird_3"), r"images\.txt: line 5: .* its class '002\.Bird_2'"),
        ("images.txt", lambda _: b"\xff\xfe", r"images\.txt: not UTF-8"),
        ("images.txt", lambda _: b"", r"images\.txt: lists nothing"),
        (
            "image_class_labels.txt",
            substitute("7 2\n", "7 201\n"),
            r"images\.txt: line 7: image 7 has no class of 1 to",
        ),
        ("image_class_labels.txt", substitute("7 2\n", ""), r"images\.txt: line 7: image 7 has no class of 1 to 200"),
        ("image_class_labels.txt", substitute("7 2\n", "7\n"), r"image_class_labels\.txt: line 7: '7', expected"),
        ("classes.txt", substitute("\n2 002", "\n1 002"), r"classes\.txt: line 2: '1' stands twice"),
        ("classes.txt", lambda data: data.splitlines()[0], r"images\.txt: line 5: image 5 has no class"),
    ],
)
def test_damaged_list_is_named_with_its_line(tmp_path: Path, name: str, change, line: str):
    with pytest.raises(SuiteError, match=line) as caught:
        from_file(tmp_path, changed(members(), LISTS[name], change))
    assert "\n" not in str(caught.value)
    assert ARCHIVE in str(caught.value)
    assert list((tmp_path / "datasets").iterdir()) == []


def test_archive_without_its_lists_is_refused(tmp_path: Path):
    content = {name: data for name, data in members().items() if name != LISTS["classes.txt"]}
    with pytest.raises(SuiteError, match=rf"{ARCHIVE}: lacks 'classes\.txt'"):
        from_file(tmp_path, content)
