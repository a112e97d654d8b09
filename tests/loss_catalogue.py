"""Every registered loss once: what it is, and how a test makes it. Tests of the contract draw their losses here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.functional import normalize

from suite.losses import create_loss

DIM, CLASSES = 6, 8
MEMORY = 12
"""Rows in the memory of the xbm that `make` gives."""


@dataclass(frozen=True)
class Entry:
    """What a loss is.

    Attributes:
        settings: what it is made with: cut-offs that small batches hold, else the defaults.
        ranks: a function of whole rankings between 0 and 1, to which a miner's pairs mean nothing.
        self_match: has this setting.
        graded: looks at all label columns.
        normalises: gives embeddings of any length the same value.
        takes_references: takes another gallery.
        takes_indices: takes a miner's pairs.
        has_centres: compares with class centres rather than with items.
        averages_queries: a query without positives changes nothing, and a batch without any is a zero.
        smooth: settings with which random embeddings stand on no jump or kink, for finite differences. Empty where
            there are none.
        extremes: settings at the limits of float32.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    ranks: bool = False
    self_match: bool = False
    graded: bool = False
    normalises: bool = True
    takes_references: bool = True
    takes_indices: bool = False
    has_centres: bool = False
    averages_queries: bool = False
    smooth: tuple[Mapping[str, Any], ...] = ({},)
    extremes: tuple[Mapping[str, Any], ...] = ({},)


def ranking(**more: Any) -> Entry:
    """A loss of ranks that takes embeddings as they are."""
    tau = {"extremes": ({"tau": 1e-4}, {"tau": 10.0})}
    return Entry(**{"ranks": True, "self_match": True, "normalises": False, "averages_queries": True} | tau | more)


def suprank(**more: Any) -> Entry:
    """A loss on the SupRank step, which jumps at 0 by `start`, and at delta unless `offset` is None."""
    smooth = ({"tau": 0.2, "delta": 0.3, "start": 0.0, "offset": 1.0}, {"tau": 0.3, "start": 0.0, "offset": None})
    extremes = ({"tau": 1e-4}, {"tau": 10.0}, {"tau": 1e-4, "delta": 0.0, "rho": 1e4})
    return ranking(**{"smooth": smooth, "extremes": extremes} | more)


def pairwise(**more: Any) -> Entry:
    """A loss of pairs or triplets."""
    return Entry(takes_indices=True, **more)


def centred(**more: Any) -> Entry:
    """A loss with class centres."""
    return Entry(takes_references=False, has_centres=True, **more)


