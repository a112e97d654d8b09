"""Run by each rank: what ranks tell each other, what a NaN on the last one does, and how a failure of it ends all."""

import json
import sys
from pathlib import Path

import torch
from loss_catalogue import batch
from torch import nn

from suite.losses import create_loss
from suite.training.distributed import Ranks, launched_ranks, shared_loss

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
# More than a bucket of gradients holds.
LARGE = 9 << 20


def parameters_of(rank: int) -> list[nn.Parameter]:
    """Gradients that differ by rank, in two dtypes and memory formats; the third has one on rank 0 alone, the fourth
    on none."""
    shapes = [(3, 2), (LARGE,), (2,), (5,), (2, 3, 2, 2)]
    parameters = [nn.Parameter(torch.zeros(shape)) for shape in shapes]
    parameters[0] = nn.Parameter(parameters[0].detach().double())
    parameters[4] = nn.Parameter(parameters[4].detach().contiguous(memory_format=torch.channels_last))
    for place, parameter in enumerate(parameters):
        if place != 3 and (place != 2 or rank == 0):
            numbers = torch.arange(parameter.numel(), dtype=parameter.dtype).remainder(97).view(parameter.shape)
            parameter.grad = torch.empty_like(parameter).copy_(numbers * (rank + 1))
    return parameters


def fault_of_nan(ranks: Ranks) -> str:
    """What is said when one embedding of the last rank is NaN."""
    points, labels = batch(4 * ranks.size)
    part = points[4 * ranks.rank :][:4].clone()
    if ranks.rank == ranks.size - 1:
        part[0, 0] = torch.nan
    try:
        shared_loss(create_loss("supap"), part.requires_grad_(), labels, ranks)
    except FloatingPointError as fault:
        return str(fault)
    return "nothing"


def told(ranks: Ranks) -> dict:
    """What this rank got from the others."""
    parameters = parameters_of(ranks.rank)
    ranks.sum_gradients(parameters)
    gathered = {}
    for dtype in DTYPES:
        rows = ranks.gather(torch.full((2, 3), ranks.rank + 0.5, dtype=dtype))
        gathered[str(dtype)] = [str(rows.dtype), rows.double().tolist()]
    return {
        "place": [ranks.rank, ranks.size, ranks.is_first],
        "gathered": gathered,
        "sums": [None if one.grad is None else one.grad.double().sum().item() for one in parameters],
        "ends": [None if one.grad is None else one.grad.flatten()[-1].item() for one in parameters],
        "tell": ranks.tell({"from": ranks.rank}),
        "nan": fault_of_nan(ranks),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    found = {}
    try:
        with launched_ranks() as ranks:
            found = told(ranks)
            if ranks.rank == ranks.size - 1:
                raise OSError("the last rank fails")
            ranks.gather(torch.ones(3))
    except (OSError, RuntimeError) as fault:
        found["end"] = type(fault).__name__
    Path(sys.argv[1]).write_text(json.dumps(found))
