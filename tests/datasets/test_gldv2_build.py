"""GLDv2 and H-GLDv2 built from a small release in the exact layout, served over HTTP, through the real stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from gldv2_release import Release, edit_shard, edit_table, image_id, supercategory, write_release
from miniatures import serve as serve_folder
from study_settings import study

from suite.datasets import ImageStore, build_dataset, download_dataset, load_card, load_items
from suite.datasets.arrays import load_labels, load_protocol
from suite.datasets.gldv2 import ELSEWHERE, IGNORED, NO_HIERARCHY, REPEATED
from suite.errors import SuiteError
from suite.evaluation import stated_metrics

RELEASE = Release(bare_every=4, distractor_every=9, answered=0.75, unclean=7)
SHARDS = {"train_shards": "0-2", "index_shards": "0,1", "test_shards": 0}
SOLUTION = "ground_truth/retrieval_solution_v2.1.csv"


@dataclass(frozen=True)
class Served:
    """A release on a loopback server."""

    folder: Path
    address: str


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Writes a release and serves it."""
    with ExitStack() as servers:

        def start(release: Release = RELEASE) -> Served:
            write_release(tmp_path / "release", release)
            return Served(tmp_path / "release", servers.enter_context(serve_folder(tmp_path / "release")))

        yield start


def make(served: Served, builder: str, download: dict[str, Any], changes: dict[str, Any]) -> Any:
    entry = {
        "builder": builder,
        "download": {"origin": {"kind": "https", "base": served.address}, **SHARDS, **download},
        "settings": changes,
    }
    return study(datasets={"mini": entry})


def built(served: Served, root: Path, builder: str = "h_gldv2", download: Any = None, **changes: Any) -> pd.DataFrame:
    params = make(served, builder, download or {}, changes)
    download_dataset(params, "mini", root)
    build_dataset(params, "mini", root)
    return load_items(root, "mini")


def test_splits_labels_and_keys(serve: Callable[..., Served], tmp_path: Path):
    items = built(serve(), tmp_path)
    assert list(items) == ["image", "key", "source", "split", "landmark", "supercategory", "natural_or_human_made"]
    by_key = items.set_index("key")
    for landmark in range(12):
        keys = [f"train/{image_id('train', image)}" for image in range(5 * landmark, 5 * landmark + 5)]
        if RELEASE.is_bare(landmark):
            assert not by_key.index.isin(keys).any()
            continue
        rows = by_key.loc[keys]
        assert set(rows["landmark"]) == {f"train/{RELEASE.landmark_id(landmark):06d}"}
        assert set(rows["supercategory"]) == {supercategory(landmark)}
        assert rows["split"].nunique() == 1
    made = items[["supercategory", "natural_or_human_made"]].drop_duplicates().dropna()
    assert dict(made.to_numpy())["lake"] == "natural"
    assert dict(made.to_numpy())["castle"] == "human-made"
    assert items["split"].value_counts().to_dict() == {"train": 35, "gallery": 40, "val": 10, "query": 6}
    assert items["source"].value_counts().to_dict() == {"train": 45, "index": 40, "test": 6}


def test_images_are_the_source_s_bytes(serve: Callable[..., Served], tmp_path: Path):
    served = serve()
    items = built(served, tmp_path)
    originals: dict[str, bytes] = {}
    edit_shard(served.folder, "train", 1, lambda images: originals.update(images))
    store = ImageStore(tmp_path / "datasets" / "mini")
    rows = items[items["key"].isin([f"train/{name}" for name in originals])]
    assert len(rows) > 10
    for row in rows.itertuples():
        assert store.read(row.image) == originals[row.key.removeprefix("train/")]


def test_train_and_index_share_landmark_numbers_and_image_ids_but_no_class_and_no_key(
    serve: Callable[..., Served], tmp_path: Path
):
    items = built(serve(), tmp_path)
    training = items[items["split"].isin(["train", "val"])]
    gallery = items[items["split"] == "gallery"]
    numbers = [set(rows["landmark"].dropna().str.partition("/")[2]) for rows in (training, gallery)]
    assert numbers[0] & numbers[1]
    assert image_id("train", 1) == image_id("index", 1)
    assert {f"train/{image_id('train', 1)}", f"index/{image_id('index', 1)}"} <= set(items["key"])
    assert set(training["supercategory"]) & set(gallery["supercategory"].dropna())
    assert not set(training["landmark"]) & set(gallery["landmark"])
    assert not set(items.loc[items["split"] == "train", "landmark"]) & set(
        items.loc[items["split"] == "val", "landmark"]
    )


