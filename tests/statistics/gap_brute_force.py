"""The gap of one batch from its definition, each metric by `per_query_metrics` on the restricted gallery."""

from __future__ import annotations

import numpy as np

from suite.evaluation import per_query_metrics
from suite.statistics.gap import PARTS

METRICS = ("AP", "R_at_1", "R_at_3", "NDCG", "H_AP")


def metric_of(embeddings, labels, query, gallery, metric, level):
    """A metric of one query on the given items."""
    graded = metric in ("NDCG", "H_AP")
    found = per_query_metrics(
        embeddings[[query]],
        labels[[query]],
        embeddings[gallery],
        labels[gallery],
        ks=(1, 3),
        levels=[] if graded else [level],
        hierarchical=graded,
    )
    return found[metric if graded else f"level{level}/{metric}"].item()


def brute_force(embeddings, labels, batch, metric, level=0):
    """(queries with a positive in the batch, 7) values in the order of `PARTS`."""
    labels = labels.reshape(len(labels), -1)
    same = labels[:, None] == labels[None]
    relevant = same.any(2) if metric in ("NDCG", "H_AP") else same[:, :, level]
    rows = []
    for i in batch:
        others = [j for j in range(len(labels)) if j != i]
        positives, negatives = ([j for j in others if relevant[i, j] == wanted] for wanted in (True, False))
        few = [j for j in positives if j in batch], [j for j in negatives if j in batch]
        if not few[0]:
            continue
        value = {
            (p, n): metric_of(embeddings, labels, i, (positives, few[0])[p] + (negatives, few[1])[n], metric, level)
            for p in (0, 1)
            for n in (0, 1)
        }
        rows.append(
            (
                value[1, 1],
                value[0, 0],
                value[1, 1] - value[0, 0],
                ((value[0, 1] - value[0, 0]) + (value[1, 1] - value[1, 0])) / 2,
                ((value[1, 0] - value[0, 0]) + (value[1, 1] - value[0, 1])) / 2,
                value[0, 1] - value[0, 0],
                value[1, 0] - value[0, 0],
            )
        )
    return np.array(rows).reshape(-1, len(PARTS))


def of_batches(embeddings, labels, batches, metric, level=0):
    """Mean over the batches that have a query with a positive of the mean over these queries; and their number."""
    values = [brute_force(embeddings, labels, list(batch), metric, level) for batch in batches]
    values = [rows for rows in values if len(rows)]
    return np.mean([rows.mean(0) for rows in values], axis=0), sum(map(len, values))
