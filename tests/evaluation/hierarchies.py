"""Drawn labels and embeddings for the tests of the metrics."""

import numpy as np


def nested_labels(generator, items, classes, depth):
    """(items, depth) labels, finest first: classes go in pairs into the next level."""
    labels = [generator.integers(0, classes, items)]
    for _ in range(depth - 1):
        labels.append(labels[-1] // 2)
    return np.stack(labels, axis=1)


def tied_embeddings(generator, items):
    """(items, 2) small whole numbers: scores are exact and often equal."""
    return generator.integers(-1, 2, (items, 2)).astype(np.float64)
