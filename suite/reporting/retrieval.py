"""Retrieval examples: queries chosen by a rule, first results of the best loss and of the frozen floor."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
from PIL import Image

from suite.datasets.images import decode_image
from suite.reporting.evidence import DatasetEvidence
from suite.reporting.model import Example, Gallery, Mark, Picture, Ranking, Result, number, worded

TOP = 10
EACH = 2
LARGEST = 160


def gallery(data: DatasetEvidence, loss: str, label: str) -> Gallery | None:
    """Examples for `loss` beside the frozen floor; None where neighbours or images are not on record.

    The rule: with AP cut at the first ten results, take the queries that gain most, those whose
    gain is nearest the median, and those that lose most, one a class; ties go to the earlier row.
    """
    if not {loss, "frozen"} <= set(data.neighbours) or data.images is None:
        return None
    trained, frozen = (_top_ap(data, data.neighbours[key]) for key in (loss, "frozen"))
    gain = (trained - frozen).dropna()
    if gain.empty:
        return None
    chosen = choose(gain, data.items[data.levels[0]])
    near = {
        key: {query: rows.sort_values("rank") for query, rows in table[table["query"].isin(chosen)].groupby("query")}
        for key, table in ((loss, data.neighbours[loss]), ("frozen", data.neighbours["frozen"]))
    }
    shown = [*chosen, *(item for table in near.values() for rows in table.values() for item in rows["item"])]
    pictures = _pictures(data, shown)
    scores = {loss: trained, "frozen": frozen}
    names = {loss: label, "frozen": "Frozen features"}
    examples = []
    for query, reason in chosen.items():
        rankings = tuple(
            Ranking(
                names[key],
                _score(data, key, query, float(scores[key][query])),
                tuple(
                    Result(pictures[row.item], int(row.rank), _verdict(data, query, row.item))
                    for row in near[key][query].itertuples()
                ),
            )
            for key in (loss, "frozen")
        )
        title = str(data.items.at[query, data.levels[0]])
        examples.append(
            Example(f"{reason} ({number(float(gain[query]), 2, sign=True)})", title, pictures[query], rankings)
        )
    caption = (
        f"Retrieval examples on {data.short}: a query and its first {TOP} results with {label} (first seed) "
        f"and with frozen features. Chosen by rule, not by eye: the {EACH} queries with the largest gain of "
        f"AP@{TOP} over the frozen floor, the {EACH} nearest the median gain and the {EACH} at the far end, "
        "at most one a class."
    )
    return Gallery(f"{data.name}-retrieval", caption, marks(data.levels), tuple(examples))


def choose(gain: pd.Series, classes: pd.Series, each: int = EACH) -> dict[int, str]:
    """Query -> reason: `each` of the largest gains, of those nearest the median, of the smallest.

    Args:
        gain: gain of each query, indexed by its row among the items.
        classes: finest label of every item.
    """
    median = float(gain.median())
    orders = {
        "largest gain": gain.sort_values(ascending=False, kind="stable"),
        "median gain": (gain - median).abs().sort_values(kind="stable"),
        "largest loss": gain.sort_values(kind="stable"),
    }
    chosen: dict[int, str] = {}
    taken: set[str] = set()
    for reason, order in orders.items():
        picked = 0
        for query in order.index:
            # A gain is no example of a loss: where nothing is lost, the last rows say so.
            name = "smallest gain" if reason == "largest loss" and gain[query] >= 0 else reason
            if picked < each and classes[query] not in taken:
                chosen[int(query)] = name
                taken.add(classes[query])
                picked += 1
    return chosen


def marks(levels: list[str]) -> tuple[Mark, ...]:
    """The legend: finest level, each coarser one, none."""
    coarse = [("◐", "dashed", "#8a5a00"), ("◔", "dotted", "#6a4fa3")]
    table = [Mark(0, "✓", "solid", "#1a7a45", f"right {worded(levels[0])}")]
    for place, level in enumerate(levels[1:], start=1):
        glyph, border, colour = coarse[min(place, len(coarse)) - 1]
        glyph = glyph if place <= len(coarse) else str(place + 1)
        table.append(Mark(place, glyph, border, colour, f"right {worded(level)} only"))
    return (*table, Mark(-1, "✗", "double", "#b3261e", "wrong at every level"))


def _top_ap(data: DatasetEvidence, neighbours: pd.DataFrame) -> pd.Series:
    """AP cut at TOP, over min(TOP, positives): query -> value, NaN for a query without positives."""
    labels, protocol = data.items[data.levels[0]], data.protocol
    alone = protocol.gallery is None
    found = labels.iloc[protocol.queries if alone else protocol.gallery].value_counts()
    positives = labels.iloc[protocol.queries].map(found).fillna(0) - alone
    labels = labels.to_numpy()
    table = neighbours.sort_values(["query", "rank"])
    queried = labels[table["query"].to_numpy()]
    right = (queried == labels[table["item"].to_numpy()]) & pd.notna(queried)
    hits = pd.Series(right, index=table.index).groupby(table["query"]).cumsum()
    precision = pd.Series(np.where(right, hits / table["rank"], 0.0), index=table.index).groupby(table["query"]).sum()
    most = positives.reindex(precision.index).clip(upper=TOP)
    return precision / most.where(most > 0)


def _score(data: DatasetEvidence, key: str, query: int, top: float) -> str:
    text = f"AP@{TOP} {number(top, 2)}"
    table = data.queries.get(key)
    row = None if table is None else table[table["item"] == query]
    return text if row is None or row.empty else f"{text}, AP {number(float(row['level0/AP'].iloc[0]), 2)}"


def _verdict(data: DatasetEvidence, query: int, item: int) -> int:
    for place, level in enumerate(data.levels):
        label = data.items.at[query, level]
        # An image without a label, None, shares it with no other.
        if label is not None and label == data.items.at[item, level]:
            return place
    return -1


def _pictures(data: DatasetEvidence, rows: list[int]) -> dict[int, Picture]:
    places = {row: int(data.items.at[row, "image"]) for row in rows}
    return {
        row: _picture(data.images.read(place), f"{_label(data, row)} ({data.items.at[row, 'source']})")
        for row, place in places.items()
    }


def _label(data: DatasetEvidence, row: int) -> str:
    label = data.items.at[row, data.levels[0]]
    return "no label" if pd.isna(label) else str(label)


def _picture(data: bytes, alt: str) -> Picture:
    with Image.open(io.BytesIO(data)) as image:
        # Not every viewer turns a picture as its Exif data say, or knows the colours of print.
        plain = image.format in ("PNG", "JPEG") and image.mode != "CMYK" and not image.getexif()
        if plain and max(image.size) <= LARGEST:
            return Picture(data, image.format.lower(), alt)
    small = decode_image(data)
    small.thumbnail((LARGEST, LARGEST))
    handle = io.BytesIO()
    small.save(handle, "JPEG", quality=85)
    return Picture(handle.getvalue(), "jpeg", alt)
