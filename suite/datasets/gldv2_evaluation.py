"""Queries of GLDv2 and what is relevant to them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from suite.datasets.gldv2_metadata import NO_LANDMARK, USAGES, Listing, Solution, find_ids, ids_of
from suite.datasets.protocols import Protocol
from suite.errors import SuiteError

KS = (1, 2, 4, 8, 100)


class Evaluation:
    """The ground truth as landmarks of queries, and, once the images are stored, as protocols.

    Attributes:
        queries: all test images with the landmark of their relevant index images: that of most of them, of equal
            numbers the smallest id, NO_LANDMARK where none has one.
    """

    def __init__(self, index: Listing, solution: Solution):
        self._index, self._solution = index, solution
        places = find_ids(index.ids, solution.relevant)
        landmarks = np.where(places >= 0, index.landmarks[places], NO_LANDMARK)
        known = landmarks != NO_LANDMARK
        self._unlisted = int((places < 0).sum())
        pairs, votes = np.unique(np.stack([solution.pairs[known], landmarks[known]]), axis=1, return_counts=True)
        owner = pairs[0]
        # Last of each query after sorting by votes, then by descending id.
        order = np.lexsort((-pairs[1], votes, owner))
        last = np.flatnonzero(np.diff(owner[order], append=-1))
        chosen = np.full(len(solution.ids), NO_LANDMARK, dtype=np.int64)
        chosen[owner[order[last]]] = pairs[1][order[last]]
        self._several = int((np.bincount(owner) > 1).sum())
        self.queries = Listing(solution.ids, chosen)

    def protocols(self, items: pd.DataFrame) -> tuple[tuple[Protocol, ...], dict[str, int]]:
        """The protocols `all`, `public` and `private` over the built items, and facts of the queries for the card.

        Raises:
            SuiteError: no query has a relevant image among the items.
        """
        solution = self._solution
        queries, gallery = (np.flatnonzero((items["split"] == split).to_numpy()) for split in ("query", "gallery"))
        query_ids, gallery_ids = ids_of(items["key"].iloc[queries]), ids_of(items["key"].iloc[gallery])
        row_of_query = _rows(queries, query_ids, solution.ids)
        row_of_relevant = _rows(gallery, gallery_ids, solution.relevant)
        stated = (row_of_relevant >= 0) & (row_of_query[solution.pairs] >= 0)
        owner, item = solution.pairs[stated], row_of_relevant[stated]
        built = row_of_query >= 0
        answered = built & (np.bincount(owner, minlength=len(built)) > 0)
        if not answered.any():
            raise SuiteError(
                "no query has a relevant image in the chosen shards; choose more of index_shards and test_shards"
            )
        facts = {
            "over several landmarks": self._several,
            "without a landmark": int((built & (self.queries.landmarks == NO_LANDMARK)).sum()),
            "without a relevant image in the build (in no protocol)": int((built & ~answered).sum()),
            "relevant images outside the index": self._unlisted,
            "whose list is not their landmark's gallery images": self._differing(gallery, gallery_ids, owner, item),
        }
        groups = {"all": answered, **{usage.lower(): answered & (solution.usage == usage) for usage in USAGES}}
        what = {"all": "public and private", "public": "public", "private": "private"}
        return tuple(
            Protocol(
                name,
                np.sort(row_of_query[chosen]),
                gallery,
                KS,
                f"The {what[name]} queries of the ground truth against the index; mAP@100 is the official metric.",
                pd.DataFrame(
                    {"query": row_of_query[owner[chosen[owner]]], "item": item[chosen[owner]], "relation": "positive"}
                ).sort_values(["query", "item"], ignore_index=True),
            )
            for name, chosen in groups.items()
            if chosen.any()
        ), facts

    def _differing(self, rows: np.ndarray, ids: np.ndarray, stated: np.ndarray, relevant: np.ndarray) -> int:
        """How many queries' relevant images are not exactly the gallery images of their landmark.

        `rows` and `ids` are of the gallery, `stated` and `relevant` the pairs of query and gallery row.
        """
        landmarks = self._index.landmarks[find_ids(self._index.ids, ids)]
        names, sizes = np.unique(landmarks, return_counts=True)
        wanted = self.queries.landmarks
        own = landmarks[np.searchsorted(rows, relevant)] == wanted[stated]
        listed = np.bincount(stated, minlength=len(wanted))
        shared = np.bincount(stated[own], minlength=len(wanted))
        place = np.minimum(np.searchsorted(names, wanted), len(names) - 1)
        size = np.where(names[place] == wanted, sizes[place], 0)
        return int(((listed > 0) & ((listed != shared) | (shared != size))).sum())


def _rows(rows: np.ndarray, ids: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The row of each wanted id, -1 where there is none; `rows` and `ids` belong together."""
    order = np.argsort(ids)
    places = find_ids(ids[order], wanted)
    return np.where(places >= 0, rows[order][places], -1) if len(rows) else places
