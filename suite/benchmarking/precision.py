"""What half precision costs a rank loss: ranks, value and gradient against float64.

With temperature tau a difference of cosines of tau already moves a rank by a quarter; bfloat16 keeps 8 bits of a
cosine, which is 0.002 to 0.004 between 0.5 and 1. So the suite forms scores in float32 whatever the embeddings are.
"""

from __future__ import annotations

import pandas as pd
import torch
from torch import Tensor

from suite.benchmarking.batches import half_trained_batch
from suite.kernels.reference.members import members
from suite.kernels.reference.ranks import hard_step, ranks, sigmoid_step, suprank_step
from suite.losses import create_loss

BATCH_SIZE, TAU = 256, 0.01
LOSSES = ("smoothap", "supap")
DTYPES = {"float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
LOW = ("bfloat16", "float16")
CONE = 1.0
"""Norm of the direction that all embeddings share, over that of what tells them apart. Nets embed in a narrow cone:
at 1 a cosine with an unrelated image is about 0.5, where half precision is coarser than around 0."""


def precision_table(batch_size: int = BATCH_SIZE, tau: float = TAU) -> pd.DataFrame:
    """One row a loss, dtype of the embeddings and dtype the scores are formed in.

    Columns: `loss`, `tau`, `batch_size`, `embeddings`, `scores`; then, against float64 throughout, `ranks_changed`
    (share of pairs of query and positive whose rank, by counting higher scores, is another), `value_error` (relative),
    `gradient_error` (relative, in the Euclidean norm over the batch); then the same three with suffix `_given`,
    against float64 on the same rounded embeddings: what is due to the scores alone.

    Scores in the dtype of bfloat16 or float16 embeddings are the matrix product in that dtype; steps, ranks and
    gradient are in float32 from there on. All other rows are the suite's own losses.
    """
    embeddings, labels = _cone(batch_size)
    rows = []
    for loss in LOSSES:
        exact = _suite(loss, tau, embeddings, labels)
        for name, dtype in DTYPES.items():
            given = embeddings.to(dtype)
            rounded = _suite(loss, tau, given.double(), labels)
            ways = {"float64" if name == "float64" else "float32": _suite(loss, tau, given, labels)}
            if name in LOW:
                ways[name] = _from_scores(loss, tau, given, labels)
            for scores, found in ways.items():
                errors = _errors(found, exact)
                errors |= {f"{key}_given": error for key, error in _errors(found, rounded).items()}
                setting = {"loss": loss, "tau": tau, "batch_size": batch_size, "embeddings": name, "scores": scores}
                rows.append(setting | errors)
    return pd.DataFrame(rows)


def _cone(batch_size: int) -> tuple[Tensor, Tensor]:
    """A half-trained batch, float64, whose embeddings share a direction."""
    embeddings, labels = half_trained_batch(batch_size, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    shared = torch.nn.functional.normalize(torch.randn(embeddings.shape[1], generator=generator).double(), dim=0)
    return torch.nn.functional.normalize(embeddings + CONE * shared, dim=1), labels


Found = tuple[Tensor, float, Tensor]
"""Ranks of the positives, value, gradient with respect to the embeddings (float64)."""


def _suite(loss: str, tau: float, embeddings: Tensor, labels: Tensor) -> Found:
    """As the suite does it: float64 for float64, else float32."""
    working = embeddings if embeddings.dtype == torch.float64 else embeddings.float()
    # A gradient that comes back in the dtype of the embeddings is rounded once more: that is the optimiser's affair.
    points = working.clone().requires_grad_()
    value = create_loss(loss, tau=tau)(points, labels)
    value.backward()
    return _ranks(working @ working.t(), labels), value.item(), points.grad.double()


def _from_scores(loss: str, tau: float, embeddings: Tensor, labels: Tensor) -> Found:
    """Scores by a matrix product in the dtype of the embeddings, float32 from there on."""
    scores = (embeddings @ embeddings.t()).float().requires_grad_()
    who = members(embeddings, labels, None, None, "exclude")._replace(scores=scores)
    step = sigmoid_step(tau)
    rank, plus = ranks(who, *((step, step) if loss == "smoothap" else (hard_step, suprank_step(tau))))
    precision = (plus / rank * who.positives).sum(1) / who.positives.sum(1)
    value = (1 - precision).mean()
    value.backward()
    gradient = (scores.grad + scores.grad.t()).double() @ embeddings.double()
    return _ranks(scores.detach(), labels), value.item(), gradient


def _ranks(scores: Tensor, labels: Tensor) -> Tensor:
    """Ranks of all (query, positive) pairs of a batch by counting higher scores; the query takes no place."""
    scores = scores.clone().fill_diagonal_(-torch.inf)
    same = labels[:, None] == labels[None, :]
    query, positive = same.fill_diagonal_(False).nonzero(as_tuple=True)
    return 1 + (scores[query] > scores[query, positive][:, None]).sum(1)


def _errors(found: Found, exact: Found) -> dict[str, float]:
    of_ranks = (found[0] != exact[0]).double().mean().item()
    of_value = abs(found[1] - exact[1]) / abs(exact[1])
    of_gradient = ((found[2] - exact[2]).norm() / exact[2].norm()).item()
    return {"ranks_changed": of_ranks, "value_error": of_value, "gradient_error": of_gradient}
