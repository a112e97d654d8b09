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

# A rank may wait this long for another, which embeds and judges whole data sets.
_PATIENCE = timedelta(hours=2)


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
        """Replace the gradient of every parameter that has one by its sum over the ranks.

        The same parameters must have one on every rank.
        """
        if self.size == 1:
            return
        by_type: dict[torch.dtype, list[Tensor]] = {}
        for parameter in parameters:
            if parameter.grad is not None:
                by_type.setdefault(parameter.grad.dtype, []).append(parameter.grad)
        for gradients in by_type.values():
            flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
            dist.all_reduce(flat)
            for gradient, total in zip(gradients, flat.split([one.numel() for one in gradients]), strict=True):
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

    Raises:
        SuiteError: more ranks on this machine than GPUs, where it has any.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Ranks.alone()
        return
    local, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if gpus and local >= gpus:
        raise SuiteError(f"torchrun: {local + 1} processes for {gpus} GPUs; lower --nproc-per-node to {gpus}")
    device = torch.device("cuda", local) if gpus else torch.device("cpu")
    if gpus:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if gpus else "gloo", timeout=_PATIENCE)
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
    """
    if ranks.size == 1:
        return loss(embeddings, labels)
    with shared_queries(ranks.share()):
        return loss(_Gathered.apply(embeddings, ranks), labels)


class _Gathered(torch.autograd.Function):
    """The rows of all ranks, where every rank has the gradient of the whole already."""

    @staticmethod
    def forward(ctx, part, ranks):
        ctx.rows = slice(ranks.rank * len(part), (ranks.rank + 1) * len(part))
        return ranks.gather(part)

    @staticmethod
    def backward(ctx, gradient):
        return gradient[ctx.rows], None
