"""Where the tables of one data set take their numbers from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from recorded import AP, CONTROLS, METRICS, Records, Source
from scipy import stats


def _by_metric(rows: pd.DataFrame, title: str) -> pd.DataFrame:
    return rows[rows["metric"] == METRICS[title]] if title in METRICS else rows


def by_size(rows: pd.DataFrame, title: str) -> pd.DataFrame:
    """The rows of the batch size that a title names."""
    size = re.fullmatch(r"(?:gap at |batch )?([\d,]+)", title)
    column = "measure_batch_size" if "measure_batch_size" in rows else "batch_size"
    return rows[rows[column] == int(size[1].replace(",", ""))] if size else rows


def _leaderboard(records: Records, dataset: str) -> Source:
    frame = records.table("leaderboard", dataset, split="test")
    return Source(frame, {"Loss": "label"}, _by_metric, also=(1.0,))


def _intervals(records: Records, dataset: str) -> Source:
    return Source(records.table("leaderboard", dataset, split="test", metric=AP), {"Loss": "label"})


def _validation(records: Records, dataset: str) -> Source:
    frame = records.table("leaderboard", dataset, split="val", metric=AP)
    return Source(frame, {"Loss": "label"}, also=(1.0,))


def _levels(records: Records, dataset: str) -> Source:
    titles = {
        f"mAP, {level.replace('_', ' ')}": f"level{place}/AP"
        for place, level in enumerate(records.card(dataset)["levels"])
    }

    def by_level(rows: pd.DataFrame, title: str) -> pd.DataFrame:
        return rows[rows["metric"] == titles[title]] if title in titles else rows

    return Source(records.table("leaderboard", dataset, split="test"), {"Loss": "label"}, by_level)


def _pairwise(records: Records, dataset: str) -> Source:
    frame = records.table("pairwise", dataset, split="test", metric=AP)
    return Source(frame, {"Loss a": "label_a", "Loss b": "label_b"})


def _gap(records: Records, dataset: str) -> Source:
    chosen = {"metric": "AP", "split": "test", "budget": "epochs", "sampler": records.params.measure.main_sampler}
    return Source(records.table("gap", dataset, **chosen), {"Loss": "label", "Trained at": "train_batch_size"}, by_size)


def _samplers(records: Records, dataset: str) -> Source:
    frame = records.table("gap", dataset, metric="AP", split="test", budget="epochs")
    frame = frame[frame["train_batch_size"].isin([0, records.params.main_batch_size])]
    return Source(frame, {"Loss": "label"})


def _gap_comparison(records: Records, dataset: str) -> Source:
    chosen = {"metric": "AP", "budget": "epochs", "train_batch_size": records.params.main_batch_size}

    def by_control(rows: pd.DataFrame, title: str) -> pd.DataFrame:
        control = title.removeprefix("minus ")
        return rows[rows["control"] == control] if control in CONTROLS else rows

    frame = records.table("gap_comparison", dataset, **chosen)
    return Source(frame, {"Loss": "label", "Measured at": "measure_batch_size"}, by_control)


def _gap_matched(records: Records, dataset: str) -> Source:
    frame = records.table("gap_matched", dataset, metric="AP")
    frame = frame[frame["measure_batch_size"] == frame["measure_batch_size"].min()]
    return Source(frame, {"Loss": "label", "Reference": "reference_label"})


def _gap_along(records: Records, dataset: str) -> Source:
    frame = records.table("gap_training", dataset, metric="AP")
    return Source(frame, {"Loss": "label", "Epoch": "epoch"}, by_size)


def over_seeds(runs: pd.DataFrame, keys: list[str], columns: list[str]) -> pd.DataFrame:
    """Means over seeds and the ends of their 95 % t intervals."""
    rows = []
    for key, part in runs.groupby(keys, sort=False):
        row: dict[str, Any] = dict(zip(keys, key, strict=True)) | {"seeds": len(part)}
        for column in columns:
            mean, sd = part[column].mean(), part[column].std()
            half = stats.t.ppf(0.975, len(part) - 1) * sd / np.sqrt(len(part)) if len(part) > 1 else np.nan
            row |= {column: mean, f"{column}_low": mean - half, f"{column}_high": mean + half}
        rows.append(row)
    return pd.DataFrame(rows)


def _generalisation(records: Records, dataset: str) -> Source:
    runs = records.table("gap_generalisation", dataset, metric="AP")
    runs = runs[runs["measure_batch_size"] == runs["measure_batch_size"].min()]
    shown = ["train_set_value", "test_set_value", "train_gap", "test_gap"]
    runs = runs[runs["train_batch_size"].isin([0, records.params.main_batch_size])]
    return Source(over_seeds(runs, ["label"], shown), {"Loss": "label"})


def ablation(records: Records, dataset: str, name: str) -> Source:
    """Of the table of one ablation."""
    frame = records.table("ablations", dataset, ablation=name)
    return Source(frame, {"Value": "value", "Batch": "batch_size", "Equal": "budget"}, _by_quantity)


def _by_quantity(rows: pd.DataFrame, title: str) -> pd.DataFrame:
    size = re.fullmatch(r"gap of (\S+) at (\d+)", title)
    quantity = f"gap_{size[1]}_at_{size[2]}" if size else METRICS.get(title)
    return rows if quantity is None else rows[rows["quantity"] == quantity]


def _scaling(records: Records, dataset: str) -> Source:
    keys = {"Loss": "label", "Equal": "budget", "Batch": "batch_size"}
    return Source(records.table("scaling", dataset, split="test"), keys, _by_metric)


def _scaling_effect(records: Records, dataset: str) -> Source:
    frame = records.table("scaling_effect", dataset)
    shown = {recorded: title for title, recorded in METRICS.items()}
    frame = frame.assign(title=frame["metric"].map(shown))
    quantities = {"a doubling": "slope", "largest - smallest": "ends", "any effect, p (Holm)": "any"}

    def by_quantity(rows: pd.DataFrame, title: str) -> pd.DataFrame:
        return rows[rows["quantity"] == quantities[title]] if title in quantities else rows

    return Source(frame, {"Loss": "label", "Equal": "budget", "Metric": "title"}, by_quantity)


def _scaling_fits(records: Records, dataset: str) -> Source:
    frame = records.table("scaling_fits", dataset, metric=AP)
    return Source(frame, {"Loss": "label", "Equal": "budget", "Curve": "model"})


def _step_costs(records: Records, dataset: str) -> Source:
    runs = records.table("runs", dataset, status="finished", budget="epochs")
    provenance = records.provenance(dataset)
    rows = []
    for (label, size), part in runs[runs["batch_size"] > 0].groupby(["label", "batch_size"]):
        mine = [provenance[key] for key in part["fingerprint"] if key in provenance]
        times = 1e3 * np.array([one["step_seconds"] for one in mine if one.get("step_seconds") is not None])
        memory = [one["step_bytes"] / 2**20 for one in mine if one.get("step_bytes") is not None]
        if len(times):
            row = {"label": label, "batch_size": size, "runs": len(times), "ms": np.median(times)}
            row |= {"fastest": times.min(), "slowest": times.max(), "mib": max(memory, default=np.nan)}
            rows.append(row)
    return Source(pd.DataFrame(rows), {"Loss": "label", "Batch": "batch_size"})


def _end_to_end(records: Records, dataset: str) -> Source:
    runs = records.table("runs", dataset, status="finished", budget="epochs")
    provenance = records.provenance(dataset)
    whole = runs[[name in records.params.losses and records.params.protocol(name) == "full" for name in runs["loss"]]]
    beside = runs.merge(whole[["batch_size", "seed"]].drop_duplicates(), on=["batch_size", "seed"])
    reached = over_seeds(beside, ["label", "batch_size"], [f"test/{AP}", "test/level0/R_at_1"])
    spent = []
    for row in reached.itertuples():
        part = beside[(beside["label"] == row.label) & (beside["batch_size"] == row.batch_size)]
        mine = [provenance.get(key, {}) for key in part["fingerprint"]]
        told = [one.get("telemetry") or {} for one in mine]
        seconds = [one["seconds"] for one in mine if one.get("seconds") is not None]
        speeds = [speed for one in told for speed in one.get("examples_per_second", [])]
        memory = [max(one["memory_bytes"]) for one in told if one.get("memory_bytes")]
        spent.append(
            {
                "epochs": part["epochs"].iloc[0],
                "minutes": np.median(seconds) / 60 if seconds else np.nan,
                "speed": np.median(speeds) if speeds else np.nan,
                "gib": np.median(memory) / 2**30 if memory else np.nan,
            }
        )
    return Source(pd.concat([reached, pd.DataFrame(spent)], axis=1), {"Trained": "label", "Batch": "batch_size"})


def tuning(records: Records, dataset: str) -> Source:
    """Of the table of learning rates."""
    trials = records.trials(dataset)
    rows = []
    for name, loss in records.params.losses.items():
        for budget in ("epochs", "steps"):
            for batch in records.params.batches(dataset, name, budget):
                row = {"label": loss.label, "budget": budget, "batch_size": batch.batch_size}
                row |= {"learning_rate": batch.learning_rate, "validation": np.nan, "settings": str(loss.settings)}
                if len(trials):
                    mine = trials[(trials["loss"] == name) & (trials["batch_size"] == batch.batch_size)]
                    mine = mine[mine["budget"] == budget] if "budget" in mine else mine
                    row["validation"] = mine.loc[mine["chosen"].astype(bool), f"val/{AP}"].mean()
                rows.append(row)
    return Source(pd.DataFrame(rows), {"Loss": "label", "Equal": "budget"}, by_size)


def _best_validation(records: Records, dataset: str) -> Source:
    runs = records.table("runs", dataset, status="finished", budget="epochs")
    whole = [name for name in records.params.losses if records.params.protocol(name) == "full"]
    runs = runs[(runs["batch_size"] > 0) & ((runs["role"] == "main") | runs["loss"].isin(whole))]
    rows = []
    for run in runs.itertuples():
        path = records.root / "runs" / dataset / run.loss / run.fingerprint / "history.parquet"
        if path.exists():
            history = pd.read_parquet(path)
            told = history.dropna(subset=["val/level0/AP"]).reset_index(drop=True)
            score = told["val/level0/AP"]
            done = (told["step"] - history["step"].min() + 1) / len(history) * run.epochs
            row = {"label": run.label, "batch_size": run.batch_size, "best": score.max(), "last": score.iloc[-1]}
            rows.append(row | {"best_epoch": done[score.idxmax()], "last_epoch": done.iloc[-1]})
    table = pd.DataFrame(rows)
    table["lost"] = table["last"] - table["best"]
    groups = (
        table.groupby(["label", "batch_size"], sort=False)["best_epoch"].agg(["median", "min", "max"]).reset_index()
    )
    means = over_seeds(table, ["label", "batch_size"], ["best", "lost", "last_epoch"])
    return Source(means.merge(groups, on=["label", "batch_size"]), {"Loss": "label", "Batch": "batch_size"})


def _published(records: Records, dataset: str) -> Source:
    figures = pd.read_csv(Path(__file__).parents[2] / "baselines" / "published.csv")
    figures = figures[figures["dataset"] == records.params.datasets[dataset].builder]
    runs = records.table("runs", dataset, status="finished", budget="epochs")
    shown = [name for name in runs if name.startswith("test/")]
    ours = over_seeds(runs[runs["batch_size"] > 0], ["loss", "label", "batch_size"], shown)
    percent = ours.assign(**{name: 100 * ours[name] for name in ours.columns[4:]})
    pairs = figures.assign(published=figures["value"]).merge(percent, how="left", on="loss")
    apart = {f"{name} apart": pairs[name] - pairs["published"] for name in percent.columns[4:]}
    return Source(pairs.assign(**apart), {"Method": "method", "Our loss": "label"}, names=("Its network", "Metric"))


OF_A_DATASET = {
    "best-validation": _best_validation,
    "published": _published,
    "leaderboard": _leaderboard,
    "intervals": _intervals,
    "validation": _validation,
    "levels": _levels,
    "pairwise": _pairwise,
    "gap": _gap,
    "gap-samplers": _samplers,
    "gap-comparison": _gap_comparison,
    "gap-matched": _gap_matched,
    "gap-along": _gap_along,
    "gap-generalisation": _generalisation,
    "scaling": _scaling,
    "scaling-effect": _scaling_effect,
    "scaling-fits": _scaling_fits,
    "step-costs": _step_costs,
    "end-to-end": _end_to_end,
    "tuning": tuning,
}
