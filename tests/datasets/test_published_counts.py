from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from miniatures import picture, write_tar

from suite.datasets.builder import BuilderSettings
from suite.datasets.published import Published, build_listed, refuse_straddling
from suite.datasets.release import UNLISTED, Release
from suite.errors import SuiteError

LEVELS = ("thing", "kind")


def listing(train: int = 10, test: int = 4) -> pd.DataFrame:
    """Two images a class, classes numbered on from training to test."""
    classes = [number for number in range(train + test) for _ in range(2)]
    return pd.DataFrame(
        {
            "key": [f"{place}.jpg" for place in range(len(classes))],
            "source": "one",
            "split": ["train" if number < train else "test" for number in classes],
            "thing": [f"{number:02d}" for number in classes],
            "kind": ["even" if number % 2 == 0 else "odd" for number in classes],
        }
    )


def build(folder: Path, published: Published, images: dict[str, bytes] | None = None, **settings: Any):
    table = listing()
    found = {key: picture(place) for place, key in enumerate(table["key"])} if images is None else images
    halves = list(found.items())
    archives = [write_tar(folder / f"{place}.tar", dict(halves[place::2])) for place in range(2)]
    releases = [Release(archive) for archive in archives]
    return build_listed(table, releases, LEVELS, [published], BuilderSettings(**settings), folder / "built", 1)


def test_published_counts_that_are_met_pass_and_leave_no_note(tmp_path: Path):
    items, set_aside, notes = build(tmp_path, Published("training", ("train",), 20, 10))
    assert (len(items), set_aside, notes) == (28, {}, {})


def test_validation_classes_count_as_training(tmp_path: Path):
    items, _, _ = build(tmp_path, Published("training", ("train",), 20, 10), validation=0.5)
    assert 0 < items.loc[items["split"] == "val", "thing"].nunique() < 10
    assert (items.groupby("thing")["split"].nunique() == 1).all()


def test_without_a_share_there_is_no_validation_split(tmp_path: Path):
    items, _, _ = build(tmp_path, Published("training", ("train",), 20), validation=0)
    assert set(items["split"]) == {"train", "test"}


@pytest.mark.parametrize(
    ("published", "line"),
    [
        (Published("training", ("train",), 21, 10), "training images: 20 found, 21 published"),
        (Published("training", ("train",), 20, 9), "training classes: 10 found, 9 published"),
        (Published("test", ("test",), None, 5), "test classes: 4 found, 5 published"),
    ],
)
def test_a_list_of_another_length_stops_before_any_image_is_read(tmp_path: Path, published: Published, line: str):
    # Were the archives read, they would be refused first.
    with pytest.raises(SuiteError, match=line):
        build_listed(listing(), [Release(tmp_path / "no.tar")], LEVELS, [published], BuilderSettings(), tmp_path, 1)


def test_a_faulty_image_stops_the_build_where_counts_are_enforced(tmp_path: Path):
    images = {key: picture(place) for place, key in enumerate(listing()["key"])}
    images["3.jpg"] = images["3.jpg"][:99]
    published = Published("training", ("train",), 20, 10)
    with pytest.raises(SuiteError, match=r"training images: 19 found, 20 published.*enforce_counts"):
        build(tmp_path / "a", published, images)
    items, set_aside, notes = build(tmp_path / "b", published, images, enforce_counts=False)
    assert "3.jpg" not in set(items["key"])
    assert list(set_aside.values()) == [{"images": 1, "classes": 1}]
    assert notes == {"differences": ["training images: 19 found, 20 published"]}


def test_unlisted_images_of_all_archives_are_counted_together(tmp_path: Path):
    images = {key: picture(place) for place, key in enumerate([*listing()["key"], "x.jpg", "y.jpg", "z.png"])}
    _, set_aside, _ = build(tmp_path, Published("training", ("train",), 20), images)
    assert set_aside == {UNLISTED: {"images": 3, "classes": 0}}


def test_a_class_on_both_sides_is_named():
    table = listing()
    table.loc[27, "thing"] = "03"
    with pytest.raises(SuiteError, match=r"^list: class '03' is listed for training and for evaluation"):
        refuse_straddling(table, "thing", "list")
