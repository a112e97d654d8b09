"""What was recorded: the tables a report is made from, read once, by the names the settings give."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from suite.config import Budget, Params
from suite.datasets.protocols import Protocol, read_protocol
from suite.datasets.store import INDEX, ImageStore
from suite.errors import SuiteError
from suite.recipes import RECIPES, trials_path, validation_path
from suite.reporting.histories import read_curves
from suite.statistics.records import label

CONTROLS = ("frozen", "random")
# Tables of `compare` with one loss a row.
BY_LOSS = (
    "runs",
    "leaderboard",
    "scaling",
    "scaling_effect",
    "scaling_fits",
    "ablations",
    "gap",
    "gap_comparison",
    "gap_training",
    "gap_generalisation",
    "gap_matched",
)
TRIAL_COLUMNS = (
    "loss", "budget", "batch_size", "learning_rate", "seed", "status", "val/level0/AP", "chosen", "at_edge",
)  # fmt: skip
# Records of `ranksuite validate-statistics`.
VALIDATION = ("coverage", "null")


@dataclass(frozen=True)
class DatasetEvidence:
    """What one data set has on record; optional parts are empty where a stage left nothing.

    `trials` are those of the losses, budgets and batch sizes that the settings name, in their order;
    `curves` are the training histories of `suite.reporting.histories`.
    """

    name: str
    card: dict[str, Any]
    card_sha256: str
    features: dict[str, Any]
    items: pd.DataFrame
    protocol: Protocol
    images: ImageStore | None
    runs: pd.DataFrame
    leaderboard: pd.DataFrame
    pairwise: pd.DataFrame
    scaling: pd.DataFrame
    scaling_effect: pd.DataFrame
    scaling_fits: pd.DataFrame
    ablations: pd.DataFrame
    gap: pd.DataFrame
    gap_comparison: pd.DataFrame
    gap_training: pd.DataFrame
    gap_generalisation: pd.DataFrame
    gap_matched: pd.DataFrame
    neighbours: dict[str, pd.DataFrame]
    queries: dict[str, pd.DataFrame]
    provenance: dict[str, dict[str, Any]]
    trials: pd.DataFrame
    curves: pd.DataFrame

    @property
    def title(self) -> str:
        """The data set's own title."""
        return str(self.card.get("title", self.name))

    @property
    def short(self) -> str:
        """The title as far as its first colon, for captions and lists."""
        return self.title.partition(":")[0]

    @property
    def levels(self) -> list[str]:
        """Names of the hierarchy levels, finest first."""
        return list(self.card["levels"])

    @property
    def finished(self) -> pd.DataFrame:
        """Trained runs that ended well (controls left out)."""
        trained = self.runs[self.runs["batch_size"] > 0]
        return trained[trained["status"] == "finished"]

    @property
    def failed(self) -> pd.DataFrame:
        """Trained runs that failed."""
        return self.runs[(self.runs["batch_size"] > 0) & (self.runs["status"] == "failed")]

    def board(self, metric: str, split: str = "test") -> pd.DataFrame:
        """Leaderboard rows of the losses for one metric, best first; equal means keep their order."""
        table = self.leaderboard
        table = table[(table["metric"] == metric) & (table["split"] == split) & ~table["loss"].isin(CONTROLS)]
        return table.dropna(subset=["mean"]).sort_values("mean", ascending=False, kind="stable")

    def floor(self, metric: str, split: str = "test") -> float | None:
        """Frozen features' value of a metric, or None where the control is not on record."""
        table = self.leaderboard
        table = table[(table["metric"] == metric) & (table["split"] == split) & (table["loss"] == "frozen")]
        return None if table.empty else float(table["mean"].iloc[0])


@dataclass(frozen=True)
class Evidence:
    """Everything a report is made from; `precision` and the tables of `validation` are empty where none is on record.

    `friedman` is over data sets; `validation` holds what simulation and a real null say of the intervals.
    """

    params: Params
    datasets: tuple[DatasetEvidence, ...]
    friedman: pd.DataFrame
    validation: dict[str, pd.DataFrame]
    benchmark: dict[str, Any] | None
    precision: pd.DataFrame
    conformance: pd.DataFrame | None

    def label(self, loss: str) -> str:
        """What a loss or a control is called."""
        return label(loss, self.params)


