"""Settings of a small study, from which the tests make theirs."""

from __future__ import annotations

from typing import Any

from suite.config import DEFAULT, Params


def settings(**changes: Any) -> dict[str, Any]:
    """The content of a small `params.yaml`; top-level keys are replaced by `changes`."""
    return {
        "study": "test",
        "main_batch_size": 32,
        "seeds": {"main": [0], "scaling": [0]},
        "workers": {"processes": 1},
        "backbone": {"name": "efficientnet_lite0", "image_size": 48},
        "training": {
            "protocol": "head",
            "epochs": 1,
            "samples_per_class": 4,
            "embedding_dim": 8,
            "weight_decay": 0.0,
            "evaluations": 1,
        },
        "tuning": {"learning_rates": [0.001], "seeds": [0]},
        "measure": measure({DEFAULT: [32]}),
        "benchmark": {"batch_sizes": [128, 256, 512]},
        "datasets": {"emoji": {"builder": "emoji", "download": {}}},
        "losses": {"contrastive": loss_entry("contrastive", 32)},
    } | changes


def measure(batch_sizes: dict[str, list[int]], samples_per_class: int = 4, partitions: int = 1, **changes: Any) -> Any:
    """The settings of measuring with one sampler, m per class."""
    settings = {
        "batch_sizes": batch_sizes,
        "partitions": partitions,
        "metrics": ["AP", "R_at_1"],
        "precision": 0.002,
        "samplers": {"main": {"kind": "m_per_class", "samples_per_class": samples_per_class}},
    } | changes
    return {"main_sampler": next(iter(settings["samplers"]))} | settings


def study(**changes: Any) -> Params:
    """The checked settings of a small study; top-level keys are replaced by `changes`."""
    return Params.model_validate(settings(**changes))


def loss_entry(name: str, *batch_sizes: int, learning_rate: float = 0.001, **changes: Any) -> dict[str, Any]:
    """An entry of `losses`, trained at the same batch sizes on every data set."""
    batches = [{"batch_size": size, "learning_rate": learning_rate} for size in batch_sizes]
    return {"loss": name, "label": name.title(), "batches": {DEFAULT: batches}} | changes
