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

from suite.config import Params
from suite.files import write_json, write_table
from suite.recipes import trials_path
from suite.statistics.controls import LABELS
from suite.statistics.gap_comparison import gap_comparison
from suite.statistics.gap_tables import gap_table
from suite.statistics.measures import GAP_COLUMNS
from suite.statistics.tables import leaderboard, pairwise, scaling, scaling_comparison

LOSSES = {
    "contrastive": "Contrastive",
    "triplet": "Triplet",
    "fastap": "FastAP",
    "smoothap": "Smooth-AP",
    "supap": "Sup-AP",
    "roadmap": "Sup-AP + calibration",
    "suprecall": "Sup-R@k",
    "recall_at_k": "RS@k",
}
QUALITY = dict(zip(LOSSES, (0.250, 0.262, 0.268, 0.291, 0.306, 0.308, 0.289, 0.296), strict=True))
SCALED = ("smoothap", "supap", "roadmap", "recall_at_k")
MEASURES = (32, 128, 512, 2048)
FACTORS = {
    "level0/AP": 1,
    "level0/R_at_1": 1.7,
    "level0/mAP_at_R": 0.9,
    "NDCG": 2.2,
    "H_AP": 1.25,
    "level1/AP": 1.1,
    "level2/AP": 1.3,
}
MAIN = 256


@dataclass(frozen=True)
class Study:
    """What to draw: how many losses and seeds, which runs fail, which optional parts are there."""

    losses: int = 8
    seeds: int = 5
    failed: tuple[tuple[str, int], ...] = ()
    scaling: bool = True
    optional: bool = True
    datasets: tuple[str, ...] = ("emoji",)


def make_study(root: Path, study: Study) -> Params:
    """Write the whole tree under `root` and return the settings it belongs to."""
    params = _params(study)
    generator = np.random.default_rng(7)
    compare: dict[str, list[pd.DataFrame]] = {}
    for dataset in study.datasets:
        items = write_dataset(root, dataset)
        runs = _runs(dataset, params, study, generator)
        for name, table in _compare(dataset, params, runs, generator).items():
            compare.setdefault(name, []).append(table)
        if study.optional:
            _write_provenance(root, dataset, runs)
        _write_retrieval(root, dataset, items, params, runs, generator)
    for name, tables in compare.items():
        write_table(root / "compare" / name, pd.concat(tables, ignore_index=True))
    if study.optional:
        _write_benchmark(root, params)
    return params