def read_evidence(params: Params, root: Path, recipes: Path = RECIPES) -> Evidence:
    """Read the records under `root`, and under `recipes` the tuning trials and the validation of the statistics.

    Raises:
        SuiteError: naming the table that is missing and the stage that makes it.
    """
    compare = {
        name: _table(root / "compare" / f"{name}.parquet", "compare") for name in (*BY_LOSS, "pairwise", "friedman")
    }
    benchmark, precision = (root / "benchmark" / name for name in ("benchmark.json", "precision.csv"))
    conformance = root / "conformance" / "conformance.parquet"
    friedman = compare.pop("friedman")
    return Evidence(
        params=params,
        datasets=tuple(_dataset(params, root, recipes, name, compare) for name in params.datasets),
        friedman=friedman,
        validation={name: _validation(validation_path(f"{name}.csv", recipes)) for name in VALIDATION},
        benchmark=_json(benchmark, "benchmark") if benchmark.exists() else None,
        precision=pd.read_csv(precision) if precision.exists() else pd.DataFrame(),
        conformance=_table(conformance, "conformance") if conformance.exists() else None,
    )


def _dataset(params: Params, root: Path, recipes: Path, name: str, compare: dict[str, pd.DataFrame]) -> DatasetEvidence:
    folder = root / "datasets" / name
    tables = {key: table[table["dataset"] == name] for key, table in compare.items()}
    known = [*params.losses, *CONTROLS]
    for key in BY_LOSS:
        tables[key] = tables[key][tables[key]["loss"].isin(known)]
    pairs = tables["pairwise"]
    tables["pairwise"] = pairs[pairs["loss_a"].isin(params.losses) & pairs["loss_b"].isin(params.losses)]
    neighbours = {"frozen": root / "controls" / name / "neighbours.parquet"}
    neighbours |= {loss: root / "measures" / name / loss / "neighbours.parquet" for loss in params.losses}
    provenance, queries = {}, {}
    for run in tables["runs"][tables["runs"]["batch_size"] > 0].itertuples():
        path = root / "provenance" / name / run.loss / f"{run.fingerprint}.json"
        if path.exists():
            provenance[run.fingerprint] = _json(path, "train")
        path = root / "runs" / name / run.loss / run.fingerprint / "queries.parquet"
        if run.role == "main" and run.seed == params.seeds.main[0] and path.exists():
            queries[run.loss] = pd.read_parquet(path)
    card = _json(folder / "card.json", "build")
    return DatasetEvidence(
        name=name,
        card=card,
        card_sha256=hashlib.sha256((folder / "card.json").read_bytes()).hexdigest(),
        features=_json(root / "features" / name / "features.json", "embed"),
        items=_table(folder / "items.parquet", "build"),
        protocol=read_protocol(folder, card["protocols"]),
        images=ImageStore(folder) if (folder / INDEX).exists() else None,
        neighbours={key: pd.read_parquet(path) for key, path in neighbours.items() if path.exists()},
        queries=queries,
        provenance=provenance,
        trials=_trials(trials_path(params.study, name, recipes), params, name),
        curves=read_curves(tables["runs"], root / "runs" / name, params),
        **tables,
    )


def _trials(path: Path, params: Params, dataset: str) -> pd.DataFrame:
    if not path.is_file():
        return pd.DataFrame(columns=list(TRIAL_COLUMNS))
    table = pd.read_csv(path)
    # Before a search told budgets apart it was at equal epochs.
    table = table if "budget" in table.columns else table.assign(budget="epochs")
    lacking = [name for name in TRIAL_COLUMNS if name not in table.columns]
    if lacking:
        raise SuiteError(f"{path}: has no column '{lacking[0]}'; run `ranksuite tune`")
    named = [
        (table["loss"] == loss) & (table["budget"] == budget) & (table["batch_size"] == batch.batch_size)
        for loss in params.losses
        for budget in get_args(Budget)
        for batch in params.batches(dataset, loss, budget)
    ]
    return pd.concat([table[chosen] for chosen in named], ignore_index=True)[list(TRIAL_COLUMNS)]


def _validation(path: Path) -> pd.DataFrame:
    return pd.read_csv(path) if path.is_file() else pd.DataFrame()


def _table(path: Path, stage: str) -> pd.DataFrame:
    if not path.exists():
        raise SuiteError(f"{path}: not found; the {stage} stage makes it: run dvc repro")
    table = pd.read_parquet(path)
    # A column of nothing but nulls has lost its type; it is one of numbers without a value.
    empty = [name for name in table if table[name].isna().all() and table[name].dtype == object]
    return table.astype(dict.fromkeys(empty, float))


def _json(path: Path, stage: str) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SuiteError(f"{path}: not found; the {stage} stage makes it: run dvc repro") from None
    except json.JSONDecodeError as error:
        raise SuiteError(f"{path}: not valid JSON ({error}); remove it and run dvc repro") from None
