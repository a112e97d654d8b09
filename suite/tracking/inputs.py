"""The data sets of a run as MLflow's inputs: one a split, with the digest that stands in the run's fingerprint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

# MLflow takes 36 characters; so many hexadecimal digits still tell any two data sets apart.
DIGEST_LENGTH = 32
# Context in MLflow -> the splits of a data set that serve it.
CONTEXTS = {"train": ("train",), "validation": ("val",), "test": ("test", "query", "gallery")}


def dataset_inputs(root: Path, run: Mapping[str, Any]) -> list[DatasetInput]:
    """The data that a run is trained, chosen and judged on, as MLflow's inputs.

    They are called `D-train`, `D-validation` and `D-test`: MLflow knows a data set by name and digest, and a run can
    have one but once. The digest is the first 32 digits of the run's `data_digest`, the profile is the counts of the
    data set's card, the schema its hierarchy levels; without a card (the data set is not built here) there is neither.

    Args:
        root: the artifacts folder.
        run: `run.json`.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    name = run["dataset"]
    path = Path(root) / "datasets" / name / "card.json"
    card = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    kind, source = _source(name, card)
    inputs = []
    for context, splits in CONTEXTS.items():
        counts = {split: card["counts"][split] for split in splits if split in card.get("counts", {})}
        dataset = Dataset(
            name=f"{name}-{context}",
            digest=run["data_digest"][:DIGEST_LENGTH],
            source_type=kind,
            source=json.dumps(source, sort_keys=True),
            schema=json.dumps(_schema(run, card)) if card else None,
            profile=json.dumps(_profile(counts)) if counts else None,
        )
        inputs.append(DatasetInput(dataset, [InputTag("mlflow.data.context", context)]))
    return inputs


def _source(name: str, card: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    about = {key: card[key] for key in ("title", "licence", "access") if card.get(key)}
    homepage = str(card.get("homepage", ""))
    if homepage.startswith(("http://", "https://")):
        return "http", {"url": homepage} | about
    return "local", {"uri": f"artifacts/datasets/{name}"} | about


def _schema(run: Mapping[str, Any], card: Mapping[str, Any]) -> dict[str, Any]:
    seen = {"name": "features", "type": "float"} if run["protocol"] == "head" else {"name": "image", "type": "binary"}
    return {"mlflow_colspec": [seen, *({"name": level, "type": "string"} for level in card["levels"])]}


def _profile(counts: Mapping[str, Any]) -> dict[str, int]:
    """Flat numbers, which MLflow's page lists; a test of queries and gallery has those of both."""
    several = len(counts) > 1
    profile = {"num_rows": sum(count["images"] for count in counts.values())}
    for split, count in counts.items():
        prefix = f"{split}_" if several else ""
        profile |= {f"{prefix}images": count["images"], f"{prefix}classes": count["classes"]}
        profile |= {f"{prefix}{level}": classes for level, classes in count["levels"].items()}
    return profile
