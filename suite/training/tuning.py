"""Tuning: every loss gets the same search over learning rates at every batch size, on the validation classes.

The test classes are never read. The chosen values are written into `params.yaml`, whose comments and layout stay.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from suite.config import PARAMS, Batch, Params, PlannedRun
from suite.errors import SuiteError
from suite.files import atomic_file
from suite.recipes import RECIPES, trials_path
from suite.settings_file import edited
from suite.training.grid import run_grid
from suite.training.loop import SELECTION
from suite.training.protocols import data_digest
from suite.training.specification import RunSpecification, check_loss, specification
from suite.training.stage import check_trainable
from suite.training.store import RunStore, store_lock

# What is searched on its own, for each loss.
CASE = ["budget", "batch_size"]


def tune(
    params: Params,
    dataset: str,
    names: list[str],
    root: Path,
    path: Path = PARAMS,
    recipes: Path = RECIPES,
    missing: bool = False,
) -> pd.DataFrame:
    """Search the learning rate of each loss in `names` at each of its batch sizes and write the best into `path`.

    Returns:
        One row a trial: `dataset`, `loss`, `budget`, `batch_size`, `learning_rate`, `seed`, `fingerprint`, `status`,
        `val/level0/AP`, `chosen`, `at_edge` (the chosen rate is the lowest or highest tried). The trials of all
        losses tuned so far are recorded in `trials/STUDY/DATASET.csv` under `recipes`, for the report. With `missing`,
        a budget and batch size whose trials, at these rates and seeds, are on record there is left as it is.

    Raises:
        SuiteError: every trial of a loss and batch size failed; `params.yaml` is then left as it was.
    """
    record = trials_path(params.study, dataset, recipes)
    known = pd.read_csv(record) if record.is_file() else pd.DataFrame(columns=["loss", *CASE])
    tables = []
    for name in names:
        check_loss(params, name)
        if not params.runs(dataset, name):
            continue
        asked = _trials(params, dataset, name, data_digest(params, dataset, name, root))
        specs = _not_on_record(asked, known[known["loss"] == name]) if missing else asked
        if not specs:
            continue
        check_trainable(specs, root, dataset)
        store = RunStore(root / "tuning", dataset, name)
        with store_lock(root):
            store.prune(spec.fingerprint for spec in asked)
            run_grid(specs, store, root, params.workers)
        table = choose(_results(specs, store))
        _write_choices(path, params, dataset, name, table[table["chosen"]])
        # After every loss: a search that is cut off goes on from there.
        _record(record, table)
        tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["chosen"])


def choose(trials: pd.DataFrame) -> pd.DataFrame:
    """Mark, for each budget and batch size, the learning rate with the best mean validation AP over seeds.

    A rate with a failed trial is out. Ties go to the lower rate. Adds the columns `chosen` and `at_edge`.
    """
    trials = trials.assign(chosen=False, at_edge=False)
    for (budget, batch_size), group in trials.groupby(CASE):
        means = group.groupby("learning_rate")[SELECTION].agg(lambda values: values.mean(skipna=False)).dropna()
        if means.empty:
            what = f"tuning {group['loss'].iloc[0]} at batch size {batch_size}, equal {budget}"
            raise SuiteError(f"{what}: every trial failed; lower the learning rates of tuning in params.yaml")
        best = means.index[np.flatnonzero(means.to_numpy() == means.max())[0]]
        rows = group.index[group["learning_rate"] == best]
        trials.loc[rows, "chosen"] = True
        trials.loc[rows, "at_edge"] = best in (group["learning_rate"].min(), group["learning_rate"].max())
    return trials


def _trials(params: Params, dataset: str, name: str, digest: str) -> list[RunSpecification]:
    cases = dict.fromkeys((run.budget, run.batch.batch_size) for run in params.runs(dataset, name))
    return [
        specification(
            params,
            dataset,
            name,
            PlannedRun(budget, Batch(batch_size=size, learning_rate=rate), seed, "tuning"),
            digest,
            test=False,
        )
        for budget, size in cases
        for rate in params.tuning.rates(params.protocol(name))
        for seed in params.tuning.seeds
    ]


def _not_on_record(specs: list[RunSpecification], known: pd.DataFrame) -> list[RunSpecification]:
    """The trials of the cases of which any is not among the `known` ones of the loss."""
    trials = {(spec.budget, spec.batch_size): set() for spec in specs}
    for spec in specs:
        trials[spec.budget, spec.batch_size].add((spec.learning_rate, spec.seed))
    found = {case: set(zip(part["learning_rate"], part["seed"], strict=True)) for case, part in known.groupby(CASE)}
    return [spec for spec in specs if trials[spec.budget, spec.batch_size] != found.get((spec.budget, spec.batch_size))]


def _results(specs: list[RunSpecification], store: RunStore) -> pd.DataFrame:
    rows = []
    for spec in specs:
        run = store.get(spec)
        rows.append(
            {
                "dataset": spec.dataset,
                "loss": spec.name,
                "budget": spec.budget,
                "batch_size": spec.batch_size,
                "learning_rate": spec.learning_rate,
                "seed": spec.seed,
                "fingerprint": spec.fingerprint,
                "status": run.record["status"],
                SELECTION: run.metrics()[SELECTION] if run.finished else float("nan"),
            }
        )
    return pd.DataFrame(rows)


def _record(path: Path, trials: pd.DataFrame) -> None:
    """Put the trials of these losses, budgets and batch sizes in the place of their earlier ones."""
    if path.is_file():
        earlier, case = pd.read_csv(path), ["loss", *CASE]
        renewed = pd.MultiIndex.from_frame(earlier[case]).isin(pd.MultiIndex.from_frame(trials[case]))
        trials = pd.concat([earlier[~renewed], trials], ignore_index=True)
    with atomic_file(path) as temporary:
        trials.to_csv(temporary, index=False, lineterminator="\n")


def _write_choices(path: Path, params: Params, dataset: str, name: str, chosen: pd.DataFrame) -> None:
    """Put the chosen rates into the data set's own list; one that was served by the default list gets a copy of it."""
    with edited(path) as document:
        entry = document["losses"][name]
        for budget, rates in chosen.groupby("budget"):
            lists = entry["batches" if budget == "epochs" else "equal_steps"]
            best = rates.groupby("batch_size")["learning_rate"].first()
            if dataset not in lists:
                lists[dataset] = [dict(batch) for batch in params.batches(dataset, name, budget)]
            for batch in lists[dataset]:
                if batch["batch_size"] in best.index:
                    batch["learning_rate"] = float(best[batch["batch_size"]])
