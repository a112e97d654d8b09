from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from suite.datasets import ImageStore, build_dataset, download_dataset, load_card, load_items
from suite.datasets.emoji import FEW_STYLES, IDENTICAL, VARIANT
from suite.datasets.emoji_leakage import thumbnails
from suite.datasets.miniature import NAMES, VERSION, draw_miniature, miniature_settings
from suite.datasets.origins.npm import tarball_name
from suite.errors import SuiteError


def built(make_params, root: Path, processes: int = 1, **changes) -> Path:
    params = make_params(processes, **changes)
    download_dataset(params, "mini", root)
    return build_dataset(params, "mini", root)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture
def items(make_params, root: Path) -> pd.DataFrame:
    if not (root / "datasets").exists():
        built(make_params, root)
    return load_items(root, "mini")


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_miniature_is_drawn_to_the_same_small_bytes(miniature: Path, tmp_path: Path):
    draw_miniature(tmp_path)
    assert digests(tmp_path) == digests(miniature)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 100_000


def test_items_follow_the_contract(items: pd.DataFrame):
    assert list(items) == ["image", "key", "source", "split", "emoji", "subgroup", "group"]
    assert items["image"].tolist() == list(range(len(items)))
    assert items["key"].is_unique
    assert (items["key"] == items["source"] + "/" + items["emoji"]).all()


def test_counts_of_the_miniature(items: pd.DataFrame, root: Path):
    counts = load_card(root, "mini")["counts"]
    assert {split: count["classes"] for split, count in counts.items()} == {
        "train": 24,
        "val": 11,
        "test": 16,
    }
    # 48 shapes, a figure in six styles each, two moons in the five styles that do not draw them alike.
    assert sum(count["images"] for count in counts.values()) == len(items) == 49 * 6 + 2 * 5


def test_splits_share_no_class(items: pd.DataFrame):
    assert (items.groupby("emoji")["split"].nunique() == 1).all()


def test_coarser_levels_contain_finer_ones(items: pd.DataFrame):
    assert (items.groupby("emoji")["subgroup"].nunique() == 1).all()
    assert (items.groupby("subgroup")["group"].nunique() == 1).all()


def test_variants_are_one_class_with_one_image_a_style(items: pd.DataFrame, root: Path):
    waving = items[items["emoji"].str.contains("waving")]
    assert waving["emoji"].unique().tolist() == ["person-waving"]
    assert waving["source"].is_unique
    assert load_card(root, "mini")["set_aside"][VARIANT] == {"images": 12, "classes": 1}


def test_a_drawing_under_two_names_leaves_on_both_sides(items: pd.DataFrame, root: Path):
    moons = items[items["subgroup"] == "moon"]
    assert sorted(moons["emoji"].unique()) == ["full-moon", "new-moon"]
    assert "mini-badge" not in set(moons["source"])
    assert load_card(root, "mini")["set_aside"][IDENTICAL] == {"images": 2, "classes": 2}


def test_an_emoji_in_too_few_styles_is_left_out(items: pd.DataFrame, root: Path):
    assert "rare-figure" not in set(items["emoji"])
    assert load_card(root, "mini")["set_aside"][FEW_STYLES] == {"images": 2, "classes": 1}
    assert items.groupby("emoji").size().min() >= 4


def test_no_pair_across_classes_is_nearly_alike(items: pd.DataFrame, root: Path):
    store = ImageStore(root / "datasets" / "mini")
    small = thumbnails([store.read(row) for row in items["image"]]).reshape(len(items), -1) / 255
    classes = items["emoji"].to_numpy()
    for image, own in zip(small, classes, strict=True):
        assert np.sqrt(np.square(small[classes != own] - image).mean(1)).min() >= 0.05


def test_images_are_square_and_none_is_blank(items: pd.DataFrame, root: Path):
    store = ImageStore(root / "datasets" / "mini")
    assert len(store) == len(items)
    for row in items["image"]:
        image = store.decode(row)
        assert image.size == (48, 48)
        assert np.asarray(image).std() > 10


def test_card_states_sources_and_settings(items: pd.DataFrame, root: Path):
    card = load_card(root, "mini")
    assert card["levels"] == ["emoji", "subgroup", "group"]
    assert len(card["sources"]) == 8
    assert {"package", "version", "integrity", "licence", "licence_url", "author"} <= card["sources"][0].keys()
    assert card["settings"]["image_size"] == 48


