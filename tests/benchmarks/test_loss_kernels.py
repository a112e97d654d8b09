"""Forward and backward of every loss of the default study, beside a named peer where one is installed.

    pytest tests/benchmarks --benchmark-only --benchmark-json=benchmark.json

Float32, 512 dimensions, 4 items a class, drawn around class centres as a half-trained net gives them. The peak is
that of one call beyond its inputs, as the allocator reports it, gradients included.
"""

import importlib.util
from functools import partial

import pytest
import torch
from torch.nn.functional import normalize
from torch.profiler import ProfilerActivity, profile

from suite.losses import create_loss

DIMENSIONS, PER_CLASS = 512, 4
BATCH_SIZES = (128, 256, 512)
ROADMAP = {
    "terms": [
        {"loss": "supap", "weight": 0.9},
        {"loss": "calibration", "weight": 0.1},
    ]
}
OURS = {
    "contrastive": partial(create_loss, "contrastive"),
    "triplet": partial(create_loss, "triplet"),
    "fastap": partial(create_loss, "fastap"),
    "smoothap": partial(create_loss, "smoothap"),
    "supap": partial(create_loss, "supap"),
    "roadmap": partial(create_loss, "combine", **ROADMAP),
    "suprecall": partial(create_loss, "suprecall"),
    "recall_at_k": partial(create_loss, "recall_at_k"),
}
PEERS = {"pml_smoothap": "SmoothAPLoss", "pml_triplet": "TripletMarginLoss", "pml_fastap": "FastAPLoss"}


def peer(class_name):
    from pytorch_metric_learning import losses

    return getattr(losses, class_name)()


def cases():
    for name, make in OURS.items():
        for batch_size in BATCH_SIZES:
            yield pytest.param(name, batch_size, make, 20, id=f"{name}-{batch_size}")
    if importlib.util.find_spec("pytorch_metric_learning") is not None:
        for name, class_name in PEERS.items():
            for batch_size in BATCH_SIZES:
                # A round of the peers can take seconds.
                rounds = 1 if batch_size == max(BATCH_SIZES) else 3
                yield pytest.param(
                    name, batch_size, partial(peer, class_name), rounds, id=f"{name}-{batch_size}"
                )


def half_trained_batch(batch_size):
    generator = torch.Generator().manual_seed(batch_size)
    labels = torch.arange(batch_size) // PER_CLASS
    centres = torch.randn(int(labels[-1]) + 1, DIMENSIONS, generator=generator)
    points = centres[labels] + torch.randn(batch_size, DIMENSIONS, generator=generator)
    return normalize(points, dim=1).requires_grad_(), labels


def peak_memory(call):
    """Most bytes that `call` held at once beyond what stood before it, from the allocator's own records."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        call()
    held = peak = 0
    for event in recorded.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak


@pytest.mark.parametrize(("loss", "batch_size", "make", "rounds"), list(cases()))
def test_forward_and_backward(benchmark, loss, batch_size, make, rounds):
    embeddings, labels = half_trained_batch(batch_size)
    function = make()

    def call():
        embeddings.grad = None
        value = function(embeddings, labels)
        value.backward()
        return value.detach()

    benchmark.extra_info["peak_memory_bytes"] = peak_memory(call)
    value = benchmark.pedantic(call, rounds=rounds, iterations=1, warmup_rounds=1 if rounds > 1 else 0)
    assert bool(value.isfinite())
    assert bool(embeddings.grad.isfinite().all())
