"""What a run would hold in memory, told from its network, its optimiser and its batch before it starts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from suite.full_settings import Full, Network, Optimizer
from suite.kernels.centres import CENTRE_BYTES
from suite.kernels.sweep import GRADIENT_BYTES, SCORE_BYTES
from suite.models.network import RetrievalNetwork, create_network

HALF = {"float16": torch.bfloat16, "bfloat16": torch.bfloat16}
# A processor saves as many bytes in either format, and not every one computes in float16.
_PROBED = (2, 3)
# Work of a loss beyond its blocks: counts, masks, indices.
_LOSS_BYTES = 8 << 20


class Footprint(NamedTuple):
    """A network in training: what it holds for a chunk of images is `fixed + images * per_image`.

    `parameters` is a number, all else are bytes; `largest` is the largest tensor that one image leaves for the backward
    pass, two of which are there at once beside the others.
    """

    parameters: int
    fixed: int
    per_image: int
    largest: int


class Memory(NamedTuple):
    """Bytes of a run: what stands from step to step, and the most that a step holds beyond that."""

    standing: int
    step: int

    @property
    def total(self) -> int:
        """Both together."""
        return self.standing + self.step


def network_footprint(full: Full) -> Footprint:
    """The network of `full` with random weights, measured by a forward pass of a few images on the processor."""
    return _footprint(full.network.model_dump_json(), full.images.size, full.precision)


@lru_cache(maxsize=32)
def _footprint(settings: str, size: int, precision: str) -> Footprint:
    # Compiled, a network would be compiled for this alone.
    untrained = {"weights": "none", "compile": False}
    network = create_network(Network.model_validate_json(settings).model_copy(update=untrained), 0, size)
    if precision == "float64":
        network = network.double()
    few, more = (_saved(network, images, size, HALF.get(precision)) for images in _PROBED)
    per_image = (sum(more) - sum(few)) // (_PROBED[1] - _PROBED[0])
    return Footprint(
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        fixed=max(0, sum(few) - _PROBED[0] * per_image),
        per_image=per_image,
        largest=max(more) // _PROBED[1],
    )


def _saved(network: RetrievalNetwork, images: int, size: int, half: torch.dtype | None) -> list[int]:
    """Bytes of each storage that a forward pass of so many images keeps for the backward one, parameters apart."""
    # By its data pointer, which is that of no other while the storage is kept.
    own = {tensor.untyped_storage().data_ptr() for tensor in (*network.parameters(), *network.buffers())}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    pixels = torch.zeros(images, 3, size, size, dtype=torch.uint8)
    with (
        torch.random.fork_rng(devices=[]),
        torch.autocast("cpu", half, enabled=half is not None),
        saved_tensors_hooks(keep, lambda tensor: tensor),
    ):
        network(pixels)
    return [storage.nbytes() for storage in kept.values()]


def loss_bytes(batch_size: int, width: int, centres: int = 0, element: int = 4) -> int:
    """An upper estimate of what a loss holds over a batch: O(B D) and a few blocks of bounded size.

    Args:
        batch_size: B.
        width: D of the embeddings.
        centres: number of class centres, of which there are scores and a few copies.
        element: bytes of a number.
    """
    square = batch_size * batch_size * element
    blocks = 2 * min(square, GRADIENT_BYTES) + 2 * min(square, SCORE_BYTES)
    of_centres = min(batch_size * centres * element, CENTRE_BYTES) + 4 * centres * width * element
    return 2 * batch_size * width * element + blocks + of_centres + _LOSS_BYTES


def optimizer_numbers(optimizer: Optimizer) -> int:
    """Numbers that an optimiser keeps of each parameter."""
    if optimizer.kind == "sgd":
        return 1 if optimizer.momentum else 0
    return 2


def full_memory(full: Full, batch_size: int, centres: int = 0) -> Memory:
    """What an end-to-end run takes: two passes where a batch is more than one chunk, else one.

    Args:
        full: its settings.
        batch_size: images a step, of one process.
        centres: class centres of its loss.
    """
    found, element = network_footprint(full), 8 if full.precision == "float64" else 4
    width, chunk = full.network.embedding_dim, min(full.chunk_size or batch_size, batch_size)
    of_centres = centres * width
    state = optimizer_numbers(full.optimizer)
    standing = found.parameters * (1 + state) + of_centres * (1 + (2 if full.centres is not None else state))
    gradients = (found.parameters + of_centres) * element
    activations = found.fixed + chunk * (found.per_image + 2 * found.largest)
    loss = loss_bytes(batch_size, width, centres, element)
    embeddings = 3 * batch_size * width * element
    if chunk == batch_size:
        return Memory(standing * element, embeddings + activations + max(loss, gradients))
    return Memory(standing * element, embeddings + max(loss, gradients + activations))


def head_memory(features: int, embedding_dim: int, images: int, batch_size: int, centres: int = 0) -> Memory:
    """What a run of a linear head takes: the features of all images, its weights under AdamW, and a batch.

    Args:
        features: width of the features.
        embedding_dim: width of the embeddings.
        images: images of the data set.
        batch_size: images a step.
        centres: class centres of its loss.
    """
    numbers = features * embedding_dim + centres * embedding_dim
    standing = 3 * numbers + features * images
    step = numbers + 2 * batch_size * (features + embedding_dim)
    return Memory(4 * standing, 4 * step + loss_bytes(batch_size, embedding_dim, centres))


def centre_count(settings: Mapping[str, Any]) -> int:
    """Class centres of a loss with complete settings (`suite.losses.complete_settings`), those of a sum together."""
    own = settings.get("num_classes") or 0
    return own + sum(centre_count(term) for term in settings.get("terms") or [])
