"""Losses on class centres: cross-entropy with an angular margin, Proxy-Anchor, and CSL.

A learnt centre a class stands where other losses have a gallery. With hundreds of thousands of classes the
scores are the largest thing there is, so every block function works in the memory of its block of scores.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from suite.kernels.gallery import Gallery, gather_positives
from suite.kernels.sweep import BLOCK_BYTES, BlockResult, Swept, sweep

CENTRE_BYTES = 64 << 20
"""Default size of a block of scores: every block adds to the gradient of all centres, so few blocks pay."""


def centre_cross_entropy(
    queries: Tensor,
    centres: Tensor,
    labels: Tensor,
    scale: float,
    margin: float = 0.0,
    block_bytes: int | None = None,
) -> Swept:
    """Mean over queries of -log softmax(z_i)[y_i], where z_ic = scale * s_ic and z_iy = scale * phi(s_iy).

    phi(cos t) is cos(t + margin) where t + margin < pi, and cos(t) - margin * sin(margin) beyond, so that it
    still falls with t (Deng et al., ArcFace, CVPR 2019). At s = 1 and s = -1 the angle has no derivative:
    there its share of the gradient, sin(margin) dt, is taken as 0.

    Args:
        queries: (Q, D), float32 or float64; L2-normalised if there is a margin.
        centres: (C, D) of the same dtype, L2-normalised.
        labels: (Q,) int64 in 0..C-1, the class of each query.
        scale: the inverse of a temperature.
        margin: in radians, 0 or more, less than pi.
        block_bytes: upper limit of a block of scores in bytes; None: `CENTRE_BYTES`.

    Returns:
        The loss, and the number of queries in its mean.
    """
    return sweep(queries, centres, _CrossEntropyBlock(labels, scale, margin), block_bytes=_limit(block_bytes))


def proxy_anchor(
    queries: Tensor,
    centres: Tensor,
    labels: Tensor,
    margin: float = 0.1,
    alpha: float = 32.0,
    block_bytes: int | None = None,
) -> Swept:
    """Proxy-Anchor: every centre is an anchor for the batch (Kim et al., CVPR 2020).

        mean over centres c with positives of log(1 + sum over i in c of exp(-alpha (s_ic - margin)))
        + mean over all centres of log(1 + sum over i not in c of exp(alpha (s_ic + margin)))

    The sums run over the batch, so the centres are what is swept over, and the batch is their gallery.

    Args:
        queries: (Q, D), L2-normalised, float32 or float64.
        centres: (C, D) of the same dtype, L2-normalised.
        labels: (Q,) int64 in 0..C-1, the class of each query.
        margin: a cosine.
        alpha: the inverse of a temperature.
        block_bytes: upper limit of a block of scores in bytes; None: `CENTRE_BYTES`.

    Returns:
        The loss, and the number of centres.
    """
    classes = torch.arange(len(centres), device=labels.device)
    # Both means are known beforehand: as one term they need one gradient of all centres, not two.
    positive_weight = len(centres) / len(labels.unique())
    block = _ProxyAnchorBlock(Gallery(classes, labels, None), margin, alpha, positive_weight)
    return sweep(centres, queries, block, block_bytes=_limit(block_bytes))


def cross_level_softplus(
    queries: Tensor,
    centres: Tensor,
    labels: Tensor,
    centre_labels: Tensor,
    margins: Sequence[float],
    scale: float,
    block_bytes: int | None = None,
) -> Swept:
    """CSL, the cross-level loss over one centre a finest class (Sun et al., Dynamic Metric Learning, CVPR 2021).

        sum over levels l, mean over queries, of
        softplus(log sum over centres c of another label at l of exp(scale s_ic) + scale (margin_l - s_iy))

    A level at which no centre differs from the query adds 0.

    Args:
        queries: (Q, D), L2-normalised, float32 or float64.
        centres: (C, D) of the same dtype, L2-normalised.
        labels: (Q,) int64 in 0..C-1, the finest class of each query.
        centre_labels: (C, levels) integers, the labels of every centre, equal for the same class of a level.
        margins: a cosine for each level.
        scale: the inverse of a temperature.
        block_bytes: upper limit of a block of scores in bytes, of which there are three; None: `CENTRE_BYTES`.

    Returns:
        The loss, and the number of queries in its mean.
    """
    levels = tuple(zip(centre_labels.t().contiguous(), margins, strict=True))
    return sweep(queries, centres, _CrossLevelBlock(labels, levels, scale), block_bytes=_limit(block_bytes))


def _limit(block_bytes: int | None) -> int:
    return CENTRE_BYTES if block_bytes is None else block_bytes


@dataclass(frozen=True)
class _CrossEntropyBlock:
    labels: Tensor
    scale: float
    margin: float

    def __call__(self, scores: Tensor, start: int, needs_gradient: bool) -> BlockResult:
        target = self.labels[start : start + len(scores), None]
        own, slope = self._with_margin(scores.gather(1, target))
        logits = scores.scatter_(1, target, own).mul_(self.scale)
        largest = logits.amax(1, keepdim=True)
        powers = logits.sub_(largest).exp_()
        total = powers.sum(1, keepdim=True)
        losses = total.log() + (largest - self.scale * own)
        sums = losses.sum(dtype=torch.float64)[None]
        counts = torch.full_like(sums, len(scores))
        if not needs_gradient:
            return BlockResult(sums, counts, ())
        gradient = powers.mul_(self.scale / total)
        of_target = (gradient.gather(1, target) - self.scale).mul_(slope)
        return BlockResult(sums, counts, (gradient.scatter_(1, target, of_target),))

    def _with_margin(self, cosine: Tensor) -> tuple[Tensor, Tensor]:
        """phi of the targets' cosines, and its derivative."""
        if self.margin == 0:
            return cosine, torch.ones_like(cosine)
        cos, sin = math.cos(self.margin), math.sin(self.margin)
        sine = ((1.0 - cosine) * (1.0 + cosine)).clamp_(min=0.0).sqrt_()
        cotangent = torch.where(sine > 0, cosine / sine, 0.0)
        within = cosine > -cos
        turned = torch.where(within, cosine * cos - sine * sin, cosine - self.margin * sin)
        return turned, torch.where(within, cos + sin * cotangent, 1.0)


