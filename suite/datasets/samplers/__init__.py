"""Batch samplers: which images a training batch holds, as a function of (seed, epoch) alone.

A sampler is one file with a subclass of `Sampler` and one line below (third parties: an entry point of the group
`ranksuite.samplers`).
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from suite.datasets.samplers.balanced import ClassBalancedSampler
from suite.datasets.samplers.base import EpochBatches, Sampler, Shard
from suite.datasets.samplers.hierarchical import HierarchicalSampler
from suite.datasets.samplers.per_class import MPerClassSampler
from suite.errors import SuiteError
from suite.registry import Registry

SAMPLERS = Registry(
    "sampler",
    "ranksuite.samplers",
    {
        "class_balanced": "suite.datasets.samplers.balanced:ClassBalancedSampler",
        "hierarchical": "suite.datasets.samplers.hierarchical:HierarchicalSampler",
        "m_per_class": "suite.datasets.samplers.per_class:MPerClassSampler",
    },
)


def create_sampler(name: str, labels: np.ndarray, batch_size: int, m: int, seed: int, **settings: Any) -> Sampler:
    """The sampler `name` over `labels`, (N,) or (N, L) int, finest level first.

    Raises:
        SuiteError: there is no sampler of that name, it takes no such setting, or it cannot fill a batch.
    """
    sampler = SAMPLERS.resolve(name)
    takes = list(inspect.signature(sampler).parameters)[4:]
    for setting in settings:
        if setting not in takes:
            raise SuiteError(f"sampler '{name}': unknown setting '{setting}'; it takes: {', '.join(takes)}")
    return sampler(labels, batch_size, m, seed, **settings)


__all__ = [
    "SAMPLERS",
    "ClassBalancedSampler",
    "EpochBatches",
    "HierarchicalSampler",
    "MPerClassSampler",
    "Sampler",
    "Shard",
    "create_sampler",
]
