from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from benchmark_stages import benchmark, by_hand, run_stages
from miniatures import picture, write_tar
from scipy.io import savemat

from suite.datasets import ImageStore, download_dataset, load_card, load_items
from suite.datasets.arrays import load_protocol
from suite.datasets.builder import MISSING
from suite.datasets.car_bodies import body_type
from suite.datasets.cars196 import read_cars
from suite.datasets.matlab import load_matlab
from suite.errors import SuiteError

BODIES = ("SUV", "Sedan", "Coupe", "Crew Cab", "Convertible", "Hatchback", "Minivan")
PRESENT = (1, 2, 3, 6, 50, 97, 98, 99, 100, 196)
A_CLASS = 4
# Image numbers from 1, a class after the other; even ones lie in the authors' test part.
CLASSES = np.repeat(PRESENT, A_CLASS).tolist()
BROKEN, ABSENT = 1, len(CLASSES)


def model_name(number: int) -> str:
    return "Acura Integra Type R 2001" if number == 6 else f"Maker {number} {BODIES[number % 7]} {1990 + number % 23}"


def names() -> np.ndarray:
    """A 1 x 196 cell array."""
    return np.array([[model_name(number) for number in range(1, 197)]], object)


def structs(rows: list[dict[str, Any]]) -> np.ndarray:
    """A 1 x N struct array, every field a value of its own type."""
    array = np.empty((1, len(rows)), [(name, object) for name in rows[0]])
    for place, row in enumerate(rows):
        array[0, place] = tuple(row.values())
    return array


def mat(**contents: Any) -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, contents, do_compression=True)
    return buffer.getvalue()


def box() -> dict[str, Any]:
    return {f"bbox_{corner}": np.uint16(corner_place) for corner_place, corner in enumerate(("x1", "y1", "x2", "y2"))}


def pooled_rows() -> list[dict[str, Any]]:
    return [
        {
            "relative_im_path": f"car_ims/{number:06d}.jpg",
            **box(),
            "class": np.uint8(label),
            "test": np.uint8(number % 2 == 0),
        }
        for number, label in enumerate(CLASSES, 1)
    ]


def image_of(number: int) -> bytes:
    return picture(number)[:120] if number == BROKEN else picture(number)


def place_pooled(folder: Path, annotations: bytes | None = None) -> Path:
    numbers = [number for number in range(1, len(CLASSES) + 1) if number != ABSENT]
    write_tar(folder / "car_ims.tgz", {f"car_ims/{number:06d}.jpg": image_of(number) for number in numbers}, "gz")
    sound = mat(annotations=structs(pooled_rows()), class_names=names())
    (folder / "cars_annos.mat").write_bytes(sound if annotations is None else annotations)
    return folder


def part_rows(numbers: list[int]) -> list[dict[str, Any]]:
    return [
        {**box(), "class": np.uint8(CLASSES[number - 1]), "fname": f"{place:05d}.jpg"}
        for place, number in enumerate(numbers, 1)
    ]


def place_parts(folder: Path, **changes: bytes) -> Path:
    """The same images in the authors' two parts, numbered afresh in each."""
    numbers = list(range(1, len(CLASSES) + 1))
    parts = {"cars_train": numbers[::2], "cars_test": numbers[1::2]}
    for part, chosen in parts.items():
        found = {f"{part}/{place:05d}.jpg": image_of(number) for place, number in enumerate(chosen, 1)}
        write_tar(folder / f"{part}.tgz", found, "gz")
    devkit = {
        "devkit/README.txt": b"This file gives documentation for the cars 196 dataset.\n",
        "devkit/cars_meta.mat": mat(class_names=names()),
        "devkit/cars_train_annos.mat": mat(annotations=structs(part_rows(parts["cars_train"]))),
        "devkit/cars_test_annos.mat": mat(annotations=structs([{**box(), "fname": "00001.jpg"}])),
    }
    labelled = mat(annotations=structs(part_rows(parts["cars_test"])))
    write_tar(
        folder / "car_devkit.tgz", {**devkit, **{f"devkit/{name}.mat": data for name, data in changes.items()}}, "gz"
    )
    (folder / "cars_test_annos_withlabels.mat").write_bytes(labelled)
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("artifacts")
    run_stages(benchmark("cars196", by_hand(place_pooled(root / "placed"), checksums=False)), root)
    return root


@pytest.fixture
def items(built: Path) -> pd.DataFrame:
    return load_items(built, "cars196").set_index("key")


