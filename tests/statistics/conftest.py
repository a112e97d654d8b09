"""A synthetic study: settings and the files that training, measuring and the controls would have left."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import study_settings as settings

from suite.config import Params
from suite.evaluation import Judged
from suite.statistics.controls import control_tables, whitened_gaps
from suite.statistics.measures import GAP_COLUMNS, gap_plan

METRICS = {"level0/AP": 0.3, "level0/R_at_1": 0.5, "NDCG": 0.7}
# What training adds to the mean of each loss, and the spread over seeds.
EFFECTS = {"supap": 0.10, "triplet": 0.02, "contrastive": 0.02}
# Sixteen classes of five images, the last eight of them tested.
LABELS = np.repeat(np.arange(16), 5)
TESTED = np.flatnonzero(LABELS >= 8)


class Study:
    """Writes artifacts under `root`; `params()` gives the settings that go with them."""

    def __init__(self, root: Path):
        self.root = root

    def params(self, losses=tuple(EFFECTS), main=(0, 1, 2, 3, 4), scaling=(0, 1, 2), batches=(32, 256)) -> Params:
        return settings.study(
            study="smoke",
            main_batch_size=256,
            seeds={"main": list(main), "scaling": list(scaling), "followed": [main[0]]},
            measure=settings.measure(
                {"default": [4, 8]},
                partitions=3,
                metrics=["AP", "NDCG"],
                samplers={
                    "m2": {"kind": "m_per_class", "samples_per_class": 2},
                    "random": {"kind": "random", "batch_sizes": [16]},
                },
            ),
            losses={name: settings.loss_entry(name, *batches, learning_rate=0.1) for name in losses},
        )

    def write(self, params: Params, failed: tuple[tuple[str, int, int], ...] = ()) -> None:
        """Data sets, controls, runs and measures of `params`; `failed`: (loss, batch size, seed) of failing runs."""
        for dataset in params.datasets:
            self.write_dataset(dataset)
            self.write_controls(dataset, params)
            for place, loss in enumerate(params.losses):
                gaps = []
                for batch in params.batches(dataset, loss):
                    main = batch.batch_size == params.main_batch_size
                    for seed in params.seeds.main if main else params.seeds.scaling:
                        run = self.write_run(
                            dataset,
                            loss,
                            batch.batch_size,
                            seed,
                            place,
                            (loss, batch.batch_size, seed) in failed,
                        )
                        gaps += [self._gaps(params, run)] if run["status"] == "finished" else []
                folder = self.root / "measures" / dataset / loss
                folder.mkdir(parents=True)
                table = pd.concat(gaps) if gaps else pd.DataFrame(columns=list(GAP_COLUMNS))
                table.to_parquet(folder / "gap.parquet", index=False)

    def write_dataset(self, dataset: str) -> None:
        folder = self.root / "datasets" / dataset
        folder.mkdir(parents=True)
        (folder / "card.json").write_text(json.dumps({"levels": ["class"]}))
        split = np.where(np.isin(np.arange(len(LABELS)), TESTED), "test", "val")
        items = pd.DataFrame({"split": split, "class": [f"class-{label:02d}" for label in LABELS]})
        items.to_parquet(folder / "items.parquet", index=False)

    def write_run(self, dataset: str, loss: str, batch_size: int, seed: int, place: int, failed: bool = False) -> dict:
        generator = np.random.default_rng([place, batch_size, seed])
        run = {
            "fingerprint": f"{generator.integers(2**48):012x}",
            "status": "failed" if failed else "finished",
            "study": "smoke",
            "dataset": dataset,
            "loss": loss,
            "label": loss.title(),
            "budget": "epochs",
            "batch_size": batch_size,
            "seed": seed,
            "protocol": "head",
            "role": "main" if batch_size == 256 else "scaling",
            "learning_rate": 0.1,
            "epochs": 2,
            "steps": 512 // batch_size,
            "parameters": {},
        }
        if failed:
            run["error"] = "loss is not finite"
        folder = self.root / "runs" / dataset / loss / run["fingerprint"]
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps(run))
        if not failed:
            shift = EFFECTS[loss] + generator.normal(scale=0.01)
            queries = self._queries(shift, place, generator)
            queries.to_parquet(folder / "queries.parquet", index=False)
            metrics = {f"val/{name}": value + shift for name, value in METRICS.items()}
            metrics |= {f"test/{name}": queries[name].mean() for name in METRICS}
            counts = {f"{split}/{name}": 40.0 for split in ("val", "test") for name in ("queries", "level0/queries")}
            (folder / "metrics.json").write_text(json.dumps(metrics | counts))
        return run

    def write_controls(self, dataset: str, params: Params) -> None:
        generator = np.random.default_rng(0)
        frozen, train = generator.normal(size=(80, 6)), np.flatnonzero(LABELS < 8)
        plan = gap_plan(params, dataset, 1)
        metrics, queries, gap = control_tables(
            frozen,
            LABELS,
            {"val": Judged(train, None, (1,)), "test": Judged(TESTED, None, (1,))},
            {"test": TESTED, "train": train},
            dataset=dataset,
            random_width=4,
            seeds=params.seeds.scaling,
            plan=plan,
        )
        whitened = whitened_gaps(frozen, LABELS, TESTED, train, dataset=dataset, plan=plan)
        wanted = [*METRICS, "queries", "level0/queries"]
        folder = self.root / "controls" / dataset
        folder.mkdir(parents=True)
        metrics[metrics["metric"].isin(wanted)].to_parquet(folder / "metrics.parquet", index=False)
        columns = ["control", "seed", "item", *METRICS, "level0/num_positives"]
        queries[columns].to_parquet(folder / "queries.parquet", index=False)
        gap.to_parquet(folder / "gap.parquet", index=False)
        whitened.to_parquet(folder / "whitened.parquet", index=False)

    def table(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self.root / "compare" / f"{name}.parquet")

    @staticmethod
    def _queries(shift: float, place: int, generator: np.random.Generator) -> pd.DataFrame:
        """Values of every test query: classes differ for all losses alike, and a little for each loss."""
        shared = np.random.default_rng(7).normal(scale=0.1, size=16)[LABELS[TESTED]]
        own = np.random.default_rng([8, place]).normal(scale=0.01, size=16)[LABELS[TESTED]]
        values = {
            name: value + shift + shared + own + generator.normal(scale=0.02, size=len(TESTED))
            for name, value in METRICS.items()
        }
        return pd.DataFrame({"item": TESTED, **values, "level0/num_positives": 4})

    @staticmethod
    def _gaps(params: Params, run: dict) -> pd.DataFrame:
        """What measuring leaves of a run: every run on test; a main one by each sampler, on train, and if followed."""
        plan = gap_plan(params, run["dataset"], 1)
        main = run["role"] == "main"
        asked = [(None, "test", plan.every | (plan.others if main else {}))]
        asked += [(None, "train", plan.every)] if main else []
        asked += [(epoch, "test", plan.along) for epoch in (1, 2) if main and run["seed"] in params.seeds.followed]
        generator = np.random.default_rng([run["seed"], run["batch_size"]])
        rows = []
        for epoch, split, samplers in asked:
            for name, sampler in samplers.items():
                for size, metric, partition in product(sampler.batch_sizes, plan.metrics, range(plan.partitions)):
                    negatives, positives = generator.random(2)
                    value = 0.2 + 0.1 * (epoch or 2)
                    rows.append(
                        {column: run[column] for column in ("dataset", "loss", "budget", "seed", "fingerprint")}
                        | {"train_batch_size": run["batch_size"], "epoch": epoch, "split": split, "sampler": name}
                        | {"measure_batch_size": size, "metric": metric, "partition": partition}
                        | {"batches": 40 // size, "queries": 40, "queries_without_positive": 2}
                        | {"images_never_drawn": 3, "set_value": value, "batch_value": value + negatives - positives}
                        | {
                            "gap": negatives - positives,
                            "fewer_negatives": negatives,
                            "fewer_positives": -positives,
                            "fewer_negatives_alone": negatives / 2,
                            "fewer_positives_alone": -positives / 2,
                        }
                    )
        return pd.DataFrame(rows, columns=list(GAP_COLUMNS)).astype({"epoch": "Int64"})


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path / "artifacts")