def write_trials(recipes: Path, params: Params, dataset: str = "emoji", without: tuple[str, ...] = ()) -> pd.DataFrame:
    """The record `ranksuite tune` would have left, its choices being the rates of `params`; `without`: losses."""
    rows = []
    for loss in params.losses:
        for batch in params.batches(dataset, loss) if loss not in without else []:
            for place, (rate, seed) in enumerate(itertools.product(params.tuning.learning_rates, params.tuning.seeds)):
                chosen = rate == batch.learning_rate
                rows.append(
                    {
                        "dataset": dataset,
                        "loss": loss,
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
    losses = {}
    for key in list(LOSSES)[: study.losses]:
        sizes = [32, 128, MAIN, 512, 2048] if study.scaling and key in SCALED else [MAIN]
        batches = [{"batch_size": size, "learning_rate": 0.001 if size < 512 else 0.003} for size in sizes]
        losses[key] = {"loss": key, "label": LOSSES[key], "batches": dict.fromkeys(study.datasets, batches)}
    return make(
        study="synthetic",
        main_batch_size=MAIN,
        seeds={"main": seeds, "scaling": seeds[:3]},
        workers={"processes": 2},
        backbone={"name": "tf_efficientnet_lite0", "image_size": 96},
        training={
            "protocol": "head",
            "epochs": 30,
            "samples_per_class": 4,
            "embedding_dim": 128,
            "weight_decay": 1e-4,
            "evaluations": 6,
        },
        tuning={"learning_rates": [0.0003, 0.001, 0.003], "seeds": [100]},
        measure=measure({"default": list(MEASURES)}, partitions=4),
        datasets={name: {"builder": "emoji", "download": {}} for name in study.datasets},
        losses=losses,
    )


def _runs(dataset: str, params: Params, study: Study, generator: np.random.Generator) -> pd.DataFrame:
    rows = []
    for key, loss in params.losses.items():
        for batch in params.batches(dataset, key):
            main = batch.batch_size == MAIN
            for seed in params.seeds.main if main else params.seeds.scaling:
                failed = main and (key, seed) in study.failed
                row = {
                    "dataset": dataset,
                    "loss": key,
                    "label": loss.label,
                    "batch_size": batch.batch_size,
                    "seed": seed,
                    "role": "main" if main else "scaling",
                    "status": "failed" if failed else "finished",
                    "error": "loss became NaN at step 12" if failed else None,
                    "learning_rate": batch.learning_rate,
                    "epochs": 30,
                    "steps": 30 * max(1, 9000 // batch.batch_size),
                    "fingerprint": f"{len(rows):04x}" + "5eed" * 15,
                }
                if not failed:
                    level = QUALITY[key] + 0.012 * np.log2(batch.batch_size / MAIN) + generator.normal(0, 0.003)
                    row |= {f"test/{m}": level * f + generator.normal(0, 0.001) for m, f in FACTORS.items()}
                    row |= {f"val/{m}": 1.1 * level * f + generator.normal(0, 0.001) for m, f in FACTORS.items()}
                    row |= {"val/queries": 48, "test/queries": 72}
                rows.append(row)
    for control, quality in (("frozen", 0.205), ("random", 0.04)):
        row = {
            "dataset": dataset,
            "loss": control,
            "label": LABELS[control],
            "batch_size": 0,
            "seed": 0,
            "role": "control",
            "status": "finished",
            "fingerprint": "",
        }
        row |= {f"{split}/{m}": quality * f for m, f in FACTORS.items() for split in ("test", "val")}
        rows.append(row)
    return pd.DataFrame(rows)


def _compare(
    dataset: str, params: Params, runs: pd.DataFrame, generator: np.random.Generator
) -> dict[str, pd.DataFrame]:
    """The tables of `compare`, one data set at a time."""
    params = params.model_copy(update={"datasets": {dataset: params.datasets[dataset]}})
    gaps = _gaps(params, runs[runs["status"] == "finished"], generator)
    return {
        "runs": runs,
        "leaderboard": leaderboard(runs, params),
        "pairwise": pairwise(runs, params),
        "scaling": scaling(runs, params),
        "scaling_comparison": scaling_comparison(runs, params),
        "gap": gap_table(gaps, params),
        "gap_comparison": gap_comparison(gaps, params),
    }


def _gaps(params: Params, done: pd.DataFrame, generator: np.random.Generator) -> pd.DataFrame:
    """What measuring records: a row a run, measuring batch size and partition, of AP on the test classes."""
    rows = []
    for run, size, partition in itertools.product(done.to_dict("records"), MEASURES, range(params.measure.partitions)):
        key = run["loss"]
        scale = {"frozen": 0.55, "random": 0.3}.get(key) or 0.48 - 0.02 * list(LOSSES).index(key)
        value = scale * (size / 32) ** -0.35 + generator.normal(0, 0.004)
        ap = run["test/level0/AP"]
        rows.append(
            {
                **{name: run[name] for name in ("dataset", "loss", "seed", "fingerprint")},
                "budget": "epochs",
                "train_batch_size": run["batch_size"],
                "epoch": None,
                "split": "test",
                "sampler": params.measure.main_sampler,
                "measure_batch_size": size,
                "metric": "AP",
                "partition": partition,
                "batches": 72 // 24,
                "queries": 72,
                "queries_without_positive": 0,
                "images_never_drawn": 0,
                "batch_value": ap + value,
                "set_value": ap,
                "gap": value,
                "fewer_negatives": 1.15 * value,
                "fewer_positives": -0.15 * value,
                "fewer_negatives_alone": 1.2 * value,
                "fewer_positives_alone": -0.1 * value,
            }
        )
    return pd.DataFrame(rows)[list(GAP_COLUMNS)].astype({"epoch": "Int64"})


def _write_retrieval(
    root: Path,
    dataset: str,
    items: pd.DataFrame,
    params: Params,
    runs: pd.DataFrame,
    generator: np.random.Generator,
) -> None:
    test = items.index[items["split"] == "test"].to_numpy()
    codes = [pd.factorize(items.loc[test, level])[0] for level in LEVELS]
    for key, strength in [
        ("frozen", 0.5),
        *((key, 0.6 + 6 * (QUALITY[key] - 0.25)) for key in params.losses),
    ]:
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
        folder.mkdir(parents=True)
        table.to_parquet(folder / "neighbours.parquet", index=False)
        if key != "frozen":
            first = runs[(runs["loss"] == key) & (runs["batch_size"] == MAIN) & (runs["seed"] == params.seeds.main[0])]
            run = root / "runs" / dataset / key / first["fingerprint"].iloc[0]
            run.mkdir(parents=True)
            hits = (codes[0][nearest] == codes[0][:, None]).mean(axis=1)
            pd.DataFrame({"item": test, "level0/AP": hits}).to_parquet(run / "queries.parquet", index=False)


def _write_provenance(root: Path, dataset: str, runs: pd.DataFrame) -> None:
    for number, run in enumerate(runs[runs["batch_size"] > 0].itertuples()):
        record = {
            "started": f"2001-01-01T00:{number % 60:02d}:00+00:00",
            "finished": "2001-01-01T01:00:00+00:00",
            "seconds": 12.5,
            "hardware": {"processor": "x86_64", "cores": 2, "memory_gib": 8},
            "python": "3.11.2",
            "packages": {"torch": "2.11.0+cpu", "timm": "1.0.9", "numpy": "2.4.6"},
            "commit": "abc1234" * 5 + "def01",
            "dirty": number == 3,
            "dependencies": {"artifacts/features": "1f" * 16},
        }
        write_json(root / "provenance" / dataset / run.loss / f"{run.fingerprint}.json", record)


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