def test_first_98_models_train_and_the_rest_test_whatever_part_they_lie_in(items: pd.DataFrame):
    tested = {model_name(number) for number in (99, 100, 196)}
    assert set(items.loc[items["split"] == "test", "model"]) == tested
    assert set(items.loc[items["split"] != "test", "model"]) == {
        model_name(number) for number in PRESENT if number < 99
    }
    assert (items.groupby("model")["split"].nunique() == 1).all()
    assert (items["split"] == "val").any()
    assert set(items.loc[items["split"] == "test", "source"]) == {"cars_train", "cars_test"}


def test_labels_are_model_and_body_type(items: pd.DataFrame):
    assert items.loc["car_ims/000013.jpg", ["model", "body_type"]].tolist() == ["Acura Integra Type R 2001", "Coupe"]
    assert items.loc["car_ims/000009.jpg", ["model", "body_type"]].tolist() == ["Maker 3 Crew Cab 1993", "Cab"]
    assert (items.groupby("model")["body_type"].nunique() == 1).all()


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("Audi 100 Wagon 1994", "Wagon"),
        ("Infiniti G Coupe IPL 2012", "Coupe"),
        ("Ram C/V Cargo Van Minivan 2012", "Minivan"),
        ("Rolls-Royce Phantom Drophead Coupe Convertible 2012", "Convertible"),
        ("Ford Ranger SuperCab 2011", "Cab"),
        ("Ford E-Series Wagon Van 2012", "Wagon"),
        ("Chevrolet HHR SS 2010", "Minivan"),
        ("AM General Hummer SUV 2000", "SUV"),
        ("Sedanette 2012", None),
    ],
)
def test_body_type_is_the_last_word_that_names_one(name: str, body: str | None):
    assert body_type(name) == body


def test_classes_may_be_floating_point_numbers(tmp_path: Path, items: pd.DataFrame):
    rows = [{**row, "class": np.float64(row["class"])} for row in pooled_rows()]
    (tmp_path / "cars_annos.mat").write_bytes(mat(annotations=structs(rows), class_names=names()))
    models = read_cars(tmp_path, "pooled").set_index("key")["model"]
    assert models[items.index].tolist() == items["model"].tolist()


def test_bytes_are_those_of_the_archive(items: pd.DataFrame, built: Path):
    store = ImageStore(built / "datasets" / "cars196")
    assert len(store) == len(items) == len(CLASSES) - 2
    for key, row in items.iterrows():
        assert store.read(int(row["image"])) == picture(int(key[8:14]))


def test_what_is_not_kept_is_counted(built: Path):
    aside = load_card(built, "cars196")["set_aside"]
    assert aside.pop(MISSING) == {"images": 1, "classes": 1}
    assert list(aside.values()) == [{"images": 1, "classes": 1}]


def test_protocol_leaves_one_out_among_the_test_images(built: Path):
    protocol = load_protocol(built, "cars196")
    assert protocol.gallery is None
    assert protocol.ks == (1, 2, 4, 8)
    assert (load_items(built, "cars196")["split"].iloc[protocol.queries] == "test").all()
    assert len(protocol.queries) == 3 * A_CLASS - 1


def test_both_published_sets_of_files_give_the_same_data(tmp_path: Path, items: pd.DataFrame):
    download = by_hand(place_parts(tmp_path / "placed"), checksums=False, layout="parts")
    run_stages(benchmark("cars196", download), tmp_path)
    parts, store = load_items(tmp_path, "cars196"), ImageStore(tmp_path / "datasets" / "cars196")
    assert set(parts["source"]) == {"cars_train", "cars_test"}
    # This set has the image that the other lacks.
    assert len(parts) == len(items) + 1
    columns = ["source", "split", "model", "body_type"]
    found = {store.read(row.image): [getattr(row, column) for column in columns] for row in parts.itertuples()}
    for key, row in items.iterrows():
        assert found[picture(int(key[8:14]))] == row[columns].tolist()


def test_card_notes_counts_and_body_types(built: Path):
    notes = load_card(built, "cars196")["notes"]
    assert "test images: 11 found, 8,131 published" in notes["differences"]
    assert "2011.09040" in notes["body types"]


def test_other_counts_than_the_published_ones_stop_the_build(tmp_path: Path):
    download = by_hand(place_pooled(tmp_path / "placed"), checksums=False)
    with pytest.raises(SuiteError, match=r"training images: 28 found, 8,054 published.*enforce_counts") as caught:
        run_stages(benchmark("cars196", download, enforce_counts=True), tmp_path)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "datasets").iterdir()) == []