def test_repeated_builds_are_the_same_bytes_for_any_number_of_processes(make_params, items, root, tmp_path: Path):
    assert digests(built(make_params, tmp_path, processes=2)) == digests(root / "datasets" / "mini")


def test_another_seed_gives_another_split_of_the_same_items(make_params, items: pd.DataFrame, tmp_path: Path):
    built(make_params, tmp_path, seed=1)
    other = load_items(tmp_path, "mini")
    assert other["key"].tolist() == items["key"].tolist()
    assert other["split"].tolist() != items["split"].tolist()


def test_near_duplicates_that_leave_too_few_styles_take_their_class_along(make_params, tmp_path: Path):
    built(make_params, tmp_path, near_duplicate_rms=0.12, split={"train": 2, "test": 2})
    aside = load_card(tmp_path, "mini")["set_aside"]
    assert aside["nearly the same as an image of another class"]["images"] > 0
    assert aside["too few styles left"]["classes"] > 0
    assert load_items(tmp_path, "mini").groupby("emoji").size().min() >= 4


def test_expected_counts_that_are_met_pass(make_params, tmp_path: Path):
    assert built(make_params, tmp_path, expected={"images": 304, "classes": 51}).is_dir()


def test_expected_counts_that_are_off_stop_the_build_and_leave_nothing(make_params, tmp_path: Path):
    line = r"settings\.expected: 300 images of 51 classes, but the build gave 304 of 51"
    with pytest.raises(SuiteError, match=line):
        built(make_params, tmp_path, expected={"images": 300, "classes": 51})
    assert list((tmp_path / "datasets").iterdir()) == []


def test_a_failed_download_keeps_the_earlier_one(make_params, tmp_path: Path):
    kept = download_dataset(make_params(), "mini", tmp_path)
    before = digests(kept)
    with pytest.raises(SuiteError, match="bring the embedded data"):
        download_dataset(make_params(download={"origin": {"kind": "file", "folder": str(tmp_path)}}), "mini", tmp_path)
    assert digests(kept) == before
    assert [path.name for path in (tmp_path / "downloads").iterdir()] == ["mini"]


def test_a_wrong_pin_leaves_no_download(make_params, miniature: Path, tmp_path: Path):
    packages = miniature_settings(miniature)["download"]["packages"]
    packages[NAMES] = {**packages[NAMES], "integrity": packages["@ranksuite/mini-flat"]["integrity"]}
    with pytest.raises(SuiteError, match=f"{NAMES}@{VERSION}: integrity"):
        download_dataset(make_params(download={"packages": packages}), "mini", tmp_path)
    assert not (tmp_path / "downloads").exists()


def test_a_download_changed_since_is_noticed(make_params, tmp_path: Path):
    folder = download_dataset(make_params(), "mini", tmp_path)
    tarball = folder / tarball_name(NAMES, VERSION)
    changed = bytes(reversed(tarball.read_bytes()))
    # Removed first: the download may be another name of the miniature's own file.
    tarball.unlink()
    tarball.write_bytes(changed)
    with pytest.raises(SuiteError, match=f"{NAMES}@{VERSION}: integrity"):
        build_dataset(make_params(), "mini", tmp_path)


def test_building_before_downloading_says_what_to_run(make_params, tmp_path: Path):
    with pytest.raises(SuiteError, match="run `ranksuite download mini` first"):
        build_dataset(make_params(), "mini", tmp_path)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"image_sise": 48},
            r"datasets\.mini\.settings: unknown key 'image_sise': did you mean 'image_size'",
        ),
        ({"image_size": 0}, r"datasets\.mini\.settings: image_size: .*\(found 0\)"),
        ({"minimum_styles": 7}, "minimum_styles is 7, but there are 6 styles"),
        (
            {"split": {"train": 40, "test": 11}},
            "train 40 and test 11 leave no class for validation; there are 51",
        ),
        ({"download": {"packages": {}}}, "exactly one package must have kind 'names', found 0"),
        ({"download": {"origin": {"kind": "ftp"}}}, "origin"),
    ],
)
def test_wrong_settings_are_one_line_that_names_them(make_params, tmp_path: Path, changes: dict, line: str):
    with pytest.raises(SuiteError, match=line) as caught:
        built(make_params, tmp_path, **changes)
    assert "\n" not in str(caught.value)
