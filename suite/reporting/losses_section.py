"""What is compared: the losses of a study, what each is in a clause, its settings and where it comes from."""

from __future__ import annotations

import pandas as pd

from suite.config import Loss
from suite.reporting.evidence import DatasetEvidence, Evidence
from suite.reporting.model import Block, Cell, Column, Paragraph, Table, count, listing
from suite.reporting.published_section import registered
from suite.reporting.tuning import settings_in_words

# Registered name: what the loss is called, what it is, and the works that it comes from.
KNOWN = {
    "supap": ("Sup-AP", "AP, ranks bounded from above by the SupRank step", ("suprank",)),
    "suprecall": ("Sup-R@k", "recall at several k, ranks bounded from above by the SupRank step", ("suprank",)),
    "supndcg": ("Sup-NDCG", "NDCG over all levels, ranks by the SupRank step", ("suprank",)),
    "suphap": ("Sup-H-AP", "hierarchical AP, ranks by the SupRank step", ("happier", "suprank")),
    "smoothap": ("Smooth-AP", "AP, a sigmoid for each step of a rank", ("smoothap",)),
    "smoothrecall": ("Smooth-R@k", "recall at several k, sigmoids for the steps of ranks and for the cut", ("rsk",)),
    "smoothndcg": ("Smooth-NDCG", "NDCG over all levels, a sigmoid for each step of a rank", ("suprank",)),
    "smoothhap": ("Smooth-H-AP", "hierarchical AP, a sigmoid for each step of a rank", ("happier",)),
    "recall_at_k": ("RS@k", "recall at several k, sigmoids for the steps of ranks and for the cut", ("rsk",)),
    "calibration": ("L_DG", "decomposability-gap loss: hinges on the cosines of pairs", ("roadmap",)),
    "proxy": ("L_DG", "decomposability-gap loss with a learnt centre for each class", ("suprank",)),
    "triplet": ("Triplet", "hinge on a query’s distances to a positive and to a negative", ("triplet",)),
    "contrastive": ("Contrastive", "hinges on positive and on negative pairs", ("contrastive",)),
    "fastap": ("FastAP", "AP from a soft histogram of distances", ("fastap",)),
    "softbin_ap": ("SoftBin-AP", "AP from a soft histogram of cosines", ("revaud",)),
    "blackbox_ap": ("Blackbox-AP", "AP of exact ranks, differentiated as a black box", ("blackbox",)),
    "multi_similarity": ("Multi-Similarity", "soft hinges on a query’s positives and negatives", ("multi-similarity",)),
    "supcon": ("SupCon", "cross-entropy of a query’s positives among the batch", ("supcon",)),
    "arcface": ("ArcFace", "cross-entropy over class centres with an angular margin", ("arcface",)),
    "normalized_softmax": (
        "normalised softmax",
        "cross-entropy over class centres by cosine",
        ("normface", "normalised-softmax"),
    ),
    "proxy_anchor": ("Proxy-Anchor", "class centres as anchors for the batch", ("proxy-anchor",)),
    "proxy_nca_pp": ("ProxyNCA++", "softmax over distances to class centres", ("proxy-nca",)),
    "csl": ("CSL", "margins across levels, over class centres", ("csl",)),
    "xbm": ("XBM", "a memory of earlier batches beside the batch", ("xbm",)),
}


def losses(evidence: Evidence) -> list[Block]:
    """One table of the study's losses; those that serve an ablation alone are named as such."""
    params = evidence.params
    arms = {loss for ablation in params.ablations.values() for loss in ablation.arms}
    rows, flat = [], []
    for key, loss in params.losses.items():
        role = "" if loss.compared else "ablation alone" if key in arms else "batch sizes alone"
        what, keys = describe(loss)
        settings = settings_in_words(loss.settings) or "defaults"
        rows.append((Cell(loss.label, detail=role), Cell(what, cites=keys), Cell(settings)))
        flat.append(
            {
                "loss": key,
                "label": loss.label,
                "registered": loss.loss,
                "settings": settings,
                "role": role or "compared",
            }
        )
    others = len(params.losses) - len(params.compared)
    text = (
        f"The study has {count(len(params.compared), 'loss', 'losses')} in its leaderboard, at batch size "
        f"{params.main_batch_size} over {count(len(params.seeds.main), 'seed')}"
        + (f"; {others} more serve" if others > 1 else "; one more serves" if others else "")
        + (" an ablation or the study of batch sizes alone" if others else "")
        + f". It is done on {listing(_data(data) for data in evidence.datasets)}. The decomposability gap, a metric "
        "within batches less the metric over the whole set, and the loss L_DG that is to lower it come from ROADMAP "
        "[@roadmap] and SupRank [@suprank]; that losses should be compared under equal conditions, their settings "
        "searched on validation classes, from the reality check of metric learning [@reality-check]."
    )
    if any(len(data.levels) > 1 for data in evidence.datasets):
        text += " NDCG and H-AP [@happier] judge all levels of a hierarchy at once."
    table = Table(
        "compared",
        "The losses of the study: what each is, with its source, and the settings that it was trained with. Learning "
        "rates are under Tuning.",
        (Column("Loss"), Column("What it is", wide=True), Column("Settings", wide=True)),
        tuple(rows),
        pd.DataFrame(flat),
    )
    return [Paragraph(text), table]


def describe(loss: Loss) -> tuple[str, tuple[str, ...]]:
    """What a loss is in a clause, and the keys of the works that it comes from; of one from elsewhere, its name."""
    parts = [KNOWN.get(name, (name, "", ())) for name in registered(loss).split("+")]
    what = f"weighted sum of {listing(name for name, _, _ in parts)}" if len(parts) > 1 else parts[0][1]
    keys = tuple(key for _, _, cites in parts for key in cites)
    if loss.settings.get("simix"):
        what, keys = f"{what}, with similarity mixup (SiMix)", (*keys, *KNOWN["recall_at_k"][2])
    return what or loss.loss, tuple(dict.fromkeys(keys))


def _data(data: DatasetEvidence) -> str:
    """A data set with what it is judged on, and the work whose layout it has."""
    counts = data.card.get("counts", {})
    first = [split for split in ("train", "val") if split in counts]
    ordered = [*first, *(split for split in counts if split not in first)]
    classes = [f"{counts[split]['classes']:,} {split}" for split in ordered if "classes" in counts[split]]
    cites = " [@gldv2]" if "Google Landmarks Dataset v2" in str(data.card.get("citation")) else ""
    return f"{data.short}{cites}" + (f" ({', '.join(classes)} classes)" if classes else "")
