"""Retrieval metrics of every query: exact, streaming over blocks of queries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from suite.evaluation.inputs import as_embeddings, as_labels, check_ks, encode_labels
from suite.evaluation.ranks import Scorer, count_above, query_blocks, sort_positives

HIERARCHICAL = ("NDCG", "ASI", "H_AP")


def per_query_metrics(
    query: Any,
    query_labels: Any,
    gallery: Any = None,
    gallery_labels: Any = None,
    ks: Sequence[int] = (1, 2, 4, 8),
    *,
    levels: Sequence[int] | None = None,
    hierarchical: bool = True,
) -> dict[str, np.ndarray]:
    """Metrics of every query against a gallery, or, without one, against all other queries (leave one out).

    With R positives of a query at a level, rank_j the 1-based rank of positive j and n_k the positives in the
    top k:

    - `AP`: (1/R) sum_j n_{rank_j} / rank_j; `mAP_at_R`: the same sum over positives with rank_j <= R;
      `mAP_at_k`: over rank_j <= k, divided by min(k, R).
    - `R_at_k`: 1 if n_k > 0 (the field's recall at k); `P_at_k`: n_k / k; `true_R_at_k`: n_k / min(k, R).

    With t_j the number of label columns that item j shares with the query, N the items with t_j > 0:

    - `NDCG`: sum_j (2^t_j - 1) / log2(1 + rank_j) over its greatest value;
    - `ASI` (average set intersection, HAPPIER, Ramzi et al., ECCV 2022): mean over n = 1..N of the share of
      the top n that an ideal order has there too, items of equal t being interchangeable;
    - `H_AP` (HAPPIER): relevance rel_j = t_j / (number of items with exactly that t), H-rank_j = rel_j + sum
      over k ranked before j of min(rel_k, rel_j), H_AP = sum_j (H-rank_j / rank_j) / sum_j rel_j.

    Ties count against the query: at equal score the item that shares fewer levels stands first. That is the worst
    order at every level if the levels nest; what holds if they do not is said in `suite.evaluation.ranks`.

    Args:
        query: (Q, D) embeddings, compared by dot product as they are; float64 is kept, else float32 is used.
        query_labels: (Q,) or (Q, L) labels, finest level first.
        gallery: (G, D) embeddings, or None for leave one out.
        gallery_labels: (G,) or (G, L), required with a gallery.
        ks: cut-offs.
        levels: levels to give metrics of; all by default.
        hierarchical: whether to give `NDCG`, `ASI` and `H_AP`. A selection of levels without these is much
            faster.

    Returns:
        (Q,) float64 arrays by name, `level0/AP`, `level0/R_at_1`, ..., `NDCG`, and (Q,) int64
        `level0/num_positives`. A query without positives has 0, and NaN in `true_R_at_k`.

    Raises:
        ValueError: naming the argument that is at fault.
    """
    ks = check_ks(ks)
    queries = as_embeddings(query, "query")
    query_classes = as_labels(query_labels, "query_labels", len(queries), "query")
    alone = gallery is None
    if alone and gallery_labels is not None:
        raise ValueError("gallery_labels: given without gallery")
    if alone:
        items, item_classes = queries, query_classes
    else:
        if gallery_labels is None:
            raise ValueError("gallery_labels: required with gallery")
        items = as_embeddings(gallery, "gallery")
        item_classes = as_labels(gallery_labels, "gallery_labels", len(items), "gallery")
        if items.shape[1] != queries.shape[1]:
            raise ValueError(f"gallery: width {items.shape[1]} differs from the query's {queries.shape[1]}")
        if item_classes.shape[1] != query_classes.shape[1]:
            raise ValueError(
                f"gallery_labels: {item_classes.shape[1]} levels, but the query has {query_classes.shape[1]}"
            )
        if items.dtype != queries.dtype:
            items, queries = items.astype(np.float64), queries.astype(np.float64)
    depth = query_classes.shape[1]
    wanted = tuple(range(depth)) if levels is None else tuple(levels)
    if any(level not in range(depth) for level in wanted):
        raise ValueError(f"levels: expected levels among 0..{depth - 1}, found {levels!r}")
    if not wanted and not hierarchical:
        raise ValueError("levels: nothing is asked for, neither a level nor the hierarchical metrics")

    query_codes, item_codes = encode_labels(query_classes, item_classes)
    scorer = Scorer(items)
    used = tuple(range(depth)) if hierarchical else wanted
    discounts = 1.0 / np.log2(np.arange(2, len(items) + 2))
    pieces: list[dict[str, np.ndarray]] = []
    for block in query_blocks(len(queries), len(items)):
        distances = scorer.distances(queries[block])
        shared = _shared_levels(query_codes[:, block], item_codes, used)
        if alone:
            itself = (np.arange(block.stop - block.start), np.arange(block.start, block.stop))
            distances[itself], shared[itself] = np.inf, 0
        ranks, shared = rank_positives(distances, shared)
        piece: dict[str, np.ndarray] = {}
        for level in wanted:
            member = (shared >> level & 1).astype(bool)
            piece |= {f"level{level}/{name}": value for name, value in binary_metrics(ranks, member, ks).items()}
        if hierarchical:
            piece |= _hierarchical(ranks, np.bitwise_count(shared), depth, discounts)
        pieces.append(piece)
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


def mean_metrics(per_query: dict[str, np.ndarray]) -> dict[str, float]:
    """Means over the queries that count, and how many they are.

    A metric of a level is averaged over the queries with a positive at that level, `NDCG`, `ASI` and `H_AP`
    over those with one at any level. A mean over no query is NaN.

    Args:
        per_query: what `per_query_metrics` returns.

    Returns:
        The means under the same names, without `num_positives`, and the counts `queries` (all),
        `level0/queries`, ... and, with the hierarchical metrics, `hierarchical/queries`.
    """
    counted = {name.split("/")[0]: values > 0 for name, values in per_query.items() if name.endswith("/num_positives")}
    if any(name in per_query for name in HIERARCHICAL):
        # Any relevant item at all gives a positive NDCG, whatever the ranks.
        counted["hierarchical"] = per_query["NDCG"] > 0
    means: dict[str, float] = {"queries": float(len(next(iter(per_query.values()))))}
    for group, mask in counted.items():
        means[f"{group}/queries"] = float(mask.sum())
    for name, values in per_query.items():
        if name.endswith("/num_positives"):
            continue
        mask = counted["hierarchical" if name in HIERARCHICAL else name.split("/")[0]]
        means[name] = float(values[mask].mean()) if mask.any() else float("nan")
    return means


def _shared_levels(query_codes: np.ndarray, item_codes: np.ndarray, levels: Sequence[int]) -> np.ndarray:
    """(b, G) uint8: bit l is set where query and item share their label at level l."""
    shared = np.zeros((query_codes.shape[1], item_codes.shape[1]), dtype=np.uint8)
    for level in levels:
        equal = query_codes[level][:, None] == item_codes[level][None]
        shared |= equal.view(np.uint8) << np.uint8(level)
    return shared


def rank_positives(distances: np.ndarray, shared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(b, P) ranks among the whole gallery of the items that share a level, in order, and what they share.

    What is shared is a bit a level, 0 at padding. `distances` is overwritten.
    """
    positives = sort_positives(distances, shared)
    rows = np.arange(len(shared))[:, None]
    found = positives.items >= 0
    distances[np.broadcast_to(rows, found.shape)[found], positives.items[found]] = np.inf
    above = count_above(positives.distances, distances)
    ranks = above + np.arange(1, found.shape[1] + 1)
    codes = np.where(found, np.take_along_axis(shared, np.maximum(positives.items, 0), 1), 0).astype(np.uint8)
    tied = found[:, 1:] & (positives.distances[:, 1:] == positives.distances[:, :-1])
    if tied.any():
        codes = _less_relevant_first(codes, tied)
    return ranks, codes


def _less_relevant_first(codes: np.ndarray, tied: np.ndarray) -> np.ndarray:
    """Reorder the codes of each run of tied positives by the number of levels shared, fewest first, then by code."""
    group = np.zeros(codes.shape, dtype=np.int64)
    np.cumsum(~tied, axis=1, out=group[:, 1:])
    keys = (group << 16) + (np.bitwise_count(codes).astype(np.int64) << 8) + codes
    return (np.sort(keys, axis=1) & 0xFF).astype(np.uint8)


def binary_metrics(ranks: np.ndarray, member: np.ndarray, ks: Sequence[int]) -> dict[str, np.ndarray]:
    """Metrics of one level from (b, P) ranks, ascending, and which of these are of positives of the level."""
    found = np.cumsum(member, axis=1)
    total = found[:, -1] if found.shape[1] else np.zeros(len(member), dtype=np.int64)
    some = np.maximum(total, 1)
    precision = np.where(member, found / ranks, 0.0)
    metrics = {
        "num_positives": total,
        "AP": precision.sum(1) / some,
        "mAP_at_R": np.where(ranks <= total[:, None], precision, 0.0).sum(1) / some,
    }
    for k in ks:
        # The item at place p has rank p + 1 at best, so no later place can be in the top k.
        top = ranks[:, :k] <= k
        hits = (member[:, :k] & top).sum(1)
        metrics[f"R_at_{k}"] = (hits > 0).astype(np.float64)
        metrics[f"P_at_{k}"] = hits / k
        metrics[f"true_R_at_{k}"] = np.where(total > 0, hits / np.minimum(k, some), np.nan)
        metrics[f"mAP_at_{k}"] = np.where(top, precision[:, :k], 0.0).sum(1) / np.minimum(k, some)
    return metrics


def _hierarchical(ranks: np.ndarray, agree: np.ndarray, depth: int, discounts: np.ndarray) -> dict[str, np.ndarray]:
    """NDCG, ASI and H_AP from (b, P) ranks, ascending, and the number of levels each item shares (0: padding).

    `discounts` holds 1 / log2(1 + rank) of all ranks, from rank 1.
    """
    queries, width = ranks.shape
    if not width:
        return {name: np.zeros(queries) for name in HIERARCHICAL}
    real = agree > 0
    totals = real.sum(1)
    # cumulative[t] counts the items of exactly t shared levels up to each place; counts[t] counts them all.
    cumulative = {t: np.cumsum(agree == t, axis=1, dtype=np.int32) for t in range(1, depth + 1)}
    counts = {t: running[:, -1] for t, running in cumulative.items()}

    gains = 2.0 ** np.arange(depth + 1) - 1.0
    gained = (gains[agree] * discounts[np.minimum(ranks, len(discounts)) - 1]).sum(1)
    summed = np.concatenate([[0.0], np.cumsum(discounts)])
    ideal, higher = np.zeros(queries), np.zeros(queries, dtype=np.int64)
    for t in range(depth, 0, -1):
        ideal += gains[t] * (summed[higher + counts[t]] - summed[higher])
        higher = higher + counts[t]

    relevance = np.zeros((queries, depth + 1))
    for t in range(1, depth + 1):
        relevance[:, t] = t / np.maximum(counts[t], 1)
    own = np.take_along_axis(relevance, agree.astype(np.int64), axis=1)
    hierarchical_rank = np.zeros(ranks.shape)
    for t, running in cumulative.items():
        hierarchical_rank += running * np.minimum(own, relevance[:, t, None])
    weight = own.sum(1)

    # Which item stands at each of the first P ranks of the whole gallery (0: one that shares no level).
    first = np.zeros((queries, width), dtype=np.uint8)
    rows, places = np.nonzero(real & (ranks <= totals[:, None]))
    first[rows, ranks[rows, places] - 1] = agree[rows, places]
    depths = np.arange(1, width + 1)
    intersection, higher = np.zeros(ranks.shape), np.zeros(queries, dtype=np.int64)
    for t in range(depth, 0, -1):
        wanted = np.clip(depths - higher[:, None], 0, counts[t][:, None])
        intersection += np.minimum(np.cumsum(first == t, axis=1), wanted)
        higher = higher + counts[t]
    share = np.where(depths <= totals[:, None], intersection / depths, 0.0)

    some = np.maximum(totals, 1)
    return {
        "NDCG": np.divide(gained, ideal, out=np.zeros(queries), where=totals > 0),
        "ASI": share.sum(1) / some,
        "H_AP": np.divide((hierarchical_rank / ranks).sum(1), weight, out=np.zeros(queries), where=totals > 0),
    }
