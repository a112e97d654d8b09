"""What is compared: a loss or a metric of one implementation beside the definition of the suite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from suite.conformance.cases import Case
from suite.evaluation import per_query_metrics
from suite.losses import create_loss

# Largest relative deviation that counts as agreement, by the precision an implementation computes in.
TOLERANCES = {"float64": 1e-6, "float32": 1e-5}
# A cut-off that no query's number of positives reaches.
_BEYOND = 64


class Outcome(NamedTuple):
    """What one side gives: values, and for a loss their gradients.

    Attributes:
        values: (1,) of a loss or a mean, (queries,) of a metric a query.
        gradients: of a loss, with respect to embeddings, gallery and class centres, as far as there are any.
    """

    values: np.ndarray
    gradients: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True)
class Quantity:
    """One loss or metric of an implementation.

    Attributes:
        name: what the implementation calls it.
        definition: what it is compared with: a registered loss, or a metric by its name in the tables.
        kind: `loss` or `metric`.
        settings: how the two are set alike, in words.
        ours: the definition on a case.
        theirs: the implementation on a case; what it raises is its answer.
        dtype: precision the implementation computes in, a key of `TOLERANCES`.
        own_gallery: whether another gallery means nothing to the definition; such cases are left out.
    """

    name: str
    definition: str
    kind: str
    settings: str
    ours: Callable[[Case], Outcome] = field(repr=False)
    theirs: Callable[[Case], Outcome] = field(repr=False)
    dtype: str = "float64"
    own_gallery: bool = False


@dataclass(frozen=True)
class Peer:
    """An implementation and what is compared of it.

    Attributes:
        name: as PyPI lists it.
        module: what is imported to see whether it is there.
        quantities: its losses or metrics.
    """

    name: str
    module: str
    quantities: tuple[Quantity, ...]


# A loss of a case's tensors: embeddings, labels, and gallery with its labels or twice None.
Call = Callable[[Tensor, Tensor, Tensor | None, Tensor | None], Tensor]


def loss_outcome(case: Case, call: Call, centres: nn.Parameter | None = None, transposed: bool = False) -> Outcome:
    """Value and gradients of a loss on a case.

    Args:
        case: the batch.
        call: the loss of embeddings, finest labels, gallery and its labels.
        centres: class centres whose gradient counts too.
        transposed: whether these are (dimensions, classes).
    """
    leaves = [tensor.clone().requires_grad_() for tensor in (case.embeddings, case.ref_emb) if tensor is not None]
    references = None if case.ref_emb is None else leaves[1]
    ref_labels = None if case.ref_labels is None else case.ref_labels[:, 0]
    value = call(leaves[0], case.labels[:, 0], references, ref_labels)
    wanted = leaves if centres is None else [*leaves, centres]
    found = torch.autograd.grad(value, wanted, allow_unused=True)
    gradients = [torch.zeros_like(leaf) if part is None else part for leaf, part in zip(wanted, found, strict=True)]
    if transposed:
        gradients[-1] = gradients[-1].t()
    return Outcome(value.detach().double().reshape(1).numpy(), tuple(part.double().numpy() for part in gradients))


def defined_loss(name: str, normalise: bool = False, **settings: Any) -> Callable[[Case], Outcome]:
    """The registered loss `name`; `normalise` for those that take embeddings as they are."""

    def ours(case: Case) -> Outcome:
        loss = create_loss(name, **settings)

        def call(embeddings: Tensor, labels: Tensor, references: Tensor | None, ref_labels: Tensor | None) -> Tensor:
            if normalise:
                embeddings = nn.functional.normalize(embeddings, dim=1)
                references = None if references is None else nn.functional.normalize(references, dim=1)
            return loss(embeddings, labels, None, references, ref_labels)

        return loss_outcome(case, call)

    return ours


def defined_centre_loss(name: str, **settings: Any) -> Callable[[Case], Outcome]:
    """The registered loss `name` around the class centres of the case."""

    def ours(case: Case) -> Outcome:
        centres = case.centres()
        loss = create_loss(name, num_classes=len(centres), embedding_dim=centres.shape[1], **settings).double()
        with torch.no_grad():
            loss.weight.copy_(centres)
        return loss_outcome(case, lambda e, y, r, z: loss(e, y), loss.weight)

    return ours


def defined_metric(name: str, mean: bool) -> Callable[[Case], Outcome]:
    """A metric of `suite.evaluation` over the queries that have a positive, one value each or their mean.

    `name` is a key of `per_query_metrics`, or `level0/R_precision`: n_R / R, which is true_R_at_k at k = R.
    """

    def ours(case: Case) -> Outcome:
        queries, gallery = case.unit()
        labels, items = case.labels, case.ref_labels
        if name != "NDCG":
            labels, items = labels[:, 0], None if items is None else items[:, 0]
        values = per_query_metrics(queries, labels, None if items is None else gallery, items, ks=range(1, _BEYOND))
        counts = values["level0/num_positives"]
        if name == "level0/R_precision":
            at_k = np.stack([values[f"level0/true_R_at_{k}"] for k in range(1, _BEYOND)])
            chosen = at_k[np.maximum(counts, 1) - 1, np.arange(len(counts))]
        else:
            chosen = values[name]
        # Any relevant item at all gives a positive NDCG, whatever the ranks.
        chosen = chosen[(values["NDCG"] if name == "NDCG" else counts) > 0]
        return Outcome(chosen.mean(keepdims=True) if mean else chosen)

    return ours


class Ranking(NamedTuple):
    """Scores and relevance of one query's gallery, the query itself left out.

    Attributes:
        scores: (G,) float64 cosines; equal items have equal scores bit by bit.
        relevance: (G,) int64: levels shared with the query.
        positive: (G,) bool: shares the finest level.
    """

    scores: Tensor
    relevance: Tensor
    positive: Tensor


def rankings(case: Case) -> list[Ranking]:
    """What implementations that start from scores are given: every query, also those without positives."""
    queries, gallery = case.unit()
    # A sum of products a pair, not a matrix product: that one may round equal rows differently.
    scores = (queries[:, None] * gallery[None]).sum(2)
    shared = case.labels[:, None] == (case.labels if case.ref_labels is None else case.ref_labels)[None]
    result = []
    for place in range(len(queries)):
        kept = torch.ones(len(gallery), dtype=torch.bool)
        if case.ref_emb is None:
            kept[place] = False
        result.append(Ranking(scores[place, kept], shared[place, kept].sum(1), shared[place, kept, 0]))
    return result
