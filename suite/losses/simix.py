"""SiMix: virtual items between the positives of a batch (Patel et al., CVPR 2022)."""

from __future__ import annotations

import torch
from torch import Tensor

from suite.kernels.mixing import positive_pairs


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
    if labels.is_floating_point() or labels.is_complex():
        raise ValueError(f"labels: expected integers, found {labels.dtype} of shape {tuple(labels.shape)}")
    labels = labels.to(embeddings.device)
    finest = labels if labels.dim() == 1 else labels[:, 0]
    first, second = positive_pairs(finest)
    if alphas is None:
        alphas = draw_alphas(len(first), embeddings.device, generator)
    elif not isinstance(alphas, Tensor):
        raise ValueError(f"alphas: expected a tensor of shape {tuple(first.shape)}, found {type(alphas).__name__}")
    elif alphas.shape != first.shape:
        raise ValueError(f"alphas: expected one a pair, shape {tuple(first.shape)}, found {tuple(alphas.shape)}")
    weights = alphas.to(embeddings.device, embeddings.dtype)[:, None]
    virtual = weights * embeddings[first] + (1 - weights) * embeddings[second]
    return torch.cat([embeddings, virtual]), torch.cat([labels, labels[first]])


def draw_alphas(pairs: int, device: torch.device, generator: torch.Generator | None) -> Tensor:
    """(pairs,) float64 weights, uniform over [0, 1), on the generator's device, or on `device` without one."""
    return torch.rand(
        pairs, generator=generator, device=device if generator is None else generator.device, dtype=torch.float64
    )
