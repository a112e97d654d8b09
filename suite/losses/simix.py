"""SiMix: virtual items between the positives of a batch (Patel et al., CVPR 2022)."""

from __future__ import annotations

import torch
from torch import Tensor


def mix_positive_pairs(
    embeddings: Tensor, labels: Tensor, alphas: Tensor | None = None, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """The batch with alpha x_i + (1 - alpha) x_j, not re-normalised, added for every pair i < j of one class.

    Args:
        embeddings: (B, D), floating point. The result is differentiable with respect to them.
        labels: (B,) or (B, L) integers; pairs share the first, finest column, and take their full row.
        alphas: (pairs,), the weights of the first item of each pair; None: drawn uniformly from [0, 1).
        generator: source of the weights; a CPU generator gives the same weights for every device.

    Returns:
        Embeddings (B + pairs, D) and labels (B + pairs,) or (B + pairs, L): the originals, then the virtual
        items by ascending class, pairs in lexicographic order of their positions. A class of m items gives m
        (m - 1) / 2.

    Raises:
        ValueError: an argument that is no tensor, or shapes that do not fit each other.
    """
    if not isinstance(embeddings, Tensor) or embeddings.dim() != 2 or not embeddings.is_floating_point():
        found = tuple(embeddings.shape) if isinstance(embeddings, Tensor) else type(embeddings).__name__
        raise ValueError(f"embeddings: expected a floating point (items, dimensions) tensor, found {found}")
    if not isinstance(labels, Tensor) or labels.dim() not in (1, 2) or len(labels) != len(embeddings):
        found = tuple(labels.shape) if isinstance(labels, Tensor) else type(labels).__name__
        raise ValueError(f"labels: expected shape ({len(embeddings)},) or ({len(embeddings)}, levels), found {found}")
    labels = labels.to(embeddings.device)
    finest = labels if labels.dim() == 1 else labels[:, 0]
    first, second = _positive_pairs(finest)
    if alphas is None:
        device = embeddings.device if generator is None else generator.device
        alphas = torch.rand(len(first), generator=generator, device=device, dtype=torch.float64)
    elif not isinstance(alphas, Tensor):
        raise ValueError(f"alphas: expected a tensor of shape {tuple(first.shape)}, found {type(alphas).__name__}")
    elif alphas.shape != first.shape:
        raise ValueError(f"alphas: expected one a pair, shape {tuple(first.shape)}, found {tuple(alphas.shape)}")
    weights = alphas.to(embeddings.device, embeddings.dtype)[:, None]
    virtual = weights * embeddings[first] + (1 - weights) * embeddings[second]
    return torch.cat([embeddings, virtual]), torch.cat([labels, labels[first]])


def _positive_pairs(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Positions (i, j), i < j, of all pairs of one class: classes ascending, pairs lexicographic."""
    order = labels.argsort(stable=True)
    sizes = torch.unique_consecutive(labels[order], return_counts=True)[1]
    stops = sizes.cumsum(0).repeat_interleave(sizes)
    places = torch.arange(len(labels), device=labels.device)
    partners = stops - 1 - places
    first = places.repeat_interleave(partners)
    starts = partners.cumsum(0) - partners
    nth = torch.arange(len(first), device=labels.device) - starts.repeat_interleave(partners)
    return order[first], order[first + 1 + nth]