HIERARCHY = [[c, c // 3, c // 6] for c in range(CLASSES)]
SMALL_KS = {"ks": (1, 2, 3)}
SHARP_KS = ({"tau": 1e-4, "k_temperature": 1e-3}, {"tau": 10.0, "k_temperature": 100.0})

LOSSES: dict[str, Entry] = {
    "arcface": centred(smooth=({}, {"margin": 1.5, "scale": 8.0}), extremes=({"scale": 1e4}, {"scale": 1e-4})),
    # Its gradient is by design not the derivative of its value, which is constant between two orders of the items.
    "blackbox_ap": ranking(smooth=(), extremes=({"interpolation": 1e-4}, {"interpolation": 1e4})),
    "calibration": pairwise(extremes=({}, {"pos_margin": 1.0, "neg_margin": -1.0})),
    # Sup-AP and calibration, see `make`: it can do what both can.
    "combine": Entry(
        normalises=False,
        smooth=({"tau": 0.2, "delta": 0.3, "start": 0.0, "offset": 1.0},),
        extremes=({"tau": 1e-4}, {"tau": 10.0}),
    ),
    "contrastive": pairwise(
        smooth=({}, {"distance": "cosine", "neg_margin": 0.1}),
        extremes=({}, {"distance": "cosine"}, {"pos_margin": 0.0, "neg_margin": 2.0}),
    ),
    "csl": centred(smooth=({}, {"hierarchy": HIERARCHY}), extremes=({"scale": 1e4, "hierarchy": HIERARCHY},)),
    "fastap": Entry(ranks=True, averages_queries=True, extremes=({"num_bins": 1}, {"num_bins": 1000})),
    "multi_similarity": pairwise(extremes=({"alpha": 1e4, "beta": 1e4}, {"alpha": 1e-4, "beta": 1e-4})),
    "normalized_softmax": centred(extremes=({"temperature": 1e-4}, {"temperature": 1e4})),
    "proxy": centred(normalises=False, extremes=({"temperature": 1e-4}, {"temperature": 1e4})),
    "proxy_anchor": centred(smooth=({}, {"alpha": 4, "margin": -0.2}), extremes=({"alpha": 1e4}, {"alpha": 1e-4})),
    "proxy_nca_pp": centred(extremes=({"scale": 1e3}, {"scale": 1e-3})),
    "recall_at_k": ranking(settings=SMALL_KS, extremes=SHARP_KS),
    "smoothap": ranking(),
    "smoothhap": ranking(graded=True, smooth=({"tau": 0.1}, {"tau": 0.1, "alpha": 0.0})),
    "smoothndcg": ranking(graded=True, smooth=({"tau": 0.1},)),
    "smoothrecall": ranking(settings=SMALL_KS, extremes=SHARP_KS),
    "softbin_ap": Entry(
        ranks=True, self_match=True, averages_queries=True, extremes=({"num_bins": 2}, {"num_bins": 1000})
    ),
    "supap": suprank(),
    "supcon": pairwise(averages_queries=True, extremes=({"temperature": 1e-4}, {"temperature": 1e4})),
    "suphap": suprank(graded=True),
    "supndcg": suprank(graded=True),
    "suprecall": suprank(settings=SMALL_KS),
    "triplet": pairwise(
        averages_queries=True,
        smooth=tuple(
            {"margin": 0.3, "mining": mining, "distance": distance}
            for mining in ("all", "semihard", "batch_hard")
            for distance in ("euclidean", "cosine")
        ),
        extremes=({"mining": "all"}, {"mining": "semihard"}, {"mining": "batch_hard", "distance": "cosine"}),
    ),
    # Around Smooth-AP, see `make`. A query is an item of its batch, too, so that one without positives counts.
    "xbm": Entry(normalises=False, takes_references=False, extremes=({"tau": 1e-4}, {"tau": 10.0})),
}
NAMES = list(LOSSES)


def where(**facts: bool) -> list[str]:
    """Names of the losses of which all `facts` are true, such as `where(ranks=True, graded=False)`."""
    return [name for name in NAMES if all(getattr(LOSSES[name], fact) == value for fact, value in facts.items())]


def make(name: str, dim: int = DIM, classes: int = CLASSES, levels: int | None = None, **changes: Any):
    """The loss `name`; settings go to the losses inside combine and xbm.

    The sum is that of ROADMAP. The memory is that of an evaluation: filled, and not written to; its labels have
    `levels` columns, or none.
    """
    if name == "combine":
        shared = {key: value for key, value in changes.items() if key in ("level", "block_bytes")}
        first, second = {"loss": "supap", "weight": 0.9} | changes, {"loss": "calibration", "weight": 0.1} | shared
        return create_loss("combine", terms=[first, second])
    if name == "xbm":
        loss = create_loss("xbm", loss="smoothap", size=MEMORY, settings=changes)
        points, labels = batch(MEMORY, dim, seed=7, dtype=torch.float32)
        loss(points, labels if levels is None else labels[:, None].expand(-1, levels))
        return loss.eval()
    centres = {"num_classes": classes, "embedding_dim": dim} if LOSSES[name].has_centres else {}
    return create_loss(name, **centres, **dict(LOSSES[name].settings) | changes)


def batch(rows: int = 16, dim: int = DIM, seed: int = 0, dtype: torch.dtype = torch.float64, per_class: int = 4):
    """Unit embeddings (rows, dim) and labels (rows,), class after class."""
    points = torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return normalize(points, dim=1).to(dtype), torch.arange(rows) // per_class


def labels_of(name: str, labels: torch.Tensor) -> torch.Tensor:
    """Labels (B,) as they are, or to a graded loss with a coarser column beside them, (B, 2)."""
    return torch.stack([labels, labels // 2], 1) if LOSSES[name].graded else labels


def value_and_gradients(loss, points: torch.Tensor, labels: torch.Tensor, *call: Any, **gallery: Any):
    """The value, and its gradients by the embeddings, by `ref_emb` if it is given, and by the parameters."""
    leaves = [points.clone().requires_grad_()]
    if "ref_emb" in gallery:
        leaves.append(gallery["ref_emb"].clone().requires_grad_())
        gallery["ref_emb"] = leaves[1]
    value = loss(leaves[0], labels, *call, **gallery)
    return value.detach(), torch.autograd.grad(value, [*leaves, *loss.parameters()])
