"""A small built data set of pictures on disk."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from suite.datasets.protocols import Protocol, leave_one_out, write_protocols
from suite.datasets.store import store_images
from suite.files import write_json

CLASSES, EACH = 12, 6


def encoded(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def write_pictures(root: Path, name: str = "pictures", gallery: bool = False, side: int = 40) -> Path:
    """Write `datasets/NAME` under `root` and return it: a pattern a class, under noise; four classes a split.

    Rows run against the order of the store. With `gallery`, the first two test images are queries against the others.
    """
    folder, generator = Path(root) / "datasets" / name, np.random.default_rng(0)
    patterns = generator.integers(0, 200, (CLASSES, 4, 5, 3)).repeat(10, 1).repeat(10, 2)[:, :side, : side + 10]
    classes = np.arange(CLASSES).repeat(EACH)
    pixels = [(patterns[label] + generator.integers(0, 56, patterns.shape[1:])).astype(np.uint8) for label in classes]
    store_images(folder, ((f"{row}", encoded(pixels[row])) for row in range(len(pixels))[::-1]), threads=1)
    items = pd.DataFrame(
        {
            "image": np.arange(len(classes))[::-1],
            "key": [f"{row}" for row in range(len(classes))],
            "source": "noise",
            "split": np.array(["train", "val", "test"])[classes // 4],
            "pattern": [f"pattern-{label:02d}" for label in classes],
            "kind": [f"kind-{label % 2}" for label in classes],
        }
    )
    protocol = leave_one_out(items)
    if gallery:
        rows, others = protocol.queries[:2], protocol.queries[2:]
        items["split"] = items["split"].replace("test", "gallery")
        items.loc[rows, "split"] = "query"
        pairs = pd.DataFrame({"query": rows, "item": others[:2], "relation": "positive"})
        protocol = Protocol("official", rows, others, (1, 2), relations=pairs)
    items.to_parquet(folder / "items.parquet", index=False)
    write_protocols(folder, [protocol])
    write_json(
        folder / "card.json",
        {"name": name, "levels": ["pattern", "kind"], "protocols": {protocol.name: protocol.summary()}},
    )
    return folder
