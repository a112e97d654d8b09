"""Triplet losses of online-triplet-loss."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from suite.conformance.cases import Case
from suite.conformance.quantities import Outcome, Peer, Quantity, defined_loss, loss_outcome

MARGIN = 0.2


def _triplet(function: str) -> Callable[[Case], Outcome]:
    def theirs(case: Case) -> Outcome:
        from online_triplet_loss import losses

        def call(embeddings: Tensor, labels: Tensor, references: Tensor | None, ref_labels: Tensor | None) -> Tensor:
            if references is not None:
                raise TypeError(f"{function} takes labels and embeddings, no other gallery")
            result = getattr(losses, function)(labels, nn.functional.normalize(embeddings, dim=1), MARGIN)
            return result[0] if isinstance(result, tuple) else result

        return loss_outcome(case, call)

    return theirs


def _quantity(function: str, mining: str) -> Quantity:
    settings = f"mining {mining}, margin {MARGIN}, embeddings normalised before the call"
    ours = defined_loss("triplet", margin=MARGIN, mining=mining)
    return Quantity(function, "triplet", "loss", settings, ours, _triplet(function))


PEER = Peer(
    "online-triplet-loss",
    "online_triplet_loss",
    (_quantity("batch_all_triplet_loss", "all"), _quantity("batch_hard_triplet_loss", "batch_hard")),
)
