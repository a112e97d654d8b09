"""A small built and embedded data set on disk: classes are blobs, so that a head has something to learn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from study_settings import loss_entry, measure, settings

from suite.config import Params
from suite.datasets.protocols import Protocol, leave_one_out, write_protocols

COSINE = {"distance": "cosine", "pos_margin": 1.0, "neg_margin": 0.5}

SETTINGS = settings(
    study="toy",
    main_batch_size=16,
    seeds={"main": [0, 1], "scaling": [0]},
    workers={"processes": 2},
    training={
        "protocol": "head",
        "epochs": 4,
        "samples_per_class": 4,
        "embedding_dim": 8,
        "weight_decay": 1.0e-4,
        "evaluations": 2,
    },
    tuning={"learning_rates": [1.0e-4, 1.0e-2], "seeds": [0]},
    measure=measure({"toy": [16]}, partitions=2),
    datasets={"toy": {"builder": "emoji", "download": {}}},
    losses={
        "supap": loss_entry("supap", 16, 32, learning_rate=0.01, label="Sup-AP", settings={"tau": 0.05}),
        "contrastive": loss_entry("contrastive", 16, learning_rate=0.01, settings=COSINE),
    },
)


def toy_params(**changes: object) -> Params:
    """The toy study's settings, top-level keys replaced by `changes`."""
    return Params.model_validate(SETTINGS | changes)


def write_toy(root: Path, classes: int = 36, images: int = 6, width: int = 12, gallery: bool = False) -> None:
    """Write `datasets/toy` and `features/toy` under `root`; the coarse class is the fine one's parity.

    With `gallery`, two test images a class are queries against the others, and one image in the gallery has no label.
    """
    generator = np.random.default_rng(7)
    fine = np.repeat(np.arange(classes), images)
    split = np.array(["train", "val", "test"])[np.minimum(fine // 12, 2)]
    centres = generator.normal(size=(classes, width))
    noise = generator.normal(size=(len(fine), width)) * np.linspace(0.2, 3.0, width)
    features = (centres[fine] + noise).astype(np.float32)
    built, embedded = root / "datasets" / "toy", root / "features" / "toy"
    built.mkdir(parents=True)
    embedded.mkdir(parents=True)
    items = {
        "image": np.arange(len(fine)),
        "key": [f"style/{i}" for i in range(len(fine))],
        "source": "style",
        "split": split,
        "shape": [f"shape-{c:02d}" for c in fine],
        "kind": [f"kind-{c % 2}" for c in fine],
    }
    table = pd.DataFrame(items)
    protocol = leave_one_out(table)
    if gallery:
        asking = protocol.queries % images < 2
        rows, others = protocol.queries[asking], protocol.queries[~asking]
        table.loc[rows, "split"], table.loc[others, "split"] = "query", "gallery"
        table.loc[others[0], ["shape", "kind"]] = None
        pairs = pd.DataFrame({"query": [rows[0]], "item": [others[1]], "relation": ["positive"]})
        protocol = Protocol("official", rows, others, (1, 100), relations=pairs)
    table.to_parquet(built / "items.parquet", index=False)
    write_protocols(built, [protocol])
    card = {"name": "toy", "levels": ["shape", "kind"], "protocols": {protocol.name: protocol.summary()}}
    (built / "card.json").write_text(json.dumps(card))
    np.save(embedded / "features.npy", features)
    (embedded / "features.json").write_text(json.dumps({"digest": "toy-digest"}))


def write_params(path: Path, **changes: object) -> None:
    """Write the toy study's settings as YAML, with a comment that must survive tuning."""
    path.write_text("# a comment to keep\n" + yaml.safe_dump(SETTINGS | changes, sort_keys=False))
