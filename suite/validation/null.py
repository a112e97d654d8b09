"""A real study without a difference: many seeds of one loss, split at random into two groups.

Both groups come from one distribution of runs and are judged on the same classes, so every decision that a paired
comparison of them takes is a false one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from suite.config import PARAMS, Params, PlannedRun
from suite.datasets.arrays import load_features_digest, load_labels
from suite.errors import SuiteError
from suite.files import atomic_file
from suite.statistics.crossed import class_means
from suite.training.grid import run_grid
from suite.training.specification import RunSpecification, specification
from suite.training.stage import check_trainable
from suite.training.store import RunStore, store_lock
from suite.validation.methods import TITLES, intervals

DATASET, LOSS, METRIC = "emoji", "supap", "level0/AP"
RUNS = 40
GROUPS = (3, 5, 10)
# Splits that are analysed at once.
_BATCH = 250


def train_null(params: Params, root: Path, dataset: str = DATASET, loss: str = LOSS, runs: int = RUNS) -> pd.DataFrame:
    """Train what `root`/null lacks of `runs` seeds at the main batch size, and give the class means of each.

    Returns:
        `class`, `queries` (with positives), then a float32 column a seed (`0`, `1`, ...): the mean of `METRIC`.

    Raises:
        SuiteError: the data set is not built or embedded, the loss is not trained at the main batch size, or a run
            failed.
    """
    specs = _specifications(params, root, dataset, loss, runs)
    check_trainable(specs, root, dataset)
    store = RunStore(Path(root) / "null", dataset, loss)
    with store_lock(root):
        store.prune(spec.fingerprint for spec in specs)
        outcome = run_grid(specs, store, root, params.workers)
    if outcome.failed:
        raise SuiteError(f"{store.directory}: {outcome.failed} of {runs} runs failed; remove it and run again")
    columns = ["item", METRIC, "level0/num_positives"]
    tables = [pd.read_parquet(store.get(spec).directory / "queries.parquet", columns=columns) for spec in specs]
    judged = (tables[0]["level0/num_positives"] > 0).to_numpy()
    classes = load_labels(root, dataset)[0][tables[0]["item"].to_numpy()[judged], 0]
    means, sizes = class_means(np.stack([table[METRIC].to_numpy()[judged] for table in tables]), classes)
    by_seed = {str(spec.seed): row.astype(np.float32) for spec, row in zip(specs, means, strict=True)}
    return pd.DataFrame({"class": np.unique(classes), "queries": sizes} | by_seed)


def write_null(path: Path, runs: pd.DataFrame) -> None:
    """Keep the class means of the runs."""
    with atomic_file(path) as temporary:
        runs.to_parquet(temporary, index=False)


def read_null(path: Path) -> pd.DataFrame:
    """The class means that `write_null` kept."""
    return pd.read_parquet(path)


def null_rejections(runs: pd.DataFrame, splits: int, seed: int) -> pd.DataFrame:
    """Share of random splits of the runs that each method calls different at 5 %.

    Args:
        runs: of `train_null`.
        splits: random splits a group size: two groups without a run in common, paired at random.
        seed: of the splits.

    Returns:
        `seeds` (a group), `method`, `splits`, `rejections`, in percent.
    """
    names = [name for name in runs.columns if name not in ("class", "queries")]
    means, sizes = runs[names].to_numpy(dtype=np.float64).T, runs["queries"].to_numpy()
    rows = []
    for group in GROUPS:
        generator = np.random.default_rng([seed, group])
        rejected = dict.fromkeys((name for name in TITLES if name != "queries"), 0)
        for start in range(0, splits, _BATCH):
            many = min(_BATCH, splits - start)
            drawn = np.argsort(generator.random((many, len(names))), axis=1)[:, : 2 * group].T
            differences = np.moveaxis(means[drawn[:group]] - means[drawn[group:]], 1, 2)
            for method, (low, high) in intervals(differences, sizes, generator).items():
                rejected[method] += int(((low > 0) | (high < 0)).sum())
        rows += [(group, method, splits, 100 * count / splits) for method, count in rejected.items()]
    return pd.DataFrame(rows, columns=["seeds", "method", "splits", "rejections"])


def _specifications(params: Params, root: Path, dataset: str, loss: str, runs: int) -> list[RunSpecification]:
    digest = load_features_digest(root, dataset)
    at_main = [batch for batch in params.batches(dataset, loss) if batch.batch_size == params.main_batch_size]
    if not at_main:
        raise SuiteError(f"{PARAMS}: losses.{loss}.batches: no batch size {params.main_batch_size} on {dataset}")
    planned = [PlannedRun("epochs", at_main[0], seed, "null") for seed in range(runs)]
    return [specification(params, dataset, loss, run, digest) for run in planned]
