"""The drawn data set of the synthetic study: coloured shapes in three levels, several styles of each."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
from PIL import Image, ImageDraw

from suite.datasets.protocols import leave_one_out, write_protocols
from suite.datasets.store import store_images
from suite.files import write_json

LEVELS = ("emoji", "subgroup", "group")
STYLES = ("twemoji", "noto", "fluent", "openmoji", "fxemoji", "emojione")


def write_dataset(root: Path, dataset: str) -> pd.DataFrame:
    rows, images = [], []
    for code in range(40):
        split = "train" if code % 10 < 5 else "val" if code % 10 < 7 else "test"
        for number, style in enumerate(STYLES):
            rows.append(
                {
                    "image": len(rows),
                    "key": f"{style}/shape-{code}",
                    "source": style,
                    "split": split,
                    "emoji": f"shape {code}",
                    "subgroup": f"subgroup {code // 4}",
                    "group": f"group {code // 10}",
                }
            )
            images.append(_draw(code, number))
    items = pd.DataFrame(rows)
    folder = root / "datasets" / dataset
    folder.mkdir(parents=True)
    items.to_parquet(folder / "items.parquet", index=False)
    store_images(folder, zip(items["key"], images, strict=True), threads=1)
    protocol = leave_one_out(items)
    write_protocols(folder, [protocol])
    counts = {name: {"images": len(part), "classes": part["emoji"].nunique()} for name, part in items.groupby("split")}
    sources = [
        {
            "package": f"@iconify-json/{style}",
            "version": f"1.2.{number}",
            "integrity": "sha512-" + "a1B2" * 22,
            "licence": ("CC-BY-4.0", "Apache-2.0", "CC-BY-SA-4.0")[number % 3],
            "licence_url": "https://creativecommons.org/licenses/",
            "author": f"The {style} artists",
        }
        for number, style in enumerate(STYLES)
    ]
    card = {
        "name": dataset,
        "title": f"{dataset.capitalize()} styles",
        "levels": list(LEVELS),
        "counts": counts,
        "protocols": {protocol.name: protocol.summary()},
        "sources": sources,
        "settings": {},
        "set_aside": {"pixel duplicates of another class": {"images": 7, "classes": 1}},
    }
    write_json(folder / "card.json", card)
    write_json(
        root / "features" / dataset / "features.json",
        {
            "backbone": "tf_efficientnet_lite0",
            "image_size": 96,
            "width": 1280,
            "weights_sha256": "b" * 64,
            "digest": "c0ffee" * 10 + "beef",
        },
    )
    return items


def _draw(code: int, style: int) -> bytes:
    image = Image.new("RGB", (64, 64), (255, 255 - 8 * style, 255 - 6 * style))
    pen = ImageDraw.Draw(image)
    colour = ((200, 60, 60), (40, 130, 90), (60, 80, 190), (210, 150, 30))[code // 10]
    size = 12 + 4 * (code % 4)
    box = (32 - size, 32 - size, 32 + size, 32 + size)
    outline = {"outline": (20, 20, 20), "width": style % 3}
    if code // 4 % 3 == 0:
        pen.ellipse(box, fill=colour, **outline)
    elif code // 4 % 3 == 1:
        pen.rectangle(box, fill=colour, **outline)
    else:
        pen.regular_polygon((32, 32, size), n_sides=5 if code % 2 else 3, fill=colour, rotation=12 * style)
    handle = io.BytesIO()
    image.save(handle, "PNG")
    return handle.getvalue()
