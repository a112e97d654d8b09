"""A believable `artifacts/` tree drawn from a seed and laid out by docs/tables.md, to test reports on."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from study_settings import measure
from study_settings import study as make
from synthetic_images import LEVELS, write_dataset
from synthetic_runs import (
    ABLATIONS,
    ARMS,
    GAP_FACTORS,
    LOSSES,
    MAIN,
    MEASURES,
    QUALITY,
    SCALED,
    STEPPED,
    write_controls,
    write_runs,
)

from suite.config import Params
from suite.files import write_json
from suite.recipes import trials_path
from suite.statistics import compare


@dataclass(frozen=True)
class Study:
    """What to draw: how many losses and seeds, which runs fail, which optional parts are there.

    Ablations need all losses; `gap_extras` are samplers beside the main one, metrics beside AP, and followed runs.
    """

    losses: int = 8
    seeds: int = 5
    failed: tuple[tuple[str, int], ...] = ()
    scaling: bool = True
    steps: bool = True
    ablations: bool = True
    gap_extras: bool = True
    optional: bool = True
    datasets: tuple[str, ...] = ("emoji",)


def make_study(root: Path, study: Study) -> Params:
    """Write the whole tree under `root` and return the settings it belongs to."""
    params = _params(study)
    generator = np.random.default_rng(7)
    for dataset in study.datasets:
        items = write_dataset(root, dataset)
        runs = write_runs(root, dataset, params, items, study.failed, generator)
        write_controls(root, dataset, params, items, generator)
        if study.optional:
            _write_provenance(root, dataset, runs)
        _write_neighbours(root, dataset, items, params, generator)
    compare(params, root)
    if study.optional:
        _write_benchmark(root, params)
    return params


def write_trials(recipes: Path, params: Params, dataset: str = "emoji", without: tuple[str, ...] = ()) -> pd.DataFrame:
    """The record `ranksuite tune` would have left, its choices being the rates of `params`; `without`: losses."""
    rows = []
    for loss in params.losses:
        cases = [(budget, batch) for budget in ("epochs", "steps") for batch in params.batches(dataset, loss, budget)]
        for budget, batch in cases if loss not in without else []:
            for place, (rate, seed) in enumerate(itertools.product(params.tuning.learning_rates, params.tuning.seeds)):
                chosen = rate == batch.learning_rate
                rows.append(
                    {
                        "dataset": dataset,
                        "loss": loss,
                        "budget": budget,
                        "batch_size": batch.batch_size,
                        "learning_rate": rate,
                        "seed": seed,
                        "fingerprint": f"{len(rows):016x}",
                        "status": "finished",
                        "val/level0/AP": (0.4 if chosen else 0.3) + 0.001 * place,
                        "chosen": chosen,
                        "at_edge": chosen
                        and rate in (params.tuning.learning_rates[0], params.tuning.learning_rates[-1]),
                    }
                )
    table = pd.DataFrame(rows)
    path = trials_path(params.study, dataset, recipes)
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False)
    return table


def _params(study: Study) -> Params:
    seeds = list(range(study.seeds))
    varied = study.ablations and study.losses == len(LOSSES)
    losses = {key: _loss(key, study) for key in list(LOSSES)[: study.losses]}
    losses |= {key: _loss(key, study) | {"compared": False} for key in (ARMS if varied else ())}
    samplers = {"m4": {"kind": "m_per_class", "samples_per_class": 4}}
    if study.gap_extras:
        samplers |= {
            "m2": {"kind": "m_per_class", "samples_per_class": 2, "batch_sizes": [128]},
            "random": {"kind": "random", "batch_sizes": [128]},
        }
    return make(
        study="synthetic",
        main_batch_size=MAIN,
        seeds={"main": seeds, "scaling": seeds[:3], "followed": seeds[:3] if study.gap_extras else []},
        workers={"processes": 2},
        backbone={"name": "tf_efficientnet_lite0", "image_size": 96},
        training={
            "protocol": "head",
            "epochs": 30,
            "steps": 120,
            "samples_per_class": 4,
            "embedding_dim": 128,
            "weight_decay": 1e-4,
            "evaluations": 6,
        },
        tuning={"learning_rates": [0.0003, 0.001, 0.003], "seeds": [100]},
        measure=measure(
            {"default": list(MEASURES)},
            partitions=4,
            metrics=list(GAP_FACTORS) if study.gap_extras else ["AP"],
            samplers=samplers,
        ),
        datasets={name: {"builder": "emoji", "download": {}} for name in study.datasets},
        losses=losses,
        ablations=ABLATIONS if varied else {},
    )


def _loss(key: str, study: Study) -> dict:
    sizes = [32, 128, MAIN, 512, 2048] if study.scaling and key in SCALED else [MAIN]
    sizes = [32, MAIN] if key in ("roadmap_30", "roadmap_60") else sizes
    batches = [{"batch_size": size, "learning_rate": 0.001 if size < 512 else 0.003} for size in sizes]
    entry = {"loss": key, "label": (LOSSES | ARMS)[key], "batches": dict.fromkeys(study.datasets, batches)}
    if study.scaling and study.steps and key in STEPPED:
        entry["equal_steps"] = dict.fromkeys(study.datasets, batches)
    return entry


def _write_neighbours(
    root: Path, dataset: str, items: pd.DataFrame, params: Params, generator: np.random.Generator
) -> None:
    test = items.index[items["split"] == "test"].to_numpy()
    codes = [pd.factorize(items.loc[test, level])[0] for level in LEVELS]
    for key, strength in [("frozen", 0.5), *((key, 0.6 + 6 * (QUALITY[key] - 0.25)) for key in params.losses)]:
        parts = [
            np.eye(code.max() + 1)[code] * weight for code, weight in zip(codes, (strength, 0.5, 0.4), strict=True)
        ]
        vectors = np.concatenate([*parts, generator.normal(0, 0.32, (len(test), 12))], axis=1)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        scores = vectors @ vectors.T
        np.fill_diagonal(scores, -np.inf)
        nearest = np.argsort(-scores, axis=1)[:, :10]
        table = pd.DataFrame(
            {
                "query": np.repeat(test, 10),
                "rank": np.tile(np.arange(1, 11), len(test)),
                "item": test[nearest].ravel(),
                "score": np.take_along_axis(scores, nearest, 1).ravel(),
            }
        )
        folder = root / "controls" / dataset if key == "frozen" else root / "measures" / dataset / key
        table.to_parquet(folder / "neighbours.parquet", index=False)


def _write_provenance(root: Path, dataset: str, runs: list[dict]) -> None:
    for number, run in enumerate(runs):
        record = {
            "started": f"2001-01-01T00:{number % 60:02d}:00+00:00",
            "finished": "2001-01-01T01:00:00+00:00",
            "seconds": 12.5,
            "step_seconds": 2e-4 * (1 + 0.02 * (number % 7)) * (1 + run["batch_size"] / 64) ** 1.5,
            "step_bytes": 40_000 * run["batch_size"],
            "hardware": {"processor": "x86_64", "cores": 2, "memory_gib": 8},
            "python": "3.11.2",
            "packages": {"torch": "2.11.0+cpu", "timm": "1.0.9", "numpy": "2.4.6"},
            "commit": "abc1234" * 5 + "def01",
            "dirty": number == 3,
            "dependencies": {"artifacts/features": "1f" * 16},
        }
        write_json(root / "provenance" / dataset / run["loss"] / f"{run['fingerprint']}.json", record)


# Family and largest batch size of what is timed beside the losses of the settings; peers name their twin.
TIMED = {
    "contrastive": ("Pairs and triplets", 16384),
    "triplet": ("Pairs and triplets", 8192),
    "suprecall": ("Recall at k", 16384),
    "recall_at_k": ("Recall at k", 16384),
    "supndcg": ("Several levels", 2048),
    "arcface": ("Class centres", 4096),
}
PEERS = {"pml_smoothap": "smoothap", "pml_fastap": "fastap", "matrix_products": ""}


def _write_benchmark(root: Path, params: Params) -> None:
    cases = []
    for place, key in enumerate([*params.losses, "supndcg", "arcface", *PEERS]):
        family, largest = TIMED.get(key, ("Average precision", 16384))
        if key in PEERS:
            largest = 512 if PEERS[key] else 16384
        for size in (2**power for power in range(7, 15)):
            if size > largest:
                continue
            median = 0.0004 * (1 + place) * (size / 128) ** 1.8
            extra = {
                "label": key.replace("_", " "),
                "family": "" if key == "matrix_products" else family,
                "twin": PEERS.get(key, ""),
                "device": "cpu",
                "threads": 2,
                "peak_memory_bytes": 4_000_000 * size // 128,
            }
            cases.append(
                {
                    "name": f"test_loss[{key}-{size}]",
                    "params": {"loss": key, "batch_size": size},
                    # A record without memory must do, too.
                    "extra_info": extra if place % 7 else {**extra, "peak_memory_bytes": None},
                    "stats": {
                        "median": median,
                        "mean": median * 1.02,
                        "q1": median * 0.95,
                        "q3": median * 1.08,
                        "min": median * 0.9,
                        "max": median * 1.4,
                        "stddev": median * 0.05,
                        "rounds": 20,
                    },
                }
            )
    machine = {
        "cpu": {"brand_raw": "Some processor", "count": 2},
        "python_version": "3.11.2",
        "system": "Linux",
    }
    folder = root / "benchmark"
    folder.mkdir(parents=True)
    record = {"machine_info": machine, "commit_info": {"id": "abc"}, "benchmarks": cases}
    (folder / "benchmark.json").write_text(json.dumps(record))
    _precision().to_csv(folder / "precision.csv", index=False)


def _precision() -> pd.DataFrame:
    rows = []
    for loss in ("smoothap", "supap"):
        for embeddings, scores, error in (
            ("float64", "float64", 0.0),
            ("float32", "float32", 1e-7),
            ("bfloat16", "float32", 2e-3),
            ("bfloat16", "bfloat16", 3e-2),
        ):
            row = {"loss": loss, "tau": 0.01, "batch_size": 256, "embeddings": embeddings, "scores": scores}
            low = scores == "bfloat16"
            row |= {
                "ranks_changed": 9 * error if error > 1e-3 else 0.0,
                "value_error": error,
                "gradient_error": 3 * error,
            }
            row |= {"ranks_changed_given": 0.25 * low, "value_error_given": error * low, "gradient_error_given": error}
            rows.append(row)
    return pd.DataFrame(rows)
