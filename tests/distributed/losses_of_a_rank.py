"""Run by each rank: the value and gradients of every registered loss on its part of one batch."""

import json
import sys
import warnings
from pathlib import Path

import torch
from loss_catalogue import LOSSES, batch, labels_of, make

from suite.losses import create_loss
from suite.training.distributed import launched_ranks, shared_loss

ROWS = 24


def cases():
    """Name, loss, and how often it is called with other embeddings: a memory fills from call to call."""
    for name in LOSSES:
        yield name, make(name), 1
        yield f"{name}, small blocks", make(name, block_bytes=2_000), 1
    yield "simix", create_loss("recall_at_k", ks=(1, 2, 3), simix=True), 2
    yield "simix, small blocks", create_loss("recall_at_k", ks=(1, 2, 3), simix=True, block_bytes=20_000), 1
    yield "memory", create_loss("xbm", loss="supap", size=40), 3
    yield "presets", create_loss("combine", preset="roadmap_star", num_classes=8, embedding_dim=6), 1


def results(ranks):
    """By case: the last value, this rank's part of the gradient of the embeddings, the parameters' gradients."""
    found = {}
    for name, loss, calls in cases():
        loss = loss.double()
        for call in range(calls):
            points, labels = batch(ROWS, seed=3 + call)
            # A tie across ranks, and an order in which no rank holds whole classes.
            points[-1] = points[0]
            order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(call))
            registered = name.partition(",")[0]
            labels = labels_of(registered, labels) if registered in LOSSES else labels
            points, labels = points[order], labels[order]
            share = ROWS // ranks.size
            part = points[ranks.rank * share : (ranks.rank + 1) * share].clone().requires_grad_()
            loss.zero_grad()
            torch.manual_seed(call)
            value = shared_loss(loss, part, labels, ranks)
            value.backward()
        found[name] = {
            "value": value.item(),
            "gradient": part.grad.flatten().tolist(),
            "parameters": [parameter.grad.flatten().tolist() for parameter in loss.parameters()],
        }
    return found


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    with launched_ranks() as ranks:
        Path(sys.argv[1]).write_text(json.dumps(results(ranks)))
