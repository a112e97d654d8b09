"""Pooling of a backbone's features over positions: those of a feature map, or the patch tokens of a transformer."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AveragePooling(nn.Module):
    """The mean over positions."""

    def forward(self, features: Tensor, positions: tuple[int, ...]) -> Tensor:
        """(B, C) of features with the dimensions `positions` beside the batch's and the channels'."""
        return features.mean(positions)


class MaxPooling(nn.Module):
    """The largest value over positions."""

    def forward(self, features: Tensor, positions: tuple[int, ...]) -> Tensor:
        """As `AveragePooling.forward`."""
        return features.amax(positions)


class GeMPooling(nn.Module):
    """Generalised mean (Radenovic et al., TPAMI 2019): (mean over positions of max(x, eps)^p)^(1/p), p learnt.

    p = 1 is the mean of what is positive, and it tends to the maximum as p grows.

    Args:
        p: the exponent that training starts from.
        eps: what smaller values are raised to, so that powers and their gradients are finite.
    """

    def __init__(self, p: float = 3.0, eps: float = 1e-6):
        super().__init__()
        self.p, self.eps = nn.Parameter(torch.tensor([p])), eps

    def forward(self, features: Tensor, positions: tuple[int, ...]) -> Tensor:
        """As `AveragePooling.forward`."""
        return features.clamp(min=self.eps).pow(self.p).mean(positions).pow(1 / self.p)


POOLINGS = {"average": AveragePooling, "max": MaxPooling, "gem": GeMPooling}