def test_distractors_and_bare_landmarks_stay_in_the_gallery(serve: Callable[..., Served], tmp_path: Path):
    items = built(serve(), tmp_path).set_index("key")
    for image in range(RELEASE.index):
        row = items.loc[f"index/{image_id('index', image)}"]
        landmark = image // RELEASE.per_landmark
        assert row["split"] == "gallery"
        if RELEASE.is_distractor(image):
            assert row[["landmark", "supercategory", "natural_or_human_made"]].isna().all()
        else:
            assert row["landmark"] == f"index/{RELEASE.landmark(image):06d}"
            assert pd.isna(row["supercategory"]) == RELEASE.is_bare(landmark)
    notes = load_card(tmp_path, "mini")["notes"]
    assert notes["gallery"] == {
        "images without a landmark (distractors)": 4,
        "images of a landmark without a hierarchy (no coarser labels)": 8,
        "landmarks without a hierarchy": 2,
    }


def test_card_counts_what_was_left_out(serve: Callable[..., Served], tmp_path: Path):
    built(serve(), tmp_path)
    card = load_card(tmp_path, "mini")
    assert card["set_aside"] == {
        NO_HIERARCHY: {"images": 15, "classes": 3},
        IGNORED: {"images": 2, "classes": 0},
    }
    assert card["notes"]["images in the shards outside the lists"] == {"train": 7, "index": 0, "test": 0}
    assert card["notes"]["shards"] == {"train": "0-2", "index": "0,1", "test": "0"}
    assert card["notes"]["whole release"] is False
    assert card["levels"] == ["landmark", "supercategory", "natural_or_human_made"]


def test_protocols_state_the_solution_s_pairs(serve: Callable[..., Served], tmp_path: Path):
    items = built(serve(), tmp_path)
    assert list(load_card(tmp_path, "mini")["protocols"]) == ["all", "private", "public"]
    keys, seen = items["key"].to_numpy(dtype=object), {}
    for name in ("all", "public", "private"):
        protocol = load_protocol(tmp_path, "mini", name)
        assert protocol.ks == (1, 2, 4, 8, 100)
        assert (items["split"].to_numpy()[protocol.queries] == "query").all()
        assert len(protocol.gallery) == 40
        assert (items["split"].to_numpy()[protocol.gallery] == "gallery").all()
        assert set(protocol.relations["relation"]) == {"positive"}
        seen[name] = {(keys[row.query], keys[row.item]) for row in protocol.relations.itertuples()}
        assert {query for query, _ in seen[name]} == set(keys[protocol.queries])
    stated = {
        (f"test/{image_id('test', image)}", f"index/{one}")
        for image in range(RELEASE.test)
        if not RELEASE.is_ignored(image)
        for one in RELEASE.relevant(RELEASE.queried(image))
    }
    assert seen["all"] == stated
    assert seen["public"] | seen["private"] == stated
    assert seen["public"]
    assert seen["private"]
    assert not seen["public"] & seen["private"]


def test_the_protocol_s_pairs_are_what_the_metrics_take(serve: Callable[..., Served], tmp_path: Path):
    served = serve()

    def shorten(lines: list[str]) -> None:
        query, images, usage = lines[2].split(",")
        lines[2] = f"{query},{images.split()[0]},{usage}"

    edit_table(served.folder, SOLUTION, shorten)
    items = built(served, tmp_path)
    protocol = load_protocol(tmp_path, "mini")
    # A landmark is one point: what is relevant scores highest, and ties with the rest of its landmark.
    _, landmark = np.unique(items["landmark"].fillna("none").to_numpy(dtype=str), return_inverse=True)
    points = np.eye(landmark.max() + 1)[landmark]
    found = stated_metrics(points[protocol.queries], points[protocol.gallery], protocol.pairs("positive"), protocol.ks)
    shortened = items["key"].iloc[protocol.queries].to_numpy() == f"test/{image_id('test', 1)}"
    assert shortened.sum() == 1
    assert (found["stated/mAP_at_100"][~shortened] == 1).all()
    assert found["stated/mAP_at_100"][shortened] == 1 / len(RELEASE.relevant(1))
    assert protocol.pairs("junk").shape == (0, 2)


