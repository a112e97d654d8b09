"""Sections on how the figures came about: trust, timings, conformance, tuning, provenance, runs, licences."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pandas as pd

from suite.config import Params
from suite.reporting import figures
from suite.reporting.conformance import conformance
from suite.reporting.evidence import DatasetEvidence, Evidence
from suite.reporting.model import (
    AP,
    Block,
    Cell,
    Column,
    Paragraph,
    Points,
    Section,
    Table,
    count,
    listing,
    number,
)
from suite.reporting.timings import timings
from suite.reporting.trust import trust
from suite.reporting.tuning import tuning

SHORT = 12


def sections(evidence: Evidence, look: figures.Looks) -> list[Section]:
    """Trust, timings, conformance, tuning, how it was made, the images' licences, the runs."""
    return [
        Section("trust", "How far the intervals can be trusted", tuple(trust(evidence))),
        Section("timings", "What a loss costs", tuple(timings(evidence, look))),
        Section("conformance", "Conformance", tuple(conformance(evidence)), appendix=True),
        Section("tuning", "Tuning", tuple(tuning(evidence)), appendix=True),
        Section("made", "How it was made", tuple(made(evidence)), appendix=True),
        Section("licences", "Image sources and licences", tuple(licences(evidence)), appendix=True),
        Section("runs", "Runs", tuple(runs(evidence)), appendix=True),
    ]


def made(evidence: Evidence) -> list[Block]:
    """Commit, data, versions, hardware, seeds, and how to run it again."""
    params = evidence.params
    records = [record for data in evidence.datasets for record in data.provenance.values()]
    finished = sum(len(data.finished) for data in evidence.datasets)
    failed = sum(len(data.failed) for data in evidence.datasets)
    facts: list[tuple[str, str, bool]] = []
    for commit, number_of in _tally(record.get("commit") for record in records):
        dirty = sum(bool(record.get("dirty")) for record in records if record.get("commit") == commit)
        facts.append(
            (
                "Commit",
                f"{commit}: {count(number_of, 'run')}, {dirty or 'none'} with uncommitted changes",
                True,
            )
        )
    facts += [
        ("Python", f"{value}: {count(amount, 'run')}", False)
        for value, amount in _tally(record.get("python") for record in records)
    ]
    facts += [
        ("Hardware", f"{value}: {count(amount, 'run')}", False)
        for value, amount in _tally(_flat(record.get("hardware")) for record in records)
    ]
    timed = [float(record["seconds"]) for record in records if record.get("seconds") is not None]
    if timed:
        facts.append(("Training time", f"{sum(timed) / 60:.1f} minutes, summed over {count(len(timed), 'run')}", False))
    started, finished_at = ([str(r[key]) for r in records if r.get(key)] for key in ("started", "finished"))
    if started and finished_at:
        facts.append(("Recorded", f"from {min(started)} to {max(finished_at)}", False))
    facts += [
        ("Runs", f"{finished} finished, {failed} failed", False),
        (
            "Seeds",
            _seeds(evidence),
            False,
        ),
    ]
    protocols = {params.protocol(loss) for loss in params.losses}
    if "head" in protocols:
        facts.append(("Heads", _heads(params), False))
    if "full" in protocols:
        facts += [
            (f"{data.short}: networks", _networks(params, data.name), False)
            for data in evidence.datasets
            if any(params.protocol(loss) == "full" and params.runs(data.name, loss) for loss in params.losses)
        ]
    for data in evidence.datasets:
        facts += [
            (
                f"{data.short}: backbone",
                f"{data.features.get('backbone')} at {data.features.get('image_size')} px",
                False,
            ),
            (f"{data.short}: weights", f"SHA-256 {data.features.get('weights_sha256')}", True),
            (f"{data.short}: data card", f"SHA-256 {data.card_sha256}", True),
            (f"{data.short}: data digest", f"SHA-256 {data.features.get('digest')}", True),
        ]
    blocks: list[Block] = [
        Paragraph(
            f"{_again(records)} Every figure here comes from recorded tables; each run carries its fingerprint "
            "as a tag in MLflow (`make mlflow`), by which it is found."
        ),
        Table(
            "provenance",
            "Where the results come from, as the runs recorded it."
            if records
            else "Where the results come from. The runs left no record of commit, versions or hardware.",
            (Column("What"), Column("Value", wide=True)),
            tuple((Cell(name), Cell(value, code=code)) for name, value, code in facts),
            pd.DataFrame([(name, value) for name, value, _ in facts], columns=["what", "value"]),
        ),
        _counts(evidence),
    ]
    if records:
        blocks.append(_packages(records))
    return blocks


