"""Batches as a half-trained net gives them, drawn from a seed."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

DIMENSIONS, PER_CLASS = 512, 4

SPREAD = 2.5
"""Noise over distance of class centres. At 2.5 a query's AP within a batch of 512 is about 0.7, at several levels 0.4
to 0.7: ranks are neither settled, where most losses and gradients vanish, nor random."""


def half_trained_batch(
    batch_size: int, hierarchical: bool = False, dimensions: int = DIMENSIONS, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    """Unit vectors around their class centres, 4 a class, and their labels.

    Args:
        batch_size: number of embeddings; also the seed.
        hierarchical: give labels (B, 3): classes of 4, sixteenths and quarters of the batch. Centres of classes
            then lie around those of their sixteenth, these around those of their quarter.
        dimensions: of an embedding.
        dtype: of the embeddings, which are drawn in float64.

    Returns:
        Embeddings (B, dimensions) and integer labels, (B,) or (B, 3), the finest level first.
    """
    generator = torch.Generator().manual_seed(batch_size)
    place = torch.arange(batch_size)
    sizes = [PER_CLASS]
    if hierarchical:
        sizes += [max(PER_CLASS, batch_size // 16), max(PER_CLASS, batch_size // 4)]
    labels = torch.stack([place // size for size in sizes], dim=1)
    points = SPREAD * len(sizes) ** 0.5 * torch.randn(batch_size, dimensions, generator=generator, dtype=torch.float64)
    for column in labels.unbind(1):
        centres = torch.randn(int(column[-1]) + 1, dimensions, generator=generator, dtype=torch.float64)
        points += centres[column]
    return normalize(points, dim=1).to(dtype), labels if hierarchical else labels[:, 0]