def test_a_query_has_the_labels_of_its_landmark(serve: Callable[..., Served], tmp_path: Path):
    items = built(serve(), tmp_path).set_index("key")
    queries = [image for image in range(RELEASE.test) if not RELEASE.is_ignored(image)]
    for image in queries:
        row, landmark = items.loc[f"test/{image_id('test', image)}"], RELEASE.queried(image)
        assert row["landmark"] == f"index/{RELEASE.landmark_id(landmark):06d}"
        assert pd.isna(row["supercategory"]) == RELEASE.is_bare(landmark)
    labels, splits = load_labels(tmp_path, "mini")
    unlabelled = labels[(labels < 0).any(axis=1)]
    assert len(unlabelled) == 4 + 8 + sum(RELEASE.is_bare(RELEASE.queried(image)) for image in queries)
    assert len(splits) == len(items)


def test_queries_over_several_landmarks_and_partial_lists_are_counted(serve: Callable[..., Served], tmp_path: Path):
    served = serve()
    answers = {
        # Most of its images are landmark 1's; only a part of landmark 2's; as many of landmark 6 as of 4.
        1: [RELEASE.relevant(5)[0], *RELEASE.relevant(1)[:2]],
        2: RELEASE.relevant(2)[1:],
        3: [RELEASE.relevant(6)[0], RELEASE.relevant(4)[0]],
    }

    def change(lines: list[str]) -> None:
        for image, relevant in answers.items():
            query, _, usage = lines[1 + image].split(",")
            lines[1 + image] = f"{query},{' '.join(relevant)},{usage}"

    edit_table(served.folder, SOLUTION, change)
    items = built(served, tmp_path).set_index("key")
    for image, landmark in {1: 1, 2: 2, 3: 4}.items():
        assert items.loc[f"test/{image_id('test', image)}", "landmark"] == f"index/{RELEASE.landmark_id(landmark):06d}"
    facts = load_card(tmp_path, "mini")["notes"]["queries"]
    assert facts["over several landmarks"] == 2
    assert facts["whose list is not their landmark's gallery images"] == 3


def test_queries_that_show_only_distractors_have_no_labels(serve: Callable[..., Served], tmp_path: Path):
    served = serve()
    distractor = image_id("index", 8)

    def change(lines: list[str]) -> None:
        query, _, usage = lines[2].split(",")
        lines[2] = f"{query},{distractor} {'0' * 16},{usage}"

    edit_table(served.folder, SOLUTION, change)
    items = built(served, tmp_path)
    row = items.index[items["key"] == f"test/{image_id('test', 1)}"][0]
    assert items.loc[row, ["landmark", "supercategory"]].isna().all()
    relations = load_protocol(tmp_path, "mini").relations
    found = items["key"].iloc[relations.loc[relations["query"] == row, "item"]]
    assert found.tolist() == [f"index/{distractor}"]
    facts = load_card(tmp_path, "mini")["notes"]["queries"]
    assert facts["without a landmark"] == 1
    assert facts["relevant images outside the index"] == 1


def test_gldv2_has_one_level_and_drops_no_landmark(serve: Callable[..., Served], tmp_path: Path):
    served = serve()
    items = built(served, tmp_path, "gldv2")
    assert list(items) == ["image", "key", "source", "split", "landmark"]
    assert items["split"].isin(["train", "val"]).sum() == 60
    assert load_card(tmp_path, "mini")["set_aside"] == {IGNORED: {"images": 2, "classes": 0}}
    assert not [one["name"] for one in load_card(tmp_path, "mini")["sources"] if "hierarchical" in one["name"]]