def _heads(params: Params) -> str:
    training = params.training
    return (
        f"{training.epochs} epochs, "
        f"{'' if training.steps is None else f'{training.steps} steps in runs at equal steps, '}"
        f"{training.samples_per_class} images a class in a batch, embeddings of {training.embedding_dim} dimensions"
    )


def _networks(params: Params, dataset: str) -> str:
    full = params.full_settings(dataset)
    chunks = "" if full.chunk_size is None else f"chunks of {full.chunk_size}, "
    return (
        f"{full.network.backbone} at {full.images.size} px, {count(full.epochs, 'epoch')}, "
        f"{full.sampling.samples_per_class} images a class in a batch, {chunks}{full.optimizer.kind}, weight decay "
        f"{full.optimizer.weight_decay:g}, embeddings of {full.network.embedding_dim} dimensions"
    )


def _seeds(evidence: Evidence) -> str:
    seeds = evidence.params.seeds
    kinds = {"main": seeds.main, "other batch sizes and equal steps": seeds.scaling, "followed": seeds.followed}
    return "; ".join(f"{kind} {', '.join(map(str, chosen))}" for kind, chosen in kinds.items() if chosen)


def _again(records: list[dict[str, Any]]) -> str:
    """How to run the study again, as far as the recorded commits allow it to be said."""
    commits = [commit for commit, _ in _tally(record.get("commit") for record in records)]
    dirty = sum(bool(record.get("dirty")) for record in records)
    unknown = sum(not record.get("commit") for record in records)
    if not commits:
        return "No run recorded the commit it was made at; `make reproduce` runs the study again with the code at hand."
    if len(commits) == 1:
        text = "To run it again: check out the commit below and run `make reproduce`."
    else:
        text = (
            f"The runs were made at {len(commits)} commits, given below, so no single one reproduces all of them for "
            "certain: check out the one of most runs and run `make reproduce`, which trains anew what its code changes."
        )
    if unknown:
        text += f" {count(unknown, 'run')} recorded no commit."
    if dirty:
        text += (
            f" {count(dirty, 'run was', 'runs were')} made with uncommitted changes, which a commit does not hold: the "
            "fingerprint tells whether running again made the same run."
        )
    return text


def runs(evidence: Evidence) -> list[Block]:
    """Failed runs, then every run with its fingerprint."""
    failed = pd.concat([data.failed for data in evidence.datasets])
    trained = pd.concat([data.runs[data.runs["batch_size"] > 0] for data in evidence.datasets])
    blocks: list[Block] = []
    if failed.empty:
        blocks.append(Paragraph("No run failed."))
    else:
        blocks.append(
            Paragraph(f"{count(len(failed), 'run')} failed; `ranksuite retry DATASET LOSS` has them run again.")
        )
        blocks.append(
            Points(
                tuple(
                    f"{f'{run.dataset}, ' if len(evidence.datasets) > 1 else ''}"
                    f"{evidence.params.loss(run.loss).label}, batch {run.batch_size}, equal {run.budget}, seed "
                    f"{run.seed}: "
                    f"{'no reason recorded' if pd.isna(run.error) else run.error} "
                    f"(`{str(run.fingerprint)[:SHORT]}`)"
                    for run in failed.itertuples()
                )
            )
        )
    several = len(evidence.datasets) > 1
    columns = [
        Column("Loss"),
        Column("Equal"),
        Column("Batch", True),
        Column("Seed", True),
        Column("Status"),
        Column("mAP, test", True),
        Column("mAP, validation", True),
        Column("Fingerprint"),
    ]
    rows = []
    for run in trained.to_dict("records"):
        cells = [
            Cell(evidence.params.loss(run["loss"]).label),
            Cell(run["budget"]),
            Cell(f"{int(run['batch_size']):,}", float(run["batch_size"])),
            Cell(str(int(run["seed"])), float(run["seed"])),
            Cell(run["status"]),
            *(_metric(run.get(f"{split}/{AP}")) for split in ("test", "val")),
            Cell(str(run["fingerprint"])[:SHORT], code=True),
        ]
        rows.append((*([Cell(run["dataset"])] if several else []), *cells))
    head = ([Column("Data set")] if several else []) + columns
    blocks.append(
        Table(
            "runs",
            f"Every run behind the figures, with the first {SHORT} characters of its fingerprint (whole "
            f"in the CSV). "
            "Validation values are optimistic: heads were chosen on them.",
            tuple(head),
            tuple(rows),
            trained,
            sortable=True,
            folded=True,
        )
    )
    return blocks


