"""What an approximate search costs in recall and what it brings in speed, against the exact one in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from suite.datasets.arrays import load_features
from suite.errors import SuiteError
from suite.evaluation import SearchIndex, nearest_neighbours, search_index, search_recall
from suite.files import write_table

COLUMNS = (
    "source",
    "gallery",
    "dimensions",
    "queries",
    "k",
    "kind",
    "nlist",
    "nprobe",
    "M",
    "ef_construction",
    "ef_search",
    "recall",
    "fastest_ms",
    "median_ms",
    "rounds",
    "queries_per_second",
    "speedup",
    "build_seconds",
    "index_bytes",
)
KNOBS = {"flat": None, "ivf": "nprobe", "hnsw": "ef_search"}
"""What is turned to trade recall for speed in an index that stands."""

DRAWN = "drawn"
LEVELS = (5, 500)
"""Items of a class, and of a group of classes. Class centres lie around those of their group, items around their
class's, each as far as the other."""
OFFSET = 8
"""Principal axes of drawn embeddings have standard deviations in proportion to 1 / (axis + OFFSET). With it and the
groups, indexes find about as much of drawn embeddings as of frozen ImageNet features of as many images; of isotropic
noise, where every item is about as far from every other, they find next to nothing."""
# A knob is doubled from its least value until nearly all is found or there is no more to turn.
_LEAST = {"ivf": 1, "hnsw": 8}
_ENOUGH = 0.999


@dataclass(frozen=True)
class Searched:
    """Unit vectors to search in and to search with.

    Attributes:
        source: `drawn`, or the data set whose features they are.
        query: (Q, D) float32.
        gallery: (G, D) float32.
    """

    source: str
    query: np.ndarray
    gallery: np.ndarray


def drawn_embeddings(gallery: int, queries: int, dimensions: int, seed: int = 0) -> Searched:
    """Embeddings around the centres of classes and groups of classes; queries and gallery have classes in common."""
    generator = np.random.default_rng(seed)
    place = generator.permutation(gallery + queries)
    points = generator.standard_normal((len(place), dimensions), dtype=np.float32)
    for size in LEVELS:
        centres = generator.standard_normal((-(-len(place) // size), dimensions), dtype=np.float32)
        points += centres[place // size]
    points = _unit(points / np.arange(OFFSET, OFFSET + dimensions, dtype=np.float32))
    return Searched(DRAWN, points[:queries], points[queries:])


def data_set_features(root: Path, dataset: str, queries: int, seed: int = 0) -> Searched:
    """Features of an embedded data set: `queries` of its images at random, the others as the gallery.

    Raises:
        SuiteError: the data set is not embedded, or has no more images than that.
    """
    features = load_features(root, dataset)
    if queries >= len(features):
        raise SuiteError(
            f"--queries: {queries} of the {len(features)} images of data set '{dataset}' leave nothing to search in"
        )
    order = np.random.default_rng(seed).permutation(len(features))
    points = _unit(features)
    return Searched(dataset, points[order[:queries]], points[order[queries:]])


def search_study(searched: Iterable[Searched], k: int = 10, rounds: int = 5) -> pd.DataFrame:
    """Recall@k and time of every kind of index over its knob, one row a setting, with the columns of `COLUMNS`.

    All times are processor time on one thread, so that other work on the machine counts for little. Rounds go over all
    settings of a gallery in turn: what slows the machine down slows all of them. A search answers all queries at once.
    Settings that a kind does not have are null.

    `recall` is the mean over queries of `search_recall`; `fastest_ms` and `median_ms` are over rounds, for all queries;
    `queries_per_second` comes from the fastest round, `speedup` is against `flat`; `index_bytes` is the size of the
    index as written, about that in memory. The knob is doubled until recall reaches 0.999.

    Args:
        searched: what to search.
        k: neighbours a query.
        rounds: timed searches a setting.

    Raises:
        SuiteError: k is beyond a gallery.
    """
    searched = list(searched)
    for each in searched:
        if k > len(each.gallery):
            raise SuiteError(f"-k: {k} is beyond the {len(each.gallery)} items of the gallery '{each.source}'")
    table = pd.concat([_study(each, k, rounds) for each in searched], ignore_index=True)
    settings = ["nlist", "nprobe", "M", "ef_construction", "ef_search"]
    return table.astype(dict.fromkeys(settings, "Int64"))


def write_search_study(output: Path, searched: Iterable[Searched], k: int, rounds: int) -> pd.DataFrame:
    """Write the study as `search.parquet` and `search.csv` into `output`."""
    table = search_study(searched, k, rounds)
    write_table(Path(output) / "search", table)
    return table


def fastest(table: pd.DataFrame, recall: float) -> pd.DataFrame:
    """The fastest setting of every gallery and kind that has at least this recall, in the order of the table."""
    good = table[table["recall"] >= recall]
    return table.loc[sorted(good.groupby(["source", "gallery", "kind"])["queries_per_second"].idxmax())]


def sentences(table: pd.DataFrame, recall: float) -> Iterator[str]:
    """What `fastest` found, a line each."""
    for row in fastest(table, recall).to_dict("records"):
        knob = KNOBS[row["kind"]]
        kind = row["kind"] if knob is None else f"{row['kind']}, {knob} {row[knob]}"
        yield (
            f"{row['source']}, {row['gallery']:,} items: {kind}: recall@{row['k']} {row['recall']:.3f}, "
            f"{row['queries_per_second']:,.0f} queries a second, {row['speedup']:.3g} times flat; "
            f"built in {row['build_seconds']:.3g} s, {row['index_bytes'] / 1e6:,.0f} MB"
        )


def _study(searched: Searched, k: int, rounds: int) -> pd.DataFrame:
    query, gallery = searched.query, searched.gallery
    exact = nearest_neighbours(query, gallery, k)[1]
    rows: list[dict[str, Any]] = []
    searches: list[Callable[[], Any]] = []
    for kind in KNOBS:
        start = time.process_time()
        index = search_index(gallery, kind)
        built = {"build_seconds": time.process_time() - start, "index_bytes": index.nbytes}
        for given in _knobs(index):
            recall = search_recall(query, gallery, index.search(query, k, **given)[1], exact).mean()
            rows.append({"kind": kind, **index.settings, **given, "recall": recall, **built})
            searches.append(partial(index.search, query, k, **given))
            if recall >= _ENOUGH:
                break
    seconds = np.array([[_seconds(search) for search in searches] for _ in range(rounds)])
    table = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    table["source"], table["gallery"], table["dimensions"] = searched.source, *gallery.shape
    table["queries"], table["k"], table["rounds"] = len(query), k, rounds
    table["fastest_ms"], table["median_ms"] = 1000 * seconds.min(axis=0), 1000 * np.median(seconds, axis=0)
    table["queries_per_second"] = 1000 * len(query) / table["fastest_ms"]
    table["speedup"] = table.loc[table["kind"] == "flat", "fastest_ms"].iloc[0] / table["fastest_ms"]
    return table


def _knobs(index: SearchIndex) -> Iterator[dict[str, int]]:
    """What to set for one search after another; nothing, once, where there is nothing to turn."""
    knob = KNOBS[index.kind]
    if knob is None:
        yield {}
        return
    value, most = _LEAST[index.kind], index.settings.get("nlist", index.size)
    while value < most:
        yield {knob: value}
        value *= 2
    yield {knob: most}


def _seconds(search: Callable[[], Any]) -> float:
    start = time.process_time()
    search()
    return time.process_time() - start


def _unit(points: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    return (points / np.maximum(lengths, np.finfo(np.float32).tiny)).astype(np.float32)
