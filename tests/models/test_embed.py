from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from study_settings import study

from suite.config import Params
from suite.datasets import ImageStore, store_images
from suite.datasets.drawing import draw_png
from suite.datasets.miniature_glyphs import STYLES, shape_glyph
from suite.errors import SuiteError
from suite.files import atomic_directory
from suite.models.backbone import load_backbone
from suite.models.embed import CHUNK, embed_dataset, features_digest

ITEMS = CHUNK + 10


def make_params(processes: int = 1, image_size: int = 48) -> Params:
    return study(
        workers={"processes": processes},
        backbone={"name": "efficientnet_lite0", "image_size": image_size},
        datasets={"drawn": {"builder": "emoji", "download": {}}},
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built data set of glyphs whose rows run against the order of its store."""
    root = tmp_path_factory.mktemp("artifacts")
    styles = list(STYLES.values())
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64">{}</svg>'
    bodies = [styles[row % 6](shape_glyph("Nature", "flower", row // 6 % 4)) for row in range(ITEMS)]
    with atomic_directory(root / "datasets" / "drawn") as folder:
        drawn = [(str(row), draw_png(svg.format(body), 48)) for row, body in enumerate(bodies)]
        store_images(folder, drawn, threads=1)
        pd.DataFrame({"image": range(ITEMS)[::-1], "emoji": [f"class-{row % 5}" for row in range(ITEMS)]}).to_parquet(
            folder / "items.parquet", index=False
        )
    return root


def embedded(root: Path, processes: int) -> tuple[np.ndarray, dict]:
    folder = embed_dataset(make_params(processes), "drawn", root)
    return np.load(folder / "features.npy"), json.loads((folder / "features.json").read_text())


@pytest.fixture(scope="module")
def one_process(root: Path) -> tuple[np.ndarray, dict]:
    return embedded(root, 1)


@pytest.mark.slow
def test_features_are_the_same_bits_for_any_number_of_processes(root: Path, one_process):
    one, about_one = one_process
    two, about_two = embedded(root, 2)
    assert one.tobytes() == two.tobytes()
    assert about_one == about_two


def test_features_follow_the_rows_of_the_items(root: Path, one_process):
    features, about = one_process
    assert (features.shape, features.dtype) == ((ITEMS, 1280), np.float32)
    assert about["width"] == 1280
    assert len(about["weights_sha256"]) == len(about["digest"]) == 64
    store = ImageStore(root / "datasets" / "drawn")
    last = np.array(store.decode(ITEMS - 1))[None]
    np.testing.assert_allclose(features[:1], load_backbone("efficientnet_lite0").features(last), rtol=1e-3, atol=1e-3)


def test_a_query_with_a_box_is_embedded_by_what_the_box_holds(root: Path, tmp_path: Path):
    shutil.copytree(root / "datasets", tmp_path / "datasets")
    folder = tmp_path / "datasets" / "drawn"
    box = {"left": 4.0, "top": 8.0, "right": 40.0, "bottom": 30.0}
    pd.DataFrame([{"query": 2, **box}]).to_parquet(folder / "queries.parquet", index=False)
    features = np.load(embed_dataset(make_params(), "drawn", tmp_path) / "features.npy")
    image = ImageStore(folder).decode(ITEMS - 3).crop((4, 8, 40, 30)).resize((48, 48), Image.Resampling.BICUBIC)
    expected = load_backbone("efficientnet_lite0").features(np.array(image)[None])
    np.testing.assert_allclose(features[2:3], expected, rtol=1e-3, atol=1e-3)


def test_digest_depends_on_items_features_and_settings():
    items, features = pd.DataFrame({"image": [0, 1], "emoji": ["a", "b"]}), np.zeros((2, 3), np.float32)
    digest = features_digest(items, features, {"backbone": "x"})
    assert digest == features_digest(items.copy(), features.copy(), {"backbone": "x"})
    others = {
        features_digest(items.assign(emoji=["a", "c"]), features, {"backbone": "x"}),
        features_digest(items, features + 1, {"backbone": "x"}),
        features_digest(items, features, {"backbone": "y"}),
    }
    assert len(others | {digest}) == 4


def test_embedding_before_building_says_so(tmp_path: Path):
    with pytest.raises(SuiteError, match=r"items\.parquet: not found; run `ranksuite build drawn` first"):
        embed_dataset(make_params(), "drawn", tmp_path)