@dataclass(frozen=True)
class _ProxyAnchorBlock:
    """The scores' rows are centres, their columns the batch."""

    gallery: Gallery
    margin: float
    alpha: float
    positive_weight: float

    def __call__(self, scores: Tensor, start: int, needs_gradient: bool) -> BlockResult:
        centres = torch.arange(len(scores), device=scores.device)
        positives = self.gallery.positives(start, len(scores))
        sums = scores.new_zeros(1, dtype=torch.float64)
        found = []
        for rows, items, valid, _ in gather_positives(positives, scores.element_size(), BLOCK_BYTES):
            rows = centres[rows, None].expand_as(items)
            logits = (self.margin - scores[rows, items]).mul_(self.alpha)
            if valid is not None:
                logits.masked_fill_(~valid, -torch.inf)
            losses, shares = self._log_one_plus_(logits)
            sums += self.positive_weight * losses.sum(dtype=torch.float64)
            shares.mul_(-self.alpha * self.positive_weight)
            found.append((rows, items, shares) if valid is None else (rows[valid], items[valid], shares[valid]))
        logits = scores.add_(self.margin).mul_(self.alpha).masked_fill_(positives, -torch.inf)
        losses, shares = self._log_one_plus_(logits)
        sums += losses.sum(dtype=torch.float64)
        counts = torch.full_like(sums, len(scores))
        if not needs_gradient:
            return BlockResult(sums, counts, ())
        gradient = shares.mul_(self.alpha)
        for rows, items, of_positives in found:
            gradient[rows, items] = of_positives
        return BlockResult(sums, counts, (gradient,))

    @staticmethod
    def _log_one_plus_(logits: Tensor) -> tuple[Tensor, Tensor]:
        """log(1 + sum over a row of exp) and its derivative, the latter in the memory of `logits`."""
        largest = logits.amax(1, keepdim=True).clamp_(min=0.0)
        powers = logits.sub_(largest).exp_()
        total = powers.sum(1, keepdim=True) + (-largest).exp()
        return largest + total.log(), powers.div_(total)


@dataclass(frozen=True)
class _CrossLevelBlock:
    """`levels` holds each level's labels of the centres, and its margin."""

    labels: Tensor
    levels: tuple[tuple[Tensor, float], ...]
    scale: float

    def __call__(self, scores: Tensor, start: int, needs_gradient: bool) -> BlockResult:
        target = self.labels[start : start + len(scores)]
        logits = scores.mul_(self.scale)
        own = logits.gather(1, target[:, None])
        gradient = torch.zeros_like(scores) if needs_gradient else None
        of_target = torch.zeros_like(own)
        sums = scores.new_zeros(1, dtype=torch.float64)
        for labels, margin in self.levels:
            others = logits.masked_fill(labels == labels[target, None], -torch.inf)
            # The maximum is the level's own: seen from a close relative, strangers would all vanish.
            largest = others.amax(1, keepdim=True).clamp_(min=torch.finfo(others.dtype).min)
            powers = others.sub_(largest).exp_()
            total = powers.sum(1, keepdim=True)
            excess = total.log() + (largest - own) + margin * self.scale
            sums += torch.logaddexp(excess, torch.zeros_like(excess)).sum(dtype=torch.float64)
            if gradient is not None:
                pull = excess.sigmoid().mul_(self.scale)
                # The largest of a row is 1, so a smaller total belongs to a row without others.
                gradient.add_(powers.mul_(pull / total.clamp(min=1.0)))
                of_target -= pull
        counts = torch.full_like(sums, len(scores))
        if gradient is None:
            return BlockResult(sums, counts, ())
        return BlockResult(sums, counts, (gradient.scatter_(1, target[:, None], of_target),))
