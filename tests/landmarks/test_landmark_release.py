from __future__ import annotations

import hashlib
import io
import re
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from suite.errors import SuiteError
from suite.landmarks.archetypes import ARCHETYPES
from suite.landmarks.plan import make_plan
from suite.landmarks.release import draw_release
from suite.landmarks.settings import ReleaseSettings

SMALL = {
    "train_per_category": 2,
    "index_per_category": 1,
    "train_images": 2.0,
    "index_images": 2.0,
    "test_images": 1.5,
    "distractors": 4,
    "ignored": 3,
    "noisy": 0.3,
    "unlabelled": 0.3,
    "train_shards": 3,
    "index_shards": 2,
    "size": 24,
    "image_bytes": 30_000,
}
PUBLISHED = {
    "metadata/train.csv": ["id", "url", "landmark_id"],
    "metadata/train_clean.csv": ["landmark_id", "images"],
    "metadata/train_label_to_category.csv": ["landmark_id", "category"],
    "metadata/train_label_to_hierarchical.csv": [
        "landmark_id",
        "category",
        "supercategory",
        "hierarchical_label",
        "natural_or_human_made",
    ],
    "metadata/index.csv": ["id"],
    "metadata/index_image_to_landmark.csv": ["id", "landmark_id"],
    "metadata/index_label_to_category.csv": ["landmark_id", "category"],
    "metadata/index_label_to_hierarchical.csv": [
        "landmark_id",
        "category",
        "supercategory",
        "hierarchical_label",
        "natural_or_human_made",
    ],
    "metadata/test.csv": ["id"],
    "ground_truth/retrieval_solution_v2.1.csv": ["id", "images", "Usage"],
}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "release"
    draw_release(folder, **SMALL)
    return folder


def table(release: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(release / name, keep_default_na=False)


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}


def contents(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


class TestLayout:
    def test_the_files_are_those_of_the_release_and_no_others(self, release):
        shards = [f"train/images_{n:03d}.tar" for n in range(3)] + [f"index/images_{n:03d}.tar" for n in range(2)]
        shards.append("test/images_000.tar")
        sums = [re.sub(r"(\w+)/images_(\d+).tar", r"md5sum/\1/md5.images_\2.txt", shard) for shard in shards]
        assert set(contents(release)) == {*PUBLISHED, *shards, *sums}

    def test_headers_are_the_published_ones(self, release):
        assert {name: list(table(release, name).columns) for name in PUBLISHED} == PUBLISHED

    def test_md5_files_hold_the_line_of_md5sum(self, release):
        for path in (release / "md5sum").rglob("*.txt"):
            name = path.name.replace("md5.", "").replace(".txt", ".tar")
            shard = release / path.parent.name / name
            assert path.read_text() == f"{hashlib.md5(shard.read_bytes()).hexdigest()}  {name}\n"

    def test_shards_hold_the_listed_images_once_each_where_their_ids_say(self, release):
        for part, listed in (("train", "train.csv"), ("index", "index.csv"), ("test", "test.csv")):
            ids = set(table(release, f"metadata/{listed}")["id"])
            found = [name for path in sorted((release / part).iterdir()) for name in members(path)]
            assert all(
                re.fullmatch(r"([0-9a-f])/([0-9a-f])/([0-9a-f])/\1\2\3[0-9a-f]{13}\.jpg", name) for name in found
            )
            assert sorted(Path(name).stem for name in found) == sorted(ids)

    def test_images_are_jpegs_of_the_size_asked(self, release):
        for data in members(release / "index/images_000.tar").values():
            image = Image.open(io.BytesIO(data))
            assert (image.format, image.size, image.mode) == ("JPEG", (24, 24), "RGB")
            assert np.asarray(image).std() > 1

    def test_archives_hold_no_time_and_no_owner(self, release):
        with tarfile.open(release / "train/images_000.tar") as archive:
            assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in archive} == {(0, 0, 0, "", "", 0o644)}


