"""A recorded study of batch sizes and ablations: the `runs` table, per-query tables, and gaps, with known effects."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import study_settings as settings

from suite.config import Params
from suite.statistics.class_values import ClassReader
from suite.statistics.queries import QueryReader

DATASET = "emoji"
CLASSES, QUERIES = 12, 40
# The last class has one image, so its query has no positive.
LABELS = np.append(np.random.default_rng(0).integers(0, CLASSES, QUERIES - 1), CLASSES)
COUNTS = np.where(LABELS == CLASSES, 0, 3)
# What a doubling of the batch adds to AP, and what the loss adds at any size.
SLOPES = {"supap": 0.02, "triplet": 0.0, "mixed": 0.02}
SHIFTS = {"supap": 0.0, "triplet": 0.0, "mixed": 0.05}
MEASURED = (16, 64)
# Of `gap.parquet`, what comparisons between runs look at.
GAP_COLUMNS = (
    "dataset", "loss", "budget", "train_batch_size", "seed", "fingerprint", "epoch", "split", "sampler",
    "measure_batch_size", "metric", "partition", "gap",
)  # fmt: skip


class ScalingStudy:
    """Losses `supap` and `triplet`, and `mixed`, outside the leaderboard, an arm against `supap`.

    Args:
        root: the artifacts folder, written to.
        sizes: training batch sizes of every loss; at equal steps, of `supap` and `mixed`.
        failed: (loss, budget, batch size, seed) of runs that failed.
        noise: standard deviation of a run.
    """

    def __init__(
        self,
        root: Path,
        sizes=(32, 64, 128, 256),
        seeds=(0, 1, 2),
        failed=(),
        noise: float = 0.002,
        steps: bool = True,
    ):
        self.root, self.failed, self.noise = root, set(failed), noise
        losses = {}
        for name in SLOPES:
            equal = {"equal_steps": {"default": [{"batch_size": size, "learning_rate": 0.1} for size in sizes]}}
            more = (equal if steps and name != "triplet" else {}) | ({"compared": False} if name == "mixed" else {})
            losses[name] = settings.loss_entry(name, *sizes, learning_rate=0.1, **more)
        training = settings.settings()["training"] | {"steps": 100}
        self.params = settings.study(
            main_batch_size=sizes[0],
            seeds={"main": list(seeds), "scaling": list(seeds)},
            training=training,
            measure=settings.measure({"default": list(MEASURED)}, metrics=["AP", "R_at_1"]),
            losses=losses,
            ablations={
                "mixing": {"label": "Mixing", "baseline": "supap", "arms": {"supap": "without", "mixed": "with"}}
            },
        )
        folder = root / "datasets" / DATASET
        folder.mkdir(parents=True)
        pd.DataFrame({"label": [f"c{one:02}" for one in LABELS], "split": "test"}).to_parquet(folder / "items.parquet")
        (folder / "card.json").write_text(json.dumps({"levels": ["label"], "protocols": {}}))
        rows, gaps = [self._control()], []
        for loss in SLOPES:
            for run in self.params.runs(DATASET, loss):
                row, measured = self._run(loss, run.budget, run.batch.batch_size, run.seed)
                rows.append(row)
                gaps += measured
        self.runs = pd.DataFrame(rows).astype({"epochs": "Int64", "steps": "Int64"})
        self.gaps = pd.DataFrame(gaps, columns=list(GAP_COLUMNS)).astype({"epoch": "Int64"})

    @property
    def tested(self) -> dict[str, ClassReader]:
        return {DATASET: ClassReader(QueryReader(self.root, DATASET), self.runs)}

    @property
    def arguments(self) -> tuple[pd.DataFrame, dict[str, ClassReader], pd.DataFrame, Params]:
        return self.runs, self.tested, self.gaps, self.params

    def queries(self, row: pd.Series) -> pd.DataFrame:
        folder = self.root / "runs" / DATASET / row["loss"] / row["fingerprint"]
        table = pd.read_parquet(folder / "queries.parquet")
        return table[table["level0/num_positives"] > 0]

    def _control(self) -> dict:
        return {
            "dataset": DATASET,
            "loss": "frozen",
            "label": "Frozen features",
            "budget": "epochs",
            "batch_size": 0,
            "seed": 0,
            "role": "control",
            "status": "finished",
            "fingerprint": "",
            "val/level0/AP": 0.2,
            "test/level0/AP": 0.2,
        }

    def _run(self, loss: str, budget: str, size: int, seed: int) -> tuple[dict, list[dict]]:
        generator = np.random.default_rng([list(SLOPES).index(loss), budget == "steps", size, seed])
        row = {
            "dataset": DATASET,
            "loss": loss,
            "label": loss.title(),
            "budget": budget,
            "batch_size": size,
            "seed": seed,
            "role": "main" if size == self.params.main_batch_size and budget == "epochs" else "scaling",
            "epochs": 12 if budget == "epochs" else size,
            "steps": 100 if budget == "steps" else 6400 // size,
            "fingerprint": f"{loss}{budget}{size}s{seed}",
            "status": "failed" if (loss, budget, size, seed) in self.failed else "finished",
        }
        if row["status"] == "failed":
            return row, []
        seeded = np.random.default_rng(seed).normal(scale=0.01)
        level = 0.4 + SHIFTS[loss] + SLOPES[loss] * np.log2(size / 32) + seeded + self.noise * generator.normal()
        difficulty = np.random.default_rng(99).normal(scale=0.1, size=CLASSES + 1)[LABELS]
        scores = level + difficulty + generator.normal(scale=0.01, size=QUERIES)
        scores[COUNTS == 0] = 0.0
        found = scores[COUNTS > 0].mean()
        row |= {"val/level0/AP": level, "val/queries": 30.0, "test/level0/AP": found, "test/queries": float(QUERIES)}
        folder = self.root / "runs" / DATASET / loss / row["fingerprint"]
        folder.mkdir(parents=True)
        columns = {"level0/AP": scores, "level0/P_at_1": scores, "level0/num_positives": COUNTS}
        pd.DataFrame({"item": np.arange(QUERIES), **columns}).to_parquet(folder / "queries.parquet", index=False)
        return row, self._gaps(row, generator)

    def _gaps(self, row: dict, generator: np.random.Generator) -> list[dict]:
        """Gaps that fall by 0.01 a doubling of the training size, with what must not be looked at beside them."""
        rows = []
        for metric in ("AP", "R_at_1"):
            for measured in MEASURED:
                gap = 0.5 - 0.01 * np.log2(row["batch_size"]) - SHIFTS[row["loss"]] + self.noise * generator.normal()
                shared = {"dataset": DATASET, "loss": row["loss"], "budget": row["budget"], "seed": row["seed"]}
                shared |= {"train_batch_size": row["batch_size"], "fingerprint": row["fingerprint"], "epoch": None}
                shared |= {"split": "test", "sampler": "main", "measure_batch_size": measured, "metric": metric}
                rows += [shared | {"partition": place, "gap": gap + shift} for place, shift in enumerate((-0.1, 0.1))]
                for other in ({"epoch": 3}, {"split": "train"}, {"sampler": "random"}):
                    rows.append(shared | other | {"partition": 0, "gap": 1000.0})
        return rows