def licences(evidence: Evidence) -> list[Block]:
    """Attribution of the image sets, as their cards give it."""
    sources = [(data, source) for data in evidence.datasets for source in data.card.get("sources", [])]
    if not sources:
        return [Paragraph("The data card names no sources.")]
    rows = tuple(row for data in evidence.datasets for row in _attributions(data))
    frame = pd.DataFrame([{"dataset": data.name, **source} for data, source in sources])
    return [
        Paragraph("The pictures in this report stand under the licences below; they are shown at a small size."),
        Table(
            "sources",
            "Image sources, authors and licences; where each source has an author, with the start of its checksum. "
            "The CSV lists every source file with its whole checksum.",
            (Column("Source"), Column("Author", wide=True), Column("Licence", wide=True)),
            rows,
            frame,
        ),
    ]


def _attributions(data: DatasetEvidence) -> list[tuple[Cell, Cell, Cell]]:
    """A row a source that has an author of its own; one row for a data set whose sources are files of one release."""
    sources = data.card.get("sources", [])
    if not any(source.get("author") for source in sources):
        card = data.card
        licence = Cell(str(card.get("licence") or "–"), detail=str(card.get("licence_url") or ""))
        return [(Cell(data.short), Cell(str(card.get("citation") or "–")), licence)] if sources else []
    return [
        (
            Cell(_source_name(source), detail=f"{_checksum(source)[:24]}…"),
            Cell(str(source.get("author") or "–")),
            Cell(str(source.get("licence") or "–"), detail=str(source.get("licence_url") or "")),
        )
        for source in sources
    ]


def _source_name(source: dict[str, Any]) -> str:
    if "package" in source:
        return f"{source['package']} {source.get('version', '')}".strip()
    return str(source.get("name", "–"))


def _checksum(source: dict[str, Any]) -> str:
    return str(source.get("integrity") or f"sha256-{source.get('sha256', '')}")


def _counts(evidence: Evidence) -> Table:
    rows, flat = [], []
    for data in evidence.datasets:
        entries = [(split, "used", part) for split, part in data.card.get("counts", {}).items()]
        entries += [(reason, "set aside", part) for reason, part in data.card.get("set_aside", {}).items()]
        for name, use, part in entries:
            rows.append(
                (
                    Cell(data.short),
                    Cell(use),
                    Cell(name.replace("_", " ")),
                    *(
                        Cell(f"{part[key]:,}" if key in part else number(None), part.get(key))
                        for key in ("images", "classes")
                    ),
                )
            )
            flat.append(
                {
                    "dataset": data.name,
                    "use": use,
                    "part": name,
                    "images": part.get("images"),
                    "classes": part.get("classes"),
                }
            )
    columns = (
        Column("Data set"),
        Column("Use"),
        Column("Part", wide=True),
        Column("Images", True),
        Column("Classes", True),
    )
    return Table(
        "data",
        "Images and classes of each split, and what was set aside and why.",
        columns,
        tuple(rows),
        pd.DataFrame(flat),
    )


def _packages(records: list[dict[str, Any]]) -> Table:
    versions: dict[str, Counter] = {}
    for record in records:
        for name, version in (record.get("packages") or {}).items():
            versions.setdefault(name, Counter())[str(version or "not installed")] += 1
    rows = tuple((Cell(name), Cell(", ".join(sorted(found)))) for name, found in sorted(versions.items()))
    frame = pd.DataFrame(
        [
            (name, version, amount)
            for name, found in sorted(versions.items())
            for version, amount in sorted(found.items())
        ],
        columns=["package", "version", "runs"],
    )
    return Table(
        "packages",
        "Package versions the runs recorded.",
        (Column("Package"), Column("Version", wide=True)),
        rows,
        frame,
        folded=True,
    )


def _tally(values: Any) -> list[tuple[str, int]]:
    found = Counter(str(value) for value in values if value)
    return sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(
            f"{key.replace('_', ' ')} {part if not isinstance(part, dict | list) else json.dumps(part, sort_keys=True)}"
            for key, part in value.items()
        )
    return str(value or "")


def _metric(value: float | None) -> Cell:
    return Cell(number(None)) if value is None or pd.isna(value) else Cell(number(value), float(value))


def dataset_titles(datasets: tuple[DatasetEvidence, ...]) -> str:
    """The data sets' titles with their sizes."""
    return listing(f"{data.title} ({len(data.items):,} images)" for data in datasets)
