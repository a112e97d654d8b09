"""What a step of end-to-end training costs: the loss's share of it, images a second, and memory by batch size.

    make benchmark-training

Emoji at 64 px (built, see `params.yaml`), EfficientNet-Lite0, Sup-AP, eight a class, float32, one thread. The backbone
alone is the same network on the same loaded chunks, forward and backward, without a loss or an update.
"""

import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from emoji_step import CHUNK, SAMPLES, emoji_run, take_steps

from suite.benchmarking.memory import with_peak_memory
from suite.training.distributed import shared_loss
from suite.training.loop import Place

SIZES = (256, 512, 1024, 2048, 4096)
TURNS = 5


def batches_of(run):
    """Batches one after the other, for ever."""
    return run.batches(Place(1, 1, 0), 1_000_000)


def full_step(run, batches):
    place, batch = next(batches)
    run.optimization.zero_grad()
    run.gradient(place, batch)
    run.optimization.step()


def backbone_alone(run, batches):
    """The forward and backward pass of a batch of one chunk, loading included."""
    next(batches)
    (chunk,) = islice(run.stream, 1)
    run.network.zero_grad()
    run.network.train()(chunk.images, chunk.keys).sum().backward()


def seconds_of(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def test_images_a_second_beside_the_backbone_alone(benchmark, say):
    run, other = emoji_run(256, None), emoji_run(256, None)
    batches, others = batches_of(run), batches_of(other)
    for _ in range(2):
        full_step(run, batches)
        backbone_alone(other, others)
    # In turns, so that what else the machine does falls on both alike.
    taken = [
        (seconds_of(lambda: full_step(run, batches)), seconds_of(lambda: backbone_alone(other, others)))
        for _ in range(4 * TURNS)
    ]
    whole, alone = np.array(taken).T
    share = float(np.median(alone / whole))
    benchmark.pedantic(lambda: full_step(run, batches), rounds=2)
    benchmark.extra_info |= {"images_per_second": 256 / float(np.median(whole)), "share_of_backbone_alone": share}
    say(
        f"batch 256, one pass: {256 / np.median(whole):,.0f} images a second, {share:.1%} of the backbone alone "
        f"(bar 95%: {'met' if share >= 0.95 else 'missed'})"
    )
    assert np.isfinite(take_steps(emoji_run(256, None), 1))


@pytest.mark.parametrize("batch_size", SIZES)
def test_share_of_the_loss(benchmark, say, batch_size):
    run = emoji_run(batch_size, CHUNK)
    batches = batches_of(run)
    labels = (torch.arange(batch_size) // SAMPLES)[:, None]
    embeddings = torch.nn.functional.normalize(torch.randn(batch_size, run.spec.embedding_dim), dim=-1)

    def loss_alone():
        shared_loss(run.loss, embeddings.clone().requires_grad_(), labels, run.ranks).backward()

    loss_alone()
    steps, losses = [], []
    for _ in range(TURNS if batch_size < 2048 else 2):
        steps.append(seconds_of(lambda: full_step(run, batches)))
        losses.append(seconds_of(loss_alone))
    share, rate = float(np.median(losses) / np.median(steps)), batch_size / float(np.median(steps))
    benchmark.pedantic(loss_alone, rounds=2)
    benchmark.extra_info |= {"share_of_the_loss": share, "images_per_second": rate}
    say(f"batch {batch_size}, two passes, chunks of {CHUNK}: the loss is {share:.2%} of a step; {rate:,.0f} images/s")
    assert share > 0


def most_memory(batch_size):
    """Bytes that a process of its own held at most over two steps: in all, and more than before the first."""
    script = Path(__file__).parent / "emoji_step.py"
    ended = subprocess.run([sys.executable, script, str(batch_size)], capture_output=True, text=True, check=True)
    whole, of_steps = map(int, ended.stdout.split())
    return whole, of_steps


def loss_memory(batch_size):
    """Bytes that the loss of a batch held at most, its embeddings and their gradient included."""
    run = emoji_run(batch_size, CHUNK)
    labels = torch.arange(batch_size) // SAMPLES

    def call():
        embeddings = torch.nn.functional.normalize(torch.randn(batch_size, run.spec.embedding_dim), dim=-1)
        shared_loss(run.loss, embeddings.requires_grad_(), labels[:, None], run.ranks).backward()

    return with_peak_memory(call)[1]


def test_memory_by_batch_size(benchmark, say):
    small, large = most_memory(512), benchmark.pedantic(most_memory, args=(4096,), rounds=1)
    losses = loss_memory(512), loss_memory(4096)
    ratio, steps = large[0] / small[0], (large[1] - losses[1]) / (small[1] - losses[0])
    benchmark.extra_info |= {"bytes_at_512": small, "bytes_at_4096": large, "loss_bytes": losses}
    mib = [value / 2**20 for value in (small[0], large[0], small[1], large[1], *losses)]
    say(
        f"most memory, chunks of {CHUNK}: whole process {mib[0]:,.0f} MiB at batch 512, {mib[1]:,.0f} at 4,096, "
        f"{ratio:.3f} times (bar 1.1: {'met' if ratio <= 1.1 else 'missed'}); of the steps alone {mib[2]:,.0f} and "
        f"{mib[3]:,.0f}, of which the loss and its embeddings {mib[4]:,.0f} and {mib[5]:,.0f}; steps without the loss "
        f"{steps:.3f} times"
    )
    assert ratio <= 1.1
