"""Evaluation protocols of a built data set: which images are queries, which are the gallery, what is relevant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from suite.errors import SuiteError

DEFAULT_KS = (1, 2, 4, 8)
RELATION_COLUMNS = ("protocol", "query", "item", "relation")


@dataclass(frozen=True, eq=False)
class Protocol:
    """How a data set is judged.

    Attributes:
        name: unique within the data set.
        queries: (Q,) int, rows of `items.parquet`.
        gallery: (G,) int, rows; None: every query is held against all other queries (leave one out).
        ks: the official cut-offs.
        description: one sentence.
        relations: where relevance is stated pair by pair: columns `query`, `item` (rows) and `relation` (text);
            None: images that share a label are relevant.
    """

    name: str
    queries: np.ndarray
    gallery: np.ndarray | None = None
    ks: tuple[int, ...] = DEFAULT_KS
    description: str = ""
    relations: pd.DataFrame | None = None

    def pairs(self, *relations: str) -> np.ndarray:
        """(N, 2) int64: places in `queries` and in the gallery of the pairs in any of `relations`, as the metrics on
        stated pairs take them. Leave one out: both are places in `queries`."""
        stated = self.relations[self.relations["relation"].isin(relations)]
        gallery = self.queries if self.gallery is None else self.gallery
        sides = ((self.queries, stated["query"]), (gallery, stated["item"]))
        return np.stack([pd.Index(rows).get_indexer(wanted) for rows, wanted in sides], axis=1).astype(np.int64)

    def summary(self) -> dict[str, Any]:
        """What the card says of it."""
        return {
            "queries": len(self.queries),
            "gallery": "leave one out" if self.gallery is None else len(self.gallery),
            "ks": list(self.ks),
            "description": self.description,
            "relevance": "shared labels" if self.relations is None else "stated pairs",
        }


def leave_one_out(items: pd.DataFrame) -> Protocol:
    """Every image of the split `test` against all others of it."""
    rows = np.flatnonzero(items["split"].to_numpy() == "test")
    return Protocol("test", rows, None, description="Every test image against all other test images.")


def write_protocols(directory: Path, protocols: Sequence[Protocol]) -> None:
    """Write `protocols.parquet` (protocol, item, role) and, where pairs are stated, `relations.parquet`."""
    members = [_members(protocol) for protocol in protocols]
    pd.concat(members, ignore_index=True).to_parquet(directory / "protocols.parquet", index=False)
    stated = [
        protocol.relations.assign(protocol=protocol.name)[list(RELATION_COLUMNS)]
        for protocol in protocols
        if protocol.relations is not None
    ]
    if stated:
        pd.concat(stated, ignore_index=True).to_parquet(directory / "relations.parquet", index=False)


def read_protocol(directory: Path, summaries: dict[str, dict[str, Any]], name: str | None = None) -> Protocol:
    """The protocol `name` of a built data set, the default one if None.

    Args:
        directory: `artifacts/datasets/D`.
        summaries: `protocols` of its card.

    Raises:
        SuiteError: there is none of that name, or a table is missing.
    """
    members = read_table(directory / "protocols.parquet")
    # The table is in the protocols' order, the default first; the card is sorted by name.
    name = members["protocol"].iloc[0] if name is None else name
    if name not in summaries:
        raise SuiteError(f"{directory}: no protocol '{name}'; it has: {', '.join(summaries)}")
    about = summaries[name]
    members = members[members["protocol"] == name]
    alone = about["gallery"] == "leave one out"
    rows = {role: np.array(members.loc[members["role"] == role, "item"], np.int64) for role in ("query", "gallery")}
    relations = None
    if about["relevance"] == "stated pairs":
        table = read_table(directory / "relations.parquet")
        relations = table.loc[table["protocol"] == name, ["query", "item", "relation"]].reset_index(drop=True)
    gallery = None if alone else rows["gallery"]
    return Protocol(name, rows["query"], gallery, tuple(about["ks"]), about["description"], relations)


def read_table(path: Path, advice: str = "build the data set again") -> pd.DataFrame:
    """The table in the Parquet file at `path`; SuiteError, with what to do, if it is missing or damaged."""
    try:
        return pd.read_parquet(path)
    except FileNotFoundError:
        raise SuiteError(f"{path}: not found; {advice}") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise SuiteError(f"{path}: not a sound table ({' '.join(str(error).split())[:200]}); {advice}") from None


def _members(protocol: Protocol) -> pd.DataFrame:
    parts = {"query": protocol.queries}
    if protocol.gallery is not None:
        parts["gallery"] = protocol.gallery
    tables = [pd.DataFrame({"protocol": protocol.name, "item": rows, "role": role}) for role, rows in parts.items()]
    return pd.concat(tables, ignore_index=True).astype({"item": np.int64})
