"""Which losses are timed at which batch sizes, what they are shown with, and what they are compared with."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from peer_losses import LoopRecallAtK, MatrixProducts, metric_learning
from torch import nn

from suite.benchmarking.batches import DIMENSIONS, PER_CLASS
from suite.benchmarking.timings import FLOOR
from suite.losses import create_loss, list_losses

AP, RECALL, LEVELS = "Average precision", "Recall at k", "Several levels"
PAIRS, CENTRES = "Pairs and triplets", "Class centres"


@dataclass(frozen=True)
class Case:
    """A loss to time.

    `registered` is its name in the registry (of ours, where it is not the case's own), `make` makes a peer;
    `hierarchical` asks for labels of three levels; `largest` is the largest batch size it is timed at, `only` the
    single one; `twin` is the loss of ours that a peer implements.
    """

    label: str
    family: str
    largest: int
    settings: dict[str, Any] = field(default_factory=dict)
    registered: str = ""
    make: Callable[[], nn.Module] | None = None
    hierarchical: bool = False
    only: int | None = None
    twin: str = ""

    def sizes(self, batch_sizes: list[int]) -> list[int]:
        """Those of `batch_sizes` that it is timed at."""
        return [size for size in batch_sizes if size <= self.largest and self.only in (None, size)]


ROADMAP = {"terms": [{"loss": "supap", "weight": 0.9}, {"loss": "calibration", "weight": 0.1}]}
# A quarter of the batch as positives: their pairs grow with the square of the batch, their steps with its cube.
HIERARCHY = {"family": LEVELS, "largest": 1024, "hierarchical": True}
CENTRE = {"family": CENTRES, "largest": 4096}
# Three calls of a loss at 16384 take as long as all its other sizes together: those that the goals name go there.
OURS = {
    "smoothap": Case("Smooth-AP", AP, 8192),
    "supap": Case("Sup-AP", AP, 16384),
    "fastap": Case("FastAP", AP, 8192),
    "roadmap": Case("ROADMAP", AP, 2048, ROADMAP, registered="combine"),
    "blackbox_ap": Case("Blackbox-AP", AP, 2048),
    "softbin_ap": Case("SoftBin-AP", AP, 2048),
    "suprecall": Case("Sup-R@k", RECALL, 16384),
    "smoothrecall": Case("Smooth-R@k", RECALL, 2048),
    "recall_at_k": Case("Recall@k surrogate", RECALL, 16384),
    "supndcg": Case("Sup-NDCG", **HIERARCHY),
    "smoothndcg": Case("Smooth-NDCG", **HIERARCHY),
    "suphap": Case("Sup-H-AP", **HIERARCHY),
    "smoothhap": Case("Smooth-H-AP", **HIERARCHY),
    # As many pairs of query and positive as the losses on several levels have: the coarsest level's.
    "supap_coarse": Case("Sup-AP, coarse level", **HIERARCHY, settings={"level": 2}, registered="supap", only=1024),
    "contrastive": Case("Contrastive", PAIRS, 8192),
    "triplet": Case("Triplet", PAIRS, 8192),
    "calibration": Case("Calibration", PAIRS, 2048),
    "multi_similarity": Case("Multi-Similarity", PAIRS, 4096),
    "supcon": Case("SupCon", PAIRS, 4096),
    # A small memory, which a few calls fill at any batch size.
    "xbm": Case("Contrastive, XBM of 512", PAIRS, 2048, {"loss": "contrastive", "size": 512}),
    "proxy": Case("Proxy", **CENTRE),
    "csl": Case("CSL", **CENTRE),
    "arcface": Case("ArcFace", **CENTRE),
    "normalized_softmax": Case("Normalised softmax", **CENTRE),
    "proxy_nca_pp": Case("ProxyNCA++", **CENTRE),
    "proxy_anchor": Case("Proxy-Anchor", **CENTRE),
}
PEERS = {
    "loop_recall_at_k": Case("loop over queries", RECALL, 512, make=LoopRecallAtK, twin="recall_at_k"),
    "pml_smoothap": Case("pml SmoothAP", AP, 512, make=partial(metric_learning, "SmoothAPLoss"), twin="smoothap"),
    "pml_fastap": Case("pml FastAP", AP, 512, make=partial(metric_learning, "FastAPLoss"), twin="fastap"),
    "pml_triplet": Case("pml Triplet", PAIRS, 512, make=partial(metric_learning, "TripletMarginLoss"), twin="triplet"),
    "pml_multi_similarity": Case(
        "pml Multi-Similarity",
        PAIRS,
        512,
        make=partial(metric_learning, "MultiSimilarityLoss"),
        twin="multi_similarity",
    ),
    "pml_supcon": Case("pml SupCon", PAIRS, 512, make=partial(metric_learning, "SupConLoss"), twin="supcon"),
    FLOOR: Case("three matrix products", "", 16384, make=MatrixProducts),
}
CASES = OURS | PEERS


def available() -> dict[str, Case]:
    """The cases whose loss is registered, and the peers that are installed."""
    known = set(list_losses())
    installed = importlib.util.find_spec("pytorch_metric_learning") is not None
    ours = {name: case for name, case in OURS.items() if (case.registered or name) in known}
    return ours | {name: case for name, case in PEERS.items() if installed or not name.startswith("pml_")}


def build(name: str, batch_size: int) -> nn.Module:
    """The loss of a case, for a batch of 512 dimensions and 4 items a class; centres, where it has some, are drawn."""
    case = CASES[name]
    if case.make is not None:
        return case.make()
    sizes = {"num_classes": -(-batch_size // PER_CLASS), "embedding_dim": DIMENSIONS} if case.family == CENTRES else {}
    return create_loss(case.registered or name, **case.settings, **sizes)