class TestTables:
    def test_clean_is_a_part_of_train_with_the_same_landmarks(self, release):
        train = table(release, "metadata/train.csv").set_index("id")["landmark_id"]
        clean = table(release, "metadata/train_clean.csv")
        kept = [(image, row.landmark_id) for row in clean.itertuples() for image in row.images.split()]
        assert all(train[image] == landmark for image, landmark in kept)
        assert len(kept) < len(train)
        assert set(clean["landmark_id"]) < set(train)

    def test_queries_list_all_index_images_of_their_landmark(self, release):
        landmarks = (
            table(release, "metadata/index_image_to_landmark.csv").groupby("landmark_id")["id"].agg(set).tolist()
        )
        solution = table(release, "ground_truth/retrieval_solution_v2.1.csv")
        counted = solution[solution["Usage"] != "Ignored"]
        assert all(set(images.split()) in landmarks for images in counted["images"])
        assert set(solution.loc[solution["Usage"] == "Ignored", "images"]) == {"None"}
        assert set(solution["Usage"]) <= {"Public", "Private", "Ignored"}
        assert set(solution["id"]) == set(table(release, "metadata/test.csv")["id"])

    def test_distractors_have_no_landmark_or_one_without_hierarchy_and_queries(self, release):
        index = table(release, "metadata/index.csv")["id"]
        landmark = table(release, "metadata/index_image_to_landmark.csv").set_index("id")["landmark_id"]
        relevant = set(" ".join(table(release, "ground_truth/retrieval_solution_v2.1.csv")["images"]).split())
        distractors = set(index) - relevant
        assert len(distractors) == 4
        named = [landmark[image] for image in distractors if image in landmark.index]
        assert len(named) == 2
        assert not set(named) & set(table(release, "metadata/index_label_to_hierarchical.csv")["landmark_id"])

    def test_some_landmarks_have_no_hierarchy_and_the_rest_a_true_one(self, release):
        for part in ("train", "index"):
            category = table(release, f"metadata/{part}_label_to_category.csv")
            hierarchy = table(release, f"metadata/{part}_label_to_hierarchical.csv")
            assert set(hierarchy["landmark_id"]) < set(category["landmark_id"])
            for row in hierarchy.itertuples():
                assert ARCHETYPES[row.supercategory][1:] == (row.hierarchical_label, row.natural_or_human_made)

    def test_ids_of_images_are_distinct_and_those_of_landmarks_overlap_between_the_sets(self):
        plan = make_plan(ReleaseSettings())
        ids = [photo.id for photo in plan.photos]
        assert len(set(ids)) == len(ids)
        assert set(plan.train_ids) & set(plan.index_ids)
        assert {key.part for key in plan.train_ids.values()}.isdisjoint(key.part for key in plan.index_ids.values())

    def test_ids_tell_neither_landmark_nor_order(self):
        plan = make_plan(ReleaseSettings())
        order = [plan.train[image] for image in sorted(plan.train)]
        neighbours = np.mean(np.array(order[1:]) == np.array(order[:-1]))
        assert neighbours < 0.15


class TestDeterminism:
    def test_the_same_bytes_for_any_number_of_processes(self, release, tmp_path):
        draw_release(tmp_path / "again", processes=2, **SMALL)
        assert contents(tmp_path / "again") == contents(release)

    def test_another_seed_gives_other_images(self, release):
        first, second = (make_plan(ReleaseSettings(**SMALL, seed=seed)) for seed in (0, 1))
        assert {photo.id for photo in first.photos}.isdisjoint(photo.id for photo in second.photos)


class TestBounds:
    def test_the_default_release_holds_enough_and_stays_within_16_mb(self):
        settings = ReleaseSettings()
        plan = make_plan(settings)
        listed = sum(map(len, plan.clean.values()))
        queries = sum(usage != "Ignored" for _, usage in plan.solution.values())
        keys = [*plan.train_ids.values(), *plan.index_ids.values()]
        assert sum(key.part in ("train", "index") for key in keys) >= 400
        assert listed + len(plan.index) + queries >= 4000
        # Each image is a header and whole blocks of 512 bytes; a tar ends in a record of 10,240.
        blocks = 512 + -(-settings.image_bytes // 512) * 512
        assert len(plan.photos) * (blocks + 120) + 7 * 20_480 < 16_000_000

    def test_images_obey_the_budget(self, tmp_path):
        options = {
            **SMALL,
            "train_per_category": 1,
            "index_images": 1.0,
            "test_images": 1.0,
            "size": 128,
            "image_bytes": 2560,
            "train_shards": 1,
        }
        counts = draw_release(tmp_path / "release", **options)
        sizes = [len(data) for data in members(tmp_path / "release/train/images_000.tar").values()]
        assert max(sizes) <= 2560
        assert counts["bytes"] == sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())

    def test_a_setting_out_of_range_is_refused_by_name(self, tmp_path):
        with pytest.raises(SuiteError, match=r"^draw-landmarks: size: .*16"):
            draw_release(tmp_path / "release", size=4)
        with pytest.raises(SuiteError, match=r"^draw-landmarks: colour: "):
            draw_release(tmp_path / "release", colour="red")

    def test_a_folder_that_holds_something_else_is_left_alone(self, tmp_path):
        (tmp_path / "thesis.txt").write_text("chapter one")
        with pytest.raises(SuiteError, match="is no drawn release"):
            draw_release(tmp_path, **SMALL)
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]

    def test_the_real_release_is_left_alone(self, tmp_path):
        table = tmp_path / "metadata" / "train.csv"
        table.parent.mkdir()
        table.write_text("id,url,landmark_id\n6e158a47eb2ca3f6,https://example.org/a.jpg,142820\n")
        with pytest.raises(SuiteError, match="is no drawn release"):
            draw_release(tmp_path, **SMALL)
        assert table.is_file()
