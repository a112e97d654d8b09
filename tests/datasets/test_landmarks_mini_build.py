"""A drawn release through the code that builds H-GLDv2, and the pinned one against what the suite draws."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from study_settings import study

from suite.datasets import ImageStore, build_dataset, download_dataset, load_card, load_items
from suite.datasets.archives import iterate_members
from suite.datasets.images import decode_image
from suite.landmarks.archetypes import ARCHETYPES
from suite.landmarks.plan import make_plan
from suite.landmarks.release import draw_photos, draw_release
from suite.landmarks.settings import ReleaseSettings

REPOSITORY = Path(__file__).parents[2]
SMALL = {"train_per_category": 1, "index_per_category": 1, "train_images": 2, "index_images": 2, "test_images": 1}
SMALL |= {"distractors": 6, "ignored": 4, "size": 16, "unlabelled": 0.1}


def built(folder: Path, root: Path):
    entry = {"builder": "landmarks_mini", "download": {"origin": {"kind": "file", "folder": str(folder)}}}
    params = study(datasets={"landmarks": entry})
    download_dataset(params, "landmarks", root)
    build_dataset(params, "landmarks", root)
    return load_items(root, "landmarks"), load_card(root, "landmarks")


def test_a_drawn_release_is_built_as_h_gldv2(tmp_path: Path):
    counts = draw_release(tmp_path / "release", processes=2, **SMALL)
    items, card = built(tmp_path / "release", tmp_path / "artifacts")
    assert card["access"] == "embedded"
    assert "published counts" not in card["notes"]
    assert list(card["protocols"]) == ["all", "private", "public"]
    assert set(items["split"]) == {"train", "val", "query", "gallery"}
    assert (items["split"] == "gallery").sum() == counts["index"]
    gallery = items[items["split"] == "gallery"]
    assert gallery["landmark"].isna().any()
    assert card["set_aside"]["landmark without a hierarchy"]["classes"] > 0
    assert card["set_aside"]["query that the ground truth ignores"]["images"] == SMALL["ignored"]
    labelled = items.dropna(subset=["supercategory"])
    assert labelled["supercategory"].nunique() == len(ARCHETYPES)
    assert (labelled.groupby("supercategory")["natural_or_human_made"].nunique() == 1).all()
    assert len(ImageStore(tmp_path / "artifacts" / "datasets" / "landmarks")) == len(items)


@pytest.mark.slow
def test_the_pinned_release_is_what_the_suite_draws(tmp_path: Path):
    pulled = tmp_path / "project"
    for name in ("data.dvc", ".dvcignore"):
        (pulled / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, pulled / name)
    shutil.copytree(REPOSITORY / ".dvc" / "remote", pulled / "embedded")
    environment = os.environ | {"DVC_NO_ANALYTICS": "true", "DVC_SITE_CACHE_DIR": str(tmp_path / "site")}
    dvc = str(Path(sys.executable).parent / "dvc")
    remote = ("remote", "add", "--default", "embedded", "embedded")
    for command in (("init", "--no-scm"), remote, ("pull", "data.dvc")):
        subprocess.run([dvc, *command, "--quiet"], cwd=pulled, env=environment, check=True)
    folder = pulled / "data" / "landmarks_mini"
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= 16_000_000

    settings = ReleaseSettings()
    plan = make_plan(settings)
    for part in ("train", "index", "test"):
        listed = pd.read_csv(folder / "metadata" / f"{part}.csv", usecols=["id"])["id"]
        assert sorted(listed) == plan.ids(part)
    chosen = {photo.key and photo.key.supercategory: photo for photo in plan.photos}
    assert len(chosen) == len(ARCHETYPES) + 1
    for photo in chosen.values():
        ((name, data),) = draw_photos((photo.key, [photo], settings))
        assert name == photo.id
        # Another kind of processor may round another way; the picture is the same.
        drawn, pinned = (np.asarray(decode_image(one), dtype=float) for one in (data, stored(folder, photo.part, name)))
        assert np.abs(drawn - pinned).mean() < 2


def stored(folder: Path, part: str, name: str) -> bytes:
    """The bytes of an image, from whichever shard holds it."""
    member = f"{name[0]}/{name[1]}/{name[2]}/{name}.jpg"
    (found,) = [
        data
        for shard in sorted((folder / part).glob("*.tar"))
        for _, data in iterate_members(shard, lambda other: other == member)
    ]
    return found
