"""A small built data set of images on disk, and runs that train a tiny network on it end to end."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from study_settings import loss_entry, measure, settings

from suite.config import Batch, Params, PlannedRun
from suite.datasets.protocols import leave_one_out, write_protocols
from suite.datasets.store import store_images
from suite.training.protocols import data_digest
from suite.training.specification import RunSpecification, specification

FULL: dict[str, Any] = {
    "network": {
        "backbone": "test_vit",
        "weights": "none",
        "embedding_dim": 8,
        "dropout": 0.2,
        "drop_path": 0.3,
        "channels_last": False,
    },
    "images": {"size": 32, "crop": {"scale": [0.4, 1.0]}},
    "epochs": 2,
    "evaluations": 2,
    "precision": "float64",
    "optimizer": {"kind": "adamw", "weight_decay": 1.0e-4, "head_rate": 2.0},
}
# Batch norm instead of attention.
CONVOLUTIONAL = FULL["network"] | {"backbone": "test_resnet"}


def write_toy_images(root: Path, classes: int = 18, images: int = 5, side: int = 36) -> None:
    """Write `datasets/toy` under `root`: a class is a colour and a stripe, an image of it shifted and noisy."""
    generator = np.random.default_rng(11)
    fine = np.repeat(np.arange(classes), images)
    built = root / "datasets" / "toy"
    built.mkdir(parents=True)

    def drawn():
        for row, label in enumerate(fine):
            colour = np.random.default_rng(int(label)).uniform(40, 215, 3)
            pixels = np.tile(colour, (side, side, 1)) + generator.normal(0, 12, (side, side, 3))
            start = 3 + int(label) + int(generator.integers(0, 4))
            pixels[:, start : start + 6] = 255 - colour
            stream = io.BytesIO()
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(stream, "png")
            yield f"style/{row}", stream.getvalue()

    stored = store_images(built, drawn(), threads=1)
    table = pd.DataFrame(
        {
            "image": np.arange(len(fine)),
            "key": stored.keys,
            "source": "style",
            "split": np.array(["train", "val", "test"])[np.minimum(fine // (classes // 3), 2)],
            "shape": [f"shape-{c:02d}" for c in fine],
            "kind": [f"kind-{c % 2}" for c in fine],
        }
    )
    protocol = leave_one_out(table)
    table.to_parquet(built / "items.parquet", index=False)
    write_protocols(built, [protocol])
    card = {"name": "toy", "levels": ["shape", "kind"], "protocols": {protocol.name: protocol.summary()}}
    (built / "card.json").write_text(json.dumps(card))


def toy_image_params(
    loss: str = "supap",
    loss_settings: dict[str, Any] | None = None,
    batch_size: int = 16,
    learning_rate: float = 0.003,
    **full: Any,
) -> Params:
    """A study whose one loss trains end to end; `full` replaces keys of `FULL`."""
    entry = loss_entry(loss, batch_size, learning_rate=learning_rate, settings=loss_settings or {})
    return Params.model_validate(
        settings(
            study="toy",
            main_batch_size=batch_size,
            training=settings()["training"] | {"protocol": "full"},
            full={"toy": FULL | full},
            measure=measure({"toy": [8]}, partitions=2),
            datasets={"toy": {"builder": "emoji", "download": {}}},
            losses={loss: entry},
        )
    )


def toy_image_run(root: Path, seed: int = 0, **changes: Any) -> RunSpecification:
    """One run of `toy_image_params`."""
    params = toy_image_params(**changes)
    (name,) = params.losses
    (batch,) = params.batches("toy", name)
    planned = PlannedRun("epochs", Batch(**batch.model_dump()), seed, "main")
    return specification(params, "toy", name, planned, data_digest(params, "toy", name, root))
