"""The sheet of what the best loss of a data set finds."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageColor
from store_contents import files, stored

from suite.datasets.contact_sheet import GAP, LABEL, MARGIN, TILE
from suite.datasets.store import store_images
from suite.tracking import examples, sync

LABELS = ["a", "a", "b", "b", "c", "c"]


@pytest.fixture
def built(tmp_path) -> Path:
    """A root with a built data set of six images in three classes and two groups, and the neighbours of each."""
    folder = tmp_path / "datasets" / "emoji"

    def encoded(place: int) -> bytes:
        handle = io.BytesIO()
        Image.new("RGB", (24, 24), (40 * place, 0, 0)).save(handle, "PNG")
        return handle.getvalue()

    store_images(folder, ((str(place), encoded(place)) for place in range(6)), threads=1)
    items = {"image": range(6), "key": map(str, range(6)), "source": "drawn", "split": "test", "emoji": LABELS}
    pd.DataFrame(items | {"group": ["x", "x", "x", "x", "y", None]}).to_parquet(folder / "items.parquet")
    card = {"title": "Six", "levels": ["emoji", "group"], "counts": {}, "homepage": ""}
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    rows = [
        {"query": query, "rank": rank, "item": item, "score": 1 / rank}
        for query in range(6)
        for rank, item in enumerate((one for one in range(6) if one != query), start=1)
    ]
    (tmp_path / "measures" / "emoji" / "supap").mkdir(parents=True)
    # Out of order, as any table may be.
    pd.DataFrame(rows[::-1]).to_parquet(tmp_path / "measures" / "emoji" / "supap" / "neighbours.parquet")
    return tmp_path


def test_the_frame_of_a_result_says_at_which_level_it_is_right(built) -> None:
    target = built / "sheet.png"
    neighbours = built / "measures" / "emoji" / "supap" / "neighbours.parquet"
    examples.draw_examples(built, "emoji", neighbours, "Sup-AP", target)
    pixels = np.asarray(Image.open(target).convert("RGB"))
    left = [MARGIN + LABEL + column * (TILE + GAP) for column in range(6)]
    names = {ImageColor.getrgb(getattr(examples, name)): name for name in ("QUERY", "RIGHT", "COARSE", "WRONG")}
    # The first row's tiles stand where its query's frame begins.
    framed = np.flatnonzero((pixels[:, left[0] + TILE // 2] == ImageColor.getrgb(examples.QUERY)).all(axis=1))
    found = [names[tuple(map(int, pixels[framed[0], place + TILE // 2]))] for place in left]
    assert found == ["QUERY", "RIGHT", "COARSE", "COARSE", "WRONG", "WRONG"]


def test_the_sheet_is_an_artifact_of_the_studys_run(built, params, describe, record_run) -> None:
    record_run(built, describe())
    sync(params, built)
    sheet = files(stored(built)["trial"])["examples/emoji.png"]
    written = sheet.stat().st_mtime_ns
    assert Image.open(sheet).format == "PNG"
    sync(params, built)
    assert files(stored(built)["trial"])["examples/emoji.png"].stat().st_mtime_ns == written
