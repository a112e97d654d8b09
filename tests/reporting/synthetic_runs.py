"""The drawn runs and controls of the synthetic study: what training and measuring would have left of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from synthetic_images import LEVELS

from suite.config import Params, PlannedRun
from suite.files import write_json
from suite.statistics.gap import PARTS
from suite.statistics.measures import GAP_COLUMNS

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
# In no leaderboard: they serve an ablation.
ARMS = {
    "roadmap_30": "Sup-AP + calibration, 0.3",
    "roadmap_60": "Sup-AP + calibration, 0.6",
    "recall_at_k_simix": "RS@k with SiMix",
}
ABLATIONS = {
    "gap_loss": {
        "label": "Weight of the calibration loss",
        "baseline": "supap",
        "arms": {"supap": 0.0, "roadmap": 0.1, "roadmap_30": 0.3, "roadmap_60": 0.6},
    },
    "simix": {
        "label": "Similarity mixup",
        "baseline": "recall_at_k",
        "arms": {"recall_at_k": "without", "recall_at_k_simix": "with"},
    },
}
QUALITY = dict(zip(LOSSES, (0.250, 0.262, 0.268, 0.291, 0.306, 0.308, 0.289, 0.296), strict=True))
QUALITY |= {"roadmap_30": 0.300, "roadmap_60": 0.270, "recall_at_k_simix": 0.297}
SCALED = ("smoothap", "supap", "roadmap", "recall_at_k", "recall_at_k_simix")
STEPPED = ("supap", "recall_at_k")
MEASURES = (32, 128, 512)
FACTORS = {
    "level0/AP": 1,
    "level0/R_at_1": 1.7,
    "level0/mAP_at_R": 0.9,
    "NDCG": 2.2,
    "H_AP": 1.25,
    "level1/AP": 1.1,
    "level2/AP": 1.3,
}
GAP_FACTORS = {"AP": 1.0, "R_at_1": 0.7}
MAIN = 256
CONTROLS = {"frozen": 0.205, "random": 0.04}


def write_runs(
    root: Path,
    dataset: str,
    params: Params,
    items: pd.DataFrame,
    failed: tuple[tuple[str, int], ...],
    generator: np.random.Generator,
) -> list[dict]:
    """Every run of the settings under `runs` and `measures`; those at the main batch size named in `failed` failed."""
    records = []
    for place, loss in enumerate(params.losses):
        gaps = []
        for run in params.runs(dataset, loss):
            record = _record(params, dataset, loss, run, len(records))
            record["status"] = "failed" if run.role == "main" and (loss, run.seed) in failed else "finished"
            folder = root / "runs" / dataset / loss / record["fingerprint"]
            folder.mkdir(parents=True)
            if record["status"] == "failed":
                record["error"] = "loss became NaN at step 12"
            else:
                slope = 0.012 if run.budget == "epochs" else -0.002
                level = QUALITY[loss] + slope * np.log2(run.batch.batch_size / MAIN) + generator.normal(0, 0.003)
                queries = _queries(items, level, place, generator)
                queries.to_parquet(folder / "queries.parquet", index=False)
                write_json(folder / "metrics.json", _means(queries, level))
                _history(record, level, place, run.seed).to_parquet(folder / "history.parquet", index=False)
                gaps.append(_run_gaps(params, record, level, place, generator))
            write_json(folder / "run.json", record)
            records.append(record)
        folder = root / "measures" / dataset / loss
        folder.mkdir(parents=True)
        table = pd.concat(gaps) if gaps else pd.DataFrame(columns=list(GAP_COLUMNS))
        table.to_parquet(folder / "gap.parquet", index=False)
    return records


def write_controls(
    root: Path, dataset: str, params: Params, items: pd.DataFrame, generator: np.random.Generator
) -> None:
    """Frozen features, one random draw a seed, and the whitened features."""
    folder = root / "controls" / dataset
    folder.mkdir(parents=True)
    metrics, queries, gaps = [], [], []
    for control, level in CONTROLS.items():
        for seed in [0] if control == "frozen" else params.seeds.main:
            values = _queries(items, level, -1, generator)
            queries.append(values.assign(control=control, seed=seed))
            for name, value in _means(values, level).items():
                split, metric = name.split("/", 1)
                metrics.append((control, seed, split, metric, value))
            run = {"dataset": dataset, "loss": control, "budget": "epochs", "train_batch_size": 0, "seed": seed}
            run["fingerprint"] = ""
            asked = [(None, "test", *pair) for pair in _measured(params, others=True)]
            asked += [(None, "train", *pair) for pair in _measured(params)] if control == "frozen" else []
            gaps.append(_gaps(params, run, asked, level, 0.55 if control == "frozen" else 0.3, generator))
    names = ["control", "seed", "split", "metric", "value"]
    pd.DataFrame(metrics, columns=names).to_parquet(folder / "metrics.parquet", index=False)
    pd.concat(queries, ignore_index=True).to_parquet(folder / "queries.parquet", index=False)
    pd.concat(gaps, ignore_index=True).to_parquet(folder / "gap.parquet", index=False)
    run = {"dataset": dataset, "loss": "whitened", "budget": "epochs", "train_batch_size": 0, "seed": 0}
    run["fingerprint"] = ""
    whitened = [
        _gaps(
            params,
            run,
            [(None, "test", *pair) for pair in _measured(params)],
            CONTROLS["frozen"] + 0.14 * strength,
            0.55 - 0.05 * strength,
            generator,
        ).assign(strength=strength)
        for strength in (0.25, 0.5, 0.75, 1.0)
    ]
    pd.concat(whitened, ignore_index=True).to_parquet(folder / "whitened.parquet", index=False)


def _record(params: Params, dataset: str, loss: str, run: PlannedRun, number: int) -> dict:
    steps = 120 if run.budget == "steps" else 30 * max(1, 9000 // run.batch.batch_size)
    return {
        "dataset": dataset,
        "loss": loss,
        "label": params.losses[loss].label,
        "budget": run.budget,
        "batch_size": run.batch.batch_size,
        "seed": run.seed,
        "role": run.role,
        "error": None,
        "learning_rate": run.batch.learning_rate,
        "epochs": 30 if run.budget == "epochs" else -(-120 * run.batch.batch_size // 9000),
        "steps": steps,
        "fingerprint": f"{number:04x}" + "5eed" * 15,
    }


def _queries(items: pd.DataFrame, level: float, place: int, generator: np.random.Generator) -> pd.DataFrame:
    """Values of every test query: classes are hard or easy for all losses, and a little more so for one."""
    test = items[items["split"] == "test"]
    codes, classes = pd.factorize(test[LEVELS[0]])
    shared = np.random.default_rng(5).normal(0, 0.05, len(classes))
    own = np.random.default_rng([6, place + 1]).normal(0, 0.004, len(classes))
    effect = shared - shared[codes].mean() + own - own[codes].mean()
    noise = generator.normal(0, 0.02, len(test))
    table = {"item": test.index.to_numpy()}
    for metric, factor in FACTORS.items():
        table[metric] = factor * (level + effect[codes] + noise) + generator.normal(0, 0.002, len(test))
    return pd.DataFrame(table | {f"level{place}/num_positives": 5 for place in range(len(LEVELS))})


def _means(queries: pd.DataFrame, level: float) -> dict[str, float]:
    means = {f"test/{metric}": float(queries[metric].mean()) for metric in FACTORS}
    means |= {f"val/{metric}": 1.1 * level * factor for metric, factor in FACTORS.items()}
    return means | {"val/queries": 48.0, "test/queries": float(len(queries))}


def _history(record: dict, level: float, place: int, seed: int) -> pd.DataFrame:
    """A falling loss with noise of its own, so that nothing drawn elsewhere changes, and six validations that rise."""
    epochs, each = record["epochs"], max(1, min(4, record["steps"] // record["epochs"]))
    steps = np.arange(1, epochs * each + 1)
    done = steps / each
    noise = np.random.default_rng([8, place, seed]).normal(0, 0.01, len(steps))
    judged = np.isin(steps, np.linspace(0, len(steps), 7).astype(int)[1:])
    return pd.DataFrame(
        {
            "step": steps,
            "epoch": (steps - 1) // each + 1,
            "loss": (0.4 + 0.05 * place) * (0.6 + 0.4 * np.exp(-done / 6)) + noise,
            "learning_rate": record["learning_rate"],
            "gradient_norm": 0.2,
            "val/level0/AP": np.where(judged, 1.1 * level * (1 - 0.3 * np.exp(-done / 5)) + 0.1 * noise, np.nan),
        }
    )


def _measured(params: Params, others: bool = False) -> Iterator[tuple[str, int]]:
    """Samplers and measuring batch sizes: the main one at all, the others at their own."""
    for name, sampler in params.measure.samplers.items():
        if name == params.measure.main_sampler:
            yield from ((name, size) for size in MEASURES)
        elif others:
            yield from ((name, size) for size in sampler.batch_sizes)


def _run_gaps(params: Params, record: dict, level: float, place: int, generator: np.random.Generator) -> pd.DataFrame:
    """What measuring leaves of a run: every run on test; a main one by each sampler, on train, and along training."""
    main = record["role"] == "main"
    run = {name: record[name] for name in ("dataset", "loss", "budget", "seed", "fingerprint")}
    run["train_batch_size"] = record["batch_size"]
    scale = 0.48 - 0.02 * place + 0.004 * np.log2(record["batch_size"] / MAIN)
    asked = [(None, "test", *pair) for pair in _measured(params, others=main)]
    extras = len(params.measure.samplers) > 1
    asked += [(None, "train", *pair) for pair in _measured(params)] if main and extras else []
    parts = [_gaps(params, run, asked, level, scale, generator)]
    if main and record["seed"] in params.seeds.followed:
        for epoch in range(5, 31, 5):
            reached = CONTROLS["frozen"] + (level - CONTROLS["frozen"]) * (1 - np.exp(-epoch / 8))
            kept = [(epoch, "test", params.measure.main_sampler, size) for size in MEASURES[:2]]
            parts.append(_gaps(params, run, kept, reached, scale + 0.01 * (30 - epoch) / 30, generator))
    return pd.concat(parts)


def _gaps(
    params: Params,
    run: dict,
    asked: list[tuple[int | None, str, str, int]],
    level: float,
    scale: float,
    generator: np.random.Generator,
) -> pd.DataFrame:
    samplers = list(params.measure.samplers)
    rows = []
    for (epoch, split, sampler, size), metric in itertools.product(asked, params.measure.metrics):
        value = level * (1.15 if split == "train" else 1.0) * GAP_FACTORS[metric]
        mean = scale * GAP_FACTORS[metric] * (size / 32) ** -0.35 * (1 + 0.15 * samplers.index(sampler))
        for partition in range(params.measure.partitions):
            gap = mean + generator.normal(0, 0.004)
            parts = (value + gap, value, gap, 1.15 * gap, -0.15 * gap, 1.2 * gap, -0.1 * gap)
            rows.append(
                run
                | {"epoch": epoch, "split": split, "sampler": sampler, "measure_batch_size": size, "metric": metric}
                | {
                    "partition": partition,
                    "batches": 2,
                    "queries": 72,
                    "queries_without_positive": 0,
                    "images_never_drawn": 0,
                }
                | dict(zip(PARTS, parts, strict=True))
            )
    return pd.DataFrame(rows)[list(GAP_COLUMNS)].astype({"epoch": "Int64"})
