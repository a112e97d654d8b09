"""The AccuracyCalculator of pytorch-metric-learning."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from suite.conformance.cases import Case
from suite.conformance.quantities import Outcome, Peer, Quantity, defined_metric


def _accuracy(name: str) -> Callable[[Case], Outcome]:
    def theirs(case: Case) -> Outcome:
        from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

        queries, gallery = case.unit()
        labels = case.labels[:, 0]
        calculator = AccuracyCalculator(include=(name,), device=torch.device("cpu"))
        if case.ref_labels is None:
            values = calculator.get_accuracy(queries, labels)
        else:
            values = calculator.get_accuracy(queries, labels, gallery, case.ref_labels[:, 0])
        return Outcome(np.array([values[name]]))

    return theirs


def _quantity(name: str, definition: str) -> Quantity:
    settings = "unit length, k None: the whole gallery, in order of squared distance"
    ours = defined_metric(f"level0/{definition}", mean=True)
    return Quantity(name, definition, "metric", settings, ours, _accuracy(name), "float32")


PEER = Peer(
    "pytorch-metric-learning",
    "pytorch_metric_learning",
    (
        _quantity("mean_average_precision", "AP"),
        _quantity("mean_average_precision_at_r", "mAP_at_R"),
        _quantity("precision_at_1", "R_at_1"),
        _quantity("r_precision", "R_precision"),
    ),
)