@pytest.mark.parametrize(
    ("layout", "name", "md5"),
    [
        (
            "pooled",
            r"car_ims\.tgz|cars_annos\.mat",
            "d5c8f0aa497503f355e17dc7886c3f14|b407c6086d669747186bd1d764ff9dbc",
        ),
        ("parts", r"car.*\.tgz|cars_test_annos_withlabels\.mat", "[0-9a-f]{32}"),
    ],
)
def test_other_files_than_the_published_ones_are_refused(tmp_path: Path, layout: str, name: str, md5: str):
    (place_pooled if layout == "pooled" else place_parts)(tmp_path / "placed")
    with pytest.raises(SuiteError, match=rf"({name}): .*({md5})"):
        download_dataset(benchmark("cars196", by_hand(tmp_path / "placed", layout=layout)), "cars196", tmp_path)


def test_missing_files_come_with_instructions(tmp_path: Path):
    (tmp_path / "placed").mkdir()
    with pytest.raises(SuiteError, match=r"car_ims\.tgz .*cars_annos\.mat .*no longer serves") as caught:
        download_dataset(benchmark("cars196", by_hand(tmp_path / "placed")), "cars196", tmp_path)
    assert "\n" not in str(caught.value)


def with_row(place: int, **changes: Any) -> bytes:
    rows = pooled_rows()
    rows[place] |= changes
    return mat(annotations=structs(rows), class_names=names())


@pytest.mark.parametrize(
    ("annotations", "line"),
    [
        (
            with_row(4, **{"class": np.uint8(197)}),
            r"annotation 5 \('car_ims/000005\.jpg'\): class 197 is none of 1 to 196",
        ),
        (with_row(4, **{"class": np.float64(1.5)}), r"annotation 5 .*class 1\.5 is none of 1 to 196"),
        (with_row(4, **{"class": np.array([], np.uint8)}), r"annotation 5 .*is none of 1 to 196"),
        (with_row(4, relative_im_path="car_ims/000001.jpg"), r"line 5: 'car_ims/000001\.jpg' stands twice"),
        (mat(class_names=names()), r"no 'annotations' with 'relative_im_path'"),
        (mat(annotations=structs(part_rows([1, 2])), class_names=names()), r"no 'annotations' with 'relative_im_path'"),
        (mat(annotations=structs(pooled_rows())), r"'class_names' is missing"),
        (
            mat(annotations=structs(pooled_rows()), class_names=np.array([["A Sedan 1999"] * 2], object)),
            r"a class twice",
        ),
        (
            mat(annotations=structs(pooled_rows()), class_names=np.array([["A 1999", "B 1999"]], object)),
            r"class 'A 1999'",
        ),
        (mat(annotations=structs(pooled_rows()), class_names=names())[:-100], r"not a sound MATLAB file"),
        (b"<html>" * 100, r"not a sound MATLAB file"),
    ],
)
def test_damaged_annotations_are_named_with_their_place(tmp_path: Path, annotations: bytes, line: str):
    params = benchmark("cars196", by_hand(place_pooled(tmp_path / "placed", annotations), checksums=False))
    with pytest.raises(SuiteError, match=rf"cars_annos\.mat.*{line}") as caught:
        run_stages(params, tmp_path)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "datasets").iterdir()) == []


def test_damaged_devkit_names_archive_and_member(tmp_path: Path):
    download = by_hand(place_parts(tmp_path / "placed", cars_train_annos=b"no"), checksums=False, layout="parts")
    with pytest.raises(SuiteError, match=r"car_devkit\.tgz: devkit/cars_train_annos\.mat: not a sound MATLAB file"):
        run_stages(benchmark("cars196", download), tmp_path)


@pytest.mark.parametrize(("place", "bit"), [(373, 1), (569, 128)])
def test_matlab_file_that_crashes_its_reader_is_refused(place: int, bit: int):
    buffer = io.BytesIO()
    savemat(buffer, {"annotations": structs(pooled_rows()[:3]), "class_names": names()[:, :3]})
    damaged = bytearray(buffer.getvalue())
    damaged[place] ^= bit
    with pytest.raises(SuiteError, match=r"cars_annos\.mat: not a sound MATLAB file") as caught:
        load_matlab(bytes(damaged), "cars_annos.mat")
    assert "\n" not in str(caught.value)
