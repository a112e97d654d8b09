"""Tables, counts and settings of GLDv2: what is damaged is named, what is published is compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from gldv2_release import Release, edit_table, image_id, write_release, write_shard
from hypothesis import given
from hypothesis import strategies as st
from study_settings import study

from suite.datasets import build_dataset, download_dataset, load_card
from suite.datasets.gldv2 import PUBLISHED, GLDv2, parse_shards
from suite.datasets.gldv2_metadata import ids_of, keys_of
from suite.errors import SuiteError

RELEASE = Release(bare_every=4, distractor_every=9, answered=0.75, unclean=7)
SHARDS = {"train_shards": "0-2", "index_shards": "0,1", "test_shards": 0}
SOLUTION = "ground_truth/retrieval_solution_v2.1.csv"


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """The folder of a small release, to be damaged."""
    write_release(tmp_path / "release", RELEASE)
    return tmp_path / "release"


def build(release: Path, root: Path) -> None:
    download = {"origin": {"kind": "file", "folder": str(release)}, **SHARDS}
    params = study(datasets={"mini": {"builder": "h_gldv2", "download": download}})
    download_dataset(params, "mini", root)
    build_dataset(params, "mini", root)


@pytest.mark.parametrize(
    ("name", "line", "text", "named"),
    [
        ("metadata/train_clean.csv", 3, "10,0123456789abcdeg", r"line 3: image id '0123456789abcdeg' is not 16 hex"),
        ("metadata/train_clean.csv", 3, "10,", r"line 3: image id '' is not 16 hex"),
        ("metadata/train_clean.csv", 3, "ten,0123456789abcdef", r"damaged: .*line 3: .*invalid value 'ten'"),
        ("metadata/train_clean.csv", 3, "-1,0123456789abcdef", r"line 3: landmark_id -1 is negative"),
        ("metadata/train_clean.csv", 3, "10", r"line 3: Expected 2 columns, got 1"),
        ("metadata/train_clean.csv", 3, f"10,{image_id('train', 0)}", f"image '{image_id('train', 0)}' stands twice"),
        ("metadata/train_clean.csv", 1, "landmark,images", r"'landmark_id' in include_columns does not exist"),
        ("metadata/index.csv", 4, "", r"line 4: image id '' is not 16 hex"),
        ("metadata/index.csv", 4, "0123", r"line 4: image id '0123' is not"),
        (
            "metadata/index_image_to_landmark.csv",
            2,
            f"{'f' * 16},3",
            r"line 2: image 'f{16}' does not stand in index\.csv",
        ),
        (
            "metadata/index_image_to_landmark.csv",
            4,
            f"{image_id('index', 0)},9",
            f"line 2: image '{image_id('index', 0)}' has more than one landmark",
        ),
        ("metadata/index_label_to_hierarchical.csv", 5, "1,2,3", r"line 5: Expected 5 columns, got 3"),
        ("metadata/train_label_to_hierarchical.csv", 3, "3,c,lake,lake,natural", r"landmark 3 stands twice"),
        (
            SOLUTION,
            2,
            f"{'0' * 16},{'1' * 16},Secret",
            r"line 2: Usage is 'Secret'; expected one of Public, Private, Ig",
        ),
        (SOLUTION, 2, f"{'0' * 16},{'1' * 15},Public", r"line 2: image id '1{15}' is not 16 hex"),
    ],
)
def test_a_damaged_row_is_named_with_file_and_line(
    release: Path, tmp_path: Path, name: str, line: int, text: str, named: str
):
    edit_table(release, name, lambda lines: lines.__setitem__(line - 1, text))
    with pytest.raises(SuiteError, match=f"{name}: .*{named}") as caught:
        build(release, tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "datasets" / "mini").exists()


@pytest.mark.parametrize("name", ["metadata/train_clean.csv", "metadata/index.csv", SOLUTION])
def test_a_table_without_a_row_is_named(release: Path, tmp_path: Path, name: str):
    edit_table(release, name, lambda lines: lines.__delitem__(slice(1, None)))
    with pytest.raises(SuiteError, match=f"{name}: lists no image"):
        build(release, tmp_path)


def test_a_missing_table_is_named(release: Path, tmp_path: Path):
    build(release, tmp_path)
    (tmp_path / "downloads" / "mini" / "metadata" / "index.csv").unlink()
    download = {"origin": {"kind": "file", "folder": str(release)}, **SHARDS}
    with pytest.raises(SuiteError, match=r"metadata/index\.csv: is missing; run `ranksuite download mini` again"):
        build_dataset(study(datasets={"mini": {"builder": "h_gldv2", "download": download}}), "mini", tmp_path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    """Builds from all 620 shards, nearly all of them empty, as if they had been downloaded; gives the card."""
    root = tmp_path_factory.mktemp("artifacts")
    folder = root / "downloads" / "mini"
    write_release(folder, RELEASE)
    for part, (first, end) in {"train": (3, 500), "index": (2, 100), "test": (1, 20)}.items():
        for number in range(first, end):
            write_shard(folder, part, number, [])
    (folder / "manifest.json").write_text("[]")

    def build(builder: str, **changes: Any) -> dict[str, Any]:
        build_dataset(study(datasets={"mini": {"builder": builder, "download": {}, "settings": changes}}), "mini", root)
        return load_card(root, "mini")

    return build


def test_counts_of_gldv2_are_enforced(whole: Callable[..., dict[str, Any]]):
    with pytest.raises(SuiteError) as caught:
        whole("gldv2")
    assert str(caught.value).startswith("listed clean training images: 60 found, 1,580,470 published; ")
    assert "enforce_counts: false" in str(caught.value)
    card = whole("gldv2", enforce_counts=False)
    assert card["notes"]["whole release"] is True
    assert "listed index images: 40 found, 761,757 published" in card["notes"]["published counts"]
    assert "test images in the shards: 8 found, 117,577 published" in card["notes"]["published counts"]


def test_counts_of_h_gldv2_are_reported(whole: Callable[..., dict[str, Any]]):
    differences = whole("h_gldv2")["notes"]["published counts"]
    assert "H-GLDv2, training images: 45 found, 970,981 published" in differences
    assert "H-GLDv2, landmarks: 9 found, 46,593 published" in differences
    assert any(text.startswith("H-GLDv2, super-categories: ") for text in differences)


@given(ids=st.lists(st.integers(0, 2**64 - 1)), part=st.sampled_from(["train", "index", "test"]))
def test_keys_hold_the_id_in_sixteen_digits(ids: list[int], part: str):
    keys = keys_of(part, np.array(ids, dtype=np.uint64))
    assert keys.to_pylist() == [f"{part}/{one:016x}" for one in ids]
    assert ids_of(pd.Series(keys.to_pylist(), dtype="str")).tolist() == ids


def test_published_counts_and_default_origin():
    defaults = GLDv2.Download()
    assert defaults.whole
    assert defaults.origin.base == "https://s3.amazonaws.com/google-landmark"
    assert PUBLISHED["clean training images"] == 1_580_470


@pytest.mark.parametrize(
    ("text", "numbers"), [("0-9,12", [*range(10), 12]), ("3", [3]), ("5, 0-1", [0, 1, 5]), ("007", [7])]
)
def test_shard_ranges(text: str, numbers: list[int]):
    assert parse_shards(text) == numbers


@pytest.mark.parametrize("text", ["", "a", "3-1", "1,1", "0-2,2", "-1", "1000", "0--3", "1,"])
def test_unusable_shard_ranges_are_refused_naming_the_key(tmp_path: Path, text: str):
    params = study(datasets={"mini": {"builder": "gldv2", "download": {"train_shards": text}}})
    with pytest.raises(SuiteError, match=r"datasets\.mini\.download: train_shards: ") as caught:
        download_dataset(params, "mini", tmp_path)
    assert "\n" not in str(caught.value)
