"""The fused kernels equal the printed formulas: values and gradients of random batches, in float32."""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from drawn_batches import DEVICE, Jumps, draw_batch

from suite.kernels.dispatch import use_kernels
from suite.kernels.reference import graded, pairs, ranks
from suite.losses import create_loss

BOUND = 1e-5
AT_STEP, AT_DELTA = Jumps((0.0,)), Jumps((0.0, 0.05))
SHARP, BLUNT = ranks.sigmoid_step(0.01), ranks.sigmoid_step(0.05)
SUPRANK, CONTINUOUS = ranks.suprank_step(), ranks.suprank_step(offset=None, tau=0.03)


class Case(NamedTuple):
    """A loss by name and settings, the formula it has to give, and where it jumps."""

    name: str
    settings: dict
    printed: Callable
    jumps: Jumps = Jumps()


def average_precision(positive, negative):
    return lambda e, y, **k: ranks.average_precision_loss(e, y, positive, negative, **k)


def recall(positive, negative, **settings):
    return lambda e, y, **k: ranks.recall_loss(e, y, positive, negative, **settings, **k)


def ndcg(positive, negative):
    return lambda e, y, **k: graded.ndcg_loss(e, y, positive, negative, **k)


def hierarchical_ap(positive, negative, alpha):
    return lambda e, y, **k: graded.hierarchical_ap_loss(e, y, positive, negative, alpha, **k)


def hinge(*bounds):
    return lambda e, y, **k: pairs.pair_hinge_loss(e, y, *bounds, **k)


RANKINGS = {
    "smoothap": Case("smoothap", {}, average_precision(SHARP, SHARP)),
    "smoothap-blunt": Case("smoothap", {"tau": 0.05}, average_precision(BLUNT, BLUNT)),
    "supap": Case("supap", {}, average_precision(ranks.hard_step, SUPRANK), AT_DELTA),
    "supap-continuous": Case(
        "supap", {"offset": None, "tau": 0.03}, average_precision(ranks.hard_step, CONTINUOUS), AT_STEP
    ),
    "suprecall": Case("suprecall", {"ks": [1, 3]}, recall(ranks.hard_step, SUPRANK, ks=(1, 3)), AT_DELTA),
    "smoothrecall": Case(
        "smoothrecall", {"ks": [2], "k_temperature": 0.5}, recall(SHARP, SHARP, ks=(2,), k_temperature=0.5)
    ),
    "recall_at_k": Case("recall_at_k", {"ks": [1, 2]}, recall(SHARP, SHARP, ks=(1, 2), clip=True)),
}
GRADED = {
    "supndcg": Case("supndcg", {}, ndcg(ranks.hard_step, SUPRANK), AT_DELTA),
    "smoothndcg": Case("smoothndcg", {}, ndcg(SHARP, SHARP)),
    "suphap": Case("suphap", {"alpha": 2.0}, hierarchical_ap(ranks.hard_step, SUPRANK, 2.0), AT_DELTA),
    "smoothhap": Case("smoothhap", {"tau": 0.05, "alpha": 0.5}, hierarchical_ap(BLUNT, BLUNT, 0.5)),
}
HINGES = {
    "calibration": Case("calibration", {}, hinge(0.9, 0.6), Jumps(scores=(0.9, 0.6))),
    "contrastive": Case("contrastive", {}, hinge(0.0, -1.0, "euclidean"), Jumps(scores=(0.5,), nearest=0.98)),
    "contrastive-cosine": Case(
        "contrastive", {"distance": "cosine", "neg_margin": 0.1}, hinge(1.0, 0.1), Jumps(scores=(0.1, 1.0))
    ),
}


def drawn(cases, first):
    """Names, each with 15 seeds that no other has."""
    return [(name, first + 15 * place + nth) for place, name in enumerate(cases) for nth in range(15)]


def results(function, batch, dtype, device):
    """Value and gradients, float64 on the CPU, of `function` on a batch in `dtype`."""
    leaves = [some.to(device, dtype).requires_grad_() for some in (batch.queries, batch.gallery) if some is not None]
    labels = [None if some is None else some.to(device) for some in (batch.labels, batch.gallery_labels)]
    gallery = {} if batch.gallery is None else {"ref_emb": leaves[1], "ref_labels": labels[1]}
    value = function(leaves[0], labels[0], **gallery)
    assert value.dtype == dtype
    return [some.detach().cpu().double() for some in (value, *torch.autograd.grad(value, leaves))]


def farthest(found, expected):
    """The largest error of several tensors: relative in norm, or absolute where the norm is small; or NaN."""
    pairs = zip(found, expected, strict=True)
    return float(
        torch.stack([(ours - printed).norm() / printed.norm().clamp(min=1e-2) for ours, printed in pairs]).max()
    )


def error(case, seed, levels=1, unit=False):
    """That of value and gradients of a drawn batch, against the printed formula in float64."""
    batch = draw_batch(seed, levels, case.jumps, unit)
    own = {} if batch.self_match is None or unit else {"self_match": batch.self_match}
    loss = create_loss(case.name, **case.settings, **own)

    def printed(embeddings, labels, **gallery):
        if not loss.graded:
            labels = labels[:, 0]
            gallery = gallery | ({"ref_labels": gallery["ref_labels"][:, 0]} if gallery else {})
        return case.printed(embeddings, labels, **gallery, **own)

    with warnings.catch_warnings(), use_kernels("fused"):
        # Some batches have no positives, of which the loss warns.
        warnings.simplefilter("ignore")
        found = results(loss, batch, torch.float32, DEVICE)
    return farthest(found, results(printed, batch, torch.float64, "cpu"))


@pytest.mark.parametrize(("name", "seed"), drawn(RANKINGS, 0))
def test_a_ranking_is_as_its_formula_is_printed(name, seed):
    assert error(RANKINGS[name], seed) <= BOUND


@pytest.mark.parametrize(("name", "seed"), drawn(GRADED, 200))
def test_a_graded_ranking_is_as_its_formula_is_printed(name, seed):
    assert error(GRADED[name], seed, levels=1 + seed % 3) <= BOUND


@pytest.mark.parametrize(("name", "seed"), drawn(HINGES, 300))
def test_a_hinge_is_as_its_formula_is_printed(name, seed):
    assert error(HINGES[name], seed, unit=True) <= BOUND
