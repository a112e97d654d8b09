"""The gradient of a loss over a very large batch in the memory of one chunk (Revaud et al., ICCV 2019).

With e = f(x) the embeddings of a batch and L(e) a loss of all of them together, dL/dw = sum over chunks c of
(dL/de_c) (de_c/dw). So (1) the batch is embedded chunk by chunk without a graph, (2) the loss gives dL/de, (3) each
chunk is embedded again with a graph, and its slice of dL/de is propagated back. It is the gradient of one pass if both
passes draw the same random numbers: the states of all generators are put back before each chunk's second pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch import Tensor

from suite.training.randomness import capture_states, restore_states

Chunk = TypeVar("Chunk")


def two_pass_backward(
    embed: Callable[[Chunk], Tensor],
    chunks: Callable[[], Iterable[Chunk]],
    objective: Callable[[Tensor], Tensor],
    scale: Callable[[Tensor], Tensor] = lambda value: value,
) -> Tensor:
    """Add the gradient of `objective` over the embeddings of all chunks to `.grad`, in the memory of one chunk.

    Whatever layers draw from the global generators (dropout, drop path) is drawn alike in both passes, and the
    generators stand afterwards as if there had been one. Batch-norm statistics must be frozen: a layer that computes
    them from a chunk gives another function of the batch.

    Args:
        embed: gives the (c, D) embeddings of a chunk, with a graph where gradients are enabled.
        chunks: gives the chunks of the batch, in order; called twice, and must give the same ones.
        objective: gives the scalar loss of all embeddings (B, D), and is called once: it may draw random numbers, fill
            a memory and have parameters, whose gradient is added too.
        scale: applied to the loss before it is propagated back (a gradient scaler's).

    Returns:
        The loss, detached.

    Raises:
        FloatingPointError: the loss is NaN or infinite; no gradient has been added to what `embed`
            depends on.
        ValueError: the second pass has other chunks than the first.
    """
    parts, states = [], []
    with torch.no_grad():
        for chunk in chunks():
            states.append(capture_states())
            parts.append(embed(chunk))
    embeddings = torch.cat(parts).requires_grad_()
    sizes = [len(part) for part in parts]
    del parts
    value = _backward(embeddings, objective, scale)
    after = capture_states()
    place = 0
    for number, chunk in enumerate(chunks()):
        if number == len(sizes):
            raise ValueError(f"chunks: the second pass goes on after the {len(sizes)} chunks of the first")
        restore_states(states[number])
        part = embed(chunk)
        if len(part) != sizes[number]:
            raise ValueError(f"chunks: chunk {number} has {len(part)} items in the second pass, {sizes[number]} before")
        # A chunk on which nothing trained depends (a frozen part) has no graph to follow.
        if part.requires_grad:
            part.backward(embeddings.grad[place : place + len(part)])
        place += len(part)
    if place != len(embeddings):
        raise ValueError(f"chunks: the second pass has {place} items, the first {len(embeddings)}")
    restore_states(after)
    return value


def one_pass_backward(
    embed: Callable[[Chunk], Tensor],
    chunk: Chunk,
    objective: Callable[[Tensor], Tensor],
    scale: Callable[[Tensor], Tensor] = lambda value: value,
) -> Tensor:
    """`two_pass_backward` for a batch that is one chunk: its graph is kept, and nothing is computed twice."""
    part = embed(chunk)
    embeddings = part.detach().requires_grad_()
    value = _backward(embeddings, objective, scale)
    if part.requires_grad:
        part.backward(embeddings.grad)
    return value


def require_finite(embeddings: Tensor) -> None:
    """Raise FloatingPointError if an embedding is NaN or infinite: a network that diverged, not a mistaken call."""
    if not bool(embeddings.detach().isfinite().all()):
        raise FloatingPointError("the embeddings hold NaN or infinite values")


def _backward(embeddings: Tensor, objective: Callable[[Tensor], Tensor], scale: Callable[[Tensor], Tensor]) -> Tensor:
    """The loss of leaf embeddings, which get its gradient."""
    value = objective(embeddings)
    if not bool(value.detach().isfinite()):
        raise FloatingPointError(f"the loss is {value.item()}")
    scale(value).backward()
    if embeddings.grad is None:
        embeddings.grad = torch.zeros_like(embeddings)
    return value.detach()
