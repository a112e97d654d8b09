"""How it was made: commit, locked inputs, seeds, hardware, versions, data cards, and the commands that run it again."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pandas as pd

from suite.config import Params
from suite.reporting.data_cards import cards, counts
from suite.reporting.evidence import Evidence
from suite.reporting.model import Block, Cell, Column, Heading, Paragraph, Points, Runs, Table, count
from suite.reporting.runs_section import SHORT

# What is told, in how many words, and whether it is a digest or another code.
Fact = tuple[str, str, bool]


def made(evidence: Evidence) -> list[Block]:
    """How to run it again, then commit, data, seeds, hardware, locked inputs, data cards and versions."""
    records = [record for data in evidence.datasets for record in data.provenance.values()]
    facts = [*_execution(evidence, records), *_settings(evidence), *_inputs(evidence)]
    blocks: list[Block] = [
        Paragraph(
            f"{_again(records)} Every figure here comes from recorded tables, not from the code at hand; each run "
            "carries its fingerprint as a tag in MLflow, by which it is found. The commands, in order:"
        ),
        Points(tuple(_commands(records))),
        Table(
            "provenance",
            "Where the results come from, as the runs recorded it."
            if records
            else "Where the results come from. The runs left no record of commit, versions or hardware.",
            (Column("What"), Column("Value", wide=True)),
            tuple((Cell(name), Cell(value, code=code)) for name, value, code in facts),
            pd.DataFrame([(name, value) for name, value, _ in facts], columns=["what", "value"]),
        ),
        *_lock(evidence),
        Heading("Data cards"),
        *cards(evidence),
        counts(evidence),
    ]
    return [*blocks, Heading("Versions"), _packages(records)] if records else blocks


def _commands(records: list[dict[str, Any]]) -> list[str]:
    """What to type, in order, to have the study and this report again."""
    commits = _tally(record.get("commit") for record in records)
    most = "the runs" if len(commits) == 1 else "most runs"
    return [
        *(f"`git checkout {commit}`: the code of {most}." for commit, _ in commits[:1]),
        "`make reproduce`: the pinned environment, the embedded data, every stage, the runs in MLflow and this report.",
        "`dvc repro -f -s report`: this report alone; the same recorded tables give the same bytes.",
        "`make mlflow`: the runs side by side, each with its settings, curves and files.",
    ]


def _execution(evidence: Evidence, records: list[dict[str, Any]]) -> list[Fact]:
    """Commits, Python, hardware, time and number of the runs, as they recorded them."""
    facts = []
    for commit, amount in _tally(record.get("commit") for record in records):
        dirty = sum(bool(record.get("dirty")) for record in records if record.get("commit") == commit)
        told = f"{commit}: {count(amount, 'run')}, {dirty or 'none'} with uncommitted changes"
        facts.append(("Commit", told, True))
    for name, values in (
        ("Python", (record.get("python") for record in records)),
        ("Hardware", (_flat(record.get("hardware")) for record in records)),
    ):
        facts += [(name, f"{value}: {count(amount, 'run')}", False) for value, amount in _tally(values)]
    timed = [float(record["seconds"]) for record in records if record.get("seconds") is not None]
    if timed:
        facts.append(("Training time", f"{sum(timed) / 60:.1f} minutes, summed over {count(len(timed), 'run')}", False))
    started, ended = ([str(record[key]) for record in records if record.get(key)] for key in ("started", "finished"))
    if started and ended:
        facts.append(("Recorded", f"from {min(started)} to {max(ended)}", False))
    finished, failed = (sum(len(getattr(data, name)) for data in evidence.datasets) for name in ("finished", "failed"))
    return [*facts, ("Runs", f"{finished} finished, {failed} failed", False)]


def _settings(evidence: Evidence) -> list[Fact]:
    """Seeds, and what is trained how."""
    params = evidence.params
    facts = [("Seeds", _seeds(evidence), False)]
    protocols = {params.protocol(loss) for loss in params.losses}
    if "head" in protocols:
        facts.append(("Heads", _heads(params), False))
    whole = [loss for loss in params.losses if params.protocol(loss) == "full"]
    return facts + [
        (f"{data.short}: networks", _networks(params, data.name), False)
        for data in evidence.datasets
        if any(params.runs(data.name, loss) for loss in whole)
    ]


def _inputs(evidence: Evidence) -> list[Fact]:
    """Backbone and digests of each data set."""
    facts = []
    for data in evidence.datasets:
        features = data.features
        facts += [
            (f"{data.short}: backbone", f"{features.get('backbone')} at {features.get('image_size')} px", False),
            (f"{data.short}: weights", f"SHA-256 {features.get('weights_sha256')}", True),
            (f"{data.short}: data card", f"SHA-256 {data.card_sha256}", True),
            (f"{data.short}: data digest", f"SHA-256 {features.get('digest')}", True),
        ]
    return facts


def _lock(evidence: Evidence) -> list[Block]:
    """The digests that the runs recorded of what they depend on, a row a loss and set of digests."""
    found: Counter = Counter()
    for data in evidence.datasets:
        losses = data.runs.drop_duplicates("fingerprint").set_index("fingerprint")["loss"]
        for fingerprint, record in data.provenance.items():
            digests = record.get("dependencies") or {}
            if digests and fingerprint in losses.index:
                found[(data.name, data.short, losses[fingerprint], *sorted(digests.items()))] += 1
    if not found:
        return []
    names = sorted({name for _, _, _, *digests in found for name, _ in digests})
    several = len(evidence.datasets) > 1
    rows, flat = [], []
    for (dataset, short, loss, *pairs), amount in found.items():
        digests = dict(pairs)
        cells = [
            Cell(evidence.label(loss)),
            *(Cell(str(digests[name])[:SHORT], code=True) if name in digests else Cell("–") for name in names),
            Cell(str(amount), float(amount), runs=Runs(dataset, loss)),
        ]
        rows.append((*([Cell(short)] if several else []), *cells))
        flat.append({"dataset": dataset, "loss": loss, **{name: digests.get(name) for name in names}, "runs": amount})
    columns = (
        *([Column("Data set")] if several else []),
        Column("Loss"),
        *(Column(f"Digest of {name}") for name in names),
        Column("Runs", True),
    )
    caption = (
        "What the runs were locked to: the digest of the data and of the code that each run executed, as it recorded "
        f"them, by their first {SHORT} characters (whole in the CSV). They stand in the place of `dvc.lock`, which "
        "changes while a study runs: a run is the same where its digests and settings are."
    )
    return [Table("lock", caption, columns, tuple(rows), pd.DataFrame(flat), folded=True)]


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
