"""Retrieval examples: queries chosen by a rule between two losses, with the first results of both and of the floor."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from suite.datasets.images import decode_image
from suite.reporting.evidence import DatasetEvidence
from suite.reporting.model import Example, Gallery, Mark, Picture, Ranking, Result, number, worded

FROZEN = "frozen"
TOP = 10
EACH = 2
LARGEST = 160


class Between(NamedTuple):
    """The two losses between which examples are chosen; `other` is `frozen` where there is no second loss."""

    first: str
    other: str


def gallery(data: DatasetEvidence, between: Between, labels: dict[str, str]) -> Gallery | None:
    """Examples of two losses, beside the frozen floor; None where neighbours or images are not on record.

    The rule: with AP cut at the first ten results, take the queries at which the first loss is most ahead of the
    other, those whose difference is nearest the median, and those at which the other is most ahead, one a class; ties
    go to the earlier row.

    Args:
        data: what is on record of the data set.
        between: the losses.
        labels: what losses and the floor are called.
    """
    shown = list(dict.fromkeys((*between, FROZEN)))
    if not set(shown) <= set(data.neighbours) or data.images is None:
        return None
    scores = {key: _top_ap(data, data.neighbours[key]) for key in shown}
    difference = (scores[between.first] - scores[between.other]).dropna()
    if difference.empty:
        return None
    chosen = choose(difference, data.items[data.levels[0]])
    near = {key: _nearest(data.neighbours[key], chosen) for key in shown}
    pictures = _pictures(data, [*chosen, *(item for table in near.values() for rows in table for item in rows["item"])])
    examples = []
    for place, (query, reason) in enumerate(chosen.items()):
        rankings = tuple(
            Ranking(
                labels[key],
                _score(data, key, query, float(scores[key][query])),
                tuple(
                    Result(pictures[row.item], int(row.rank), shared_level(data.items, data.levels, query, row.item))
                    for row in near[key][place].itertuples()
                ),
            )
            for key in shown
        )
        told = _told(reason, float(difference[query]), *(labels[key] for key in between))
        examples.append(Example(told, str(data.items.at[query, data.levels[0]]), pictures[query], rankings))
    first, other = (labels[key] for key in between)
    floor = "" if between.other == FROZEN else ", and with frozen features below"
    caption = (
        f"Retrieval examples on {data.short}: a query and its first {TOP} results with {first} and {other} (first "
        f"seed){floor}. Chosen by rule, not by eye, by the difference of AP@{TOP}, {first} minus {other}: the {EACH} "
        f"queries with the largest, the {EACH} nearest the median and the {EACH} with the smallest, at most one a "
        "class."
    )
    return Gallery(f"{data.name}-retrieval", caption, marks(data.levels), tuple(examples))


def choose(difference: pd.Series, classes: pd.Series, each: int = EACH) -> dict[int, str]:
    """Query -> `largest`, `median` or `smallest`: `each` of the largest differences, nearest the median, the smallest.

    Args:
        difference: of each query, indexed by its row among the items.
        classes: finest label of every item.
        each: how many of a kind, one a class.
    """
    median = float(difference.median())
    orders = {
        "largest": difference.sort_values(ascending=False, kind="stable"),
        "median": (difference - median).abs().sort_values(kind="stable"),
        "smallest": difference.sort_values(kind="stable"),
    }
    chosen: dict[int, str] = {}
    taken: set[str] = set()
    for reason, order in orders.items():
        picked = 0
        for query in order.index:
            if picked < each and classes[query] not in taken:
                chosen[int(query)] = reason
                taken.add(classes[query])
                picked += 1
    return chosen


def _told(reason: str, difference: float, first: str, other: str) -> str:
    """Why a query was chosen; at one end nobody may be ahead of the other, or the same loss as at the other end."""
    value = f"AP@{TOP} {number(difference, 2, sign=True)}"
    if reason == "median":
        return f"Median difference ({value})"
    if number(difference, 2) == number(0, 2):
        return f"{reason.capitalize()} difference: neither is ahead ({value})"
    ahead = first if difference > 0 else other
    most = "most" if (difference > 0) == (reason == "largest") else "least"
    return f"{ahead} {most} ahead ({value})"


def _nearest(neighbours: pd.DataFrame, chosen: Iterable[int]) -> list[pd.DataFrame]:
    """The first results of each query, by rank."""
    queries = list(chosen)
    found = dict(list(neighbours[neighbours["query"].isin(queries)].sort_values("rank").groupby("query")))
    return [found[query] for query in queries]


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


def shared_level(items: pd.DataFrame, levels: list[str], query: int, item: int) -> int:
    """The place of the finest level at which an item has the query's label, -1 for none.

    Args:
        items: of the data set, a column a level.
        levels: their names, finest first.
        query, item: rows of `items`; without a label (None) they share it with no other.
    """
    for place, level in enumerate(levels):
        label = items.at[query, level]
        if not pd.isna(label) and label == items.at[item, level]:
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
