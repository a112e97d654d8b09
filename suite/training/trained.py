"""What a run leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd
from torch import Tensor

State = dict[str, Tensor]


@dataclass
class Trained:
    """What a run leaves: the chosen network, its metrics, the curve and the per-query values on test.

    Attributes:
        state: tensors of the network (of the head, in the protocol `head`) at the best validation.
        metrics: means of `val` and, unless test stays unread, `test`.
        history: a row an update: `step`, `epoch`, `loss`, learning rates, `gradient_norm`, and at validations theirs.
        queries: values a query on test; None where test stays unread.
        steps: updates.
        epochs: rounds of the training images, the last one perhaps begun only.
        best_epoch: the epoch whose validation was best.
        snapshots: the state at every validation of a run that is followed, by epoch.
        step_seconds: median time of an update (forward, loss, backward, optimiser).
        step_bytes: most memory that one update held at once beyond what stood before it.
        telemetry: what varies from one execution to the next, a row a validation: `step`, `examples_per_second`,
            `memory_bytes`.
    """

    state: State
    metrics: dict[str, float]
    history: pd.DataFrame
    queries: pd.DataFrame | None
    steps: int
    epochs: int
    best_epoch: int
    snapshots: dict[int, State]
    step_seconds: float
    step_bytes: int
    telemetry: pd.DataFrame = field(default_factory=pd.DataFrame)
