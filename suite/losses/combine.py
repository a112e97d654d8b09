"""Weighted sums of losses, such as ROADMAP: (1 - w) Sup-AP + w calibration (Ramzi et al., NeurIPS 2021)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from suite.kernels.calling import Indices, check_number
from suite.losses.registry import create_loss


class CombinedLoss(nn.Module):
    """L = sum over terms t of weight_t L_t.

    ROADMAP is (1 - w) L_SupAP + w L_DG, with the calibration loss as L_DG: two terms of weights 1 - w and w.

    Args:
        terms: one mapping a loss: `loss`, its registered name, `weight`, at least 0, and the loss's own
            settings.

    Raises:
        SuiteError: a term names no registered loss.
        ValueError: no list of such mappings, or a loss's invalid setting; the message names term or setting.
    """

    def __init__(self, terms: Sequence[Mapping[str, Any]]):
        super().__init__()
        if not isinstance(terms, list | tuple) or not terms:
            raise ValueError(f"terms: expected a list of {{loss, weight, settings}}, found {terms!r}")
        self.weights: list[float] = []
        self.losses = nn.ModuleList()
        for place, term in enumerate(terms):
            if not isinstance(term, Mapping) or not {"loss", "weight"} <= set(term):
                raise ValueError(f"terms[{place}]: expected a mapping with loss and weight, found {term!r}")
            settings = {key: value for key, value in term.items() if key not in ("loss", "weight")}
            self.weights.append(check_number(f"terms[{place}].weight", term["weight"], least=0.0))
            self.losses.append(create_loss(term["loss"], **settings))

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        indices_tuple: Indices | None = None,
        ref_emb: Tensor | None = None,
        ref_labels: Tensor | None = None,
    ) -> Tensor:
        """The weighted sum; arguments as in `RetrievalLoss.forward`, passed on to every loss. Raises ValueError."""
        values = [loss(embeddings, labels, indices_tuple, ref_emb, ref_labels) for loss in self.losses]
        return sum(weight * value for weight, value in zip(self.weights, values, strict=True))

    def extra_repr(self) -> str:
        return f"weights={self.weights}"
