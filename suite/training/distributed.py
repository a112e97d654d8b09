"""One batch over many processes: N ranks give the gradient of one process that holds the whole batch.

Every rank embeds its part of the batch, gathers the embeddings of all and computes the loss of its own queries against
the whole gallery (`suite.kernels.sharing`); each then propagates the gradient of its own embeddings back, and the
gradients of the network are added up. `torchrun` starts the ranks.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from suite.errors import SuiteError
from suite.kernels.sharing import QueryShare, shared_queries
from suite.training.two_pass import require_finite

# A rank may wait this long for another, which embeds and judges whole data sets.
_PATIENCE = timedelta(hours=2)

_LAUNCHED_WITH = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")

# Gradients are added up in pieces of this size: large enough for the full speed of a network, small beside a network.
_BUCKET_BYTES = 32 << 20


@dataclass(frozen=True)
class Ranks:
    """The processes that share every batch, as one of them sees them.

    Attributes:
        rank: of this process, from 0.
        size: number of processes.
        device: where this process computes.
    """

    rank: int
    size: int
    device: torch.device

    @classmethod
    def alone(cls) -> Ranks:
        """One process, on a GPU if there is one."""
        return cls(0, 1, torch.device("cuda" if torch.cuda.is_available() else "cpu"))

    @property
    def is_first(self) -> bool:
        """Whether this process writes what all have computed."""
        return self.rank == 0

    def gather(self, part: Tensor) -> Tensor:
        """The (size * b, ...) rows of all ranks, in their order, from (b, ...) of each. No gradient passes."""
        if self.size == 1:
            return part
        parts = [torch.empty_like(part) for _ in range(self.size)]
        dist.all_gather(parts, part.detach().contiguous())
        return torch.cat(parts)

    def share(self) -> QueryShare:
        """This process's part of the queries of a batch."""
        return QueryShare(self.rank, self.size, dist.all_reduce)

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace the gradient of every parameter by its sum over the ranks.

        A rank without a gradient counts as zero. A parameter without one on any rank keeps none, as in one process: an
        optimiser passes it over, where a gradient of zeros would let its weight decay.
        """
        if self.size == 1:
            return
        parameters = list(parameters)
        holders = torch.tensor([float(one.grad is not None) for one in parameters], device=self.device)
        dist.all_reduce(holders)
        gradients = []
        for parameter, holder in zip(parameters, holders.tolist(), strict=True):
            if not holder:
                continue
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            gradients.append(parameter.grad)
        for bucket in _buckets(gradients):
            flat = torch.cat([gradient.reshape(-1) for gradient in bucket])
            dist.all_reduce(flat)
            for gradient, total in zip(bucket, flat.split([one.numel() for one in bucket]), strict=True):
                gradient.copy_(total.view_as(gradient))

    def tell(self, value: Any) -> Any:
        """What the first rank gives, on every rank; a plain Python object."""
        if self.size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0, device=self.device)
        return values[0]


@contextmanager
def launched_ranks() -> Iterator[Ranks]:
    """The ranks that `torchrun` started, over NCCL where every one has a GPU, else over gloo; alone without it.

    A rank that leaves by an error leaves the others without an answer: over gloo they fail at once, and `torchrun` ends
    them when the first process has failed.

    Raises:
        SuiteError: more ranks on this machine than GPUs, where it has any; or the environment is not torchrun's.
    """
    size = _launched_with("WORLD_SIZE") if "WORLD_SIZE" in os.environ else 1
    if size == 1:
        yield Ranks.alone()
        return
    missing = [name for name in _LAUNCHED_WITH if not os.environ.get(name)]
    if missing:
        raise SuiteError(f"{', '.join(missing)}: not set, though WORLD_SIZE is {size}; start the ranks by torchrun")
    local, gpus = _launched_with("LOCAL_RANK"), torch.cuda.device_count()
    if gpus and local >= gpus:
        raise SuiteError(f"torchrun: {local + 1} processes for {gpus} GPUs; lower --nproc-per-node to {gpus}")
    device = torch.device("cuda", local) if gpus else torch.device("cpu")
    if gpus:
        torch.cuda.set_device(device)
    # Told its device, NCCL connects here, and a rank that cannot says so before any work is done.
    dist.init_process_group("nccl" if gpus else "gloo", timeout=_PATIENCE, device_id=device if gpus else None)
    try:
        yield Ranks(dist.get_rank(), size, device)
    finally:
        dist.destroy_process_group()


def shared_loss(loss: nn.Module, embeddings: Tensor, labels: Tensor, ranks: Ranks) -> Tensor:
    """The loss of the whole batch, the same on every rank; the gradient of each rank's embeddings is its part of it.

    The loss's own parameters get their whole gradient on every rank, so it is not to be summed.

    Args:
        loss: called as `loss(embeddings, labels)`; what it draws at random must be the same on every rank.
        embeddings: (b, D), this rank's part of the batch.
        labels: (b * ranks.size,) or (b * ranks.size, L), of the whole batch.
        ranks: the processes.

    Raises:
        FloatingPointError: an embedding of any rank is NaN or infinite. All ranks raise it, so that none waits.
    """
    everyone = _Gathered.apply(embeddings, ranks) if ranks.size > 1 else embeddings
    require_finite(everyone)
    if ranks.size == 1:
        return loss(embeddings, labels)
    with shared_queries(ranks.share()):
        return loss(everyone, labels)


class _Gathered(torch.autograd.Function):
    """The rows of all ranks, where every rank has the gradient of the whole already."""

    @staticmethod
    def forward(ctx, part, ranks):
        ctx.rows = slice(ranks.rank * len(part), (ranks.rank + 1) * len(part))
        return ranks.gather(part)

    @staticmethod
    def backward(ctx, gradient):
        return gradient[ctx.rows], None


def _launched_with(name: str) -> int:
    """A number that torchrun sets in the environment. SuiteError if it is none."""
    value = os.environ[name]
    if not value.isdecimal():
        raise SuiteError(f"{name}: expected a whole number as torchrun sets it, found {value!r}")
    return int(value)


def _buckets(gradients: list[Tensor]) -> Iterator[list[Tensor]]:
    """The gradients in order, in groups of one dtype and of at most `_BUCKET_BYTES`, or of a single gradient."""
    bucket: list[Tensor] = []
    held = 0
    for gradient in gradients:
        size = gradient.numel() * gradient.element_size()
        if bucket and (gradient.dtype != bucket[0].dtype or held + size > _BUCKET_BYTES):
            yield bucket
            bucket, held = [], 0
        bucket.append(gradient)
        held += size
    if bucket:
        yield bucket