def test_a_subset_of_shards_is_all_that_is_fetched_and_built(serve: Callable[..., Served], tmp_path: Path):
    served = serve()
    items = built(served, tmp_path, download={"train_shards": "2", "index_shards": 1})
    tars = [one["name"] for one in load_card(tmp_path, "mini")["sources"] if one["name"].endswith(".tar")]
    assert tars == ["index/images_001.tar", "test/images_000.tar", "train/images_002.tar"]
    expected = {
        f"train/{image_id('train', image)}"
        for image in range(2, RELEASE.train, 3)
        if not RELEASE.is_bare(image // RELEASE.per_landmark)
    }
    assert set(items.loc[items["source"] == "train", "key"]) == expected
    card = load_card(tmp_path, "mini")
    assert card["set_aside"][ELSEWHERE]["images"] == (45 - len(expected)) + 20
    assert card["notes"]["shards"] == {"train": "2", "index": "1", "test": "0"}
    relations = load_protocol(tmp_path, "mini").relations
    assert set(items["source"].to_numpy()[relations["item"]]) == {"index"}


def test_no_query_with_an_answer_in_the_chosen_shards_is_refused(serve: Callable[..., Served], tmp_path: Path):
    served = serve(Release(index=4, test=4, per_landmark=2, distractor_every=0))
    edit_shard(served.folder, "index", 0, lambda images: images.clear())
    with pytest.raises(SuiteError, match="no query has a relevant image in the chosen shards; choose more"):
        built(served, tmp_path, download={"index_shards": "0"})
    assert not (tmp_path / "datasets" / "mini").exists()


def test_a_shard_of_other_bytes_is_refused_and_nothing_is_placed(serve: Callable[..., Served], tmp_path: Path):
    served = serve()
    path = served.folder / "index" / "images_001.tar"
    data = bytearray(path.read_bytes())
    data[700] ^= 1
    path.write_bytes(data)
    with pytest.raises(SuiteError, match=r"index/images_001\.tar.*md5"):
        download_dataset(make(served, "h_gldv2", {}, {}), "mini", tmp_path)
    assert not (tmp_path / "downloads" / "mini").exists()
    assert not (tmp_path / "incoming" / "mini" / "index" / "images_001.tar").exists()


def test_a_checksum_file_without_a_checksum_is_named(serve: Callable[..., Served], tmp_path: Path):
    served = serve()
    (served.folder / "md5sum" / "train" / "md5.images_001.txt").write_text("<html>gone</html>\n")
    with pytest.raises(SuiteError, match=r"md5\.images_001\.txt: does not begin with an MD5 checksum"):
        download_dataset(make(served, "h_gldv2", {}, {}), "mini", tmp_path)


def test_faulty_missing_and_repeated_images_are_set_aside_and_counted(serve: Callable[..., Served], tmp_path: Path):
    served = serve()
    broken, gone = image_id("train", 0), image_id("train", 3)
    twice: dict[str, bytes] = {}

    def damage(images: dict[str, bytes]) -> None:
        images[broken] = images[broken][:300]
        del images[gone]
        twice[image_id("train", 6)] = images[image_id("train", 6)]

    edit_shard(served.folder, "train", 0, damage)
    edit_shard(served.folder, "train", 2, lambda images: images.update(twice))
    edit_shard(served.folder, "index", 0, lambda images: images.update({image_id("index", 0): b""}))
    items = built(served, tmp_path)
    assert not items["key"].isin([f"train/{broken}", f"train/{gone}", f"index/{image_id('index', 0)}"]).any()
    aside = load_card(tmp_path, "mini")["set_aside"]
    assert aside["truncated"] == {"images": 1, "classes": 1}
    assert aside["empty"] == {"images": 1, "classes": 1}
    assert aside[ELSEWHERE] == {"images": 1, "classes": 1}
    assert aside[REPEATED] == {"images": 1, "classes": 0}
    relations = load_protocol(tmp_path, "mini").relations
    assert relations["item"].max() < len(items)
    assert items["key"].iloc[relations["item"]].str.startswith("index/").all()


def test_two_builds_are_the_same_bytes(serve: Callable[..., Served], tmp_path: Path):
    served = serve()
    folders = []
    for place in ("one", "two"):
        built(served, tmp_path / place)
        folders.append({path.name: path.read_bytes() for path in (tmp_path / place / "datasets" / "mini").iterdir()})
    assert folders[0] == folders[1]
    assert {"items.parquet", "protocols.parquet", "relations.parquet", "card.json"} <= set(folders[0])


def test_an_answer_that_stands_twice_counts_once(serve: Callable[..., Served], tmp_path: Path):
    served = serve()

    def repeat(lines: list[str]) -> None:
        query, images, usage = lines[2].split(",")
        lines[2] = f"{query},{images} {images},{usage}"

    edit_table(served.folder, SOLUTION, repeat)
    built(served, tmp_path)
    assert not load_protocol(tmp_path, "mini").relations.duplicated().any()
    facts = load_card(tmp_path, "mini")["notes"]["queries"]
    assert facts["whose list is not their landmark's gallery images"] == 0
