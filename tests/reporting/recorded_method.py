"""Where the tables on how the figures came about take their numbers from."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pandas as pd
from recorded import AP, Records, Source
from recorded_results import by_size

from suite.benchmarking.goals import GOALS
from suite.recipes import validation_path


def _runs(records: Records) -> Source:
    frame = records.table("runs")
    shown = {"mAP, test": f"test/{AP}", "mAP, validation": f"val/{AP}"}

    def by_split(rows: pd.DataFrame, title: str) -> pd.DataFrame:
        return rows[[shown[title]]] if title in shown else rows

    keys = {"Fingerprint": "fingerprint", "Loss": "label", "Equal": "budget", "Batch": "batch_size", "Seed": "seed"}
    return Source(frame[frame["batch_size"] > 0], keys, by_split, ("Status", "Data set"))


def _trust(records: Records) -> Source:
    paths = (validation_path(f"{name}.csv", records.recipes) for name in ("coverage", "null"))
    return Source(pd.concat([pd.read_csv(path) for path in paths]), {}, names=("Interval",))


def _trust_cells(records: Records) -> Source:
    frame = pd.read_csv(validation_path("coverage.csv", records.recipes))
    return Source(frame, {"Seeds": "seeds"}, names=("What is special",))


def _timings(records: Records) -> Source:
    return Source(records.benchmark.drop(columns="mb"), {"Loss": "label"}, by_size)


def _memory(records: Records) -> Source:
    return Source(records.benchmark.drop(columns="ms"), {"Loss": "label"}, by_size)


def _slopes(records: Records) -> Source:
    rows = []
    for label, part in records.benchmark.groupby("label"):
        # All scores of a smaller batch fit in a processor's caches.
        part = part[part["batch_size"] >= 512].sort_values("batch_size")
        row = {"label": label, "sizes": len(part), "ends": f"{part['batch_size'].min()} {part['batch_size'].max()}"}
        for name in ("ms", "mb"):
            known = part.dropna(subset=[name])
            known = known[known[name] > 0]
            if len(known) > 1:
                row[name] = np.polyfit(np.log(known["batch_size"]), np.log(known[name]), 1)[0]
        rows.append(row)
    return Source(pd.DataFrame(rows), {"Loss": "label"})


def _goals(records: Records) -> Source:
    bars = tuple(float(goal.bar) for goal in GOALS)
    rows = []
    for _, part in records.benchmark.groupby("batch_size"):
        for mine, other in itertools.product(part.itertuples(), part.itertuples()):
            ratios = {"faster": other.ms / mine.ms, "slower": mine.ms / other.ms, "leaner": other.mb / mine.mb}
            own = {"label": mine.label, "batch_size": mine.batch_size, "ms": mine.ms, "mb": mine.mb}
            rows.append(own | ratios)
    return Source(pd.DataFrame(rows), {"Loss": "label", "Batch": "batch_size"}, also=bars, names=("What",))


def _precision(records: Records) -> Source:
    frame = pd.read_csv(records.root / "benchmark" / "precision.csv")
    shares = {name: 100 * frame[name] for name in frame if name.startswith("ranks")}
    frame = frame.assign(
        label=[records.labels.get(loss, loss) for loss in frame["loss"]],
        **{f"{name}_percent": one for name, one in shares.items()},
    )
    return Source(frame, {"Loss": "label", "Embeddings": "embeddings", "Scores": "scores"})


def _conformance(records: Records) -> Source:
    frame = pd.read_parquet(records.root / "conformance" / "conformance.parquet")
    reasons = [text for text in dict.fromkeys(frame["reason"]) if text]
    notes = pd.DataFrame({"note": range(1, len(reasons) + 1), "reason": reasons})
    return Source(notes, {}, names=("Loss or metric",))


def _cards(records: Records) -> Source:
    return Source(pd.DataFrame({"text": [json.dumps(records.card(dataset)) for dataset in records.params.datasets]}))


def _sources(records: Records) -> Source:
    texts = {
        str(source.get(name) or card.get(name))
        for card in map(records.card, records.params.datasets)
        for source in card["sources"]
        for name in ("author", "citation")
    }
    return Source(pd.DataFrame({"text": sorted(texts)}), names=("Source", "Licence"), exact=("Author",))


def _data(records: Records) -> Source:
    rows = []
    for dataset in records.params.datasets:
        card = records.card(dataset)
        for use, parts in (("used", card["counts"]), ("set aside", card.get("set_aside", {}))):
            for name, part in parts.items():
                row = {"title": card["title"].partition(":")[0], "use": use, "part": name.replace("_", " ")}
                rows.append(row | {key: part.get(key) for key in ("images", "classes")})
    return Source(pd.DataFrame(rows), {"Data set": "title", "Use": "use", "Part": "part"})


def _packages(records: Records) -> Source:
    found = {
        (name, str(version or "not installed"))
        for dataset in records.params.datasets
        for record in records.provenance(dataset).values()
        for name, version in record["packages"].items()
    }
    frame = pd.DataFrame(sorted(found), columns=["package", "version"])
    return Source(frame, {"Package": "package"}, exact=("Version",))


def _lock(records: Records) -> Source:
    rows = []
    for dataset in records.params.datasets:
        losses = records.table("runs", dataset).set_index("fingerprint")["label"]
        for fingerprint, record in records.provenance(dataset).items():
            digests = json.dumps(record["dependencies"], sort_keys=True)
            title = records.card(dataset)["title"].partition(":")[0]
            rows.append({"title": title, "label": losses[fingerprint], "digests": digests})
    frame = pd.DataFrame(rows)
    counted = frame.groupby(["title", "label", "digests"]).size().rename("runs").reset_index()
    return Source(counted.drop(columns="digests"), {"Data set": "title", "Loss": "label"})


def _provenance(records: Records) -> Source:
    """What runs and features recorded, the settings, and how many runs recorded each thing."""
    every = [one for dataset in records.params.datasets for one in records.provenance(dataset).values()]
    features = [
        json.loads((records.root / "features" / d / "features.json").read_text()) for d in records.params.datasets
    ]
    runs = records.table("runs")
    runs = runs[runs["batch_size"] > 0]
    counts = [len(every), *runs["status"].value_counts(), sum(one.get("status") == "failed" for one in every), 0]
    for name in ("commit", "python", "hardware", "dirty"):
        counts += list(pd.Series([json.dumps(one.get(name)) for one in every], dtype=str).value_counts())
    minutes = sum(one.get("seconds") or 0.0 for one in every) / 60
    shown = ("started", "finished", "hardware", "python")
    said = [{name: one.get(name) for name in shown} for one in every]
    texts = [json.dumps(one) for one in (*said, *features, records.params.model_dump(mode="json"))]
    settings = [text.replace("-", " ").replace(":", " ").replace("T", " ") for text in texts]
    frame = pd.DataFrame({"text": [*texts, *settings]})
    return Source(frame, {}, also=(*map(float, counts), minutes, 256.0), names=("What",))


def _compared(records: Records) -> Source:
    losses = records.params.losses.values()
    frame = pd.DataFrame([{"label": loss.label, "settings": json.dumps(loss.settings)} for loss in losses])
    return Source(frame, names=("Loss", "What it is"), also=(1.0,))


def _across(records: Records) -> Source:
    frame = records.table("leaderboard", split="test", metric=AP)
    frame = frame[frame["loss"].isin(list(records.params.compared))].dropna(subset=["mean"])
    frame = frame.assign(rank=frame.groupby("dataset")["mean"].rank(ascending=False))
    titles = {records.card(dataset)["title"].partition(":")[0]: dataset for dataset in records.params.datasets}
    frame = frame.assign(mean_rank=frame.groupby("loss")["rank"].transform("mean"))

    def by_dataset(rows: pd.DataFrame, title: str) -> pd.DataFrame:
        dataset = titles.get(title.partition(":")[0])
        return rows if dataset is None else rows[rows["dataset"] == dataset]

    return Source(frame[["dataset", "label", "mean", "rank", "mean_rank"]], {"Loss": "label"}, by_dataset)


OF_THE_STUDY = {
    "across": _across,
    "compared": _compared,
    "runs": _runs,
    "trust": _trust,
    "trust-cells": _trust_cells,
    "timings": _timings,
    "memory": _memory,
    "slopes": _slopes,
    "goals": _goals,
    "precision": _precision,
    "conformance": _conformance,
    "conformance_notes": _conformance,
    "cards": _cards,
    "sources": _sources,
    "data": _data,
    "packages": _packages,
    "lock": _lock,
    "provenance": _provenance,
}
