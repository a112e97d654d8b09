"""Forward and backward of every loss of the default study, beside a named peer where one is installed.

    pytest tests/benchmarks --benchmark-only --benchmark-json=benchmark.json

Float32, 512 dimensions, 4 items a class, drawn around class centres as a half-trained net gives them. The
peak is that of one call beyond its inputs, as the allocator reports it, gradients included.
"""

import importlib.util
from functools import partial

import torch
from torch.nn.functional import normalize
from torch.profiler import ProfilerActivity, profile

from suite.losses import create_loss

DIMENSIONS, PER_CLASS = 512, 4
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


def peer(class_name):
    from pytorch_metric_learning import losses

    return getattr(losses, class_name)()


PEERS = {
    "pml_smoothap": partial(peer, "SmoothAPLoss"),
    "pml_triplet": partial(peer, "TripletMarginLoss"),
    "pml_fastap": partial(peer, "FastAPLoss"),
}
# At batch 512 one call of this peer takes gigabytes and seconds.
LARGEST = {"pml_smoothap": 256}


def cases(batch_sizes):
    """Pairs of loss and batch size to time; `conftest.py` asks with the sizes of the command line."""
    names = list(OURS)
    if importlib.util.find_spec("pytorch_metric_learning") is not None:
        names += PEERS
    return [(name, size) for name in names for size in batch_sizes if size <= LARGEST.get(name, size)]


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
    events = recorded.profiler.kineto_results.events()
    for event in sorted((event for event in events if event.name() == "[memory]"), key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


def test_forward_and_backward(benchmark, loss, batch_size):
    embeddings, labels = half_trained_batch(batch_size)
    function = (OURS | PEERS)[loss]()

    def call():
        embeddings.grad = None
        value = function(embeddings, labels)
        value.backward()
        return value.detach()

    benchmark.extra_info["peak_memory_bytes"] = peak_memory(call)
    value = benchmark.pedantic(call, rounds=20 if loss in OURS else 3, iterations=1, warmup_rounds=1)
    assert bool(value.isfinite())
    assert bool(embeddings.grad.isfinite().all())
