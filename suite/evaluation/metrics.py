"""Retrieval metrics of every query: exact, streaming over blocks of queries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import torch

from suite.evaluation.inputs import as_embedded, as_labels, check_ks, encode_labels
from suite.evaluation.scoring import Products

HIERARCHICAL = ("NDCG", "ASI", "H_AP")
Ties = Literal["worst", "best", "mean"]


def per_query_metrics(
    query: Any,
    query_labels: Any,
    gallery: Any = None,
    gallery_labels: Any = None,
    ks: Sequence[int] = (1, 2, 4, 8),
    *,
    levels: Sequence[int] | None = None,
    hierarchical: bool = True,
    ties: Ties = "worst",
    score_dtype: torch.dtype | None = None,
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

    At equal score `ties` decides:

    - `worst`: the item that shares fewer levels stands first; of two that share as many, the one whose finest shared
      levels are finer. No metric then depends on the order of the rows, and embeddings that collapse into one point
      are worth what the worst order is worth. It is the worst order at every level if the levels nest (who shares a
      level shares all coarser ones); if they do not, no one order is. It is the worst for NDCG and ASI too, but not
      always for H-AP, whose relevance need not rise with the levels shared.
    - `best`: the same order turned round.
    - `mean`: the expectation over all orders of the tied items, equally likely, exact for every metric here
      (McSherry & Najork, ECIR 2008; `suite.evaluation.compiled.expected`). `R_at_k` is the chance of a hit.

    A row of zeros is legal: it scores 0 with everything, so its ranking is one run of ties. A cut-off beyond the
    gallery is legal too: the top k is then the whole gallery, and `P_at_k` is still n_k / k.

    Embeddings on a CUDA device are compared there; values differ from the CPU's where two products round differently.

    Args:
        query: (Q, D) embeddings, compared by dot product as they are; float64 is kept, else float32 is used.
        query_labels: (Q,) or (Q, L) labels, finest level first.
        gallery: (G, D) embeddings, or None for leave one out.
        gallery_labels: (G,) or (G, L), required with a gallery.
        ks: cut-offs.
        levels: levels to give metrics of; all by default.
        hierarchical: whether to give `NDCG`, `ASI` and `H_AP`. A selection of levels without these is faster.
        ties: which order of items of equal score is judged.
        score_dtype: a type that scores are rounded to before they are compared, as a search in it would; None: no
            rounding.

    Returns:
        (Q,) float64 arrays by name, `level0/AP`, `level0/R_at_1`, ..., `NDCG`, and (Q,) int64
        `level0/num_positives`. A query without positives has 0, and NaN in `true_R_at_k`.

    Raises:
        ValueError: naming the argument that is at fault.
    """
    # Loaded where it is first needed: numba takes half a second.
    from suite.evaluation.sweep import Asked, judge_queries, shared_labels

    ks, ties = check_ks(ks), check_ties(ties)
    embedded = as_embedded(query, gallery)
    query_classes = as_labels(query_labels, "query_labels", len(embedded.queries), "query")
    alone = gallery is None
    if alone and gallery_labels is not None:
        raise ValueError("gallery_labels: given without gallery")
    item_classes = query_classes
    if not alone:
        if gallery_labels is None:
            raise ValueError("gallery_labels: required with gallery")
        item_classes = as_labels(gallery_labels, "gallery_labels", len(embedded.items), "gallery")
        if item_classes.shape[1] != query_classes.shape[1]:
            raise ValueError(
                f"gallery_labels: {item_classes.shape[1]} levels, but the query has {query_classes.shape[1]}"
            )
    depth = query_classes.shape[1]
    wanted = tuple(range(depth)) if levels is None else tuple(levels)
    if any(level not in range(depth) for level in wanted):
        raise ValueError(f"levels: expected levels among 0..{depth - 1}, found {levels!r}")
    if not wanted and not hierarchical:
        raise ValueError("levels: nothing is asked for, neither a level nor the hierarchical metrics")

    used = tuple(range(depth)) if hierarchical else tuple(sorted(set(wanted)))
    relevance = shared_labels(*encode_labels(query_classes, item_classes), used, alone)
    asked = Asked(ties, wanted, ks, depth if hierarchical else 0)
    found = judge_queries(Products(embedded, score_dtype), relevance, asked)
    return name_columns(found, [f"level{level}" for level in wanted], ks, hierarchical)


def check_ties(ties: str) -> Ties:
    """The rule. Raises ValueError unless it is one."""
    if ties not in get_args(Ties):
        raise ValueError(f"ties: expected one of {', '.join(get_args(Ties))}, found {ties!r}")
    return ties


def name_columns(
    found: np.ndarray, groups: Sequence[str], ks: Sequence[int], hierarchical: bool
) -> dict[str, np.ndarray]:
    """The (Q, columns) metrics of a sweep by name, each contiguous."""
    cut_offs = [f"{metric}_at_{k}" for k in ks for metric in ("R", "P", "true_R", "mAP")]
    names = [f"{group}/{name}" for group in groups for name in ("num_positives", "AP", "mAP_at_R", *cut_offs)]
    columns = np.ascontiguousarray(found.T)
    named = dict(zip([*names, *(HIERARCHICAL if hierarchical else ())], columns, strict=True))
    return {
        name: values.astype(np.int64) if name.endswith("/num_positives") else values for name, values in named.items()
    }


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
