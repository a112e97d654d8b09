"""Search by dot product through faiss: a flat index, which is exact, and inverted lists and graphs, which trade
recall for speed.

The flat index answers exactly, ties included. faiss rounds by tile, so that equal items may differ in their last bit:
what it finds is scored afresh in double precision and rounded to float32, which gives equal items equal scores, and a
query whose answer could still change by what faiss left out is scored against the whole gallery.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from numbers import Integral
from typing import Any

import faiss
import numpy as np

from suite.evaluation.inputs import as_embeddings

SETTINGS = {"flat": (), "ivf": ("nlist", "nprobe"), "hnsw": ("M", "ef_construction", "ef_search")}
"""The kinds of index and their settings, under the names that faiss gives them."""

_DEVICES = ("cpu", "gpu")
# Candidates beyond k that are scored afresh, so that near ties at the k-th place seldom need the whole gallery.
_SPARE = 8
# Queries handed to faiss at a time, and double-precision scores held by a scan of the whole gallery.
_QUERIES, _SCANNED = 1024, 1 << 22
# What faiss asks for: so many items to train a list's centre.
_POINTS_PER_LIST = 39
_MOST_ON_GPU = 2048


class SearchIndex:
    """A gallery made ready for search by dot product. `search_index` makes one.

    Attributes:
        kind: `flat`, `ivf` or `hnsw`.
        settings: those of the kind, as they are in force.
        device: `cpu` or `gpu`.
        size, width: items of the gallery and dimensions of an embedding.
    """

    def __init__(self, gallery: np.ndarray, kind: str, settings: dict[str, int], device: str, seed: int, threads: int):
        self.kind, self.settings, self.device = kind, settings, device
        self.size, self.width = gallery.shape
        self._threads = threads
        # Only an exact search scores anew.
        self._items = gallery if kind == "flat" else None
        items = _single(gallery, "gallery")
        self._longest = float(_lengths(gallery).max())
        with _faiss_threads(threads):
            self._index = _BUILDERS[kind](items, settings, seed)
            if device == "gpu":
                # Trained and filled on the processor, so that the lists are those of an index there.
                self._resources = faiss.StandardGpuResources()
                self._index = faiss.index_cpu_to_gpu(self._resources, 0, self._index)

    def search(
        self, query: Any, k: int = 10, *, nprobe: int | None = None, ef_search: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k items of highest dot product that the index finds for each query, best first.

        Args:
            query: (Q, D) embeddings, an array or a tensor.
            k: items a query, at most the gallery's size.
            nprobe: lists looked into, in place of the index's own setting (`ivf`).
            ef_search: candidates kept while walking the graph, in place of the index's own setting (`hnsw`); fewer
                than k count as k.

        Returns:
            Scores (Q, k) float32 and gallery rows (Q, k) int64. `flat`: exact, and at equal score the lower row
            stands first. Others may find fewer than k: the rest are row -1 with score -inf.

        Raises:
            ValueError: naming the argument that is at fault.
        """
        queries = as_embeddings(query, "query")
        if queries.shape[1] != self.width:
            raise ValueError(f"query: width {queries.shape[1]} differs from the gallery's {self.width}")
        _whole("k", k, self.size, "the items there are to find")
        largest = self._longest * float(_lengths(queries).max())
        if largest > float(np.finfo(np.float32).max):
            raise ValueError(f"query: scores beyond the range of float32, up to {largest:.3g}")
        given = {"nprobe": nprobe, "ef_search": ef_search}
        knobs = self.settings | _checked(self.kind, given, self.size, self.settings.get("nlist"))
        depth = min(k + _SPARE, self.size) if self.kind == "flat" else int(k)
        if self.device == "gpu" and depth > _MOST_ON_GPU:
            raise ValueError(f"k: faiss finds at most {_MOST_ON_GPU - _SPARE} items on a gpu, found {k}")
        find = self._exact if self.kind == "flat" else self._approximate
        with _faiss_threads(self._threads):
            found = [
                find(queries[start : start + _QUERIES], int(k), depth, knobs)
                for start in range(0, len(queries), _QUERIES)
            ]
        return np.concatenate([scores for scores, _ in found]), np.concatenate([rows for _, rows in found])

    @property
    def nbytes(self) -> int:
        """Bytes of the index as faiss writes it, on a processor about those that it takes in memory."""
        index = faiss.index_gpu_to_cpu(self._index) if self.device == "gpu" else self._index
        sizes: list[int] = []

        def count(part: bytes) -> int:
            sizes.append(len(part))
            return len(part)

        faiss.write_index(index, faiss.PyCallbackIOWriter(count))
        return sum(sizes)

    def _approximate(
        self, query: np.ndarray, k: int, depth: int, knobs: dict[str, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        # Set on the index, not given to the search: `faiss.contrib.torch_utils`, which other packages import, puts a
        # search in its place that takes no parameters.
        if self.kind == "ivf":
            self._index.nprobe = knobs["nprobe"]
        else:
            self._index.hnsw.efSearch = knobs["ef_search"]
        scores, rows = self._index.search(_single(query, "query"), depth)
        return np.where(rows < 0, np.float32(-np.inf), scores), rows

    def _exact(self, query: np.ndarray, k: int, depth: int, knobs: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
        _, found = self._index.search(_single(query, "query"), depth)
        scores = exact_scores(query, self._items, found)
        # A dot product of width D is off by at most D u |x| |y|, u the unit roundoff (Higham, Accuracy and Stability
        # of Numerical Algorithms, section 3.1), and two roundings of the inputs; here twice, for the worst item found
        # and for one left out, which can score no higher than this.
        error = 2 * (self.width + 3) * 2.0**-24 * self._longest * _lengths(query)
        ceiling = scores.min(axis=1) + error
        best, rows = _best(scores, found, k)
        unsure = np.flatnonzero((best[:, -1] <= ceiling) & (depth < self.size))
        step = max(_SCANNED // self.size, 1)
        for part in (unsure[start : start + step] for start in range(0, len(unsure), step)):
            every = np.broadcast_to(np.arange(self.size), (len(part), self.size))
            scanned = (query[part].astype(np.float64) @ self._items.T.astype(np.float64)).astype(np.float32)
            best[part], rows[part] = _best(scanned, every, k)
        return best, rows


def search_index(
    gallery: Any,
    kind: str = "flat",
    *,
    nlist: int | None = None,
    nprobe: int | None = None,
    M: int | None = None,
    ef_construction: int | None = None,
    ef_search: int | None = None,
    device: str = "cpu",
    seed: int = 0,
    threads: int = 1,
) -> SearchIndex:
    """Make a gallery ready for search by dot product.

    Args:
        gallery: (G, D) embeddings, an array or a tensor of float32, float64 or bfloat16. Approximate indexes are meant
            for distinct unit vectors: lists find fewer the more the items differ in length, and a graph loses what
            lies behind more copies of an item than it has links.
        kind: `flat`, an exhaustive search, exact; `ivf`, lists of items around k-means centres, of which the nearest
            are searched; `hnsw`, a graph of near items that is walked towards the query.
        nlist: lists, at most G (`ivf`; default 4 sqrt(G), and no more than leaves 39 items a list).
        nprobe: lists looked into, at most nlist (`ivf`; default a sixteenth of them). All of them: exact, save for ties
            and rounding.
        M: links an item, at least 2; twice as many on the lowest layer (`hnsw`; default 32).
        ef_construction: candidates kept while an item is linked in (`hnsw`; default 100).
        ef_search: candidates kept while a query walks the graph (`hnsw`; default 64).
        device: `gpu` for the first GPU, with the GPU build of faiss; `hnsw` runs on a `cpu` alone.
        seed: of the k-means, and of the layers of the graph.
        threads: of faiss, in building and in searching. On one thread the same input gives the same index bit by bit.

    Raises:
        ValueError: naming the argument that is at fault.
    """
    if kind not in SETTINGS:
        near = difflib.get_close_matches(str(kind), SETTINGS, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(SETTINGS)}"
        raise ValueError(f"kind: unknown index '{kind}': {hint}")
    items = as_embeddings(gallery, "gallery")
    _check_device(device, kind)
    _whole("seed", seed, 2**31 - 1, "the seeds of faiss", least=0)
    _whole("threads", threads, 1024, "threads")
    given = {"nlist": nlist, "nprobe": nprobe, "M": M, "ef_construction": ef_construction, "ef_search": ef_search}
    lists = int(min(4 * len(items) ** 0.5, len(items) / _POINTS_PER_LIST)) or 1 if nlist is None else nlist
    chosen = _checked(kind, given, len(items), lists)
    probes = {"nlist": lists, "nprobe": max(lists // 16, 1)} if kind == "ivf" else {}
    defaults = probes | {"M": 32, "ef_construction": 100, "ef_search": 64}
    settings = {name: chosen.get(name, defaults[name]) for name in SETTINGS[kind]}
    return SearchIndex(items, kind, settings, device, int(seed), int(threads))


def exact_scores(query: np.ndarray, gallery: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Dot products of each query with its own items, in double precision and rounded: equal items score equally.

    Args:
        query: (Q, D).
        gallery: (G, D).
        rows: (Q, n), gallery rows.

    Returns:
        (Q, n) float32.
    """
    scores = np.empty(rows.shape, dtype=np.float32)
    query = query.astype(np.float64)
    for column in range(rows.shape[1]):
        scores[:, column] = np.einsum("qd,qd->q", query, gallery[rows[:, column]])
    return scores


def _best(scores: np.ndarray, found: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.lexsort((found, -scores), axis=1)[:, :k]
    return np.take_along_axis(scores, order, 1), np.take_along_axis(found, order, 1)


def _flat(items: np.ndarray, settings: dict[str, int], seed: int) -> faiss.Index:
    index = faiss.IndexFlatIP(items.shape[1])
    index.add(items)
    return index


def _ivf(items: np.ndarray, settings: dict[str, int], seed: int) -> faiss.Index:
    width = items.shape[1]
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(width), width, settings["nlist"], faiss.METRIC_INNER_PRODUCT)
    index.cp.seed = seed
    # faiss prints a warning below its recommendation; the user chose the number of lists.
    index.cp.min_points_per_centroid = 1
    index.train(items)
    index.add(items)
    return index


def _hnsw(items: np.ndarray, settings: dict[str, int], seed: int) -> faiss.Index:
    index = faiss.IndexHNSWFlat(items.shape[1], settings["M"], faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = settings["ef_construction"]
    index.hnsw.rng = faiss.RandomGenerator(seed)
    index.add(items)
    return index


_BUILDERS: dict[str, Callable[[np.ndarray, dict[str, int], int], faiss.Index]] = {
    "flat": _flat,
    "ivf": _ivf,
    "hnsw": _hnsw,
}


def _checked(kind: str, given: dict[str, int | None], size: int, nlist: int | None) -> dict[str, int]:
    """The settings that were given, as integers. Raises ValueError at one of another kind or out of its range."""
    limits = {
        "nlist": (1, size, "the gallery's size"),
        "nprobe": (1, nlist, "nlist"),
        "M": (2, 1024, "links an item"),
        "ef_construction": (1, 2**31 - 1, "candidates"),
        "ef_search": (1, 2**31 - 1, "candidates"),
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    for name, value in chosen.items():
        if name not in SETTINGS[kind]:
            owner = next(other for other, names in SETTINGS.items() if name in names)
            raise ValueError(f"{name}: a setting of an index of kind '{owner}', not of '{kind}', found {value!r}")
        least, most, of = limits[name]
        _whole(name, value, most, of, least)
    return {name: int(value) for name, value in chosen.items()}


def _check_device(device: str, kind: str) -> None:
    if device not in _DEVICES:
        raise ValueError(f"device: expected {' or '.join(_DEVICES)}, found {device!r}")
    if device == "cpu":
        return
    if kind == "hnsw":
        raise ValueError("device: an index of kind 'hnsw' runs on 'cpu' alone, found 'gpu'")
    if not hasattr(faiss, "StandardGpuResources"):
        raise ValueError(
            f"device: 'gpu' needs the GPU build of faiss; installed is faiss {faiss.__version__} without it"
        )
    if faiss.get_num_gpus() == 0:
        raise ValueError("device: 'gpu' needs a GPU that faiss can use, found none")


def _whole(name: str, value: Any, most: int, of: str, least: int = 1) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral) or not least <= value <= most:
        raise ValueError(f"{name}: expected {least} to {most}, {of}, found {value!r}")


def _lengths(points: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("nd,nd->n", points, points, dtype=np.float64))


def _single(values: np.ndarray, name: str) -> np.ndarray:
    """The float32 that faiss takes. Raises ValueError at a value beyond its range."""
    if values.dtype == np.float32:
        return values
    largest = np.abs(values).max()
    if largest > float(np.finfo(np.float32).max):
        raise ValueError(f"{name}: values beyond the range of float32, the largest {largest:.3g}")
    return values.astype(np.float32)


@contextmanager
def _faiss_threads(count: int) -> Iterator[None]:
    """Run faiss on `count` threads, and give back those it had."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
