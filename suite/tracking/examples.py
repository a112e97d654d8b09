"""What the best loss of a data set finds: queries and their first results, on a sheet."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from suite.datasets.contact_sheet import Row, Tile, draw_sheet
from suite.datasets.store import ImageStore
from suite.reporting.model import worded
from suite.reporting.retrieval import shared_level

QUERIES, RESULTS = 10, 8
# Captions say the same in words.
RIGHT, COARSE, WRONG, QUERY = "#1a7a45", "#8a5a00", "#b3261e", "#1f5fa8"


def draw_examples(root: Path, dataset: str, neighbours: Path, label: str, target: Path) -> None:
    """Draw queries, evenly spaced through the test queries, and the first results of each.

    Args:
        root: the artifacts folder; the data set must be built there.
        dataset: its name.
        neighbours: `neighbours.parquet` of the loss (docs/tables.md).
        label: the loss's.
        target: the PNG file.
    """
    folder = Path(root) / "datasets" / dataset
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    items, store = pd.read_parquet(folder / "items.parquet"), ImageStore(folder)
    found = pd.read_parquet(neighbours).sort_values(["query", "rank"])
    queries = found["query"].unique()
    chosen = queries[np.unique(np.linspace(0, len(queries) - 1, min(QUERIES, len(queries))).round().astype(int))]
    rows = []
    for query in chosen:
        results = found.loc[found["query"] == query, "item"].head(RESULTS)
        tiles = [Tile(store.decode(int(items.at[query, "image"])), "query", QUERY)]
        for item in results:
            caption, frame = _verdict(items, card["levels"], query, item)
            tiles.append(Tile(store.decode(int(items.at[item, "image"])), caption, frame))
        rows.append(Row(str(items.at[query, card["levels"][0]]), [str(items.at[query, "source"])], tiles))
    note = (
        f"{label}, first seed: {len(rows)} of {len(queries):,} test queries, evenly spaced, and their first results; "
        "below each the finest level that it shares with the query."
    )
    draw_sheet(card["title"], note, rows, 1 + RESULTS).save(target, "PNG")


def _verdict(items: pd.DataFrame, levels: list[str], query: int, item: int) -> tuple[str, str]:
    """The finest level at which a result has its query's label, in words, and the colour of its frame."""
    place = shared_level(items, levels, query, item)
    return ("wrong", WRONG) if place < 0 else (worded(levels[place]), COARSE if place else RIGHT)
